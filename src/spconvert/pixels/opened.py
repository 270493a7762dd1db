"""Arrays in memory as pixel sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.image import Access
from spconvert.model.region import Region, Shape


@dataclass(frozen=True, slots=True, eq=False)
class ArraySource:
    """A NumPy array, already in memory; pickles with its values."""

    array: NDArray[Any]
    """In model axis order; any byte order."""

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, native byte order."""
        return self.array.dtype.newbyteorder("=")

    @property
    def chunks(self) -> Shape:
        """One index of the slowest axis that has several, all of the others: as a raw file."""
        chunks = list(self.array.shape)
        for axis in self.storage_order:
            if chunks[axis] > 1:
                chunks[axis] = 1
                break
        return tuple(chunks)

    @property
    def access(self) -> Access:
        """Any region at its own cost."""
        return "random"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Axes by falling stride."""
        strides = self.array.strides
        return tuple(sorted(range(self.array.ndim), key=lambda a: (-abs(strides[a]), a)))

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``, native byte order; a view where possible."""
        return np.asarray(self.array[region.slices], self.dtype)
