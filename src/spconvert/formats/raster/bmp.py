"""BMP, read and write: 1 to 32 bits; uncompressed rows are read alone, anything else by Pillow.

Rules: Microsoft, "Bitmap Storage" (BITMAPFILEHEADER, BITMAPINFOHEADER to BITMAPV5HEADER).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from struct import pack, unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import Unsupported, UsageError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Target, WriteOptions
from spconvert.formats.raster.bmp_rows import BmpRows, Palette
from spconvert.formats.raster.decoded import interleaved
from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import GRAY, RGB, RGBA, Picture
from spconvert.formats.raster.pillow import decoded
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.formats.raster.resolution import MILLIMETERS_PER_INCH, spacing_per_inch
from spconvert.formats.raster.slices import PictureKind, Slice, write_slices
from spconvert.model.image import PixelSource, SpatialImage
from spconvert.pixels.raw import FilePart

_LARGEST = (1 << 31) - 1
_CORE = 12
_HEADERS = (_CORE, 40, 52, 56, 64, 108, 124)
_PLAIN, _RLE8, _RLE4, _FIELDS = 0, 1, 2, 3
_USUAL_MASKS = (0xFF0000, 0xFF00, 0xFF)
_ALPHA_MASK = 0xFF000000


@dataclass(frozen=True, slots=True)
class BmpHeader:
    """What stands before the pixels."""

    width: int
    height: int
    top_down: bool
    bits: int
    compression: int
    offset: int
    """First byte of the pixels."""
    per_meter: tuple[int, int]
    palette: Palette
    """Red, green, blue of each index; empty from 16 bits on."""
    masks: tuple[int, ...]
    """Red, green, blue, alpha; empty unless stated."""

    @property
    def stride(self) -> int:
        """Bytes of an uncompressed row: a multiple of 4."""
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def is_gray(self) -> bool:
        """Whether every colour of the palette is a grey."""
        return bool(self.palette) and all(r == g == b for r, g, b in self.palette)

    @property
    def samples(self) -> tuple[str, ...]:
        """BMP has no grey of its own: it is a palette of greys."""
        if self.is_gray:
            return GRAY
        return RGBA if self.masks[3:] not in ((), (0,)) else RGB

    @property
    def has_plain_rows(self) -> bool:
        """Whether a row can be read without Pillow."""
        usual = self.masks[:3] in ((), _USUAL_MASKS) and self.masks[3:] in (
            (),
            (0,),
            (_ALPHA_MASK,),
        )
        plain = self.compression == _PLAIN or (self.compression == _FIELDS and self.bits == 32)
        return plain and usual and self.bits != 16


def is_bmp(head: bytes) -> bool:
    """Whether a file begins with "BM" and a header of a known size."""
    return head[:2] == b"BM" and len(head) >= 18 and unpack_from("<I", head, 14)[0] in _HEADERS


def read_header(path: Path) -> BmpHeader:
    """Raises ``FormatError``, also for a file with fewer bytes than its rows need."""
    with HeaderBytes(path, "BMP") as source:
        if source.size < 18 or not is_bmp(source.take(18)):
            raise source.not_this_format()
        source.seek(10)
        offset, size = source.unpack("<II")
        info = source.take(size - 4)
        header = _parsed(source, offset, info)
        if header.has_plain_rows:
            source.seek(offset)
            source.skip(header.stride * header.height, "pixels")
        elif header.compression in (_RLE8, _RLE4):
            # A pair of bytes is at most 255 pixels, or the end of a row or of the picture.
            least = header.width * header.height // 255 * 2
            if offset > source.size or (source.size - offset) * 255 < least:
                raise source.cut_off(offset + least // 255, "pixels")
        else:
            source.seek(offset)
            source.skip(header.stride * header.height, "pixels")
        return header


def _parsed(source: HeaderBytes, offset: int, info: bytes) -> BmpHeader:
    if len(info) == _CORE - 4:
        width, height, _, bits = unpack_from("<HHHH", info)
        compression, x_per_meter, y_per_meter, used, entry = _PLAIN, 0, 0, 0, 3
    else:
        width, height, _, bits, compression = unpack_from("<iiHHI", info)
        x_per_meter, y_per_meter, used = unpack_from("<iiI", info, 20)
        entry = 4
    checked_size(source, width, abs(height), _LARGEST)
    if bits not in (1, 4, 8, 16, 24, 32) or compression not in (_PLAIN, _RLE8, _RLE4, _FIELDS):
        raise source.wrong(f"BMP of {bits} bits with compression {compression} is not supported")
    if (compression == _RLE8 and bits != 8) or (compression == _RLE4 and bits != 4):
        raise source.wrong(f"BMP of {bits} bits with compression {compression} contradicts itself")
    masks: tuple[int, ...] = ()
    if compression == _FIELDS:
        body = info[36:] if len(info) >= 48 else info[36:] + source.take(12, "masks")
        masks = unpack_from(f"<{min(4, len(body) // 4)}I", body)
    palette: Palette = ()
    if bits <= 8:
        count = min(used or 1 << bits, 1 << bits)
        body = source.take(count * entry, "palette")
        palette = tuple((body[i + 2], body[i + 1], body[i]) for i in range(0, count * entry, entry))
    return BmpHeader(
        width,
        abs(height),
        height < 0,
        bits,
        compression,
        offset,
        (x_per_meter, y_per_meter),
        palette,
        masks,
    )


def look(path: Path, _options: ReadOptions) -> Picture:
    """See ``Picture``. Raises ``FormatError``, ``SourceError``."""
    header = read_header(path)
    per_inch = (
        header.per_meter[0] * MILLIMETERS_PER_INCH / 1000,
        header.per_meter[1] * MILLIMETERS_PER_INCH / 1000,
    )
    spacing, said = spacing_per_inch(per_inch, "BMP pixels per metre")
    if spacing is not None:
        spacing = (1000 / header.per_meter[0], 1000 / header.per_meter[1])
    pixels: PixelSource
    if header.has_plain_rows:
        part = FilePart(path, header.offset, header.stride * header.height)
        pixels = BmpRows(
            part,
            (header.height, header.width),
            header.bits,
            len(header.samples),
            header.palette,
            bottom_up=not header.top_down,
        )
    else:
        size = (header.width, header.height)
        pixels = interleaved(path, decode, size, len(header.samples), "uint8")
    return Picture(
        pixels,
        header.samples,
        spacing=spacing,
        unit="millimeter",
        fields={"bits": header.bits, "compression": header.compression},
        findings=said,
    )


def decode(path: Path) -> NDArray[Any]:
    """All pixels: (y, x) or (y, x, sample), uint8. Raises ``FormatError``."""
    modes = {GRAY: "L", RGB: "RGB", RGBA: "RGBA"}
    return decoded(path, "BMP", modes[read_header(path).samples])


def write(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """See ``RasterFormat.write``; uncompressed."""
    if options.codec not in (None, "raw"):
        raise UsageError(f"codec {options.codec!r} is not one of BMP", hint="raw")
    kind = PictureKind("BMP", ("uint8",), (GRAY, RGB), _LARGEST)
    return write_slices(image, kind, target, options, _encode)


def _encode(one: Slice, _options: WriteOptions) -> None:
    """Rows from the last one up, as every reader knows them, put where they belong."""
    samples = len(one.samples)
    stride = (one.width * samples + 3) // 4 * 4
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256)) if samples == 1 else b""
    offset = 14 + 40 + len(palette)
    total = offset + stride * one.height
    if total >= 1 << 32:
        raise Unsupported(f"{one.path.name}: a BMP of {total} bytes; 4 GiB at most")
    with one.path.open("wb") as file:
        file.write(b"BM" + pack("<IHHI", total, 0, 0, offset))
        file.write(pack("<IiiHHIIiiII", 40, one.width, one.height, 1, 8 * samples, *[0] * 6))
        file.write(palette)
        first = 0
        for rows in one.rows:
            stored = rows.reshape(len(rows), one.width, samples)[::-1, :, ::-1]
            padded = np.zeros((len(rows), stride), np.uint8)
            padded[:, : one.width * samples] = stored.reshape(len(rows), -1)
            file.seek(offset + stride * (one.height - first - len(rows)))
            file.write(padded.data)
            first += len(rows)


PLUGIN: FormatPlugin = RasterFormat(
    "bmp",
    (".bmp", ".dib"),
    is_bmp,
    look,
    write,
    frozenset({"channels", "volume"}),
    {
        "random": "uncompressed rows",
        "whole": "run lengths and unusual bit masks: the library returns the picture whole",
    },
)
