"""Two ways to run the command with limits: the installed one, and the same forked from a server."""

from __future__ import annotations

import json
import os
import resource
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

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE,) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            child = subprocess.Popen(
                [str(self.command), *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=_environment(),
                preexec_fn=limit,  # noqa: PLW1509 - a limit of the child is set nowhere else
                start_new_session=True,
            )
            late: list[bool] = []

            def kill() -> None:
                late.append(True)
                os.killpg(child.pid, signal.SIGKILL)

            timer = threading.Timer(SECONDS, kill)
            timer.start()
            _, status, usage = os.wait4(child.pid, 0)
            timer.cancel()
            child.returncode = os.waitstatus_to_exitcode(status)
        code = None if late else child.returncode
        return _ended(code, folder, (usage.ru_maxrss << 10) - self.base)
