"""Arrays in memory as images: anything that NumPy can view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from spconvert.errors import GeometryError, UsageError
from spconvert.model.axes import axes_named, unit_name
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
    copied. Raises ``UsageError`` for axes or a unit that do not exist, ``GeometryError`` for
    numbers that make no sense.
    """
    pixels = np.asarray(array)
    names = axes if axes is not None else _DEFAULT_AXES.get(pixels.ndim)
    if names is None:
        raise UsageError(f"an array of {pixels.ndim} axes", hint="name 2 to 5 axes out of tczyx")
    full_unit = unit_name(unit) if unit is not None else None
    if unit is not None and full_unit is None:
        raise UsageError(f"unit {unit!r} is not known", hint="for example mm or micrometer")
    ndim = sum(n in "zyx" for n in names)
    rows = identity_matrix(ndim) if direction is None else direction
    matrix: Matrix = tuple(tuple(float(v) for v in row) for row in rows)
    try:
        geometry = Geometry(_vector(origin, ndim), _vector(spacing, ndim), matrix, space)
        return SpatialImage(ArraySource(pixels), axes_named(names, full_unit), geometry, name=name)
    except ValueError as error:
        raise GeometryError(str(error)) from error


def _vector(values: Sequence[float] | float, ndim: int) -> tuple[float, ...]:
    if isinstance(values, int | float):
        return (float(values),) * ndim
    return tuple(float(v) for v in values)
