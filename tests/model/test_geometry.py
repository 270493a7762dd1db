"""Geometry by itself: what it accepts, matrices both ways, exactness, descriptions."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from geometries import directions, geometries, lengths, positions, rotation_of
from spconvert.model.geometry import (
    Geometry,
    identity_matrix,
    reversed_matrix,
    reversed_vector,
    to_lps,
)

any_geometry = st.one_of(geometries(3), geometries(2))
EYE = identity_matrix(3)
ULP = np.finfo(np.float64).eps


def straight(**changes: object) -> Geometry:
    return Geometry(
        **{"origin": (1.0, 2.0, 3.0), "spacing": (0.5, 0.75, 2.0), "direction": EYE} | changes
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"origin": (0.0, 0.0)}, "2-D or 3-D expected"),
        ({"origin": (0.0,), "spacing": (1.0,), "direction": ((1.0,),)}, "2-D or 3-D expected"),
        ({"spacing": (1.0, 1.0)}, "2-D or 3-D expected"),
        ({"direction": identity_matrix(2)}, "3 rows of 3 numbers expected"),
        ({"direction": (*EYE[:2], (0.0, 1.0))}, "3 rows of 3 numbers expected"),
        ({"origin": (0.0, math.nan, 0.0)}, "finite"),
        ({"spacing": (1.0, math.inf, 1.0)}, "finite"),
        ({"direction": (*EYE[:2], (0.0, 0.0, math.nan))}, "finite"),
        ({"spacing": (1.0, 0.0, 1.0)}, "greater than 0"),
        ({"spacing": (1.0, -1.0, 1.0)}, "greater than 0"),
        ({"direction": (*EYE[:2], (0.0, 0.0, 2.0))}, "unit vectors expected"),
        ({"direction": (*EYE[:2], (0.0, 0.0, 1e300))}, "unit vectors expected"),
        ({"direction": (*EYE[:2], (0.0, 0.0, 0.0))}, "unit vectors expected"),
        ({"direction": ((1.0, 1.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))}, "singular"),
        (
            {"direction": ((1.0, 1.0, 0.0), (0.0, 1e-7, 0.0), (0.0, 0.0, 1.0))},
            "singular",
        ),
        ({"space": "RAS"}, "'LPS' or 'unknown' expected"),
    ],
)
def test_an_impossible_grid_is_refused_with_the_values(changes, words):
    with pytest.raises(ValueError, match=words):
        straight(**changes)


@given(any_geometry)
def test_the_affine_gives_the_same_grid_back(geometry):
    back = Geometry.from_affine(geometry.affine, geometry.space)
    assert back.origin == geometry.origin
    np.testing.assert_allclose(back.spacing, geometry.spacing, rtol=4 * ULP)
    np.testing.assert_allclose(back.direction, geometry.direction, rtol=0, atol=4 * ULP)
    assert back.deviation_from(geometry) <= 1e-9


@given(any_geometry)
def test_the_affine_applied_to_an_index_is_its_physical_position(geometry):
    index = np.arange(1.0, geometry.ndim + 1)
    expected = (geometry.affine @ [*index, 1.0])[:-1]
    np.testing.assert_allclose(geometry.physical(index), expected, rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(geometry.affine[-1], [0] * geometry.ndim + [1])


@pytest.mark.parametrize(
    "affine",
    [5.0, np.eye(5), np.ones((3, 4)), np.zeros((0, 0)), np.eye(4)[None], np.full((4, 4), np.nan)],
    ids=["scalar", "4-D", "3x4", "empty", "stack", "nan"],
)
def test_what_is_no_affine_is_refused(affine):
    with pytest.raises(ValueError, match="expected"):
        Geometry.from_affine(affine)


def test_a_transposed_affine_is_refused():
    """The last row says whether a matrix is meant for column vectors."""
    with pytest.raises(ValueError, match="last row"):
        Geometry.from_affine(straight().affine.T)


@pytest.mark.parametrize(
    ("steps", "origin"),
    [
        ([(1.0,), (0.0, 1.0)], (0.0, 0.0)),
        ([(1.0, 0.0, 1e-5), (0.0, 1.0, 0.0)], (0.0, 0.0)),
        ([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)], (0.0, 0.0, 0.0)),
        ([(0.0, 0.0), (0.0, 1.0)], (0.0, 0.0)),
        ([(math.nan, 0.0), (0.0, 1.0)], (0.0, 0.0)),
        ([(math.inf, 0.0), (0.0, 1.0)], (0.0, 0.0)),
        ([], ()),
    ],
)
def test_steps_that_make_no_grid_are_refused(steps, origin):
    with pytest.raises(ValueError, match="expected"):
        Geometry.from_columns(steps, origin)


@given(
    st.tuples(*[st.floats(1e-300, 1e300)] * 3),
    st.permutations(range(3)),
    st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
    st.tuples(*[positions] * 3),
)
def test_steps_along_the_axes_come_back_bit_for_bit(spacing, order, signs, origin):
    """A spacing that went into a file as an axis-aligned step is the same number afterwards."""
    steps = [[0.0] * 3 for _ in range(3)]
    for axis, world in enumerate(order):
        steps[axis][world] = signs[axis] * spacing[axis]
    geometry = Geometry.from_columns(steps, origin)
    assert geometry.spacing == spacing
    assert geometry.origin == origin
    assert [abs(v) for row in geometry.direction for v in row].count(1.0) == 3
    assert geometry.linear.T.tolist() == steps


@given(directions(3), st.tuples(*[lengths] * 3))
def test_oblique_steps_come_back_to_four_ulp(direction, spacing):
    before = Geometry((0.0,) * 3, spacing, direction)
    after = Geometry.from_columns(before.linear.T.tolist(), before.origin)
    np.testing.assert_allclose(after.spacing, spacing, rtol=4 * ULP)
    np.testing.assert_allclose(after.direction, direction, rtol=0, atol=4 * ULP)


@pytest.mark.parametrize("spacing", [1e-300, 1e-150, 1e150, 1e300])
def test_very_small_and_very_large_voxels_convert_both_ways(spacing):
    geometry = Geometry((0.0,) * 3, (spacing, 1.0, spacing), EYE)
    physical = geometry.physical((2, 3, 4))
    assert physical.tolist() == [2 * spacing, 3.0, 4 * spacing]
    np.testing.assert_allclose(geometry.index(physical), (2, 3, 4), rtol=1e-15)


def test_denormal_cosines_do_no_harm():
    """A direction on which ITK 5.4 answers NaN."""
    geometry = straight(direction=((0.0, 1.0, 0.0), (-1.0, 0.0, -1e-323), (-1e-323, 0.0, 1.0)))
    np.testing.assert_allclose(geometry.index(geometry.physical((2, 3, 4))), (2, 3, 4))
    assert geometry.is_axis_aligned
    assert geometry.is_rotation


def test_physical_and_index_take_stacks_of_points():
    points = np.arange(24.0).reshape(2, 4, 3)
    geometry = straight()
    assert geometry.physical(points).shape == (2, 4, 3)
    assert geometry.physical(points)[1, 2].tolist() == geometry.physical(points[1, 2]).tolist()
    np.testing.assert_allclose(geometry.index(geometry.physical(points)), points)


def test_negative_zeros_do_not_change_a_grid():
    signed = ((1.0, -0.0, 0.0), (0.0, 1.0, -0.0), (-0.0, 0.0, 1.0))
    geometry = straight(origin=(-0.0, 2.0, 3.0), direction=signed, space="LPS")
    assert geometry.code == "LPS"
    assert geometry == straight(origin=(0.0, 2.0, 3.0), space="LPS")
    assert geometry.has_identity_direction
    assert geometry.oblique_angle == 0.0


def test_reorienting_leaves_no_negative_zero():
    moved = straight(space="LPS").reoriented("RAS", (3, 4, 5)).geometry
    assert all(math.copysign(1, v) == 1 for row in moved.direction for v in row if v == 0)


@given(any_geometry)
def test_nothing_moves_for_factor_one_or_a_crop_at_zero(geometry):
    ones, zeros = (1,) * geometry.ndim, (0,) * geometry.ndim
    assert geometry.cropped(zeros) == geometry
    assert geometry.downsampled(ones) == geometry
    assert geometry.downsampled(ones, "corner") == geometry


@given(any_geometry, st.data())
def test_two_levels_of_means_are_one_level_of_the_product(geometry, data):
    a = data.draw(st.tuples(*[st.integers(1, 4)] * geometry.ndim))
    b = data.draw(st.tuples(*[st.integers(1, 4)] * geometry.ndim))
    product = tuple(x * y for x, y in zip(a, b, strict=True))
    twice, once = geometry.downsampled(a).downsampled(b), geometry.downsampled(product)
    assert twice.deviation_from(once) <= 1e-9


def test_factors_are_in_array_order_and_shift_by_half_a_window():
    """The numbers of the worked example: scale f·S, translation O + (f − 1)/2 · S."""
    level = Geometry((-90.5, 12.25, 300.0), (0.5, 0.75, 2.0), EYE).downsampled((1, 2, 2))
    assert level.spacing == (1.0, 1.5, 2.0)
    assert level.origin == (-90.25, 12.625, 300.0)


@pytest.mark.parametrize("factors", [(0, 1, 1), (-2, 1, 1), (2, 2)])
def test_factors_that_make_no_level_are_refused(factors):
    with pytest.raises(ValueError, match=r"expected|greater|shorter"):
        straight().downsampled(factors)


@given(any_geometry, st.data())
def test_bounds_hold_every_voxel_and_touch_the_outer_corners(geometry, data):
    shape = data.draw(st.tuples(*[st.integers(1, 9)] * geometry.ndim))
    low, high = geometry.bounds(shape)
    size = np.array(shape[::-1])
    inside = data.draw(st.tuples(*[st.floats(0, 1)] * geometry.ndim))
    point = geometry.physical(np.array(inside) * size - 0.5)
    slack = 1e-9 * (1 + np.abs(point))
    assert (point >= low - slack).all()
    assert (point <= high + slack).all()
    extent = np.abs(geometry.linear) @ size
    np.testing.assert_allclose(np.subtract(high, low), extent, rtol=1e-9, atol=1e-9)


@given(st.tuples(*[st.floats(-1, 1)] * 4))
def test_rotations_are_known_from_reflections(quaternion):
    assume(np.linalg.norm(quaternion) > 0.1)
    turn = rotation_of(quaternion)
    mirrored = turn * [1.0, 1.0, -1.0]
    assert straight(direction=tuple(map(tuple, turn.tolist()))).is_rotation
    assert not straight(direction=tuple(map(tuple, mirrored.tolist()))).is_rotation


@pytest.mark.parametrize(
    ("lean", "rotation", "sheared"),
    [(0.0, True, False), (1e-10, True, False), (1e-8, False, False), (1e-5, False, True)],
)
def test_shear_is_graded_by_its_size(lean, rotation, sheared):
    """To 1e-9 a rotation, to 1e-6 orthonormal, beyond that a sheared grid."""
    geometry = straight(
        direction=((1.0, math.sin(lean), 0.0), (0.0, math.cos(lean), 0.0), (0.0, 0.0, 1.0))
    )
    assert geometry.is_rotation is rotation
    assert geometry.is_sheared is sheared


@given(geometries(3))
def test_is_rotation_holds_for_rows_as_for_columns(geometry):
    """OME-Zarr asks for D Dᵀ = I; what we call a rotation meets that as well."""
    assume(geometry.is_rotation)
    d = np.array(geometry.direction)
    assert np.abs(d @ d.T - np.eye(3)).max() <= 1e-9


def test_deviation_is_counted_in_voxels():
    geometry = straight()
    assert geometry.deviation_from(straight(origin=(1.0, 2.0, 4.0))) == 2.0
    assert geometry.deviation_from(geometry) == 0.0
    assert geometry.deviation_from(straight(space="LPS")) == math.inf
    assert geometry.deviation_from(Geometry.identity(2)) == math.inf


def test_rounding_of_a_far_origin_is_no_deviation_but_a_shift_is():
    """A stage position in nanometres: one unit in the last place is 4e-9 of a voxel."""
    far = Geometry((1e8, 2.0, 3.0), (4.0, 4.0, 4.0), EYE)
    rounded = Geometry((math.nextafter(1e8, 2e8), 2.0, 3.0), (4.0, 4.0, 4.0), EYE)
    assert far.deviation_from(rounded) == 0.0
    assert far.deviation_from(Geometry((1e8 + 1e-6, 2.0, 3.0), (4.0,) * 3, EYE)) > 1e-9


@given(any_geometry)
def test_array_order_is_the_reversal_of_both_rows_and_columns(geometry):
    """D' = J D J, O' = J O, S' = J S: the same positions, read backwards."""
    d = np.array(reversed_matrix(geometry.direction))
    assert d.tolist() == np.array(geometry.direction)[::-1, ::-1].tolist()
    index = np.arange(1.0, geometry.ndim + 1)
    in_array_order = np.array(reversed_vector(geometry.origin)) + d @ (
        np.array(reversed_vector(geometry.spacing)) * index[::-1]
    )
    np.testing.assert_allclose(
        in_array_order[::-1], geometry.physical(index), rtol=1e-12, atol=1e-9
    )
    assert np.linalg.det(d) == pytest.approx(np.linalg.det(np.array(geometry.direction)))
    assert reversed_matrix(reversed_matrix(geometry.direction)) == geometry.direction


@pytest.mark.parametrize(
    ("frame", "signs"),
    [("LPS", (1, 1, 1)), ("RAS", (-1, -1, 1)), ("LAS", (1, -1, 1)), ("RPI", (-1, 1, -1))],
)
@given(vector=st.tuples(*[positions] * 3))
def test_frames_turn_to_lps_and_back(frame, signs, vector):
    turned = to_lps(vector, frame)
    assert turned == tuple(s * v for s, v in zip(signs, vector, strict=True))
    assert to_lps(turned, frame) == vector


def test_geometry_pickles_and_hashes():
    geometry = straight()
    assert pickle.loads(pickle.dumps(geometry)) == geometry  # noqa: S301  own bytes
    assert len({geometry, straight()}) == 1
