"""One image found in a TIFF, with what its dialect says about it, before it is put in space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spconvert.formats.tiff.annotation import Placement
from spconvert.formats.tiff.ome import Quantity
from spconvert.formats.tiff.stack import RawBlock, Stack
from spconvert.model.axes import ChannelInfo
from spconvert.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Calibration:
    """Spacing, position, time and channels as the file states them."""

    spacing: Mapping[str, Quantity] = field(default_factory=dict)
    """Per x, y, z."""
    origin: Mapping[str, Quantity] = field(default_factory=dict)
    """Position of the first voxel's centre, per x, y, z."""
    step: Quantity | None = None
    start: Quantity | None = None
    channels: Sequence[ChannelInfo] = ()
    placement: Placement | None = None
    """Our own annotation."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One image."""

    name: str
    dialect: str
    levels: tuple[Stack | RawBlock, ...]
    """Finest first."""
    calibration: Calibration
    findings: tuple[Finding, ...] = ()
