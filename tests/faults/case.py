"""What a case of bad input is: how its file is made, and what must happen to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Make = Callable[[Path], Path]
"""Writes the files of a case into an empty folder, and returns what to give to the command."""

SHAPE = (4, 3, 2)
"""z, y, x of the volume that most cases damage."""
VOXELS = np.arange(1, 25, dtype="<i2").reshape(SHAPE)
"""Its voxels: 48 bytes, none of them zero."""


@dataclass(frozen=True, slots=True)
class Case:
    """One bad input. The defaults are those of a file that is refused as unreadable."""

    number: str
    """As in the catalogue of faults, with a letter where a number has several files; cases of
    its tables that have no number begin with the format."""
    name: str
    promised: str
    """What the catalogue says: an exit code, or "W" for a warning."""
    make: Make
    says: str = ""
    """Pattern that the error of ``convert`` fits, and that of ``inspect`` where it fails too."""
    convert: int = 3
    inspect: int = 3
    """The exit codes."""
    warns: tuple[str, ...] = ()
    """Codes of findings that a successful conversion reports as warnings."""
    flags: tuple[str, ...] = ()
    """For both commands."""
    convert_flags: tuple[str, ...] = ()
    peak_mib: int = 100
    """How much memory may come on top of what a process has after its imports."""
    voxels: NDArray[Any] | None = None
    """What a successful conversion stores; ``None``: not looked at."""
    names: str = ""
    """What the error names, where that is not the file given."""

    @property
    def id(self) -> str:
        """Number and name, for a test."""
        return f"{self.number}-{self.name}"


def refused(number: str, name: str, make: Make, says: str, **more: Any) -> Case:
    """A file that both commands refuse with exit code 3."""
    return Case(number, name, more.pop("promised", "3"), make, says, **more)


def payload(number: str, name: str, make: Make, says: str, **more: Any) -> Case:
    """A file whose header is sound: ``inspect`` may show it, its pixels are refused."""
    return Case(number, name, more.pop("promised", "3"), make, says, 3, 0, **more)


def misplaced(number: str, name: str, make: Make, says: str, **more: Any) -> Case:
    """A file whose geometry is impossible: exit code 4."""
    return Case(number, name, more.pop("promised", "4"), make, says, 4, 4, **more)


def read(number: str, name: str, make: Make, *warns: str, **more: Any) -> Case:
    """A file that is read, with warnings of these codes."""
    promised = more.pop("promised", "W" if warns else "read")
    return Case(number, name, promised, make, "", 0, 0, warns, **more)


def content(name: str, data: bytes) -> Make:
    """A file with these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def contents(main: str, **files: bytes) -> Make:
    """Several files; ``main`` is given. Names are written with ``__`` for the dot."""

    def make(folder: Path) -> Path:
        for name, data in files.items():
            (folder / name.replace("__", ".")).write_bytes(data)
        return folder / main

    return make


def sparse(name: str, data: bytes, size: int) -> Make:
    """A file that begins with these bytes and is ``size`` bytes long, without taking that room."""

    def make(folder: Path) -> Path:
        path = folder / name
        with path.open("wb") as file:
            file.write(data)
            file.truncate(size)
        return path

    return make
