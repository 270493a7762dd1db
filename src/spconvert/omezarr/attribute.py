"""The root attribute ``spconvert``: the exact geometry, and what the standard has no place for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spconvert.errors import FormatError, GeometryError
from spconvert.model.axes import ChannelInfo
from spconvert.model.finding import Finding, warning
from spconvert.model.geometry import Geometry, Space
from spconvert.omezarr.fields import items, members, number, numbers, plain, text, wrong
from spconvert.omezarr.levels import has_scale
from spconvert.omezarr.multiscale import Multiscale

KEY = "spconvert"
VERSION = 1

_SPACES: dict[str, Space] = {"left-posterior-superior": "LPS", "unknown": "unknown"}
_SPACE_NAMES: dict[Space, str] = {space: name for name, space in _SPACES.items()}


@dataclass(frozen=True, slots=True)
class Exact:
    """The attribute, read."""

    geometry: Geometry | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[ChannelInfo, ...] | None = None
    """Where the display block says less than was known."""
    time: tuple[float, float] | None = None
    """Start and step of the time axis, where the step cannot be a scale."""


def encode_attribute(
    multiscale: Multiscale, channels: tuple[ChannelInfo, ...] | None
) -> dict[str, Any]:
    """The attribute's value. ``channels``: only those that the display block cannot hold.

    Raises ``Unsupported`` if a header field has no form in JSON.
    """
    geometry = multiscale.geometry
    value: dict[str, Any] = {
        "version": VERSION,
        "space": _SPACE_NAMES[geometry.space],
        "origin": [float(v) for v in geometry.origin],
        "spacing": [float(v) for v in geometry.spacing],
        "direction": [[float(v) for v in row] for row in geometry.direction],
    }
    for axis in multiscale.axes:
        if not has_scale(axis):
            value["time"] = {"start": float(axis.start), "step": float(axis.step)}
    if channels is not None:
        value["channels"] = [{"label": c.label, "color": c.color} for c in channels]
    if multiscale.provenance:
        value["provenance"] = plain(multiscale.provenance)
    if multiscale.extra:
        value["header"] = plain(multiscale.extra)
    return value


def decode_attribute(attributes: Mapping[str, Any]) -> tuple[Exact, tuple[Finding, ...]]:
    """What the attribute says; one that is damaged is reported and counts as absent."""
    if KEY not in attributes:
        return Exact(), ()
    try:
        return _decode(members(attributes[KEY], KEY)), ()
    except (FormatError, GeometryError) as error:
        return Exact(), (warning("attribute-unreadable", f"not used: {error}", KEY),)


def _decode(value: Mapping[str, Any]) -> Exact:
    if value.get("version") != VERSION:
        raise wrong(value.get("version"), f"{VERSION}", KEY, "version")
    space = text(value.get("space"), KEY, "space")
    if space not in _SPACES:
        raise wrong(space, " or ".join(_SPACES), KEY, "space")
    ndim = len(items(value.get("origin"), KEY, "origin"))
    rows = items(value.get("direction"), KEY, "direction")
    try:
        geometry = Geometry(
            numbers(value.get("origin"), ndim, KEY, "origin"),
            numbers(value.get("spacing"), ndim, KEY, "spacing"),
            tuple(numbers(row, ndim, KEY, "direction", i) for i, row in enumerate(rows)),
            _SPACES[space],
        )
    except ValueError as error:
        raise FormatError(f"{KEY}: {error}") from error
    return Exact(
        geometry,
        members(value.get("header", {}), KEY, "header"),
        members(value.get("provenance", {}), KEY, "provenance"),
        _channels(value.get("channels")),
        _time(value.get("time")),
    )


def _channels(value: object) -> tuple[ChannelInfo, ...] | None:
    if value is None:
        return None
    entries = [members(e, KEY, "channels", i) for i, e in enumerate(items(value, KEY, "channels"))]
    return tuple(
        ChannelInfo(
            text(entry.get("label", ""), KEY, "channels", i, "label"),
            text(entry.get("color", ""), KEY, "channels", i, "color"),
        )
        for i, entry in enumerate(entries)
    )


def _time(value: object) -> tuple[float, float] | None:
    if value is None:
        return None
    entry = members(value, KEY, "time")
    return number(entry.get("start"), KEY, "time", "start"), number(
        entry.get("step"), KEY, "time", "step"
    )
