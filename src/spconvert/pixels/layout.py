"""How an array lies in a file: which bytes a region needs, and how they become an array again.

Shared by the sources that read a file of their own (``raw``, ``inflated``, ``text``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.region import Region, Shape


@dataclass(frozen=True, slots=True)
class Layout:
    """A dense array in a file.

    Raises ``ValueError`` if the storage order is not a permutation of the axes, or if an element
    has no fixed number of bytes.
    """

    shape: Shape
    """Extents in array order."""
    stored: np.dtype[Any]
    """Type of one element in the file, byte order included."""
    storage_order: tuple[int, ...]
    """Array axes from slowest to fastest in the file."""

    def __post_init__(self) -> None:
        if sorted(self.storage_order) != list(range(len(self.shape))):
            raise ValueError(f"storage order {self.storage_order} for {len(self.shape)} axes")
        if self.stored.hasobject or self.stored.itemsize == 0:
            raise ValueError(f"elements of type {self.stored} have no fixed size")

    @property
    def native(self) -> np.dtype[Any]:
        """Type of one element in memory."""
        return self.stored.newbyteorder("=")

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array."""
        return prod(self.shape) * self.stored.itemsize

    @property
    def chunks(self) -> Shape:
        """One index of the slowest axis that has several, all of the others."""
        chunks = list(self.shape)
        for axis in self.storage_order:
            if chunks[axis] > 1:
                chunks[axis] = 1
                break
        return tuple(chunks)

    def runs(self, region: Region) -> Iterator[tuple[int, int]]:
        """(first byte, number of bytes) of each contiguous run of ``region``, in file order.

        Offsets count from the first byte of the array. The runs laid end to end are the region in
        file order.
        """
        if 0 in region.shape:
            return
        extents = [self.shape[axis] for axis in self.storage_order]
        starts = [region.start[axis] for axis in self.storage_order]
        stops = [region.stop[axis] for axis in self.storage_order]
        strides = self._strides(extents)
        cut = len(extents)
        length = self.stored.itemsize
        while cut > 0:
            cut -= 1
            length *= stops[cut] - starts[cut]
            if stops[cut] - starts[cut] < extents[cut]:
                break
        first = sum(a * s for a, s in zip(starts[cut:], strides[cut:], strict=True))
        outer = [
            range(a * s, b * s, s)
            for a, b, s in zip(starts[:cut], stops[:cut], strides[:cut], strict=True)
        ]
        for offsets in itertools.product(*outer):
            yield first + sum(offsets), length

    def empty(self, region: Region) -> NDArray[np.uint8]:
        """Room for the bytes of ``region``."""
        return np.empty(region.size * self.stored.itemsize, np.uint8)

    def present(self, data: NDArray[np.uint8], region: Region) -> NDArray[Any]:
        """The bytes of ``region`` in file order as an array in array order, native byte order.

        The bytes are swapped in place where need be; the result is a view of ``data``.
        """
        values = data.view(self.stored)
        if not self.stored.isnative:
            values = values.byteswap(inplace=True).view(self.native)
        in_file = values.reshape([region.shape[axis] for axis in self.storage_order])
        return in_file.transpose(np.argsort(self.storage_order))

    def _strides(self, extents: list[int]) -> list[int]:
        strides = [self.stored.itemsize] * len(extents)
        for position in range(len(extents) - 2, -1, -1):
            strides[position] = strides[position + 1] * extents[position + 1]
        return strides
