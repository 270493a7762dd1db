"""Origin, spacing, direction, units and time of an NRRD, in the model's terms.

Rules: http://teem.sourceforge.net/nrrd/format.html, section 4 (space and orientation) and section
6 (spacings, axis mins, axis maxs, centers). Right- and left-anterior-superior become LPS by a
change of sign, which is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from spconvert.errors import FormatError, GeometryError, Unsupported
from spconvert.formats.nrrd.axes import World
from spconvert.formats.nrrd.units import Fields, space_units, time_axis
from spconvert.model.axes import Axis
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, to_lps

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where and when the samples are."""

    geometry: Geometry
    axes: tuple[Axis, ...]
    """The model's axes in array order, with units and times."""
    findings: tuple[Finding, ...] = ()


def placed(fields: Fields) -> Placed:
    """Everything of space and time that the header says.

    Raises ``GeometryError`` for directions that are zero, singular or no numbers, for a spacing
    that is zero or no number and for an origin that is no number; ``FormatError`` where the number
    of coordinates does not fit, ``Unsupported`` where space and time are mixed.
    """
    findings: list[Finding] = []
    _check_finite(fields)
    time_at = _time_coordinate(fields)
    geometry = (
        _from_spacings(fields, findings)
        if fields.world.directions is None
        else _from_directions(fields, time_at, findings)
    )
    unit = space_units(fields, time_at, findings)
    axes = []
    for name in fields.axes.names:
        if name == "t":
            axes.append(time_axis(fields, time_at, findings))
        elif name == "c":
            axes.append(Axis.named("c"))
        else:
            axes.append(Axis.named(name, unit["xyz".index(name)]))
    return Placed(geometry, tuple(axes), tuple(findings))


def _check_finite(fields: Fields) -> None:
    for axis, step in enumerate(fields.world.directions or ()):
        if step is not None and not all(map(isfinite, step)):
            raise GeometryError(
                f"{fields.path}: space direction {step} of axis {axis}: finite numbers expected"
            )


def _time_coordinate(fields: Fields) -> int | None:
    """Which coordinate of the world is time, or ``None``.

    It is the only one in which the vector of the time axis differs from 0, and no other axis may
    have a part in it.
    """
    world, times = fields.world, fields.axes.of("time")
    if world.name is not None and world.dimension == 4:
        guess = 3
    elif times and world.directions is not None and world.directions[times[0]] is not None:
        vector = world.directions[times[0]] or ()
        used = [i for i, part in enumerate(vector) if part != 0]
        guess = used[0] if len(used) == 1 else len(vector) - 1
    else:
        return None
    for axis, step in enumerate(world.directions or ()):
        if step is None:
            continue
        parts = [i for i, part in enumerate(step) if part != 0]
        if parts != [guess] if axis in times else guess in parts:
            raise Unsupported(
                f"{fields.path}: space direction {step} of axis {axis} mixes space and time"
            )
    return guess


def _spatial(vector: Sequence[float], time_at: int | None) -> Vector:
    return tuple(float(v) for i, v in enumerate(vector) if i != time_at)


def _from_directions(fields: Fields, time_at: int | None, findings: list[Finding]) -> Geometry:
    world, axes, path = fields.world, fields.axes, fields.path
    assert world.directions is not None
    steps = [_spatial(world.directions[i] or (), time_at) for i in axes.of("space")]
    for step in steps:
        if not any(step):
            raise GeometryError(f"{path}: a space direction is {step}: a length above 0 expected")
    if any(fields.at("spacings", i) is not None for i in axes.of("space")):
        findings.append(
            warning(
                "spacings-ignored",
                f"{path.name}: spacings beside space directions are not used",
                "spacings",
            )
        )
    coordinates = len(steps[0])
    if axes.slice_in_volume:
        steps.append(_normal(steps, path))
    if len(steps) != coordinates:
        raise FormatError(
            f"{path}: {len(steps)} space axes in a space of {coordinates} coordinates"
        )
    origin = _origin(fields, coordinates, time_at)
    if origin is None:
        origin = (0.0,) * coordinates
        findings.append(note("origin-unknown", f"{path.name}: no space origin, 0 assumed"))
    return _geometry(world, steps, origin, path)


def _normal(steps: Sequence[Vector], path: Path) -> Vector:
    """A step of length 1 across a slice."""
    with np.errstate(all="ignore"):  # huge vectors overflow: told below
        cross = np.cross(np.array(steps[0]), np.array(steps[1]))
        length = float(np.linalg.norm(cross))
    if not isfinite(length) or length == 0:
        raise GeometryError(f"{path}: space directions {tuple(steps)} are parallel")
    return tuple((cross / length).tolist())


def _origin(fields: Fields, coordinates: int, time_at: int | None) -> Vector | None:
    stated = fields.values.get("space origin")
    if stated is None:
        return None
    origin = _spatial(stated, time_at)
    if len(origin) != coordinates:
        raise FormatError(
            f"{fields.path}: space origin of {len(stated)} numbers in a space of "
            f"{fields.world.dimension}"
        )
    if not all(map(isfinite, origin)):
        raise GeometryError(f"{fields.path}: space origin {origin}: finite numbers expected")
    return origin


def _geometry(world: World, steps: Sequence[Vector], origin: Vector, path: Path) -> Geometry:
    """In LPS where the file's space is anatomical, else in its own coordinates."""
    anatomical = world.positive is not None and len(origin) == 3
    if world.positive is not None and anatomical:
        steps = [to_lps(step, world.positive) for step in steps]
        origin = to_lps(origin, world.positive)
    try:
        return Geometry.from_columns(steps, origin, "LPS" if anatomical else "unknown")
    except ValueError as error:
        raise GeometryError(f"{path}: space directions make no grid: {error}") from error


def _from_spacings(fields: Fields, findings: list[Finding]) -> Geometry:
    """Per-axis spacings, mins and maxs; the axes run along the coordinates."""
    axes, path = fields.axes, fields.path
    space = axes.of("space")
    signed = [_spacing(fields, i, findings) for i in space]
    origin = _origin(fields, len(space), 3 if fields.world.dimension == 4 else None)
    if origin is None:
        origin = tuple(_start(fields, i, s) for i, s in zip(space, signed, strict=True))
    steps = [
        tuple(step if j == i else 0.0 for j in range(len(space))) for i, step in enumerate(signed)
    ]
    if any(step < 0 for step in signed):
        findings.append(
            note(
                "negative-spacing",
                f"{path.name}: spacings {signed}: the sign goes into the direction",
                "spacings",
            )
        )
    if fields.world.positive is not None:
        findings.append(
            warning(
                "direction-unknown",
                f"{path.name}: space {fields.world.name} without space directions: the axes are "
                "taken along its coordinates",
                "space directions",
            )
        )
    return _geometry(fields.world, steps, origin, path)


def _spacing(fields: Fields, axis: int, findings: list[Finding]) -> float:
    """Signed distance between samples: ``spacings``, else from min and max, else 1."""
    low, high = fields.at("axis mins", axis), fields.at("axis maxs", axis)
    size = fields.axes.sizes[axis]
    intervals = size - 1 if _is_node(fields, axis) else size
    spanned = None if low is None or high is None or intervals == 0 else (high - low) / intervals
    given = fields.values.get("spacings")
    spacing = float(given[axis]) if given is not None else spanned
    if spacing is None:
        findings.append(
            note("spacing-unknown", f"{fields.path.name}: no spacing of axis {axis}, 1 assumed")
        )
        return 1.0
    if (not isfinite(spacing) or spacing == 0) and fields.spacing_assigned:
        text = f"{fields.path.name}: spacing {spacing} of axis {axis} is replaced by 1"
        findings.append(warning("spacing-impossible", text, "spacings"))
        return 1.0
    if not isfinite(spacing) or spacing == 0:
        raise GeometryError(
            f"{fields.path}: spacing {spacing} of axis {axis}: a finite number other than 0 "
            "expected",
            hint="--spacing states the right one",
        )
    if given is not None and spanned is not None and abs(spanned - spacing) > 1e-6 * abs(spacing):
        findings.append(
            warning(
                "spacing-contradicted",
                f"{fields.path.name}: axis {axis} has spacing {spacing}, but {spanned} from its "
                "min and max",
                "spacings",
            )
        )
    return spacing


def _start(fields: Fields, axis: int, spacing: float) -> float:
    """Position of the first sample.

    "centers": a cell-centred sample lies half a spacing within the axis min, a node-centred one on
    it. Cells are assumed where the file does not say.
    """
    low, high = fields.at("axis mins", axis), fields.at("axis maxs", axis)
    half = 0.0 if _is_node(fields, axis) else spacing / 2
    size = fields.axes.sizes[axis]
    position = 0.0
    if low is not None:
        position = low + half
    elif high is not None:
        position = high - half - spacing * (size - 1)
    if not isfinite(position):
        raise GeometryError(f"{fields.path}: axis {axis} starts at {position}")
    return position


def _is_node(fields: Fields, axis: int) -> bool:
    centerings = fields.values.get("centerings")
    return centerings is not None and str(centerings[axis]).lower() == "node"
