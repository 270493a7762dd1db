"""The parsed fields of an NRRD as numbers per axis, its units, and its time axis.

Rules: http://teem.sourceforge.net/nrrd/format.html, "space units", "units", "spacings".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from spconvert.formats.nrrd.axes import FileAxes, World
from spconvert.model.axes import LENGTH_UNITS, TIME_UNITS, Axis, unit_name
from spconvert.model.finding import Finding, note, warning


@dataclass(frozen=True, slots=True)
class Fields:
    """The parsed fields, and what is known of axes and world."""

    values: Mapping[str, Any]
    axes: FileAxes
    world: World
    path: Path
    spacing_assigned: bool = False
    """Whether an impossible spacing may be replaced, because the caller assigns one."""

    def at(self, name: str, axis: int) -> float | None:
        """A per-axis number, or ``None`` where it is not there or NaN (which means unknown)."""
        value = (self.values.get(name) or {axis: None})[axis]
        return None if value is None or isnan(value) else float(value)

    def unit_at(self, axis: int) -> str:
        """What ``units`` says of a file axis, as written."""
        units = self.values.get("units")
        return str(units[axis]) if units else ""


def space_units(
    fields: Fields, time_at: int | None, findings: list[Finding]
) -> tuple[str | None, ...]:
    """Units of x, y, z; of the world's coordinates where there are any, else of the axes."""
    axes, stated = fields.axes, fields.values.get("space units")
    count = len(axes.of("space")) + axes.slice_in_volume
    if stated:
        words = [str(word) for i, word in enumerate(stated) if i != time_at][:count]
    else:
        words = [fields.unit_at(i) for i in axes.of("space")]
    words += [""] * (count - len(words))
    units = tuple(_unit(word, LENGTH_UNITS, fields, findings) for word in words)
    shared = stated or fields.world.directions is not None
    if shared and len(set(units)) > 1:
        findings.append(
            warning(
                "mixed-units",
                f"{fields.path.name}: units {words} of one space differ: unit unknown",
                "space units",
            )
        )
        units = (None,) * count
    if fields.world.positive is not None and not any(word.strip() for word in words):
        units = ("millimeter",) * count
    return units


def _unit(
    word: str, table: Mapping[str, float], fields: Fields, findings: list[Finding]
) -> str | None:
    if not word.strip() or word.strip() == "???":
        return None
    unit = unit_name(word)
    if unit not in table:
        found = warning("unknown-unit", f"{fields.path.name}: unit {word[:40]!r} is not known")
        if found not in findings:
            findings.append(found)
        return None
    return unit


def time_axis(fields: Fields, time_at: int | None, findings: list[Finding]) -> Axis:
    """Start, step and unit of time: of the world's time coordinate, else of the axis itself."""
    axis = fields.axes.of("time")[0]
    vector = fields.world.directions[axis] if fields.world.directions else None
    word = fields.unit_at(axis)
    if time_at is not None and vector is not None:
        step: float | None = float(vector[time_at])
        origin = fields.values.get("space origin")
        start = float(origin[time_at]) if origin and time_at < len(origin) else 0.0
        stated = fields.values.get("space units") or []
        word = str(stated[time_at]) if time_at < len(stated) else word
    else:
        step, start = fields.at("spacings", axis), fields.at("axis mins", axis) or 0.0
    if step is None or not isfinite(step) or step == 0:
        findings.append(
            note("time-step-unknown", f"{fields.path.name}: time step {step}: 1 assumed")
        )
        step = 1.0
    if not isfinite(start):
        start = 0.0
    return Axis("t", "time", _unit(word, TIME_UNITS, fields, findings), start, step)
