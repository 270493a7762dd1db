"""What TIFF has no place for, as text of our own in its metadata, and back again, exactly.

An OME-TIFF carries a ``MapAnnotation`` with the namespace "spconvert", an ImageJ TIFF a line
``spconvert={...}`` in its description. Keys and JSON values: ``version`` 1, ``axes`` ("zyx"),
``space`` ("left-posterior-superior" or "unknown"), ``origin``, ``spacing`` (x, y, z), ``direction``
(rows), ``units`` per axis, ``time`` (start, step), ``channels`` (labels and colours), ``extra``.
Numbers have the shortest digits that read back as the same float64. Other programs do not look at
it: to them the direction is the identity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spconvert.model.axes import LENGTH_UNITS, TIME_UNITS, Axis, ChannelInfo
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage

NAMESPACE = "spconvert"
_MAX_EXTRA = 1 << 20
_SPACES = {"LPS": "left-posterior-superior", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class Placement:
    """What an annotation says."""

    axes: tuple[Axis, ...]
    geometry: Geometry
    channels: tuple[ChannelInfo, ...]
    extra: Mapping[str, Any]


def annotation_of(image: SpatialImage) -> dict[str, str]:
    """Keys and JSON texts for an image."""
    geometry, time = image.geometry, image.time
    extra = {k: v for k, v in image.extra.items() if k != "tiff"}
    facts: dict[str, Any] = {
        "version": 1,
        "axes": image.axis_names,
        "space": _SPACES[geometry.space],
        "origin": list(geometry.origin),
        "spacing": list(geometry.spacing),
        "direction": [list(row) for row in geometry.direction],
        "units": {axis.name: axis.unit for axis in image.axes if axis.kind != "channel"},
    }
    if time is not None:
        facts["time"] = {"start": time.start, "step": time.step}
    if image.channels:
        facts["channels"] = [[c.label, c.color] for c in image.channels]
    texts = {key: json.dumps(value) for key, value in facts.items()}
    kept = json.dumps(extra, sort_keys=True)
    if extra and len(kept) <= _MAX_EXTRA:
        texts["extra"] = kept
    return texts


def placement_of(texts: Mapping[str, str]) -> Placement | None:
    """Read an annotation; ``None`` where it is none of this version or makes no sense."""
    try:
        facts = {key: json.loads(text) for key, text in texts.items()}
        if facts["version"] != 1:
            return None
        time = facts.get("time", {})
        axes = tuple(_axis(name, facts["units"], time) for name in facts["axes"])
        space = {word: name for name, word in _SPACES.items()}[facts["space"]]
        geometry = Geometry(
            tuple(map(float, facts["origin"])),
            tuple(map(float, facts["spacing"])),
            tuple(tuple(map(float, row)) for row in facts["direction"]),
            "LPS" if space == "LPS" else "unknown",
        )
        channels = tuple(ChannelInfo(str(a), str(b)) for a, b in facts.get("channels", ()))
        extra = facts.get("extra", {})
        if not isinstance(extra, dict):
            return None
    except (ValueError, KeyError, TypeError, RecursionError):  # edited by hand
        return None
    return Placement(axes, geometry, channels, extra)


def _axis(name: str, units: Mapping[str, Any], time: Mapping[str, Any]) -> Axis:
    unit = units.get(name)
    if unit is not None and unit not in (TIME_UNITS if name == "t" else LENGTH_UNITS):
        raise ValueError(f"unit {unit!r}")
    axis = Axis.named(name, unit)
    if name == "t":
        return Axis("t", "time", unit, float(time["start"]), float(time["step"]))
    return axis
