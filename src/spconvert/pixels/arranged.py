"""A source with its axes permuted and flipped: whole voxels move, none is interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.image import Access, PixelSource
from spconvert.model.region import Region, Shape


@dataclass(frozen=True, slots=True)
class ArrangedSource:
    """Another view of a source with random access.

    Raises ``ValueError`` for a source that must be read front to back: spool it first.
    """

    source: PixelSource
    order: tuple[int, ...]
    """New array axis a is axis ``order[a]`` of the source."""
    flips: tuple[bool, ...]
    """Whether new array axis a runs backwards."""

    def __post_init__(self) -> None:
        if self.source.access == "sequential":
            raise ValueError("a sequential source cannot be rearranged")

    @property
    def shape(self) -> Shape:
        """Extents in the new array order."""
        return tuple(self.source.shape[a] for a in self.order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.source.dtype

    @property
    def chunks(self) -> Shape:
        """Layout of the source in the new axis order."""
        return tuple(self.source.chunks[a] for a in self.order)

    @property
    def access(self) -> Access:
        """As the source."""
        return self.source.access

    @property
    def storage_order(self) -> tuple[int, ...]:
        """New axes from slowest to fastest in the file."""
        return tuple(self.order.index(a) for a in self.source.storage_order)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region`` of the new array."""
        start, stop = [0] * region.ndim, [0] * region.ndim
        for new, (old, flip) in enumerate(zip(self.order, self.flips, strict=True)):
            a, b = region.start[new], region.stop[new]
            n = self.source.shape[old]
            start[old], stop[old] = (n - b, n - a) if flip else (a, b)
        block = self.source.read(Region(tuple(start), tuple(stop)))
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        return np.ascontiguousarray(block.transpose(self.order)[steps])
