"""What the header of a raster file says: its samples, its frames, and its resolution if any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spconvert.model.axes import Axis, ChannelInfo
from spconvert.model.finding import Finding
from spconvert.model.geometry import Geometry
from spconvert.model.image import PixelSource

GRAY = ("gray",)
GRAY_ALPHA = ("gray", "alpha")
RGB = ("red", "green", "blue")
RGBA = (*RGB, "alpha")
CMYK = ("cyan", "magenta", "yellow", "black")

_COLORS = {
    "red": "FF0000",
    "green": "00FF00",
    "blue": "0000FF",
    "cyan": "00FFFF",
    "magenta": "FF00FF",
    "yellow": "FFFF00",
    "black": "000000",
}


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a picture is, exactly: from a note of spconvert in the file."""

    axes: tuple[Axis, ...]
    """Of the space: (z,) y, x; with z the picture is a volume of one slice."""
    geometry: Geometry


@dataclass(frozen=True, slots=True)
class Picture:
    """The lazy pixels of a file and what its header says of them."""

    pixels: PixelSource
    """(t,) (c,) y, x: t where ``frames``, c where ``samples`` has several names."""
    samples: tuple[str, ...]
    """What the samples of a pixel are: ``GRAY``, ``RGBA``, ...; any names for other components."""
    frames: bool = False
    """Whether the first axis is time: an animation."""
    frame_seconds: float | None = None
    """Time from one frame to the next, if all are the same."""
    spacing: tuple[float, float] | None = None
    """x, y; ``None`` where the file states none, or only the resolution of a screen."""
    unit: str | None = None
    """Of the spacing."""
    placed: Placed | None = None
    """Replaces ``spacing`` and ``unit``."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """JSON values for ``extra``."""
    findings: tuple[Finding, ...] = ()


def channels_of(samples: tuple[str, ...]) -> tuple[ChannelInfo, ...]:
    """Names and colours of the c axis; empty for a single sample."""
    if len(samples) == 1:
        return ()
    return tuple(ChannelInfo(name, _COLORS.get(name.lower(), "")) for name in samples)
