"""Frames to a grid: volumes over time, slices sorted along the normal, origin and steps.

A slice is where its image position says, projected on the normal of its plane (PS3.3 C.7.6.2.1.1):
never where file names, instance numbers or a stated distance between slices would put it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import hypot, isfinite
from statistics import median

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, GeometryError
from spconvert.formats.dicom.frame import Frame, Vector, cross
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, identity_matrix

GAP_TOLERANCE = 0.01
"""How far a gap may be from the usual one, as a fraction of it."""
_SAME_ORIENTATION = 1e-4
"""Largest difference between direction cosines of slices of one volume; they have 6 digits."""
_DRIFT = 0.01
"""In pixels: how far slices may step sideways over the whole volume before it is a shear."""
_ORTHOGONAL = 1e-3
"""Largest |row · column| and |length − 1| of direction cosines."""

Stack = list[list[Frame]]
"""Per slice position, in order along the normal: the frames that are there."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Slices in order, and where they are."""

    stack: Stack
    geometry: Geometry
    known: bool
    """Whether the numbers are millimetres."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Lenience:
    """What is put up with, each with a warning."""

    uneven: bool = False
    """Slices that are missing, uneven, or without positions."""
    sparse: bool = False
    """Empty slices were left out on purpose (a segmentation)."""
    spacing: bool = False
    """A pixel spacing that makes no sense: the caller assigns another."""


def placed(frames: Sequence[Frame], lenience: Lenience) -> Placed:
    """Sort frames along the normal and give the grid that they make.

    Where slices were left out on purpose the stack has an empty list for each.
    Raises ``GeometryError`` for everything that makes no grid, naming the files; ``FormatError``
    for frames of unlike size.
    """
    findings: list[Finding] = []
    frames = _with_spacing(frames, lenience, findings)
    _check_alike(frames)
    if any(f.position is None or f.orientation is None for f in frames):
        return _unplaced(frames, findings, tolerant=lenience.uneven)
    first = frames[0]
    row, column = _cosines(first)
    normal = cross(row, column)
    spacing = first.spacing
    if spacing is None:
        spacing = (1.0, 1.0)
        findings.append(warning("spacing-unknown", f"{first.label}: no pixel spacing, 1 assumed"))
    stack, distances = _sorted_slices(frames, normal, 0.01 * min(spacing))
    origin = stack[0][0].position
    assert origin is not None
    if len(stack) == 1:
        step = _lone_step(first, normal, findings)
    else:
        gap = _gap(stack, distances, findings, lenience)
        if lenience.sparse:
            stack = _spread(stack, distances, gap)
        step = _step(stack, normal, gap, min(spacing), findings)
    length = hypot(*step)
    steps = [row, column, tuple(s / length for s in step)]
    direction = tuple(tuple(v[i] + 0.0 for v in steps) for i in range(3))
    try:
        geometry = Geometry(origin, (spacing[1], spacing[0], length), direction, "LPS")
    except ValueError as error:
        raise GeometryError(f"{first.label}: {error}") from error
    return Placed(stack, geometry, first.spacing is not None, tuple(findings))


def _with_spacing(
    frames: Sequence[Frame], lenience: Lenience, findings: list[Finding]
) -> list[Frame]:
    """Frames whose pixel spacing, if there is one, is of numbers above 0."""
    bad = [f for f in frames if f.spacing and not all(isfinite(s) and s > 0 for s in f.spacing)]
    if not bad:
        return list(frames)
    text = f"{bad[0].label}: pixel spacing {bad[0].spacing}"
    if not lenience.spacing:
        raise GeometryError(
            f"{text}: 2 finite numbers above 0 expected", hint="--spacing states the right one"
        )
    findings.append(warning("spacing-impossible", f"{text} is replaced by 1", "PixelSpacing"))
    return [replace(frame, spacing=None) for frame in frames]


def _check_alike(frames: Sequence[Frame]) -> None:
    """All frames have one size, one orientation and one pixel spacing."""
    first = frames[0]
    for frame in frames:
        if frame.size != first.size:
            raise FormatError(
                f"{frame.label} has {frame.size[0]} x {frame.size[1]} pixels, {first.label} has "
                f"{first.size[0]} x {first.size[1]}",
                hint="name the files that belong together",
            )
        if _differ(frame.orientation, first.orientation, _SAME_ORIENTATION):
            raise GeometryError(
                f"{frame.label} has orientation {_short(frame.orientation)}, {first.label} has "
                f"{_short(first.orientation)}",
                hint="name the files that belong together",
            )
        if _differ(frame.spacing, first.spacing, 1e-4 * min(first.spacing or (1.0,))):
            raise GeometryError(
                f"{frame.label} has pixel spacing {frame.spacing}, {first.label} {first.spacing}"
            )


def _differ(a: Sequence[float] | None, b: Sequence[float] | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is not b
    return max(abs(p - q) for p, q in zip(a, b, strict=True)) > tolerance


def _short(values: Sequence[float] | None) -> str:
    return "none" if values is None else "(" + ", ".join(f"{v:.4g}" for v in values) + ")"


def _cosines(frame: Frame) -> tuple[Vector, Vector]:
    """Unit vectors along a row (x) and along a column (y)."""
    found = frame.orientation
    assert found is not None
    row, column = found[:3], found[3:]
    lengths = hypot(*row), hypot(*column)
    dot = sum(a * b for a, b in zip(row, column, strict=True))
    if abs(dot) > _ORTHOGONAL or any(abs(length - 1) > _ORTHOGONAL for length in lengths):
        raise GeometryError(
            f"{frame.label}: image orientation {_short(found)}: two orthogonal unit vectors "
            "expected"
        )
    # The digits of the file stay as they are unless they are no unit vector to 1e-6.
    parts = [
        v if abs(length - 1) <= 1e-6 else tuple(c / length for c in v)
        for v, length in zip((row, column), lengths, strict=True)
    ]
    return parts[0], parts[1]


def _sorted_slices(
    frames: Sequence[Frame], normal: Vector, tolerance: float
) -> tuple[Stack, list[float]]:
    """Frames by position along the normal; what lies closer than ``tolerance`` is one place."""
    by_distance = sorted(frames, key=lambda f: (_along(f, normal), f.file, f.number))
    stack: Stack = []
    distances: list[float] = []
    for frame in by_distance:
        distance = _along(frame, normal)
        if distances and distance - distances[-1] <= tolerance:
            stack[-1].append(frame)
        else:
            stack.append([frame])
            distances.append(distance)
    return stack, distances


def _along(frame: Frame, normal: Vector) -> float:
    assert frame.position is not None
    return sum(p * n for p, n in zip(frame.position, normal, strict=True))


def _lone_step(frame: Frame, normal: Vector, findings: list[Finding]) -> Vector:
    """Of one slice only the thickness is known."""
    thickness = frame.between or frame.thickness
    if thickness is None:
        text = f"{frame.label}: neither slice thickness nor a second slice, 1 assumed"
        findings.append(warning("slice-spacing-unknown", text))
    return tuple(n * (thickness or 1.0) for n in normal)


def _gap(
    stack: Stack, distances: Sequence[float], findings: list[Finding], lenience: Lenience
) -> float:
    """The distance between slices. Raises ``GeometryError`` if they differ by more than 1 %."""
    sparse = lenience.sparse
    gaps = [b - a for a, b in pairwise(distances)]
    usual = min(gaps) if sparse else median(gaps)
    stated = stack[0][0].between
    if sparse and stated is not None and stated < usual * (1 - GAP_TOLERANCE):
        usual = stated
    worst = max(range(len(gaps)), key=lambda i: _misfit(gaps[i], usual, whole=sparse))
    if _misfit(gaps[worst], usual, whole=sparse) <= GAP_TOLERANCE:
        count = round((distances[-1] - distances[0]) / usual) if sparse else len(gaps)
        return (distances[-1] - distances[0]) / count
    a, b = stack[worst][0].label, stack[worst + 1][0].label
    text = (
        f"{a} and {b} are {gaps[worst]:.6g} mm apart along the normal, the other slices "
        f"{usual:.6g} mm"
    )
    missing = round(gaps[worst] / usual) - 1
    if missing > 0 and _misfit(gaps[worst], usual, whole=True) <= GAP_TOLERANCE:
        text += f": {missing} missing between them" if missing > 1 else ": one missing between them"
    if not lenience.uneven:
        raise GeometryError(
            text, hint="--on-uneven-slices warn reads them as if they were evenly spaced"
        )
    findings.append(warning("uneven-slices", f"{text}; read as evenly spaced"))
    return usual


def _misfit(gap: float, usual: float, *, whole: bool) -> float:
    """Deviation from the usual gap, or from the nearest multiple of it, as a fraction of it."""
    times = max(1, round(gap / usual)) if whole else 1
    return abs(gap - times * usual) / usual


def _spread(stack: Stack, distances: Sequence[float], gap: float) -> Stack:
    """Put the slices of a sparse volume at their places."""
    at = [round((d - distances[0]) / gap) for d in distances]
    spread: Stack = [[] for _ in range(at[-1] + 1)]
    for index, frames in zip(at, stack, strict=True):
        spread[index] = frames
    return spread


def _step(
    stack: Stack, normal: Vector, gap: float, pixel: float, findings: list[Finding]
) -> Vector:
    """From one slice to the next: along the normal, or sheared (gantry tilt).

    Raises ``GeometryError`` if slices step sideways and not along one line.
    """
    places = [(i, frames[0]) for i, frames in enumerate(stack) if frames]
    points = np.array([frame.position for _, frame in places])
    index = np.array([i for i, _ in places], np.float64)
    sideways = _across(points - points[0], np.array(normal))
    drift = np.linalg.norm(sideways, axis=1)
    if drift.max() <= _DRIFT * pixel:
        return tuple(n * gap for n in normal)
    rest = np.linalg.norm(sideways - np.outer(index / index[-1], sideways[-1]), axis=1)
    worst = int(rest.argmax())
    if rest[worst] > max(_DRIFT * pixel, 0.01 * float(drift.max())):
        raise GeometryError(
            f"{places[worst][1].label} lies {rest[worst]:.4g} mm beside the line from "
            f"{places[0][1].label} to {places[-1][1].label}",
            hint="slices that step sideways must do so evenly",
        )
    angle = float(np.degrees(np.arctan2(drift[-1] / index[-1], gap)))
    findings.append(
        note(
            "sheared-slices",
            f"slices step sideways, {angle:.4g} degrees off their normal (gantry tilt): the grid "
            "is sheared",
        )
    )
    return tuple((np.array(normal) * gap + sideways[-1] / index[-1]).tolist())


def _across(points: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of vectors without their part along the normal."""
    return np.asarray(points - np.outer(points @ normal, normal))


# -- no positions --------------------------------------------------------------------------------


def _unplaced(frames: Sequence[Frame], findings: list[Finding], *, tolerant: bool) -> Placed:
    """No positions: frames of one file in their order; files only if the caller insists."""
    files = {frame.file for frame in frames}
    blank = next(f for f in frames if f.position is None or f.orientation is None)
    what = "position" if blank.position is None else "orientation"
    if len(files) > 1 and not tolerant:
        raise GeometryError(
            f"{blank.label} has no image {what} (patient): the order of {len(files)} files is "
            "unknown",
            hint="--on-uneven-slices warn takes them in the order of their instance numbers",
        )
    ordered = sorted(
        frames, key=lambda f: (f.ranks[1:2] if len(files) > 1 else (), f.file, f.number)
    )
    first = ordered[0]
    spacing = first.spacing or (1.0, 1.0)
    if first.spacing is None:
        findings.append(note("spacing-unknown", f"{first.label}: no pixel spacing, 1 assumed"))
    if len(frames) == 1:
        text = f"{blank.label}: no image {what} (patient): not placed in space"
        findings.append(note("position-unknown", text))
        plane = Geometry((0.0, 0.0), (spacing[1], spacing[0]), identity_matrix(2))
        return Placed([ordered], plane, first.spacing is not None, tuple(findings))
    between = first.between or first.thickness
    order = "instance numbers" if len(files) > 1 else "frames"
    stated = f"the stated {between} mm" if between else "1"
    text = f"{blank.label}: no image {what} (patient): in the order of {order}, {stated} apart"
    findings.append(warning("position-unknown", text))
    sizes = (spacing[1], spacing[0], between or 1.0)
    volume = Geometry((0.0, 0.0, 0.0), sizes, identity_matrix(3))
    known = first.spacing is not None and between is not None
    return Placed([[frame] for frame in ordered], volume, known, tuple(findings))
