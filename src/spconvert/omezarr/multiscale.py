"""A multiscale image as all versions of OME-Zarr mean it: axes, exact geometry, levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from spconvert.errors import FormatError
from spconvert.model.axes import Axis, ChannelInfo
from spconvert.model.finding import Finding
from spconvert.model.geometry import Geometry, reversed_vector


@dataclass(frozen=True, slots=True)
class Window:
    """How a viewer should show a channel, in values of the voxels."""

    min: float
    """Smallest value that can be chosen."""
    max: float
    """Largest value that can be chosen."""
    start: float
    """Shown as black."""
    end: float
    """Shown as the channel's full colour."""


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution level: sample i of an axis lies at level-0 index ``factor · i + offset``."""

    path: str
    """Path of the array below the group."""
    factors: tuple[float, ...]
    """Per space axis, in array order ((z,) y, x), relative to level 0."""
    offset: tuple[float, ...]
    """Per space axis, in array order: level-0 index of the level's first sample."""


@dataclass(frozen=True, slots=True)
class Multiscale:
    """One image with its resolution levels."""

    axes: tuple[Axis, ...]
    """In array order; the time axis carries start and step."""
    geometry: Geometry
    """Of level 0, exact, x, y, z order."""
    levels: tuple[Level, ...]
    """Finest first."""
    name: str = "image"
    method: str = "mean"
    """Name of the reducer that made the levels; "unknown" where a store does not say."""
    channels: tuple[ChannelInfo, ...] = ()
    windows: tuple[Window, ...] = ()
    """One per channel, or empty."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Header fields of the source, kept for the way home."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What the image was made from, and by what."""

    @property
    def space_axes(self) -> tuple[int, ...]:
        """Array indices of the space axes: (z,) y, x."""
        return tuple(i for i, axis in enumerate(self.axes) if axis.kind == "space")

    def level_geometry(self, index: int) -> Geometry:
        """Level ``index`` as a stand-alone image: spacing f · S, origin O + D (c · S)."""
        level = self.levels[index]
        spacing = tuple(
            s * f
            for s, f in zip(self.geometry.spacing, reversed_vector(level.factors), strict=True)
        )
        origin = self.geometry.origin
        if any(level.offset):
            first = self.geometry.physical(reversed_vector(level.offset))
            origin = tuple(float(p) for p in first)
        try:
            return replace(self.geometry, origin=origin, spacing=spacing)
        except ValueError as error:
            raise FormatError(f"level {level.path}: {error}") from error


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the attributes of a group say."""

    multiscale: Multiscale
    version: str
    """As written in the store: "0.4", "0.6.dev4"."""
    findings: tuple[Finding, ...] = ()
    order: tuple[int, ...] = ()
    """Axis i of the model is stored axis ``order[i]``; empty if they are the same."""


class Version(Protocol):
    """A version of OME-Zarr. The modules v04, v05 and v06 satisfy it."""

    name: str
    """"0.4", "0.5", "0.6"."""
    zarr_format: int
    """2 or 3."""
    shards: bool
    """Whether arrays may be sharded."""

    def encode(self, multiscale: Multiscale) -> dict[str, Any]:
        """All attributes of the root group, the ``spconvert`` attribute included.

        Raises ``Unsupported`` if a header field has no form in JSON.
        """
        ...

    def decode(self, attributes: Mapping[str, Any], nifti: bytes | None = None) -> Decoded:
        """What the attributes of a group say; ``nifti`` is the raw header beside the levels.

        Raises ``FormatError``, ``GeometryError`` or ``Unsupported``.
        """
        ...
