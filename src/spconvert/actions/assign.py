"""Assign origin, spacing, direction, unit or space to an image: metadata only, never resampled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite

import numpy as np

from spconvert.errors import GeometryError, UsageError
from spconvert.model.axes import LENGTH_UNITS, TIME_UNITS, unit_factor
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, Matrix, Space, Vector, code_direction
from spconvert.model.image import SpatialImage
from spconvert.pixels.arranged import ArrangedSource
from spconvert.pixels.cast import CastSource

DTYPES = (
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
"""Types that values can be converted to."""

TYPED_TOLERANCE = 1e-4
"""Largest |DᵀD − I| of a direction that a person types: four digits are enough."""


@dataclass(frozen=True, slots=True)
class VectorEdit:
    """New values for some members of an x, y, z vector."""

    values: tuple[float | None, ...] = ()
    """x, y(, z); ``None`` keeps what there is; one value alone is meant for all axes."""
    named: tuple[tuple[str, float], ...] = ()
    """Members by axis name instead, e.g. (("z", 2.5),)."""
    unit: str | None = None
    """Full name of the unit of the numbers; ``None``: the image's own."""

    def applied(self, what: str, old: Vector, factor: float) -> Vector:
        """``old`` with the new members, each times ``factor``. Raises ``UsageError``."""
        names = "xyz"[: len(old)]
        new = list(old)
        for name, value in self.named:
            if name not in names:
                axes = ", ".join(names)
                raise UsageError(f"--{what}: the image has no space axis {name!r}, only {axes}")
            new[names.index(name)] = _scaled(value, factor)
        values = self.values * len(old) if len(self.values) == 1 else self.values
        if values and len(values) != len(old):
            raise UsageError(
                f"--{what} has {len(values)} members, the image has {len(old)} space axes",
                hint=f"give {len(old)} numbers in the order {','.join(names)}",
            )
        for i, member in enumerate(values):
            if member is not None:
                new[i] = _scaled(member, factor)
        return tuple(new)


@dataclass(frozen=True, slots=True)
class GeometryEdit:
    """What to assign; ``None`` keeps what the file says. Numbers in x, y, z order, LPS."""

    spacing: VectorEdit | None = None
    origin: VectorEdit | None = None
    direction: Matrix | str | None = None
    """Rows, or an orientation code such as "LPS" or "RAS"."""
    affine: Matrix | None = None
    """Homogeneous, index x, y, z to physical x, y, z; replaces all three."""
    unit: str | None = None
    """Full name; no number changes."""
    space: Space | None = None
    like: SpatialImage | None = None
    """Take everything from this image first."""
    time_step: tuple[float, str | None] | None = None
    """Seconds or another unit between two time points."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return self == GeometryEdit()


def assign(image: SpatialImage, edit: GeometryEdit) -> tuple[SpatialImage, tuple[Finding, ...]]:
    """``image`` with the geometry that was asked for, and what is worth knowing about it.

    Raises ``UsageError`` for vectors of a wrong length, unknown axes or units, and a direction
    that is singular or not orthonormal.
    """
    if edit.is_empty:
        return image, ()
    findings: list[Finding] = []
    if edit.like is not None:
        image, found = _like(image, edit.like)
        findings += found
    image = _with_units(image, edit)
    image = replace(image, geometry=_with_numbers(image, edit))
    if edit.time_step is not None:
        image = _with_time_step(image, *edit.time_step)
    if edit.space is not None:
        if edit.space == "LPS" and image.geometry.ndim != len("xyz"):
            raise UsageError("--space LPS needs a volume: the image is 2-D")
        image = replace(image, geometry=replace(image.geometry, space=edit.space))
    return image, tuple(findings)


def with_dtype(image: SpatialImage, name: str) -> tuple[SpatialImage, tuple[Finding, ...]]:
    """``image`` with its values converted to another type, when they are read.

    Raises ``UsageError`` for a type that does not exist.
    """
    if name not in DTYPES:
        raise UsageError(f"--dtype {name!r} is not known", hint=f"types: {', '.join(DTYPES)}")
    wanted = np.dtype(name)
    if wanted == image.dtype:
        return image, ()
    exact = np.can_cast(image.dtype, wanted) or {image.dtype.kind, wanted.kind} <= set("biu")
    text = f"values of {image.dtype.name} became {name}"
    if exact:
        finding = note("dtype-converted", text)
    else:
        finding = warning("values-rounded", f"{text}, each rounded to the nearest")
    return replace(image, pixels=CastSource(image.pixels, wanted)), (finding,)


def reorient(image: SpatialImage, code: str) -> tuple[SpatialImage, tuple[Finding, ...]]:
    """``image`` with its voxel axes flipped and permuted closest to ``code``, not interpolated.

    The source must have random access. Raises ``UsageError`` for a bad code and ``GeometryError``
    for an image without anatomy.
    """
    change = reorientation_needed(image, code)
    if change is None:
        return image, (note("reoriented", f"the voxel axes run closest to {code} already"),)
    order, flips, geometry = change
    pixels = ArrangedSource(image.pixels, order, flips)
    findings = [note("reoriented", f"voxel axes {image.geometry.code} became {geometry.code}")]
    if any(axis.kind == "channel" for axis in image.axes):
        text = "components of vectors stay as stored, in the frame of the file"
        findings.append(warning("components-not-rotated", text))
    return replace(image, pixels=pixels, geometry=geometry), tuple(findings)


def reorientation_needed(
    image: SpatialImage, code: str
) -> tuple[tuple[int, ...], tuple[bool, ...], Geometry] | None:
    """Array axes order, flips and new geometry, or ``None`` if nothing moves. Raises as above."""
    try:
        code_direction(code)
    except ValueError as error:
        raise UsageError(f"--reorient: {error}") from error
    if image.geometry.space != "LPS" or image.geometry.ndim != len("xyz"):
        raise GeometryError(
            "--reorient needs a volume in patient space",
            hint="say so with --space LPS if the coordinates are a patient's",
        )
    change = image.geometry.reoriented(code, image.space_shape)
    if change.is_identity:
        return None
    first = len(image.axes) - len("xyz")
    order = (*range(first), *(first + 2 - a for a in reversed(change.order)))
    flips = (*[False] * first, *reversed(change.flips))
    return order, flips, change.geometry


def _like(image: SpatialImage, other: SpatialImage) -> tuple[SpatialImage, list[Finding]]:
    if other.geometry.ndim != image.geometry.ndim:
        raise UsageError(
            f"--like: the reference is {other.geometry.ndim}-D, the image {image.geometry.ndim}-D"
        )
    findings = []
    if other.space_shape != image.space_shape:
        text = f"the reference of --like has size {other.space_shape}, not {image.space_shape}"
        findings.append(warning("like-size-differs", text))
    return replace(image, geometry=other.geometry).with_unit(other.unit), findings


def _with_units(image: SpatialImage, edit: GeometryEdit) -> SpatialImage:
    """The image with its final unit, in which all numbers will be."""
    for unit in (edit.unit, *(v.unit for v in (edit.spacing, edit.origin) if v)):
        if unit is not None and unit not in LENGTH_UNITS:
            raise UsageError(f"unit {unit!r} is no unit of length")
    typed = [v.unit for v in (edit.spacing, edit.origin) if v and v.unit]
    own = {image.axes[a].unit for a in image.space_axes}
    if typed and len(own) > 1 and edit.unit is None:
        found = ", ".join(f"{image.axes[a].name} {image.axes[a].unit}" for a in image.space_axes)
        hint = "say with --unit which one holds for all; no number changes by that"
        raise UsageError(f"{typed[0]} for axes of different units ({found})", hint=hint)
    unit = edit.unit or image.unit or (typed[0] if typed else None)
    return image.with_unit(unit) if unit != image.unit else image


def _with_numbers(image: SpatialImage, edit: GeometryEdit) -> Geometry:
    old = image.geometry
    try:
        if edit.affine is not None:
            old = _from_affine(edit.affine, old)
        direction = old.direction
        if edit.direction is not None:
            direction = _direction(edit.direction, old.ndim)
        return Geometry(
            _numbers(image, "origin", edit.origin, old.origin),
            _numbers(image, "spacing", edit.spacing, old.spacing),
            direction,
            old.space,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _from_affine(affine: Matrix, old: Geometry) -> Geometry:
    if len(affine) != old.ndim + 1:
        raise ValueError(f"--affine: {old.ndim + 1} rows expected for this image")
    return Geometry.from_affine(affine, old.space)


def _numbers(image: SpatialImage, what: str, edit: VectorEdit | None, old: Vector) -> Vector:
    if edit is None:
        return old
    factor = unit_factor(edit.unit, image.unit) if edit.unit and image.unit else 1.0
    return edit.applied(what, old, factor)


def _scaled(value: float, factor: float) -> float:
    """The float nearest to the product of the decimals: 700 µm are 0.7 mm, not 0.7…01."""
    if factor == 1 or not isfinite(value):
        return value
    return float(Fraction(repr(float(value))) * Fraction(repr(factor)))


def _direction(wanted: Matrix | str, ndim: int) -> Matrix:
    direction = code_direction(wanted) if isinstance(wanted, str) else wanted
    if len(direction) != ndim:
        raise ValueError(f"--direction: {ndim * ndim} numbers expected for this image")
    checked = Geometry((0.0,) * ndim, (1.0,) * ndim, direction)
    if checked.orthonormal_deviation > TYPED_TOLERANCE:
        raise ValueError(
            f"--direction is not orthonormal (|DᵀD − I| = {checked.orthonormal_deviation:.3g}): "
            "columns must be orthogonal unit vectors"
        )
    return direction


def _with_time_step(image: SpatialImage, step: float, unit: str | None) -> SpatialImage:
    if image.time is None:
        raise UsageError(f"--time-step: the image has no time axis, only {image.axis_names}")
    if unit is not None and unit not in TIME_UNITS:
        raise UsageError(f"unit {unit!r} is no unit of time", hint="for example s or ms")
    if not (isfinite(step) and step > 0):
        raise UsageError(f"--time-step {step:g}: a number greater than 0 is needed")
    old = image.time
    if unit is not None and old.unit in TIME_UNITS:
        # The axis keeps its unit, for its start is in it too.
        step, unit = _scaled(step, unit_factor(unit, old.unit)), old.unit
    new = replace(old, step=step, unit=unit or old.unit)
    return replace(image, axes=tuple(new if axis is old else axis for axis in image.axes))
