"""Uncompressed voxels in one or several files, read region by region.

Only the bytes that a region needs are read, with positioned reads straight into the result: no
memory map, whose pages would count as resident memory. Files are opened for each call and closed
at its end (some 10 µs), so a source pickles, is safe in many threads, and never holds a stale
handle. To count the bytes, look at ``rchar`` in ``/proc/self/io`` before and after, or trace the
process: every byte comes through ``os.preadv``.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, SourceError
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape
from spconvert.pixels.layout import Layout

_POSITIONED = hasattr(os, "preadv")  # not on Windows


@dataclass(frozen=True, slots=True)
class FilePart:
    """A run of bytes of a file."""

    path: Path
    offset: int
    """Where the run begins, counted from the file's first byte."""
    nbytes: int
    """How long it is."""


@dataclass(frozen=True, slots=True)
class RawSource:
    """A dense array whose bytes are the concatenation of ``parts``.

    Satisfies ``model.image.PixelSource`` with random access. Raises ``ValueError`` if the parts
    together are not as long as the array.
    """

    parts: tuple[FilePart, ...]
    layout: Layout

    def __post_init__(self) -> None:
        held = sum(part.nbytes for part in self.parts)
        if held != self.layout.nbytes:
            raise ValueError(f"parts of {held} bytes for an array of {self.layout.nbytes}")

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self.layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that ``read`` returns, in native byte order."""
        return self.layout.native

    @property
    def chunks(self) -> Shape:
        """One index of the slowest axis, all of the others."""
        return self.layout.chunks

    @property
    def access(self) -> Access:
        """Any region costs its own bytes."""
        return "random"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest in the file."""
        return self.layout.storage_order

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``, shape ``region.shape``, native byte order.

        Raises ``SourceError`` if a file cannot be opened or has become shorter.
        """
        data = self.layout.empty(region)
        view = data.data
        done = 0
        with _PartReader(self.parts) as reader:
            for offset, length in self.layout.runs(region):
                reader.fill(view[done : done + length], offset)
                done += length
        return self.layout.present(data, region)


class _PartReader:
    """The parts of one source, each opened when it is first needed, for one thread."""

    def __init__(self, parts: tuple[FilePart, ...]) -> None:
        self._parts = parts
        self._ends = list(accumulate(part.nbytes for part in parts))
        self._index = -1
        self._file: FileIO | None = None
        self._stack = ExitStack()
        self._descriptor = self._first = self._last = self._shift = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fill(self, view: memoryview, offset: int) -> None:
        """Fill ``view`` from byte ``offset`` of the concatenation."""
        # The short way for thousands of short runs: still in the open part, read whole at once.
        if self._first <= offset and offset + len(view) <= self._last and _POSITIONED:
            try:
                if os.preadv(self._descriptor, (view,), offset + self._shift) == len(view):
                    return
            except OSError:
                pass  # the long way says what is wrong
        while view:
            index = bisect_right(self._ends, offset)
            part = self._parts[index]
            within = offset - (self._ends[index] - part.nbytes)
            take = min(len(view), part.nbytes - within)
            if index != self._index or self._file is None:
                self._stack.close()  # runs come in file order: a part is not needed twice
                self._file = self._stack.enter_context(open_input(part.path))
                self._index = index
                self._descriptor = self._file.fileno()
                self._first, self._last = offset - within, self._ends[index]
                self._shift = part.offset - self._first
            _fill(self._file, view[:take], part, within)
            view, offset = view[take:], offset + take


def _fill(file: FileIO, view: memoryview, part: FilePart, within: int) -> None:
    position = part.offset + within
    while view:
        try:
            if _POSITIONED:
                count = os.preadv(file.fileno(), [view], position)
            else:
                file.seek(position)
                count = file.readinto(view) or 0
        except OSError as error:
            raise SourceError(f"{part.path}: {error.strerror} at byte {position}") from error
        if count == 0:
            raise SourceError(
                f"{part.path} has {position} of {part.offset + part.nbytes} bytes",
                hint="the file became shorter while it was read",
            )
        view, position = view[count:], position + count


def open_input(path: Path) -> FileIO:
    """Open a regular file for unbuffered reading.

    Raises ``SourceError`` if it is missing, unreadable, or no regular file.
    """
    regular_size(path)
    try:
        return FileIO(path, "rb")
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error


def regular_size(path: Path) -> int:
    """Size of a regular file in bytes (links are followed).

    Raises ``SourceError`` if it is missing or something else: a folder, a device, a pipe.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path}: {reason}") from error
    if stat.S_ISDIR(found.st_mode):
        raise SourceError(f"{path} is a folder: a file expected")
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"{path} is a device or a pipe: a regular file expected")
    return found.st_size


def surplus_bytes(part: FilePart) -> int:
    """Bytes that the file has behind ``part``.

    Raises ``FormatError`` if the part does not fit into the file, ``SourceError`` as
    ``regular_size`` does.
    """
    size = regular_size(part.path)
    if part.offset + part.nbytes > size:
        raise FormatError(
            f"{part.path} has {max(0, size - part.offset)} of {part.nbytes} bytes of voxels",
            hint="the file is cut off, or its header states wrong sizes",
        )
    return size - part.offset - part.nbytes
