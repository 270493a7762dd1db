"""How a run of the command line ended, and what every refusal has in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The error line, without its first word; empty if there is none."""
        return next((line[7:] for line in self.err.splitlines() if line.startswith("error: ")), "")

    @property
    def hint(self) -> str:
        """The hint line, without its first word; empty if there is none."""
        return next((line[6:] for line in self.err.splitlines() if line.startswith("hint: ")), "")


Command = Callable[..., Ended]


def listing(folder: Path) -> list[tuple[str, int, int]]:
    """Everything below a folder: relative path, size, time of change."""
    found = ((p, p.lstat()) for p in sorted(folder.rglob("*")))
    return [(str(p.relative_to(folder)), s.st_size, s.st_mtime_ns) for p, s in found]


def assert_refused(ended: Ended, code: int) -> None:
    """One error line, at most one hint, no data, no traceback."""
    lines = ended.err.splitlines()
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert sum(line.startswith("error: ") for line in lines) == 1, ended.err
    assert sum(line.startswith("hint: ") for line in lines) <= 1, ended.err
    assert "Traceback" not in ended.err
    assert all(c.isprintable() or c == "\n" for c in ended.err), ended.err
