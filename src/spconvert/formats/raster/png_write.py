"""Write a PNG row by row: any size in bounded memory, the same bytes on every run."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from struct import pack
from typing import IO, Any, Protocol

import numpy as np

from spconvert.errors import UsageError
from spconvert.formats.plugin import Target, WriteOptions
from spconvert.formats.raster.picture import GRAY, GRAY_ALPHA, RGB, RGBA
from spconvert.formats.raster.png_chunks import LONGEST, SIGNATURE, chunk
from spconvert.formats.raster.png_filters import filtered
from spconvert.formats.raster.png_scale import KEYWORD, chunks_of
from spconvert.formats.raster.slices import PictureKind, Slice, write_slices
from spconvert.model.image import SpatialImage

_KIND = PictureKind("PNG", ("uint8", "uint16", "bool"))
_COLOR_TYPES = {GRAY: 0, RGB: 2, GRAY_ALPHA: 4, RGBA: 6}
_PIECE_BYTES = 1 << 20
"""Rows filtered at a time, and compressed bytes of a chunk IDAT at most."""
_LEVEL = 3
_FASTEST_OF_ZLIB = 4
"""From this level on zlib packs tighter than isal, whose levels end at 3."""
_LONGEST_TEXT = 1 << 16


def write_image(image: SpatialImage, target: Target, options: WriteOptions) -> tuple[Path, ...]:
    """See ``RasterFormat.write``. Codecs: ``deflate:1`` to ``deflate:9``."""
    level = _level(options.codec)
    kept = image.extra.get("png")
    told = _told(kept if isinstance(kept, Mapping) else {}, image)

    def encode(one: Slice, _options: WriteOptions) -> None:
        with one.path.open("wb") as file:
            _encode(file, one, level, told)

    return write_slices(image, _KIND, target, options, encode)


def _level(codec: str | None) -> int:
    found = re.fullmatch(r"deflate(?::([1-9]))?", codec or "deflate")
    if found is None:
        raise UsageError(f"codec {codec!r} is not one of PNG", hint="deflate:1 to deflate:9")
    return int(found[1] or _LEVEL)


def _told(kept: Mapping[str, Any], image: SpatialImage) -> bytes:
    """Chunks that the image remembers of the PNG it came from, as far as they are still true."""
    chunks = []
    aspect = kept.get("aspect")
    plain = image.unit is None and image.geometry.spacing[:2] == (1.0, 1.0)
    match aspect:
        case [int(x), int(y)] if plain and min(x, y) > 0 and max(x, y) <= LONGEST:
            chunks.append(chunk(b"pHYs", pack(">IIB", x, y, 0)))
    texts = kept.get("text")
    for pair in texts if isinstance(texts, list) else []:
        if isinstance(pair, list) and [type(v) for v in pair] == [str, str]:
            key, text = (v.encode("latin-1", "replace") for v in pair)
            legal = re.fullmatch(rb"[ -~\xa1-\xff]{1,79}", key) and key != KEYWORD
            if legal and b"\0" not in text and len(text) < _LONGEST_TEXT:
                chunks.append(chunk(b"tEXt", key + b"\0" + text))
    return b"".join(chunks)


class _Compressor(Protocol):
    def compress(self, data: Any, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _compressor(level: int) -> _Compressor:
    """A zlib stream."""
    if level < _FASTEST_OF_ZLIB:
        try:
            from isal import isal_zlib
        except ImportError:  # no wheel for this machine: slower, and other bytes
            pass
        else:
            isal: Any = isal_zlib
            made: _Compressor = isal.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS)
            return made
    return zlib.compressobj(level)


def _encode(file: IO[bytes], one: Slice, level: int, told: bytes) -> None:
    depth = 16 if one.dtype.itemsize == 2 else 8
    color = _COLOR_TYPES[one.samples]
    file.write(SIGNATURE)
    size = (one.width, one.height)
    file.write(chunk(b"IHDR", pack(">IIBBBBB", *size, depth, color, 0, 0, 0)))
    file.write(chunks_of(one.placed, size))
    file.write(told)
    pixel_bytes = len(one.samples) * depth // 8
    above = np.zeros(one.width * pixel_bytes, np.uint8)
    each = max(1, _PIECE_BYTES // above.size)
    compressor = _compressor(level)
    packed = bytearray()
    for rows in one.rows:
        # Samples are big-endian (section 7.1); a bool is 0 or 1.
        stored = np.ascontiguousarray(rows, ">u2" if depth == 16 else np.uint8)
        data = stored.reshape(len(rows), -1).view(np.uint8)
        for first in range(0, len(data), each):
            piece = data[first : first + each]
            packed += compressor.compress(filtered(piece, above, pixel_bytes).data)
            above = piece[-1]
            while len(packed) >= _PIECE_BYTES:
                file.write(chunk(b"IDAT", bytes(packed[:_PIECE_BYTES])))
                del packed[:_PIECE_BYTES]
    packed += compressor.flush()
    file.write(chunk(b"IDAT", bytes(packed)))
    file.write(chunk(b"IEND", b""))
