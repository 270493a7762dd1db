"""Bytes of a header, read piece by piece; a file that ends too early is said to be so."""

from __future__ import annotations

from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from struct import calcsize, unpack
from types import TracebackType
from typing import Any, Self

from spconvert.errors import FormatError, SourceError
from spconvert.pixels.raw import open_input, regular_size

CUT_OFF = "the file is cut off, or its header states wrong sizes"


@dataclass(slots=True)
class HeaderBytes:
    """A file that is read from its beginning; a context manager.

    Raises ``SourceError`` if the file cannot be read, ``FormatError`` if it ends before what is
    asked for.
    """

    path: Path
    format_name: str
    """For messages: "PNG"."""
    size: int = 0
    """Bytes of the file."""
    position: int = 0
    """Where the next read begins."""
    _file: BufferedReader | None = None

    def __enter__(self) -> Self:
        self.size = regular_size(self.path)
        self._file = BufferedReader(open_input(self.path), 8192)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, count: int, what: str = "header") -> bytes:
        """The next ``count`` bytes; ``what`` names them in the message if they are not there."""
        assert self._file is not None
        if self.position + count > self.size:
            raise self.cut_off(self.position + count, what)
        try:
            found = self._file.read(count)
        except OSError as error:
            raise SourceError(f"{self.path}: {error.strerror} at byte {self.position}") from error
        if len(found) < count:
            raise self.cut_off(self.position + count, what)
        self.position += count
        return found

    def unpack(self, layout: str, what: str = "header") -> tuple[Any, ...]:
        """The next bytes as numbers; ``layout`` as for ``struct``."""
        return unpack(layout, self.take(calcsize(layout), what))

    def seek(self, position: int) -> None:
        """Go on at this byte, which may lie behind the end until something is taken."""
        assert self._file is not None
        if position <= self.size:
            self._file.seek(position)
        self.position = position

    def skip(self, count: int, what: str = "data") -> None:
        """Leave out ``count`` bytes, which must be there."""
        if self.position + count > self.size:
            raise self.cut_off(self.position + count, what)
        self.seek(self.position + count)

    def cut_off(self, expected: int, what: str) -> FormatError:
        """The file is shorter than it should be."""
        return FormatError(
            f"{self.path} has {self.size} of at least {expected} bytes: "
            f"the {self.format_name} {what} is incomplete",
            hint=CUT_OFF,
        )

    def wrong(self, message: str) -> FormatError:
        """The header says something impossible."""
        return FormatError(f"{self.path}: {message}")

    def not_this_format(self) -> FormatError:
        """The first bytes are those of something else."""
        found = "is empty"
        if self.size:
            self.seek(0)
            found = f"starts with {self.take(min(8, self.size))!r}"
        return FormatError(f"{self.path} is not a {self.format_name} file: it {found}")


def checked_size(source: HeaderBytes, width: int, height: int, most: int) -> None:
    """Raise ``FormatError`` unless both extents are from 1 to ``most``, the format's own limit."""
    if not (1 <= width <= most and 1 <= height <= most):
        raise source.wrong(
            f"{source.format_name} of {width} x {height} pixels: 1 to {most} along each side"
        )
