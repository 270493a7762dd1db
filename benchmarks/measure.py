"""What a whole process costs: wall time, CPU time, peak memory, and what it leaves on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """One run of one command."""

    wall: float
    """Seconds from start to exit."""
    cpu: float
    """Seconds of user and system time, descendants that it waited for included."""
    peak: int
    """Largest resident set of the process or of one of its descendants, bytes."""
    written: int
    """Bytes of all files of the output."""
    files: int
    failure: str = ""
    """Exit code and the last words of a run that failed."""


def run(command: list[str], output: Path | None, log: Path) -> Cost:
    """Run a command that writes ``output``, which is removed first; its words go to ``log``."""
    if output:
        shutil.rmtree(output, ignore_errors=True)
    with log.open("w") as words:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    files = output.rglob("*") if output else ()
    sizes = [path.stat().st_size for path in files if path.is_file()]
    return Cost(
        wall,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        sum(sizes),
        len(sizes),
        "" if process.returncode == 0 and (sizes or not output) else last_words(process, log),
    )


def last_words(process: subprocess.Popen[bytes], log: Path) -> str:
    """Why a run does not count."""
    code = process.returncode
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"exit {code}: {lines[-1][:80] if lines else 'no output'}"
