"""Voxels written as text, decimal numbers or hexadecimal bytes, parsed once, front to back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, SourceError
from spconvert.model.finding import Report, ignore_finding, warning
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, open_input
from spconvert.pixels.streams import PIECE_BYTES, read_stream, scan_stream

Notation = Literal["decimal", "hex"]

_SEPARATORS = re.compile(rb"[\s,]+")
_LONGEST_NUMBER = 4096
"""Characters of one number; more is no number but a file of another kind."""


@dataclass(frozen=True, slots=True)
class TextSource:
    """A dense array of numbers in text.

    ``decimal``: numbers between white space or commas. ``hex``: two digits a byte, white space
    ignored, bytes in the order of ``layout.stored``. Satisfies ``model.image.SequentialSource``.
    """

    part: FilePart
    """The characters; ``nbytes`` counts characters of the file, not voxels."""
    notation: Notation
    layout: Layout

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
        """Where a number is can only be known by parsing those before it."""
        return "sequential"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest in the file."""
        return self.layout.storage_order

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``; everything before its end is parsed.

        Raises ``FormatError`` for text that is no number of this type or too short.
        """
        return read_stream(self._stream(), self.layout, region)

    def scan(
        self, regions: Iterable[Region], report: Report = ignore_finding
    ) -> Iterator[NDArray[Any]]:
        """The values of each region in turn, each in an array of its own, in one pass.

        Raises as ``read`` does; text behind the last number is reported as a warning.
        """
        return scan_stream(self._stream(), self.layout, regions, report)

    def _stream(self) -> _Parsing:
        parser = _Hex() if self.notation == "hex" else _Decimal(self.layout.stored)
        return _Parsing(self.part, parser, self.layout.nbytes)


class _Parser(Protocol):
    def parse(self, text: bytes, *, last: bool) -> bytes:
        """The bytes of the voxels in ``text``; what is cut off at its end is kept for later.

        Raises ``ValueError`` for text that is not what is expected.
        """
        ...


class _Decimal:
    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._rest = b""

    def parse(self, text: bytes, *, last: bool) -> bytes:
        words = _SEPARATORS.split(self._rest + text)
        self._rest = b"" if last else words.pop()
        if len(self._rest) > _LONGEST_NUMBER:
            raise ValueError(f"{len(self._rest)} characters without a space")
        words = [word for word in words if word]
        if b"_" in text:  # Python would take it for a digit separator
            raise ValueError("an underscore is no part of a number")
        if self._dtype.kind == "f":
            with np.errstate(over="ignore"):  # beyond the type's range is infinite
                return np.array([float(word) for word in words], self._dtype).tobytes()
        numbers = [int(word) for word in words]
        limits = np.iinfo(self._dtype)
        if numbers and not (limits.min <= min(numbers) and max(numbers) <= limits.max):
            raise ValueError(f"numbers outside {limits.min} to {limits.max} ({self._dtype.name})")
        return np.array(numbers, self._dtype).tobytes()


class _Hex:
    def __init__(self) -> None:
        self._rest = b""

    def parse(self, text: bytes, *, last: bool) -> bytes:
        digits = self._rest + b"".join(text.split())
        cut = len(digits) if last else len(digits) // 2 * 2
        self._rest = digits[cut:]
        return bytes.fromhex(digits[:cut].decode("ascii", "replace"))


class _Parsing:
    """The parsed bytes of a file; satisfies ``streams.DecodedStream``."""

    def __init__(self, part: FilePart, parser: _Parser, wanted: int) -> None:
        self._part = part
        self._parser = parser
        self._wanted = wanted
        self._done = 0
        self._ready = memoryview(b"")
        self._left = part.nbytes
        self._file = open_input(part.path)
        self._file.seek(part.offset)

    def fill(self, view: memoryview) -> None:
        while view:
            if not self._ready and not self._parse_more():
                raise FormatError(
                    f"{self._part.path} has {self._done} of {self._wanted} bytes of voxels",
                    hint="the file is cut off, or its header states wrong sizes",
                )
            take = min(len(view), len(self._ready))
            view[:take] = self._ready[:take]
            view, self._ready = view[take:], self._ready[take:]
            self._done += take

    def finish(self, report: Report) -> None:
        path = str(self._part.path)
        if self._ready or self._read().strip():
            report(
                warning("surplus-data", f"{path} has text behind the last voxel; not read", path)
            )

    def close(self) -> None:
        self._file.close()

    def _parse_more(self) -> bool:
        """Parse the next piece of text; False at the end of the file."""
        while self._left > 0:
            text = self._read()
            try:
                found = self._parser.parse(text, last=self._left == 0)
            except ValueError as error:
                raise FormatError(
                    f"{self._part.path}: no text of voxels behind {self._done} of "
                    f"{self._wanted} bytes ({str(error)[:120]})"
                ) from error
            if found:
                self._ready = memoryview(found)
                return True
        return False

    def _read(self) -> bytes:
        try:
            text = self._file.read(min(PIECE_BYTES, self._left))
        except OSError as error:
            raise SourceError(f"{self._part.path}: {error.strerror}") from error
        self._left = self._left - len(text) if text else 0
        return text
