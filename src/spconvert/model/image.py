"""An image in physical space: lazy pixels, named axes, geometry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spconvert.model.axes import Axis, ChannelInfo
from spconvert.model.finding import Report, ignore_finding
from spconvert.model.geometry import Geometry
from spconvert.model.region import Region, Shape

Access = Literal["random", "chunked", "sequential", "whole"]

AXIS_ORDER = "tczyx"


class PixelSource(Protocol):
    """Where pixels come from, read region by region.

    A source must pickle: workers get a copy, so it carries how to open, never an open handle.
    """

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that ``read`` returns, in native byte order."""
        ...

    @property
    def chunks(self) -> Shape:
        """Extents per array axis in which the file is laid out; see ``access``."""
        ...

    @property
    def access(self) -> Access:
        """What a region costs.

        ``random``: its own bytes. ``chunked``: the ``chunks`` that it touches, each decoded whole.
        ``sequential``: only ``scan`` is cheap (the source is then a ``SequentialSource``).
        ``whole``: as much as the whole image.
        """
        ...

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest in the file."""
        ...

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``: array order, native byte order, shape ``region.shape``.

        Raises ``SourceError`` or ``FormatError`` if they cannot be had whole.
        """
        ...


class SequentialSource(PixelSource, Protocol):
    """A source that can only be decoded front to back, such as a gzip stream."""

    def scan(
        self, regions: Iterable[Region], report: Report = ignore_finding
    ) -> Iterator[NDArray[Any]]:
        """The values of each region in turn, in one pass over the file.

        Each region is one run of the file in ``storage_order``, and they come front to back
        (see ``model.region.slabs``). The whole file is read once the iterator is exhausted,
        trailing checks (checksums, surplus data) included; what is tolerated goes to ``report``.
        Each array is the caller's to keep. Raises as ``read`` does.
        """
        ...


@dataclass(frozen=True, slots=True)
class SpatialImage:
    """Pixels with named axes and a place in physical space.

    Raises ``ValueError`` if axes, shape and geometry do not fit each other.
    """

    pixels: PixelSource
    axes: tuple[Axis, ...]
    """One per array axis, in array order, a subsequence of t c z y x that contains y and x."""
    geometry: Geometry
    """As many dimensions as there are space axes; see ``Geometry`` for order and units."""
    channels: tuple[ChannelInfo, ...] = ()
    """Empty, or one per index of the c axis (exactly one if there is no c axis)."""
    name: str = "image"
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Header fields that the model has no place for, JSON values under the format's name.
    They are written beside the image and given back when it returns to that format."""

    def __post_init__(self) -> None:
        names = self.axis_names
        if len(names) != len(self.pixels.shape):
            raise ValueError(f"axes {names!r} for an array of shape {self.pixels.shape}")
        if "".join(n for n in AXIS_ORDER if n in names) != names or not names.endswith("yx"):
            raise ValueError(f"axes {names!r}: expected a subsequence of {AXIS_ORDER!r} with y, x")
        if self.geometry.ndim != len(self.space_axes):
            raise ValueError(f"{self.geometry.ndim}-D geometry for space axes of {names!r}")
        if self.channels and len(self.channels) != self.channel_count:
            raise ValueError(
                f"{len(self.channels)} channels described, {self.channel_count} stored"
            )

    @property
    def axis_names(self) -> str:
        """Names in array order, e.g. "zyx" or "tczyx"."""
        return "".join(axis.name for axis in self.axes)

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self.pixels.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values, native byte order."""
        return self.pixels.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all values, uncompressed."""
        return Region.whole(self.shape).size * self.dtype.itemsize

    @property
    def space_axes(self) -> tuple[int, ...]:
        """Array indices of the space axes: (z,) y, x."""
        return tuple(i for i, axis in enumerate(self.axes) if axis.kind == "space")

    @property
    def space_shape(self) -> Shape:
        """Extents of the space axes in array order: (z,) y, x."""
        return tuple(self.shape[i] for i in self.space_axes)

    @property
    def channel_count(self) -> int:
        """Length of the c axis, 1 if there is none."""
        return next((n for a, n in zip(self.axes, self.shape, strict=True) if a.name == "c"), 1)

    @property
    def time(self) -> Axis | None:
        """The time axis, if there is one."""
        return next((axis for axis in self.axes if axis.kind == "time"), None)

    @property
    def unit(self) -> str | None:
        """The unit that all space axes share, else ``None``."""
        units = {self.axes[i].unit for i in self.space_axes}
        return units.pop() if len(units) == 1 else None

    def with_unit(self, unit: str | None) -> SpatialImage:
        """The same image with this unit on every space axis; no number changes."""
        axes = tuple(replace(a, unit=unit) if a.kind == "space" else a for a in self.axes)
        return replace(self, axes=axes)
