"""The rows of an OpenEXR that are stored plain or deflated, read block by block without a library.

Rules: https://openexr.com/en/latest/OpenEXRFileLayout.html, "Chunk Layout", and the predictor and
byte order of the ZIP compressors, "Technical Introduction", "Data Compression".
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from struct import unpack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.formats.raster.header_bytes import HeaderBytes
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape

BLOCK_ROWS = {0: 1, 2: 1, 3: 16}
"""Rows of a block by compression: none, ZIPS, ZIP."""


@dataclass(frozen=True, slots=True)
class ExrBlocks:
    """Rows of samples of one type, (y, x) or (c, y, x)."""

    path: Path
    table: int
    """First byte of the table of block positions."""
    first_row: int
    """What the file calls row 0."""
    size: tuple[int, int]
    """Height, width."""
    channels: tuple[int, ...]
    """Which stored channel each channel of the result is."""
    stored: np.dtype[Any]
    compression: int

    @property
    def shape(self) -> Shape:
        """(y, x) or (c, y, x)."""
        return self.size if len(self.channels) == 1 else (len(self.channels), *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native byte order."""
        return self.stored.newbyteorder("=")

    @property
    def chunks(self) -> Shape:
        """One block of rows."""
        height, width = self.size
        rows = min(BLOCK_ROWS[self.compression], height)
        return (*self.shape[:-2], rows, width)

    @property
    def access(self) -> Access:
        """Any region costs the blocks that it touches."""
        return "chunked"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """The channels of a row lie one behind the other."""
        return (0, 1) if len(self.channels) == 1 else (1, 0, 2)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``.

        Raises ``FormatError`` for a broken block, ``SourceError`` if the file cannot be read.
        """
        out = np.empty(region.shape, self.dtype)
        planes = out if len(self.channels) > 1 else out[None]
        (top, left), (bottom, right) = region.start[-2:], region.stop[-2:]
        wanted = self.channels[region.start[0] : region.stop[0]] if out.ndim > 2 else self.channels
        each = BLOCK_ROWS[self.compression]
        if out.size:
            with HeaderBytes(self.path, "OpenEXR") as source:
                for block in range(top // each, -(-bottom // each)):
                    rows = self._block(source, block)
                    start = block * each
                    begin, end = max(top, start), min(bottom, start + len(rows))
                    part = rows[begin - start : end - start, wanted, left:right]
                    planes[:, begin - top : end - top] = np.moveaxis(part, 1, 0)
        return out

    def _block(self, source: HeaderBytes, block: int) -> NDArray[Any]:
        """The rows of one block: (rows, stored channel, x)."""
        height, width = self.size
        start = block * BLOCK_ROWS[self.compression]
        rows = min(BLOCK_ROWS[self.compression], height - start)
        expected = rows * len(self.channels) * width * self.stored.itemsize
        source.seek(self.table + 8 * block)
        (position,) = unpack("<Q", source.take(8, "table of blocks"))
        source.seek(position)
        row, length = source.unpack("<iI", "block")
        if row != self.first_row + start or length > expected:
            raise source.wrong(
                f"block {block} says row {row} and {length} bytes: "
                f"row {self.first_row + start} and {expected} bytes at most"
            )
        data = source.take(length, "block")
        if length < expected:
            data = _inflated(source, data, expected, block)
        shape = (rows, len(self.channels), width)
        return np.frombuffer(data, self.stored.newbyteorder("<")).reshape(shape)


def _inflated(source: HeaderBytes, data: bytes, expected: int, block: int) -> bytes:
    """Deflated differences of neighbours; first the even bytes of the block, then the odd ones."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, expected + 1)
    except zlib.error as error:
        raise source.wrong(f"block {block} is broken: {error}") from error
    if len(found) != expected or not stream.eof:
        raise source.wrong(f"block {block} inflates to {len(found)} of {expected} bytes")
    steps = np.frombuffer(found, np.uint8).copy()
    steps[1:] += 128  # stored with an offset of 128, modulo 256
    values = np.cumsum(steps, dtype=np.uint8)
    half = (expected + 1) // 2
    out = np.empty(expected, np.uint8)
    out[0::2], out[1::2] = values[:half], values[half:]
    return out.tobytes()
