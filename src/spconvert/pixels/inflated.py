"""Compressed voxels (gzip, zlib, bzip2), decoded once, front to back, in bounded memory.

Decoding stops at the number of bytes that the header promises: a bomb costs one byte more.
gzip's CRC-32 and length (RFC 1952, 2.3.1), zlib's Adler-32 (RFC 1950) and bzip2's CRCs are checked
by the decoders themselves.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, SourceError
from spconvert.model.finding import Finding, Report, ignore_finding, warning
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import open_input, regular_size
from spconvert.pixels.streams import PIECE_BYTES, read_stream, scan_stream

Codec = Literal["gzip", "zlib", "bzip2"]

_MEMBER_MAGIC: dict[Codec, bytes] = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "zlib": b""}
"""How a further member begins; zlib streams have none."""

_LARGEST_RATIO: dict[Codec, int] = {"gzip": 1032, "zlib": 1032, "bzip2": 2_000_000}
"""Deflate: 258 bytes out of two bits (RFC 1951). bzip2: a block of 900,000 bytes, each run of 5
standing for up to 259, in some 40 bytes; rounded up."""


_LARGEST_TRAILER = 16 << 20
"""Bytes behind the voxels that are decoded to get at the checksum; FreeSurfer's tags are few."""


@dataclass(frozen=True, slots=True)
class CompressedPart:
    """One compressed stream, from ``offset`` to the end of a file."""

    path: Path
    offset: int
    """Where the compressed bytes begin."""
    nbytes: int
    """How many decompressed bytes belong to the array."""
    skip: int = 0
    """How many decompressed bytes lie before them."""
    trailer: bool = False
    """Whether the format may have more behind the voxels, so that it is nothing to report."""


@dataclass(frozen=True, slots=True)
class InflatedSource:
    """A dense array whose bytes come out of ``parts``, one after the other.

    Satisfies ``model.image.SequentialSource``. Raises ``ValueError`` if the parts together do not
    promise the bytes of the array.
    """

    parts: tuple[CompressedPart, ...]
    codec: Codec
    layout: Layout

    def __post_init__(self) -> None:
        promised = sum(part.nbytes for part in self.parts)
        if promised != self.layout.nbytes:
            raise ValueError(f"parts of {promised} bytes for an array of {self.layout.nbytes}")

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
        """Only ``scan`` is cheap."""
        return "sequential"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest in the file."""
        return self.layout.storage_order

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``; everything before its end is decoded.

        Raises ``FormatError`` if the stream is broken or too short, ``SourceError`` if a file
        cannot be read.
        """
        return read_stream(_Inflating(self.parts, self.codec), self.layout, region)

    def scan(
        self, regions: Iterable[Region], report: Report = ignore_finding
    ) -> Iterator[NDArray[Any]]:
        """The values of each region in turn, each in an array of its own, in one pass.

        Raises as ``read`` does, and ``FormatError`` for a bad checksum once all is read. More data
        than promised, and bytes behind the stream, are reported as warnings.
        """
        return scan_stream(_Inflating(self.parts, self.codec), self.layout, regions, report)


def check_plausible(part: CompressedPart, codec: Codec) -> None:
    """Refuse a part that could not hold what is promised even if it were all zeros.

    Raises ``FormatError``, or ``SourceError`` if the file is missing or no regular file.
    """
    size = regular_size(part.path) - part.offset
    most = max(0, size) * _LARGEST_RATIO[codec]
    if part.nbytes + part.skip > most:
        raise FormatError(
            f"{part.path} has {max(0, size)} compressed bytes, which hold at most {most} of "
            f"{part.nbytes} bytes of voxels",
            hint="the file is cut off, or its header states wrong sizes",
        )


class _Decompressor(Protocol):
    """What bz2 and isal have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _ZlibDecompressor:
    """The standard library's zlib with the interface of the others."""

    def __init__(self, wbits: int) -> None:
        self._decoder = zlib.decompressobj(wbits)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        # After a full piece zlib may hold more output without any input left to show for it.
        return not (self._full or self._decoder.unconsumed_tail or self.eof)

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        given = self._decoder.unconsumed_tail + data
        piece = self._decoder.decompress(given, max(0, max_length))
        self._full = len(piece) == max_length
        return piece


def _decompressor(codec: Codec) -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """How to make a decompressor, and what it raises for broken data."""
    if codec == "bzip2":
        return bz2.BZ2Decompressor, (OSError, ValueError)
    try:
        from isal import igzip_lib
    except ImportError:  # no wheel for this machine: three times slower
        wbits = 31 if codec == "gzip" else 15
        return (lambda: _ZlibDecompressor(wbits)), (zlib.error,)
    isal: Any = igzip_lib  # its stub calls the exception class an instance
    flag = isal.DECOMP_GZIP if codec == "gzip" else isal.DECOMP_ZLIB
    return (lambda: isal.IgzipDecompressor(flag=flag)), (isal.IsalError,)


class _Inflating:
    """The decompressed bytes of all parts; satisfies ``streams.DecodedStream``."""

    def __init__(self, parts: tuple[CompressedPart, ...], codec: Codec) -> None:
        self._waiting = list(reversed(parts))
        self._codec = codec
        self._part: _InflatingPart | None = None
        self._left = 0
        self._findings: list[Finding] = []

    def fill(self, view: memoryview) -> None:
        while view:
            if self._part is None or self._left == 0:
                self._open_next()
                continue
            take = min(len(view), self._left)
            self._part.fill(view[:take])
            view, self._left = view[take:], self._left - take

    def finish(self, report: Report) -> None:
        while self._part is not None or self._waiting:
            if self._part is None:
                self._open_next()
            assert self._part is not None
            self._part.finish(self._findings.append)
            self.close()
        for finding in self._findings:
            report(finding)

    def close(self) -> None:
        if self._part is not None:
            self._part.close()
            self._part = None

    def _open_next(self) -> None:
        if self._part is not None:
            self._part.finish(self._findings.append)
            self.close()
        part = self._waiting.pop()
        self._part, self._left = _InflatingPart(part, self._codec), part.nbytes


class _InflatingPart:
    """The decompressed bytes of one file."""

    def __init__(self, part: CompressedPart, codec: Codec) -> None:
        self._part = part
        self._codec = codec
        self._make, self._broken = _decompressor(codec)
        self._decoder = self._make()
        self._ended = False
        self._garbage = False
        self._done = -part.skip
        self._pending = b""
        self._file: FileIO = open_input(part.path)
        self._file.seek(part.offset)
        self._discard(part.skip)

    def fill(self, view: memoryview) -> None:
        while view:
            piece = self._decode(min(len(view), PIECE_BYTES))
            if not piece:
                part = self._part
                raise FormatError(
                    f"{part.path} has {max(0, self._done)} of {part.nbytes} bytes of voxels",
                    hint="the file is cut off, or its header states wrong sizes",
                )
            view[: len(piece)] = piece
            view = view[len(piece) :]
            self._done += len(piece)

    def finish(self, report: Report) -> None:
        path = str(self._part.path)
        if self._part.trailer:
            self._check_trailer()
        elif self._decode(1):
            report(
                warning(
                    "surplus-data",
                    f"{path} holds more than the {self._part.nbytes} bytes of voxels that its "
                    "header promises; the rest was not read",
                    path,
                )
            )
        elif self._garbage:
            report(warning("trailing-data", f"{path} has bytes behind its compressed data", path))

    def close(self) -> None:
        self._file.close()

    def _check_trailer(self) -> None:
        """Decode up to a bound what lies behind the voxels, for the checksum at its end."""
        left = _LARGEST_TRAILER
        while left > 0 and (piece := self._decode(PIECE_BYTES)):
            left -= len(piece)

    def _discard(self, count: int) -> None:
        scratch = memoryview(bytearray(min(count, PIECE_BYTES)))
        while count > 0:
            take = min(count, len(scratch))
            self.fill(scratch[:take])
            count -= take

    def _decode(self, most: int) -> bytes:
        """Up to ``most`` further bytes; none at the end of the last member."""
        while not self._ended:
            if self._decoder.eof and not self._next_member():
                self._ended = True
                break
            data = b""
            if self._decoder.needs_input:
                data, self._pending = self._pending or self._read(), b""
                if not data:
                    self._cut_off()
            try:
                piece = self._decoder.decompress(data, most)
            except self._broken as error:
                raise FormatError(
                    f"{self._part.path}: broken {self._codec} data behind "
                    f"{max(0, self._done)} of {self._part.nbytes} bytes of voxels ({error})"
                ) from error
            if piece:
                return piece
        return b""

    def _next_member(self) -> bool:
        """Whether another member follows the one that ended."""
        magic = _MEMBER_MAGIC[self._codec]
        rest = self._decoder.unused_data
        while len(rest) < max(1, len(magic)):
            more = self._read()
            if not more:
                break
            rest += more
        if magic and rest.startswith(magic):
            self._decoder = self._make()
            self._pending = rest
            return True
        self._garbage = bool(rest.strip(b"\0"))  # gzip pads with zeros on tapes
        return False

    def _cut_off(self) -> None:
        part = self._part
        what = (
            f"{part.path} has {max(0, self._done)} of {part.nbytes} bytes of voxels"
            if self._done < part.nbytes
            else f"{part.path} ends before the checksum of its {self._codec} data"
        )
        raise FormatError(what, hint="the file is cut off, or its header states wrong sizes")

    def _read(self) -> bytes:
        try:
            return self._file.read(PIECE_BYTES)
        except OSError as error:
            raise SourceError(f"{self._part.path}: {error.strerror}") from error
