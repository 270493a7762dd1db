"""Many planes as one volume: a series of 2-D files that is read file by file.

A plane that can only be decoded whole is decoded once for all regions of it that one thread asks
for in a row: each thread keeps the last plane that it decoded, and never more than that one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.image import Access, PixelSource
from spconvert.model.region import Region, Shape

_IN_PARTS = ("random", "chunked")
"""Access of planes that are read part by part, not decoded whole and kept."""


@dataclass(frozen=True, slots=True)
class StackedSource:
    """Planes laid one behind the other along a new axis; any of them can be read alone.

    Raises ``ValueError`` if there is no plane, if the planes differ in shape, type or storage
    order, or if the axis does not exist.
    """

    planes: tuple[PixelSource, ...] = field(repr=False)
    """All of one shape and type, in the order of the new axis."""
    axis: int
    """Which axis of the result is the new one."""
    _kept: threading.local = field(
        default_factory=threading.local, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not self.planes:
            raise ValueError("a stack of no planes")
        first = _layout(self.planes[0])
        for number, plane in enumerate(self.planes):
            if _layout(plane) != first:
                raise ValueError(f"plane {number} is {_layout(plane)}, plane 0 is {first}")
        if not 0 <= self.axis <= len(self.planes[0].shape):
            raise ValueError(f"axis {self.axis} of a stack of {len(self.planes[0].shape)}-D planes")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the decoded plane."""
        return (StackedSource, (self.planes, self.axis))

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self._inserted(self.planes[0].shape, len(self.planes))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, native byte order."""
        return self.planes[0].dtype

    @property
    def chunks(self) -> Shape:
        """One whole plane, or as much of it as can be read alone."""
        plane = self.planes[0]
        return self._inserted(plane.chunks if plane.access in _IN_PARTS else plane.shape, 1)

    @property
    def access(self) -> Access:
        """As one plane; planes that must be decoded whole are the chunks of the stack."""
        return "random" if self.planes[0].access == "random" else "chunked"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """The new axis is the slowest."""
        inner = self.planes[0].storage_order
        return (self.axis, *(a + (a >= self.axis) for a in inner))

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``; raises what the planes raise.

        Only the planes that the region touches are opened.
        """
        start, stop = region.start[self.axis], region.stop[self.axis]
        within = Region(self._without(region.start), self._without(region.stop))
        out = np.empty(region.shape, self.dtype)
        if out.size:
            for number in range(start, stop):
                place: list[Any] = [slice(None)] * out.ndim
                place[self.axis] = number - start
                out[tuple(place)] = self._part(number, within)
        return out

    def _part(self, number: int, within: Region) -> NDArray[Any]:
        plane = self.planes[number]
        if plane.access in _IN_PARTS:
            return plane.read(within)
        kept = getattr(self._kept, "plane", None)
        if kept is None or kept[0] != number:
            self._kept.plane = kept = None  # room for the next one before it is decoded
            kept = (number, plane.read(Region.whole(plane.shape)))
            self._kept.plane = kept
        whole: NDArray[Any] = kept[1]
        return whole[within.slices]

    def _inserted(self, values: Shape, value: int) -> Shape:
        return (*values[: self.axis], value, *values[self.axis :])

    def _without(self, values: Shape) -> Shape:
        return (*values[: self.axis], *values[self.axis + 1 :])


@dataclass(frozen=True, slots=True)
class SliceSource:
    """A source without one axis of extent 1: a volume of one slice as a plane.

    Raises ``ValueError`` if the axis has another extent, or if the source must be read front to
    back.
    """

    source: PixelSource
    axis: int

    def __post_init__(self) -> None:
        if self.source.shape[self.axis] != 1 or self.source.access == "sequential":
            raise ValueError(f"axis {self.axis} of {self.source.shape} cannot be left out")

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self._without(self.source.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, native byte order."""
        return self.source.dtype

    @property
    def chunks(self) -> Shape:
        """As the source."""
        return self._without(self.source.chunks)

    @property
    def access(self) -> Access:
        """As the source."""
        return self.source.access

    @property
    def storage_order(self) -> tuple[int, ...]:
        """As the source."""
        rest = (a for a in self.source.storage_order if a != self.axis)
        return tuple(a - (a > self.axis) for a in rest)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``; raises what the source raises."""
        start = (*region.start[: self.axis], 0, *region.start[self.axis :])
        stop = (*region.stop[: self.axis], 1, *region.stop[self.axis :])
        return self.source.read(Region(start, stop)).reshape(region.shape)

    def _without(self, values: Shape) -> Shape:
        return (*values[: self.axis], *values[self.axis + 1 :])


def _layout(plane: PixelSource) -> tuple[Shape, np.dtype[Any], tuple[int, ...]]:
    return plane.shape, plane.dtype, plane.storage_order
