"""What one page of a TIFF holds, checked: its shape, its type, its strips or tiles.

Nothing is decoded here. What passes has segments that lie in the file and could hold the pixels
that the page promises, so that decoding stops at a size known before.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, LimitError
from spconvert.formats.tiff.ifd import ByteOrder, Ifd, Tiff

MAX_SEGMENT_BYTES = 4 << 30
"""A strip or tile is decoded whole."""

_COMPRESSIONS = {
    1: "none",
    2: "ccitt",
    3: "ccitt t4",
    4: "ccitt t6",
    5: "lzw",
    6: "old jpeg",
    7: "jpeg",
    8: "deflate",
    32773: "packbits",
    32946: "deflate",
    33003: "jpeg 2000",
    33004: "jpeg 2000",
    33005: "jpeg 2000",
    33007: "jpeg",
    34712: "jpeg 2000",
    34887: "lerc",
    34892: "jpeg",
    34925: "lzma",
    34926: "zstd",
    34927: "webp",
    34933: "png",
    34934: "jpeg xr",
    22610: "jpeg xr",
    50000: "zstd",
    50001: "webp",
    50002: "jpeg xl",
    52546: "jpeg xl",
}
"""What can be decoded, by the number of the Compression tag."""

_LARGEST_RATIO = {
    "none": 1,
    "lzw": 1400,
    "deflate": 1032,
    "packbits": 64,
    "old jpeg": 1024,
    "jpeg": 1024,
    "ccitt": 1 << 16,
    "zstd": 1 << 16,
    "lzma": 1 << 14,
}
"""Bytes of pixels per byte in the file, at most, with some room. LZW: codes of 12 bits stand for
up to 4096 bytes, on average half of it. PackBits: 128 bytes out of two. zstd: a block of 128 KiB
out of four. The wavelets and lossless image codecs have no limit."""

_IMAGE_CODECS = frozenset({"jpeg", "old jpeg", "jpeg 2000", "webp", "png", "jpeg xr", "jpeg xl"})

_KINDS = {1: "u", 2: "i", 3: "f", 4: "u", 5: "ci", 6: "c"}
"""SampleFormat to a kind of type; undefined counts as unsigned."""

_SIGNATURE = (258, 259, 262, 266, 284, 317, 320, 338, 339, 347, 530)


@dataclass(frozen=True, slots=True)
class PageLayout:
    """Shape, type and segments of a page; equal for pages that can be stacked."""

    depth: int
    height: int
    width: int
    samples: int
    planar: bool
    """Whether each sample has a plane of its own."""
    dtype: np.dtype[Any]
    """Type of the values, native byte order."""
    bits: int
    compression: str
    predictor: int
    photometric: int
    tiled: bool
    segment: tuple[int, int, int]
    """Depth, height, width of a strip or tile."""
    signature: tuple[object, ...]
    """Values of all tags that decoding depends on."""

    @property
    def names(self) -> str:
        """Axes in file order: "s" for samples, "z" for depth."""
        depth = "z" if self.depth > 1 else ""
        before, after = ("s", "") if self.planar else ("", "s")
        if self.samples == 1:
            before = after = ""
        return f"{before}{depth}yx{after}"

    @property
    def grid(self) -> tuple[int, int, int, int]:
        """Segments per sample plane, depth, height and width; a segment's index is in C order."""
        depth, height, width = self.segment
        return (
            self.samples if self.planar else 1,
            -(-self.depth // depth),
            -(-self.height // height),
            -(-self.width // width),
        )

    @property
    def segment_bytes(self) -> int:
        """Of a full segment, decoded."""
        bits = prod(self.segment) * (1 if self.planar else self.samples) * self.dtype.itemsize * 8
        return bits // 8

    @property
    def nbytes(self) -> int:
        """Of all pixels, decoded."""
        return self.depth * self.height * self.width * self.samples * self.dtype.itemsize

    @property
    def is_plain(self) -> bool:
        """Whether the bytes in the file are the values, in rows of the full width."""
        return (
            self.compression == "none"
            and not self.tiled
            and self.predictor == 1
            and self.bits == 8 * self.dtype.itemsize
            and self.signature[0] == 1  # bits in the usual order
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A checked page."""

    path: Path
    byteorder: ByteOrder
    number: int
    offset: int
    """Of its directory."""
    layout: PageLayout
    offsets: NDArray[np.int64]
    """Per segment; 0 with a count of 0 where a sparse file has none."""
    counts: NDArray[np.int64]


def checked_page(tiff: Tiff, ifd: Ifd) -> Page:
    """The page of a directory.

    Raises ``FormatError`` for sizes, types and compressions that make no sense, for missing
    segments, and for segments outside the file or too small for their pixels; ``LimitError`` for
    segments of more than 4 GiB.
    """
    where = f"{tiff.path}: page {ifd.number}"
    layout = _layout(ifd, where)
    wanted = prod(layout.grid)
    offsets, counts = ifd.offsets, ifd.counts
    if 65426 in ifd.values and 65420 in ifd.values:
        wanted = 1  # NDPI: one JPEG with restart marks
    if not counts.size and layout.compression == "none" and offsets.size >= wanted:
        counts = _uncompressed_counts(layout)
    if min(offsets.size, counts.size) < wanted:
        raise FormatError(
            f"{where} has {min(offsets.size, counts.size)} of {wanted} strips or tiles",
            hint="the file is damaged, or its sizes are wrong",
        )
    offsets, counts = offsets[:wanted], counts[:wanted]
    ends = offsets + counts
    if int(ends.max()) > tiff.nbytes:
        raise FormatError(
            f"{where} has data up to byte {int(ends.max())}, the file has {tiff.nbytes} bytes",
            hint="the file is cut off",
        )
    _check_plausible(layout, counts, where)
    return Page(tiff.path, tiff.byteorder, ifd.number, ifd.offset, layout, offsets, counts)


def _layout(ifd: Ifd, where: str) -> PageLayout:
    width, height = ifd.first(256, 0), ifd.first(257, 0)
    depth, samples = ifd.first(32997, 1), ifd.first(277, 1)
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31 and 0 < depth < 1 << 31):
        raise FormatError(f"{where} is {width} x {height} x {depth}: sizes of 1 or more expected")
    if not 0 < samples <= 1 << 16:
        raise FormatError(f"{where} has {samples} samples per pixel")
    code = ifd.first(259, 1)
    if code not in _COMPRESSIONS:
        raise FormatError(f"{where} has the unknown compression {code}")
    compression = _COMPRESSIONS[code]
    bits = _agreed(ifd, 258, 8 if compression in _IMAGE_CODECS else 1, samples, where)
    tiled = 322 in ifd.values
    planar = ifd.first(284, 1) == 2 and samples > 1
    if tiled:
        segment = (ifd.first(32998, 1), ifd.first(323, 0), ifd.first(322, 0))
    else:
        rows = ifd.first(278, height) or height
        segment = (1, min(rows, height), width)
    if not all(0 < n < 1 << 31 for n in segment):
        raise FormatError(f"{where} has tiles of {segment[2]} x {segment[1]} x {segment[0]}")
    order = 1 if compression in _IMAGE_CODECS else ifd.first(266, 1)
    return PageLayout(
        depth,
        height,
        width,
        samples,
        planar,
        _dtype(bits, _agreed(ifd, 339, 1, samples, where), where),
        bits,
        compression,
        ifd.first(317, 1),
        ifd.first(262, 1),
        tiled,
        segment,
        (order, *(ifd.values.get(tag, ()) for tag in _SIGNATURE)),
    )


def _agreed(ifd: Ifd, tag: int, default: int, samples: int, where: str) -> int:
    """The value that all samples share. LSM may list more than there are samples."""
    found = set(ifd.values.get(tag, (default,))[:samples]) or {default}
    if len(found) != 1:
        raise FormatError(f"{where}: tag {tag} is {sorted(found)}: one value for all samples")
    return found.pop()


def _dtype(bits: int, sample_format: int, where: str) -> np.dtype[Any]:
    kind = _KINDS.get(sample_format)
    if kind == "u" and bits == 1:
        return np.dtype(bool)
    if kind in ("u", "i") and (bits in (8, 16, 32, 64) or (kind == "u" and 1 < bits < 32)):
        size = next(n for n in (8, 16, 32, 64) if n >= bits)
        return np.dtype(f"{kind}{size // 8}")
    if kind == "f" and bits in (16, 24, 32, 64):
        return np.dtype(f"f{4 if bits == 24 else bits // 8}")
    if (kind == "c" and bits in (64, 128)) or (kind == "ci" and bits in (32, 64)):
        return np.dtype(f"c{bits // 8 if kind == 'c' else bits // 4}")
    raise FormatError(f"{where} has {bits} bits per sample of format {sample_format}")


def _uncompressed_counts(layout: PageLayout) -> NDArray[np.int64]:
    """Bytes of each segment by arithmetic: for files without StripByteCounts."""
    planes, deep, high, wide = layout.grid
    depth, height, width = layout.segment
    row = -(-width * (1 if layout.planar else layout.samples) * layout.bits // 8)
    rows = np.full(high, height, np.int64)
    if not layout.tiled:
        rows[-1] = layout.height - height * (high - 1)
    return np.tile(np.repeat(rows * row * depth, wide), planes * deep)


def _check_plausible(layout: PageLayout, counts: NDArray[np.int64], where: str) -> None:
    """Bytes first, memory second: a lying header is no large image."""
    held = int(counts.sum())
    family = "ccitt" if layout.compression.startswith("ccitt") else layout.compression
    ratio = _LARGEST_RATIO.get(family)
    if held == 0 or (ratio is not None and not _is_sparse(counts)):
        needed = _stored_bytes(layout)
        room = 0 if layout.compression == "none" else 64  # a short stream's own header
        if held == 0 or needed > held * (ratio or 0) + room:
            raise FormatError(
                f"{where} has {held} bytes of data ({layout.compression}), which cannot hold its "
                f"{needed} bytes of pixels",
                hint="the file is cut off, or its sizes are wrong",
            )
    if layout.segment_bytes > MAX_SEGMENT_BYTES and not layout.is_plain:
        raise LimitError(
            f"{where} is stored in pieces of {layout.segment_bytes} bytes, which must be decoded "
            f"whole: at most {MAX_SEGMENT_BYTES} expected"
        )


def _stored_bytes(layout: PageLayout) -> int:
    """Of all pixels, uncompressed, in the file: packed bits, subsampled chroma."""
    needed = layout.nbytes
    if layout.bits < 8 * layout.dtype.itemsize:
        needed = needed * layout.bits // (8 * layout.dtype.itemsize)
    if layout.compression == "none" and layout.signature[_SIGNATURE.index(530) + 1]:
        needed //= 4
    return needed


def _is_sparse(counts: NDArray[np.int64]) -> bool:
    """Whether some segments are left out, as GDAL does, but not all."""
    return 0 < int((counts == 0).sum()) < counts.size
