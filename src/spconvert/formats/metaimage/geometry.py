"""Origin, spacing, direction, units and time of a MetaImage, in the model's terms.

Coordinates are LPS by ITK's convention wherever the header places the image at all. Row i of
``TransformMatrix`` is the direction of index axis i: the transpose of ITK's direction matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot, isfinite

from spconvert.errors import GeometryError, Unsupported
from spconvert.formats.metaimage.axes import FileAxes
from spconvert.formats.metaimage.fields import MATRICES, POSITIONS, SPACINGS
from spconvert.formats.metaimage.header import Header
from spconvert.model.axes import LENGTH_UNITS, TIME_UNITS, Axis, unit_name
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, Space, identity_matrix

_PLACING = (*POSITIONS, *MATRICES, *SPACINGS, "AnatomicalOrientation")

Rows = tuple[tuple[float, ...], ...]

UNIT_LENGTH_TOLERANCE = 1e-3
"""Up to here a direction is kept as it is written: digits were rounded away, nothing else."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where and when the samples are."""

    geometry: Geometry
    axes: tuple[Axis, ...]
    """The model's axes in array order, with units and times."""
    findings: tuple[Finding, ...] = ()


def placed(header: Header, axes: FileAxes, *, spacing_assigned: bool = False) -> Placed:
    """Everything of space and time that the header says.

    Raises ``FormatError`` for fields of a wrong length, ``GeometryError`` for numbers that make no
    grid (``spacing_assigned`` replaces impossible spacings by 1), ``Unsupported`` where space and
    time are mixed.
    """
    findings: list[Finding] = []
    count = len(header.sizes)
    offset = _stated(header, POSITIONS, count, findings) or (0.0,) * count
    matrix = _matrix(header, count, findings)
    space: Space = "LPS" if any(name in header.texts for name in _PLACING) else "unknown"
    if header.texts.get("Space", "").lower() == "unknown":
        space = "unknown"
    at = [axes.placed.index(name) for name in "xyz" if name in axes.placed]
    steps = _spacing(header, at, findings, spacing_assigned=spacing_assigned)
    grid = _Grid([offset[i] for i in at], [steps[i] for i in at], matrix, at)
    geometry = _geometry(header, grid, space)
    if geometry.is_sheared:
        deviation = geometry.orthonormal_deviation
        text = f"TransformMatrix is not orthonormal (|DᵀD − I| = {deviation:.3g}): kept as it is"
        findings.append(warning("direction-not-orthonormal", f"{header.path.name}: {text}"))
    unit = _unit(header, "DistanceUnits", LENGTH_UNITS, findings)
    if "DistanceUnits" not in header.texts and space == "LPS":
        unit = "millimeter"
    made = []
    for name in axes.names:
        if name != "t":
            made.append(Axis.named(name, None if name == "c" else unit))
            continue
        i = axes.placed.index("t")
        made.append(_time(header, offset[i], steps[i] * matrix[i][i], findings))
    return Placed(geometry, tuple(made), tuple(findings))


def _stated(
    header: Header, names: tuple[str, ...], count: int, findings: list[Finding]
) -> tuple[float, ...] | None:
    """A field that goes by several names; a warning where they contradict each other."""
    first = header.first_of(names)
    if first is None:
        return None
    value = header.numbers(first, count)
    # ElementSize is the extent of a sample, and may well differ from the distance.
    others = () if names is SPACINGS else names
    findings.extend(
        warning(
            "fields-contradict",
            f"{header.path.name}: {first} and {name} differ: {first} is used",
            name,
        )
        for name in others
        if name in header.texts and header.numbers(name, count) != value
    )
    return value


def _matrix(header: Header, count: int, findings: list[Finding]) -> Rows:
    """One row per index axis."""
    values = _stated(header, MATRICES, count * count, findings)
    if values is None:
        letters = header.texts.get("AnatomicalOrientation", "").upper()
        if letters.strip("?") not in ("", "RAI"):
            text = f"AnatomicalOrientation {letters[:20]} without TransformMatrix is not used"
            findings.append(warning("orientation-ignored", f"{header.path.name}: {text}"))
        return identity_matrix(count)
    if not all(map(isfinite, values)):
        raise GeometryError(f"{header.path}: TransformMatrix {values}: finite numbers expected")
    return tuple(values[i * count : (i + 1) * count] for i in range(count))


def _spacing(
    header: Header, at: Sequence[int], findings: list[Finding], *, spacing_assigned: bool
) -> tuple[float, ...]:
    """Of every axis, signed; those of space (``at``) are checked."""
    count = len(header.sizes)
    name = header.first_of(SPACINGS)
    values = _stated(header, SPACINGS, count, findings)
    if values is None:
        findings.append(
            note("spacing-unknown", f"{header.path.name}: no ElementSpacing, 1 assumed")
        )
        return (1.0,) * count
    if any(values[i] < 0 for i in at):
        text = f"{header.path.name}: {name} {values}: the sign goes into the direction"
        findings.append(note("negative-spacing", text, name or ""))
    impossible = [i for i in at if not isfinite(values[i]) or values[i] == 0]
    if impossible and not spacing_assigned:
        raise GeometryError(
            f"{header.path}: {name} {values}: finite numbers other than 0 expected",
            hint="--spacing states the right one",
        )
    if impossible:
        text = f"{header.path.name}: {name} {values}: impossible members are replaced by 1"
        findings.append(warning("spacing-impossible", text, name or ""))
    return tuple(1.0 if i in impossible else value for i, value in enumerate(values))


def _time(header: Header, start: float, step: float, findings: list[Finding]) -> Axis:
    if not isfinite(step) or step == 0:
        text = f"{header.path.name}: time step {step}: 1 assumed"
        findings.append(note("time-step-unknown", text))
        step = 1.0
    unit = _unit(header, "TimeUnits", TIME_UNITS, findings)
    return Axis("t", "time", unit, start if isfinite(start) else 0.0, step)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The numbers of space as the file states them."""

    origin: Sequence[float]
    steps: Sequence[float]
    """Signed spacings."""
    matrix: Rows
    """One row per index axis of the file, time included."""
    at: Sequence[int]
    """Which axes and coordinates of the file are x, y, (z)."""


def _geometry(header: Header, grid: _Grid, space: Space) -> Geometry:
    origin, at = tuple(grid.origin), grid.at
    if not all(map(isfinite, origin)):
        raise GeometryError(f"{header.path}: Offset {origin}: finite numbers expected")
    for i, row in enumerate(grid.matrix):
        if any(value != 0 for j, value in enumerate(row) if (i in at) != (j in at)):
            raise Unsupported(f"{header.path}: TransformMatrix row {row} mixes space and time")
    vectors = [[grid.matrix[i][j] for j in at] for i in at]
    spacing = tuple(abs(step) for step in grid.steps)
    vectors = [
        [-value + 0.0 for value in vector] if step < 0 else vector
        for vector, step in zip(vectors, grid.steps, strict=True)
    ]
    lengths = [hypot(*vector) for vector in vectors]
    if not all(isfinite(length) and length > 0 for length in lengths):
        raise GeometryError(f"{header.path}: TransformMatrix has rows of length {lengths}")
    try:
        if all(abs(length - 1) <= UNIT_LENGTH_TOLERANCE for length in lengths):
            rows = tuple(zip(*vectors, strict=True))
            return Geometry(origin, spacing, rows, space)
        columns = [[s * v for v in vector] for s, vector in zip(spacing, vectors, strict=True)]
        return Geometry.from_columns(columns, origin, space)
    except ValueError as error:
        raise GeometryError(f"{header.path}: {error}") from error


def _unit(
    header: Header, name: str, table: Mapping[str, float], findings: list[Finding]
) -> str | None:
    word = header.texts.get(name, "")
    if word.strip("? ") == "":
        return None
    unit = unit_name(word)
    if unit not in table:
        text = f"{header.path.name}: {name} {word[:40]!r} is not known"
        findings.append(warning("unknown-unit", text, name))
        return None
    return unit
