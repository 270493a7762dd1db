"""Arrays in memory as images: anything that NumPy can view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spconvert.errors import GeometryError, UsageError
from spconvert.model.axes import LENGTH_UNITS, axes_named, unit_name
from spconvert.model.geometry import Geometry, Matrix, Space, identity_matrix
from spconvert.model.image import SpatialImage
from spconvert.pixels.opened import ArraySource

_DEFAULT_AXES = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}


def from_array(  # noqa: PLR0913 - each is one property of an image, by keyword
    array: ArrayLike,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | float = 1.0,
    origin: Sequence[float] | float = 0.0,
    direction: Sequence[Sequence[float]] | None = None,
    unit: str | None = None,
    space: Space = "unknown",
    name: str = "image",
) -> SpatialImage:
    """An array with a place in physical space.

    ``axes`` names the array axes, a subsequence of "tczyx" (default: by dimension, "yx", "zyx",
    "tzyx", "tczyx"). ``spacing``, ``origin`` and ``direction`` (rows) are in x, y, z order and in
    ``unit`` ("mm", "micrometer"); ``space`` is "LPS" for a patient's coordinates. The array is not
    copied. Raises ``UsageError`` for values that are no numbers and for axes or a unit that do not
    exist, ``GeometryError`` for numbers that make no sense.
    """
    pixels = _pixels(array)
    names = axes if axes is not None else _DEFAULT_AXES.get(pixels.ndim)
    if names is None or len(names) != pixels.ndim:
        found = f"an array of {pixels.ndim} axes"
        raise UsageError(
            found if names is None else f"axes {names!r} for {found}",
            hint="name 2 to 5 axes out of tczyx",
        )
    full_unit = unit_name(unit) if unit is not None else None
    if unit is not None and full_unit not in LENGTH_UNITS:
        raise UsageError(f"unit {unit!r} is no known length", hint="for example mm or micrometer")
    try:
        named = axes_named(names, full_unit)
    except ValueError as error:
        raise UsageError(str(error), hint="name 2 to 5 axes out of tczyx") from error
    ndim = sum(n in "zyx" for n in names)
    rows = identity_matrix(ndim) if direction is None else direction
    try:
        matrix: Matrix = tuple(tuple(float(v) for v in row) for row in rows)
        geometry = Geometry(_vector(origin, ndim), _vector(spacing, ndim), matrix, space)
    except (ValueError, TypeError) as error:
        raise GeometryError(str(error)) from error
    try:
        return SpatialImage(ArraySource(pixels), named, geometry, name=name)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _pixels(array: ArrayLike) -> NDArray[Any]:
    try:
        pixels = np.asarray(array)
    except ValueError as error:
        raise UsageError(f"not an array: {error}") from error
    if pixels.dtype.kind not in "biufc":
        raise UsageError(f"an array of {pixels.dtype.name} values: numbers expected")
    if pixels.size == 0:
        raise UsageError(f"an array of shape {pixels.shape} has no values")
    return pixels


def _vector(values: Sequence[float] | float, ndim: int) -> tuple[float, ...]:
    if np.ndim(values) == 0:
        return (float(cast("float", values)),) * ndim
    return tuple(float(v) for v in cast("Sequence[float]", values))
