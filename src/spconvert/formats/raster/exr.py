"""OpenEXR, read and write: half and single precision floats, any named channels.

Plain and deflated rows are read block by block; tiles and the other compressions by the library
OpenEXR, which returns a picture whole.

Rules: https://openexr.com/en/latest/OpenEXRFileLayout.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from struct import unpack, unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, MissingDependency, UsageError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Target, WriteOptions
from spconvert.formats.raster.decoded import DecodedSource
from spconvert.formats.raster.exr_blocks import BLOCK_ROWS, ExrBlocks
from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import GRAY, RGB, RGBA, Picture
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.formats.raster.slices import PictureKind, Slice, write_slices
from spconvert.model.image import PixelSource, SpatialImage

_MAGIC = b"\x76\x2f\x31\x01"
_VERSION = 2
_TILED, _LONG_NAMES, _DEEP, _PARTS = 0x200, 0x400, 0x800, 0x1000
_LARGEST = (1 << 31) - 1
_MOST_ATTRIBUTES = 10_000
_LARGEST_ATTRIBUTE = 1 << 24
_LONGEST_NAME = 256
_MOST_CHANNELS = 1024
_BLOCK_ROWS = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Rows of a block by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB."""
_TYPES = ("uint32", "float16", "float32")
_NAMES = {"R": "red", "G": "green", "B": "blue", "A": "alpha", "Y": "gray"}
_LARGEST_RATIO = 1 << 16
"""Samples a byte may stand for: the wavelet codecs store a block of equal samples in few bytes."""


@dataclass(frozen=True, slots=True)
class ExrHeader:
    """What the attributes say."""

    width: int
    height: int
    channels: tuple[str, ...]
    """As stored, colours first in the order R, G, B, A."""
    dtype: str
    compression: int
    tiled: bool
    first_row: int
    stored_order: tuple[int, ...]
    """Which stored channel each of ``channels`` is."""
    table: int
    """First byte behind the attributes."""

    @property
    def has_plain_blocks(self) -> bool:
        """Whether a row can be read without the library."""
        return not self.tiled and self.compression in BLOCK_ROWS


def is_exr(head: bytes) -> bool:
    """Whether a file begins with the magic number."""
    return head.startswith(_MAGIC)


def read_header(path: Path) -> ExrHeader:
    """Raises ``FormatError``, ``SourceError``."""
    with HeaderBytes(path, "OpenEXR") as source:
        if source.size < 8 or not is_exr(source.take(4)):
            raise source.not_this_format()
        (version,) = source.unpack("<I")
        if version & 0xFF != _VERSION or version & (_DEEP | _PARTS):
            raise source.wrong(
                f"OpenEXR of version {version & 0xFF} with flags {version >> 8:#x} is not "
                "supported: version 2, one part, flat"
            )
        found = _attributes(source)
        missing = {b"channels", b"dataWindow", b"compression"} - found.keys()
        if missing:
            raise source.wrong(f"OpenEXR header without {b', '.join(sorted(missing)).decode()}")
        try:
            left, top, right, bottom = unpack("<4i", found[b"dataWindow"])
            (compression,) = unpack("<B", found[b"compression"])
            channels = _channels(source, found[b"channels"])
        except struct.error as error:
            raise source.wrong("an attribute of the OpenEXR header has a wrong size") from error
        width, height = right - left + 1, bottom - top + 1
        checked_size(source, width, height, _LARGEST)
        types = {kind for _, kind in channels}
        if len(types) > 1:
            raise source.wrong(f"OpenEXR with channels of types {', '.join(sorted(types))}: one")
        if not 0 <= compression < len(_BLOCK_ROWS):
            raise source.wrong(f"OpenEXR of compression {compression} is not known")
        if width * height * len(channels) > source.size * _LARGEST_RATIO:
            raise source.wrong(f"{source.size} bytes cannot hold {width} x {height} pixels")
        names = sorted((name for name, _ in channels), key=_color_first)
        tiled = bool(version & _TILED)
        stored = [name for name, _ in channels]
        order = tuple(stored.index(name) for name in names)
        header = ExrHeader(
            width,
            height,
            tuple(names),
            types.pop(),
            compression,
            tiled,
            top,
            order,
            source.position,
        )
        _check_blocks(source, header)
        return header


def _check_blocks(source: HeaderBytes, header: ExrHeader) -> None:
    """The table of positions and the last block are there; raises ``FormatError`` if not."""
    if header.tiled or header.compression not in _BLOCK_ROWS:
        return
    count = -(-header.height // _BLOCK_ROWS[header.compression])
    source.skip(8 * (count - 1), "table of blocks")
    (position,) = source.unpack("<Q", "table of blocks")
    source.seek(position)
    _, length = source.unpack("<iI", "last block")
    source.skip(length, "last block")


def _attributes(source: HeaderBytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for _ in range(_MOST_ATTRIBUTES):
        name = _word(source)
        if not name:
            return found
        _word(source)
        (length,) = source.unpack("<I", "attribute")
        if length > _LARGEST_ATTRIBUTE:
            raise source.wrong(f"attribute {name!r} of {length} bytes")
        found[name] = source.take(length, f"attribute {name!r}")
    raise source.wrong(f"OpenEXR header of more than {_MOST_ATTRIBUTES} attributes")


def _word(source: HeaderBytes) -> bytes:
    word = bytearray()
    while (byte := source.take(1)) != b"\0":
        word += byte
        if len(word) > _LONGEST_NAME:
            raise source.wrong(f"name {bytes(word[:20])!r}... of an attribute is too long")
    return bytes(word)


def _channels(source: HeaderBytes, body: bytes) -> list[tuple[str, str]]:
    """Name and type of each; raises ``FormatError`` for subsampled ones."""
    found: list[tuple[str, str]] = []
    position = 0
    while body[position : position + 1] not in (b"\0", b""):
        end = body.index(b"\0", position) if b"\0" in body[position:] else len(body)
        kind, _, x_step, y_step = unpack_from("<iIii", body, end + 1)
        name = body[position:end].decode("utf-8", "replace")
        if not 0 <= kind < len(_TYPES) or (x_step, y_step) != (1, 1):
            raise source.wrong(
                f"channel {name!r} of type {kind}, every {x_step} x {y_step} pixels, "
                "is not supported"
            )
        found.append((name, _TYPES[kind]))
        position = end + 17
        if len(found) > _MOST_CHANNELS:
            raise source.wrong(f"OpenEXR of more than {_MOST_CHANNELS} channels")
    if not found:
        raise source.wrong("an OpenEXR without channels has no pixels")
    return found


def _color_first(name: str) -> tuple[int, str]:
    return ("RGBA".find(name) if name in tuple("RGBA") else len("RGBA"), name)


def look(path: Path, _options: ReadOptions) -> Picture:
    """See ``Picture``. Raises ``FormatError``, ``SourceError``."""
    header = read_header(path)
    return Picture(
        _pixels(path, header),
        tuple(_NAMES.get(name, name) for name in header.channels),
        fields={"compression": header.compression, "tiled": header.tiled},
    )


def _pixels(path: Path, header: ExrHeader) -> PixelSource:
    count, dtype = len(header.channels), np.dtype(header.dtype)
    if header.has_plain_blocks:
        return ExrBlocks(
            path,
            header.table,
            header.first_row,
            (header.height, header.width),
            header.stored_order,
            dtype,
            header.compression,
        )
    extents: tuple[int, ...] = (header.height, header.width)
    if count > 1:  # the channels of a row lie one behind the other
        extents = (header.height, count, header.width)
    return DecodedSource(path, decode, "ycx" if count > 1 else "yx", extents, dtype)


def decode(path: Path) -> NDArray[Any]:
    """All samples: (y, x) or (y, channel, x). Raises ``FormatError``."""
    library = _library()
    header = read_header(path)
    try:
        with library.File(str(path), separate_channels=True) as file:
            parts = file.channels()
            planes = [np.asarray(parts[name].pixels) for name in header.channels]
    except (RuntimeError, ValueError, TypeError, KeyError, MemoryError) as error:
        reason = str(error).partition("\n")[0]
        raise FormatError(f"{path}: the pixels of the OpenEXR are broken: {reason}") from error
    return planes[0] if len(planes) == 1 else np.stack(planes, axis=1)


def _library() -> Any:
    try:
        return import_module("OpenEXR")
    except ImportError as error:
        raise MissingDependency(
            "OpenEXR files need the package OpenEXR", hint="pip install OpenEXR"
        ) from error


def write(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """See ``RasterFormat.write``; deflated without loss."""
    library = _library()
    if options.codec not in (None, "zip"):
        raise UsageError(f"codec {options.codec!r} is not one of OpenEXR", hint="zip")

    def encode(one: Slice, _options: WriteOptions) -> None:
        array = one.whole()
        names = {GRAY: "Y", RGB: "RGB", RGBA: "RGBA"}[one.samples]
        planes = array[..., None] if array.ndim == 2 else array
        channels = {n: np.ascontiguousarray(planes[..., i]) for i, n in enumerate(names)}
        head = {"compression": library.ZIP_COMPRESSION, "type": library.scanlineimage}
        with library.File(head, channels) as file:
            file.write(str(one.path))

    kind = PictureKind(
        "OpenEXR", ("float16", "float32", "uint32"), (GRAY, RGB, RGBA), _LARGEST, by_rows=False
    )
    return write_slices(image, kind, target, options, encode)


PLUGIN: FormatPlugin = RasterFormat(
    "exr",
    (".exr",),
    is_exr,
    look,
    write,
    frozenset({"channels", "volume"}),
    {
        "chunked": "plain and deflated rows",
        "whole": "tiles and other compressions: the library returns the picture whole",
    },
)
