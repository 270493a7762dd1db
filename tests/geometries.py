"""Hypothesis strategies for geometries, and the same grids as SimpleITK images."""

from __future__ import annotations

import itertools
import math

import numpy as np
import SimpleITK as sitk
from hypothesis import strategies as st
from numpy.typing import NDArray

from spconvert.model.geometry import Geometry

CODES = [
    "".join(letters)
    for order in itertools.permutations(("RL", "AP", "IS"))
    for letters in itertools.product(*order)
]
"""The 48 orientation codes."""

positions = st.floats(-1e4, 1e4, allow_nan=False)
lengths = st.floats(1e-3, 1e3, allow_nan=False)
sizes = st.integers(1, 40)


def rotation_of(quaternion: tuple[float, ...]) -> NDArray[np.float64]:
    """Rotation matrix of a quaternion (w, x, y, z) of any length but 0 (Shoemake 1985)."""
    w, x, y, z = np.array(quaternion) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


@st.composite
def directions(draw: st.DrawFn, ndim: int = 3) -> tuple[tuple[float, ...], ...]:
    """Orthonormal directions: oblique or along the axes, right- or left-handed."""
    if ndim == 2:
        angle = draw(st.floats(-3.2, 3.2))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    else:
        member = st.floats(-1, 1, allow_nan=False)
        quaternion = draw(st.tuples(*[member] * 4).filter(lambda q: float(np.linalg.norm(q)) > 0.1))
        turn = rotation_of(quaternion)
    if draw(st.booleans()):
        turn = np.eye(ndim)
    order = draw(st.permutations(range(ndim)))
    signs = draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * ndim))
    turned = (turn * np.array(signs))[:, list(order)] + 0.0
    turned /= [math.hypot(*column) for column in turned.T]  # unit length to the last place
    turned[np.abs(turned) < 1e-30] = 0.0  # ITK's inverse (vnl_svd) is NaN for denormal members
    return tuple(tuple(row) for row in turned.tolist())


@st.composite
def geometries(draw: st.DrawFn, ndim: int = 3, space: str = "LPS") -> Geometry:
    """Geometries as scanners and microscopes make them."""
    return Geometry(
        draw(st.tuples(*[positions] * ndim)),
        draw(st.tuples(*[lengths] * ndim)),
        draw(directions(ndim)),
        space,
    )


def as_itk(geometry: Geometry, array_shape: tuple[int, ...]) -> sitk.Image:
    """The same grid as a SimpleITK image of zeros; ``array_shape`` is (z,) y, x."""
    image = sitk.Image(list(reversed(array_shape)), sitk.sitkInt16)
    image.SetOrigin(geometry.origin)
    image.SetSpacing(geometry.spacing)
    image.SetDirection(sum(geometry.direction, ()))
    return image


def from_itk(image: sitk.Image, space: str = "LPS") -> Geometry:
    """The geometry that SimpleITK reports."""
    n = image.GetDimension()
    flat = image.GetDirection()
    rows = tuple(tuple(flat[i * n : (i + 1) * n]) for i in range(n))
    return Geometry(image.GetOrigin(), image.GetSpacing(), rows, space)


def assert_same_grid(actual: Geometry, expected: Geometry) -> None:
    """Equal to the rounding of numbers of this size."""
    reach = max(1.0, *map(abs, (*expected.origin, *expected.spacing)))
    np.testing.assert_allclose(actual.origin, expected.origin, rtol=1e-12, atol=1e-12 * reach)
    np.testing.assert_allclose(actual.spacing, expected.spacing, rtol=1e-12)
    np.testing.assert_allclose(actual.direction, expected.direction, rtol=0, atol=1e-12)
