"""Indices into a table of colours as a pixel source of colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.image import Access, PixelSource
from spconvert.model.region import Region, Shape


@dataclass(frozen=True, slots=True, eq=False)
class PaletteSource:
    """Indices into a table of colours, resolved as a viewer would, into a c axis of three."""

    source: PixelSource
    """Without a c axis."""
    palette: NDArray[Any]
    """Shape (3, entries)."""
    axis: int
    """Where the c axis goes."""

    @property
    def shape(self) -> Shape:
        """Extents in array order: c has red, green and blue."""
        held = self.source.shape
        return (*held[: self.axis], 3, *held[self.axis :])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the colours."""
        return self.palette.dtype

    @property
    def chunks(self) -> Shape:
        """As the indices, all colours."""
        held = self.source.chunks
        return (*held[: self.axis], 3, *held[self.axis :])

    @property
    def access(self) -> Access:
        """As the indices."""
        return self.source.access

    @property
    def storage_order(self) -> tuple[int, ...]:
        """As the indices; colours are made together, so they are fastest."""
        moved = [axis + (axis >= self.axis) for axis in self.source.storage_order]
        return (*moved, self.axis)

    def read(self, region: Region) -> NDArray[Any]:
        """The colours in ``region``; an index beyond the table is black. Raises as the source."""
        at = self.axis
        inner = Region(
            region.start[:at] + region.start[at + 1 :], region.stop[:at] + region.stop[at + 1 :]
        )
        indices = self.source.read(inner)
        entries = self.palette.shape[1]
        colours = [
            np.where(indices < entries, row[np.minimum(indices, entries - 1)], row.dtype.type(0))
            for row in self.palette[region.start[at] : region.stop[at]]
        ]
        return np.stack(colours, axis=at) if colours else np.empty(region.shape, self.dtype)
