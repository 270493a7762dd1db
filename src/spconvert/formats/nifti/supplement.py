"""What a NIfTI header has no place for, in a comment extension that our reader reads back.

float64 positions (NIfTI-1 has float32), origin and direction of a space without anatomy (both codes
are then 0, so that no other program sees anatomy where there is none), units beyond metre,
millimetre and micrometre, which axes of one voxel the image has, names and colours of channels.
Written only where the header alone would not give the image back, as JSON under "spconvert":

    {"spconvert": {"axes": "czyx", "origin": [...], "spacing": [...], "direction": [[...]],
                   "unit": "nanometer", "time": {"start": 0.1, "step": 2.2, "unit": "second"},
                   "channels": [["DAPI", "0000FF"]]}}

The header counts: numbers that it does not confirm to the precision of float32, because another
program moved the image and kept the comment, are not used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from spconvert.formats.nifti.extensions import COMMENT, Extension
from spconvert.model.axes import LENGTH_UNITS, TIME_UNITS, Axis, ChannelInfo, unit_factor
from spconvert.model.finding import Finding, warning
from spconvert.model.geometry import Geometry
from spconvert.model.image import AXIS_ORDER

_KEY = "spconvert"
_MARK = b'{"spconvert":'
_CONFIRMED = 4e-7
"""Relative deviation within which two numbers count as one: four roundings to float32."""


@dataclass(frozen=True, slots=True)
class Supplement:
    """The comment's content; ``None`` or empty where it says nothing."""

    axes: str | None = None
    geometry: Geometry | None = None
    """In ``unit``; space as the header has it, so "unknown" here."""
    unit: str | None = None
    time: Axis | None = None
    channels: tuple[ChannelInfo, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no comment is needed."""
        return self == Supplement()


def packed(supplement: Supplement) -> Extension:
    """The comment: ASCII, as the code demands."""
    content: dict[str, Any] = {}
    if supplement.axes is not None:
        content["axes"] = supplement.axes
    if supplement.geometry is not None:
        geometry = supplement.geometry
        content |= {
            "origin": geometry.origin,
            "spacing": geometry.spacing,
            "direction": geometry.direction,
        }
    if supplement.unit is not None:
        content["unit"] = supplement.unit
    if supplement.time is not None:
        time = supplement.time
        content["time"] = {"start": time.start, "step": time.step, "unit": time.unit}
    if supplement.channels:
        content["channels"] = [[c.label, c.color] for c in supplement.channels]
    return Extension(COMMENT, json.dumps({_KEY: content}, separators=(",", ":")).encode("ascii"))


def split(
    extensions: list[Extension], name: str
) -> tuple[Supplement, list[Extension], list[Finding]]:
    """Our own comment, the other extensions, and a warning if the comment cannot be read."""
    supplement, others, findings = Supplement(), [], []
    for extension in extensions:
        if extension.code != COMMENT or not extension.content.startswith(_MARK):
            others.append(extension)
            continue
        try:
            supplement = _parsed(json.loads(extension.content.rstrip(b"\0"))[_KEY])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            text = f"{name}: the comment of spconvert cannot be read ({str(error)[:80]}): not used"
            findings.append(warning("supplement-unreadable", text, "extension"))
    return supplement, others, findings


def _parsed(content: Mapping[str, Any]) -> Supplement:
    """Raises ``ValueError``, ``TypeError``, ``KeyError`` or ``AttributeError``."""
    axes = content.get("axes")
    if axes is not None and (
        not axes.endswith("yx") or "".join(n for n in AXIS_ORDER if n in axes) != axes
    ):
        raise ValueError(f"axes {axes!r}")
    unit = content.get("unit")
    if unit is not None and unit not in LENGTH_UNITS:
        raise ValueError(f"unit {unit!r}")
    if unit is not None and "spacing" not in content:
        raise ValueError(f"unit {unit!r} of no numbers")
    geometry = None
    if "spacing" in content:
        geometry = Geometry(
            tuple(map(float, content["origin"])),
            tuple(map(float, content["spacing"])),
            tuple(tuple(map(float, row)) for row in content["direction"]),
        )
    time = None
    if "time" in content:
        said = content["time"]
        if said["unit"] is not None and said["unit"] not in TIME_UNITS:
            raise ValueError(f"unit of time {said['unit']!r}")
        time = Axis("t", "time", said["unit"], float(said["start"]), float(said["step"]))
    channels = tuple(_channel(*pair) for pair in content.get("channels", ()))
    return Supplement(axes, geometry, unit, time, channels)


def _channel(label: Any, color: Any) -> ChannelInfo:
    if not isinstance(label, str) or re.fullmatch("([0-9A-Fa-f]{6})?", color) is None:
        raise ValueError(f"channel {label!r} of colour {color!r}")
    return ChannelInfo(label, color)


def supplemented(
    said: Supplement, geometry: Geometry, axes: tuple[Axis, ...], name: str
) -> tuple[Geometry, tuple[Axis, ...], list[Finding]]:
    """Geometry and axes of the header with what the comment adds where the header confirms it."""
    stale = []
    unit = next(a.unit for a in axes if a.name == "x")
    if said.geometry is not None:
        factor = unit_factor(said.unit, unit) if said.unit and unit else 1.0
        if (unit or not said.unit) and _confirms(geometry, said.geometry, factor):
            geometry = replace(said.geometry, space=geometry.space)
            unit = said.unit or unit
            axes = tuple(replace(a, unit=unit) if a.kind == "space" else a for a in axes)
        else:
            stale.append("position")
    if said.time is not None and any(a.name == "t" for a in axes):
        at = next(i for i, a in enumerate(axes) if a.name == "t")
        if _confirms_time(axes[at], said.time):
            axes = (*axes[:at], said.time, *axes[at + 1 :])
        else:
            stale.append("time")
    findings = [
        warning("supplement-stale", f"{name}: the {what} in its comment is not the header's", what)
        for what in stale
    ]
    return geometry, axes, findings


def _confirms(header: Geometry, said: Geometry, factor: float) -> bool:
    """Whether the header says the same, to its precision; without anatomy only of the spacing."""
    if header.ndim != said.ndim:
        return False
    spacing = np.array(said.spacing) * factor
    if header.space == "unknown":
        return bool(np.allclose(header.spacing, spacing, rtol=_CONFIRMED, atol=0))
    apart = np.abs(header.linear - said.linear * factor)
    origin = np.array(said.origin) * factor
    return bool(
        (apart <= _CONFIRMED * spacing).all()
        and (np.abs(header.origin - origin) <= _CONFIRMED * np.abs(origin)).all()
    )


def _confirms_time(header: Axis, said: Axis) -> bool:
    if said.unit is not None and header.unit is not None:
        factor = unit_factor(said.unit, header.unit)
    elif said.unit == header.unit:
        factor = 1.0
    else:
        return said.step <= 0  # the header has no way to say so, nor the unit then
    numbers = (said.step * factor, said.start * factor)
    if not all(map(isfinite, numbers)):
        return False
    kept_step = said.step <= 0 or np.isclose(header.step, numbers[0], rtol=_CONFIRMED, atol=0)
    return bool(kept_step and np.isclose(header.start, numbers[1], rtol=_CONFIRMED, atol=1e-30))
