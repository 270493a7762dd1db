"""The chunks of a PNG, walked and checked before a decoder sees any of them.

Rules: PNG Specification, Third Edition (https://www.w3.org/TR/png-3/), sections 5 and 11.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import GRAY, GRAY_ALPHA, RGB, RGBA

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONGEST = (1 << 31) - 1
"""Bytes of a chunk, and pixels along a side."""

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Colour type to legal bit depths (table 8 of the specification)."""
_STORED_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_KEPT = (b"pHYs", b"sCAL", b"acTL", b"eXIf", b"tEXt", b"iTXt")
"""Ancillary chunks that are looked at."""
_LARGEST_KEPT = 1 << 16
_MOST_CHUNKS = 1 << 22
_LARGEST_RATIO = 1032
"""Deflate never packs tighter (https://zlib.net/zlib_tech.html)."""


@dataclass(frozen=True, slots=True)
class PngHeader:
    """What the chunks say; nothing is decompressed."""

    width: int
    height: int
    bit_depth: int
    color_type: int
    interlaced: bool
    transparent: bool
    """Whether there is a tRNS chunk, which becomes an alpha sample."""
    kept: Mapping[bytes, tuple[bytes, ...]]
    """Bodies of the ancillary chunks of use, by type, in file order; large ones are left out."""
    critical: tuple[tuple[int, int], ...]
    """First byte and length of the chunks that a decoder needs, in file order."""
    idat_bytes: int

    @property
    def samples(self) -> tuple[str, ...]:
        """Of a pixel as decoded: palettes are expanded, tRNS is an alpha sample."""
        if self.color_type in (0, 4):
            return GRAY_ALPHA if self.color_type == 4 or self.transparent else GRAY
        return RGBA if self.color_type == 6 or self.transparent else RGB

    @property
    def dtype(self) -> str:
        """Of a sample as decoded; 1, 2 and 4 bits are expanded to 8."""
        return "uint16" if self.bit_depth == 16 else "uint8"


def read_chunks(path: Path) -> PngHeader:
    """Walk over all chunks. Raises ``FormatError`` or ``SourceError``; see ``HeaderBytes``."""
    with HeaderBytes(path, "PNG") as source:
        if source.size < len(SIGNATURE) or source.take(len(SIGNATURE)) != SIGNATURE:
            raise source.not_this_format()
        return _Walk(source).header()


class _Walk:
    """The state between two chunks."""

    def __init__(self, source: HeaderBytes) -> None:
        self.source = source
        self.critical: list[tuple[int, int]] = []
        self.kept: dict[bytes, tuple[bytes, ...]] = {}
        self.idat_bytes = 0
        self.palette = 0
        self.transparent = 0

    def header(self) -> PngHeader:
        source = self.source
        length, kind = source.unpack(">I4s")
        if (length, kind) != (13, b"IHDR"):
            raise source.wrong(f"the first chunk is {kind!r} of {length} bytes: b'IHDR' of 13")
        source.seek(8)
        self._chunk()
        source.seek(16)
        width, height, depth, color, method, filtering, interlace = source.unpack(">IIBBBBB")
        checked_size(source, width, height, LONGEST)
        if depth not in _DEPTHS.get(color, ()):
            raise source.wrong(f"PNG of colour type {color} with {depth} bits a sample")
        if method or filtering or interlace > 1:
            raise source.wrong(
                f"PNG with compression {method}, filter {filtering}, interlace {interlace}: "
                "0, 0 and 0 or 1 expected"
            )
        source.skip(4)
        while self._chunk() != b"IEND":
            if len(self.critical) > _MOST_CHUNKS:
                raise source.wrong(f"PNG of more than {_MOST_CHUNKS} chunks")
        found = PngHeader(
            width,
            height,
            depth,
            color,
            interlace == 1,
            self.transparent > 0,
            self.kept,
            tuple(self.critical),
            self.idat_bytes,
        )
        self._check(found)
        return found

    def _chunk(self) -> bytes:
        """Check the chunk that begins here and go behind it; returns its type."""
        source = self.source
        start = source.position
        length: int
        kind: bytes
        length, kind = source.unpack(">I4s", "chunk")
        if length > LONGEST or not kind.isalpha():
            raise source.wrong(f"{kind!r} of {length} bytes at byte {start} is no chunk of a PNG")
        if kind == b"IDAT":
            self.idat_bytes += length
            source.skip(length + 4, "chunk IDAT")
        elif length > _LARGEST_KEPT:
            source.skip(length + 4, f"chunk {kind.decode()}")
        else:
            body = source.take(length, f"chunk {kind.decode()}")
            (stated,) = source.unpack(">I", "chunk")
            if zlib.crc32(kind + body) != stated and kind.isupper():
                raise source.wrong(f"chunk {kind.decode()} at byte {start} has a wrong checksum")
            self._keep(kind, body)
        if kind.isupper() or kind == b"tRNS":
            if kind not in (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"):
                raise source.wrong(f"chunk {kind.decode()} must be understood and is not known")
            self.critical.append((start, length + 12))
        return kind

    def _keep(self, kind: bytes, body: bytes) -> None:
        if kind == b"PLTE":
            self.palette = len(body)
        elif kind == b"tRNS":
            self.transparent = len(body)
        elif kind in _KEPT:
            self.kept[kind] = (*self.kept.get(kind, ()), body)

    def _check(self, header: PngHeader) -> None:
        wrong = self.source.wrong
        if header.color_type == 3 and not (3 <= self.palette <= 768 and self.palette % 3 == 0):
            raise wrong(f"palette of {self.palette} bytes: 3 for each of 1 to 256 colours")
        if self.idat_bytes == 0:
            raise wrong("a PNG without a chunk IDAT has no pixels")
        bits = header.width * header.bit_depth * _STORED_SAMPLES[header.color_type]
        expected = header.height * (1 + ceil(bits / 8))
        # Interlacing adds at most a filter byte a row and pass, and a byte of padding.
        packed_at_most = 2 * expected + 14 * header.height + _LARGEST_KEPT
        if expected > self.idat_bytes * _LARGEST_RATIO:
            raise wrong(
                f"{self.idat_bytes} bytes cannot hold {header.width} x {header.height} pixels: "
                f"{ceil(expected / _LARGEST_RATIO)} at least"
            )
        if self.idat_bytes > packed_at_most:
            raise wrong(
                f"{self.idat_bytes} compressed bytes for {expected} bytes of pixels: "
                f"{packed_at_most} at most"
            )


def critical_bytes(path: Path, header: PngHeader) -> bytes:
    """A PNG of the chunks that carry pixels alone, so that no other reaches the decoder.

    Raises ``FormatError`` if the file has become shorter, ``SourceError`` if it cannot be read.
    """
    with HeaderBytes(path, "PNG") as source:
        return SIGNATURE + b"".join(_taken(source, header))


def _taken(source: HeaderBytes, header: PngHeader) -> Iterator[bytes]:
    for start, length in header.critical:
        source.seek(start)
        yield source.take(length)


def chunk(kind: bytes, body: bytes) -> bytes:
    """The bytes of one chunk: length, type, body, CRC-32 of type and body (section 5.3)."""
    check = zlib.crc32(kind + body)
    return len(body).to_bytes(4, "big") + kind + body + check.to_bytes(4, "big")


def text_of(header: PngHeader, keyword: bytes) -> str | None:
    """The text under a keyword in a tEXt chunk (Latin-1), or ``None``."""
    for body in header.kept.get(b"tEXt", ()):
        found, separator, text = body.partition(b"\0")
        if separator and found == keyword:
            return text.decode("latin-1")
    return None
