"""Two ways to run the command with limits: the installed one, and the same forked from a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

ADDRESS_SPACE = 2 << 30
SECONDS = 10.0
SERVER = Path(__file__).with_name("server.py")
_LAUNCH = """
import os, resource, sys
answer, limit, *command = sys.argv[1:]
child = os.fork()
if child == 0:
    os.close(int(answer))
    resource.setrlimit(resource.RLIMIT_AS, (int(limit),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(command[0], command)
_, status, usage = os.wait4(child, 0)
os.write(int(answer), b"%d %d" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10))
"""
"""A small process between the tests and the command: the peak that the system reports for a child
is at least that of the process that started it."""
_QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended."""

    code: int | None
    """Exit code, minus the signal that ended it, or ``None`` after the deadline."""
    out: str
    err: str
    grown: int
    """Peak of the memory in bytes, above that of a process with all imports done."""


class Runner(Protocol):
    """Runs the command in a folder."""

    def run(self, argv: list[str], folder: Path) -> Run:
        """Run ``spconvert argv`` with limits; its streams are kept in ``folder``."""
        ...


def _environment() -> dict[str, str]:
    return {**os.environ, **_QUIET, "COLUMNS": "200"}


def _ended(code: int | None, folder: Path, grown: int) -> Run:
    out, err = (
        (folder / name).read_bytes().decode("utf-8", "backslashreplace")
        for name in ("stdout", "stderr")
    )
    return Run(code, out, err, grown)


class Forked:
    """Asks ``server.py``; a context manager."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-P", str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        self._base: int = self._answer()["base"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()

    def run(self, argv: list[str], folder: Path) -> Run:
        """See ``Runner``."""
        request = {
            "argv": argv,
            "folder": str(folder),
            "seconds": SECONDS,
            "address_space": ADDRESS_SPACE,
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        answer = self._answer()
        return _ended(answer["code"], folder, answer["peak"] - self._base)

    def _answer(self):
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the server died"
        return json.loads(line)


class Installed:
    """Starts the command that is installed beside the Python of the tests, anew for each run."""

    command = Path(sys.executable).with_name("spconvert")
    base = 60 << 20
    """What the interpreter and the command line take before they look at a file."""

    def run(self, argv: list[str], folder: Path) -> Run:
        """See ``Runner``."""

        read_end, write_end = os.pipe()
        limits = [str(write_end), str(ADDRESS_SPACE)]
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCH, *limits, str(self.command), *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=_environment(),
                pass_fds=(write_end,),
                start_new_session=True,
            )
            os.close(write_end)
            late: list[bool] = []

            def kill() -> None:
                late.append(True)
                os.killpg(child.pid, signal.SIGKILL)

            timer = threading.Timer(SECONDS, kill)
            timer.start()
            with os.fdopen(read_end) as answer:
                words = answer.read().split()
            child.wait()
            timer.cancel()
        code = None if late or not words else int(words[0])
        grown = int(words[1]) - self.base if words else 0
        return _ended(code, folder, grown)
