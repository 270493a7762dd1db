"""The uncompressed rows of a BMP, read row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.image import Access
from spconvert.model.region import Region, Shape
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource

Palette = tuple[tuple[int, int, int], ...]
"""Red, green, blue of each index."""


@dataclass(frozen=True, slots=True)
class BmpRows:
    """Rows of 1, 4, 8, 24 or 32 bits a pixel, each padded to a multiple of 4 bytes.

    The result is uint8, (y, x) or (sample, y, x), red first. Indices beyond the palette are black.
    """

    part: FilePart
    size: tuple[int, int]
    """Height, width."""
    bits: int
    samples: int
    """1 grey, 3 colours, 4 with alpha."""
    palette: Palette
    bottom_up: bool

    @property
    def shape(self) -> Shape:
        """(y, x) or (c, y, x)."""
        return self.size if self.samples == 1 else (self.samples, *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Bytes."""
        return np.dtype(np.uint8)

    @property
    def chunks(self) -> Shape:
        """One row."""
        return (*self.shape[:-2], 1, self.size[1])

    @property
    def access(self) -> Access:
        """Any region costs its own rows."""
        return "random"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """The samples of a pixel lie together."""
        return (0, 1) if self.samples == 1 else (1, 2, 0)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``; raises ``SourceError`` if the file has become shorter."""
        height, _ = self.size
        (top, left), (bottom, right) = region.start[-2:], region.stop[-2:]
        first, last = (height - bottom, height - top) if self.bottom_up else (top, bottom)
        stride = self.part.nbytes // height
        begin, end = left * self.bits // 8, -(-right * self.bits // 8)
        raw = RawSource((self.part,), Layout((height, stride), np.dtype(np.uint8), (0, 1)))
        rows = raw.read(Region((first, begin), (last, end)))
        rows = rows[::-1] if self.bottom_up else rows
        pixels = self._pixels(rows, right - left, left * self.bits % 8 // min(self.bits, 8))
        if self.samples == 1:
            return np.ascontiguousarray(pixels[..., 0])
        wanted = slice(region.start[0], region.stop[0])
        return np.ascontiguousarray(np.moveaxis(pixels, -1, 0)[wanted])

    def _pixels(self, rows: NDArray[np.uint8], width: int, skipped: int) -> NDArray[np.uint8]:
        """Rows of bytes as (rows, x, sample); ``skipped`` pixels share the first byte."""
        if self.bits > 8:
            stored = rows.reshape(len(rows), width, self.bits // 8)
            return stored[..., [2, 1, 0, 3][: self.samples]]
        if self.bits == 1:
            rows = np.unpackbits(rows, axis=1)
        elif self.bits == 4:
            rows = np.stack([rows >> 4, rows & 15], axis=-1).reshape(len(rows), -1)
        table = np.zeros((256, self.samples), np.uint8)
        table[: len(self.palette)] = np.array(self.palette, np.uint8)[:, : self.samples]
        return table[rows[:, skipped : skipped + width]]
