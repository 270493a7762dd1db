"""The axes of an image as JSON objects, and back into the model's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spconvert.errors import FormatError
from spconvert.model.axes import KIND_OF_NAME, LENGTH_UNITS, TIME_UNITS, Axis, unit_name
from spconvert.model.finding import Finding, note, warning
from spconvert.model.image import AXIS_ORDER
from spconvert.omezarr.fields import items, members, place, shown, text, wrong
from spconvert.omezarr.orientation import label_of

_SUPPORTED = "one each of t, c, z, y, x at most, with y and x"
_BY_TYPE = {"time": "t", "channel": "c"}


@dataclass(frozen=True, slots=True)
class ReadAxes:
    """Axes of a store, in the model's order."""

    axes: tuple[Axis, ...]
    order: tuple[int, ...]
    """Axis i of the model is stored axis ``order[i]``."""
    labels: tuple[str | None, ...]
    """Anatomical label per space axis, in array order ((z,) y, x); see ``orientation``."""
    findings: tuple[Finding, ...] = ()

    @property
    def space(self) -> tuple[int, ...]:
        """Model indices of the space axes."""
        return tuple(i for i, axis in enumerate(self.axes) if axis.kind == "space")

    def arranged(self, values: Sequence[float]) -> tuple[float, ...]:
        """Numbers per stored axis, in the model's order."""
        return tuple(values[i] for i in self.order)


def encode_axes(
    axes: Sequence[Axis], labels: Sequence[str], *, discrete: bool = False
) -> list[dict[str, Any]]:
    """JSON objects of axes; ``labels`` are those of the space axes (array order) or empty.

    ``discrete`` adds what 0.6 says of channel axes. Units stand only where they are known.
    """
    words = iter(labels)
    result = []
    for axis in axes:
        entry: dict[str, Any] = {"name": axis.name, "type": axis.kind}
        if axis.kind == "channel":
            if discrete:
                entry["discrete"] = True
        elif axis.unit is not None:
            entry["unit"] = axis.unit
        if axis.kind == "space" and labels:
            entry["orientation"] = {"type": "anatomical", "value": next(words)}
        result.append(entry)
    return result


def decode_axes(value: object, *where: str | int) -> ReadAxes:
    """Axes from a list of JSON objects, or of names (0.3).

    Raises ``FormatError`` if they cannot be mapped to t, c, z, y, x.
    """
    entries = [_entry(e, *where, i) for i, e in enumerate(items(value, *where))]
    names = [_name(entry, *where, i) for i, entry in enumerate(entries)]
    if len(set(names)) != len(names) or not {"y", "x"} <= set(names):
        raise FormatError(f"{place(where)} are {shown(names)}: {_SUPPORTED} expected")
    order = tuple(names.index(name) for name in AXIS_ORDER if name in names)
    findings: list[Finding] = []
    axes = []
    labels: list[str | None] = []
    for i in order:
        axis = Axis.named(names[i])
        axes.append(replace(axis, unit=_unit(axis, entries[i], (*where, i), findings)))
        if axis.kind == "space":
            labels.append(_label(entries[i], (*where, i), findings))
    if order != tuple(range(len(order))):
        message = f"axes are stored as {''.join(names)} and presented as {AXIS_ORDER}"
        findings.append(note("axes-order", message, *where))
    return ReadAxes(tuple(axes), order, tuple(labels), tuple(findings))


def _entry(value: object, *where: str | int) -> Mapping[str, Any]:
    return {"name": value} if isinstance(value, str) else members(value, *where)


def _name(entry: Mapping[str, Any], *where: str | int) -> str:
    """The model's name of an axis: its own, or the one that its type implies."""
    name = text(entry.get("name"), *where, "name")
    kind = entry.get("type")
    known = name if name in KIND_OF_NAME else name.lower()
    if known not in KIND_OF_NAME and isinstance(kind, str):
        known = _BY_TYPE.get(kind, known)
    if known not in KIND_OF_NAME:
        raise wrong(name, _SUPPORTED, *where, "name")
    if isinstance(kind, str) and kind not in (KIND_OF_NAME[known], ""):
        raise wrong(kind, f"{KIND_OF_NAME[known]!r} for an axis {name!r}", *where, "type")
    return known


def _unit(
    axis: Axis, entry: Mapping[str, Any], where: tuple[str | int, ...], findings: list[Finding]
) -> str | None:
    written = entry.get("unit")
    if written is None or axis.kind == "channel":
        return None
    unit = unit_name(written) if isinstance(written, str) else None
    if unit not in (TIME_UNITS if axis.kind == "time" else LENGTH_UNITS):
        message = f"{shown(written)} is no unit of a {axis.kind} axis and is ignored"
        findings.append(warning("unknown-unit", message, *where, "unit"))
        return None
    if unit != written:
        findings.append(note("unit-name", f"{written!r} is read as {unit!r}", *where, "unit"))
    return unit


def _label(
    entry: Mapping[str, Any], where: tuple[str | int, ...], findings: list[Finding]
) -> str | None:
    written = entry.get("orientation")
    label = label_of(written)
    if written is not None and label is None:
        message = f"orientation {shown(written)} is not known and is ignored"
        findings.append(warning("orientation-unknown", message, *where, "orientation"))
    return label
