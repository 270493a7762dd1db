"""Orientation codes, words, ties and obliquity."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geometries import CODES, geometries
from spconvert.model.geometry import Geometry, code_direction, identity_matrix, parse_code


def turned(direction: object) -> Geometry:
    rows = tuple(map(tuple, np.array(direction, np.float64).tolist()))
    return Geometry((0.0,) * 3, (1.0, 2.0, 3.0), rows, "LPS")


def about_z(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def test_there_are_48_codes_and_each_is_a_signed_permutation():
    made = {code_direction(code) for code in CODES}
    assert len(made) == 48
    assert all(np.abs(np.linalg.det(np.array(d))) == 1 for d in made)
    assert code_direction("LPS") == identity_matrix(3)


@pytest.mark.parametrize("code", CODES)
def test_words_name_the_way_each_index_runs(code):
    """The same letters in OME-Zarr's vocabulary: "L" is "right-to-left"."""
    ends = {"L": "left", "R": "right", "P": "posterior", "A": "anterior"}
    ends |= {"S": "superior", "I": "inferior"}
    words = turned(code_direction(code)).words
    assert tuple(word.split("-to-")[1] for word in words) == tuple(ends[c] for c in code)
    opposite = str.maketrans("LRPASI", "RLAPIS")
    assert tuple(w.split("-to-")[0] for w in words) == tuple(
        ends[c.translate(opposite)] for c in code
    )


@pytest.mark.parametrize("bad", ["", "LP", "LPSS", "LLS", "LPX", "L P", "XYZ", "LRS", "ßP"])
def test_a_bad_code_is_refused(bad):
    with pytest.raises(ValueError, match="one each of"):
        parse_code(bad)


def test_lower_case_codes_are_read():
    assert parse_code("ras") == parse_code("RAS") == ((0, -1), (1, -1), (2, 1))


@given(geometries(3))
def test_every_direction_gets_each_letter_pair_once(geometry):
    assert geometry.code in CODES
    assert len(geometry.words) == 3


@given(geometries(3))
def test_the_nearest_direction_maximises_the_summed_cosines(geometry):
    d = np.array(geometry.direction)
    best = max(float((d * np.array(code_direction(code))).sum()) for code in CODES)
    nearest = np.array(geometry.nearest_direction)
    assert sorted(np.abs(nearest).sum(axis=0)) == sorted(np.abs(nearest).sum(axis=1)) == [1, 1, 1]
    assert float((d * nearest).sum()) == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("quarter", [45, 135, 225, 315])
def test_a_45_degree_tie_is_decided_the_same_way_whatever_the_rounding(axis, quarter):
    """The last bits of a direction change when it is written and read; its code must not."""
    order = np.roll(np.arange(3), axis)
    tie = about_z(quarter)[np.ix_(order, order)]
    codes = {
        turned(tie * (1 + np.array(nudge).reshape(3, 1) * 2**-52)).code
        for nudge in itertools.product((-2, 0, 2), repeat=3)
    }
    assert len(codes) == 1


def test_three_equal_components_still_give_each_letter_once():
    """A body diagonal: all nine |components| are 1/3 or 2/3."""
    d = np.full((3, 3), 2 / 3) - np.eye(3)
    geometry = turned(d)
    assert geometry.code in CODES
    assert geometry.code == turned(d * (1 - 2**-53)).code


@pytest.mark.parametrize("degrees", [0.0, 1e-7, 1e-3, 0.5, 17.0, 44.9])
def test_oblique_angle_is_that_of_the_turn(degrees):
    assert turned(about_z(degrees)).oblique_angle == pytest.approx(degrees, rel=1e-6, abs=1e-12)
    assert turned(about_z(90 + degrees)).oblique_angle == pytest.approx(
        degrees, rel=1e-6, abs=1e-12
    )


def test_axis_aligned_means_a_signed_permutation_to_one_billionth():
    assert turned(code_direction("PIR")).is_axis_aligned
    assert turned(about_z(5e-8)).is_axis_aligned is True
    assert turned(about_z(1e-6)).is_axis_aligned is False
    assert turned(about_z(5e-8)).has_identity_direction
    assert not turned(code_direction("RPS")).has_identity_direction


@pytest.mark.parametrize("geometry", [Geometry.identity(2, "LPS"), Geometry.identity(3)])
def test_no_orientation_is_invented(geometry):
    assert geometry.code is None
    assert geometry.words == ()
    with pytest.raises(ValueError, match="patient space"):
        geometry.reoriented("LPS", (3, 4, 5)[: geometry.ndim])


def test_reorienting_to_its_own_code_moves_nothing():
    geometry = turned(about_z(20))
    change = geometry.reoriented("LPS", (3, 4, 5))
    assert change.is_identity
    assert change.geometry == geometry


@given(geometries(3), st.sampled_from(CODES), st.tuples(*[st.integers(1, 30)] * 3))
def test_reorienting_there_and_back_is_the_same_grid(geometry, code, shape):
    there = geometry.reoriented(code, shape)
    size = shape[::-1]
    new_shape = tuple(size[a] for a in there.order)[::-1]
    back = there.geometry.reoriented(geometry.code, new_shape).geometry
    assert back.spacing == geometry.spacing
    assert back.direction == geometry.direction
    assert back.deviation_from(geometry) <= 1e-9 * max(1, *map(abs, geometry.origin))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("degrees", [45, -45, 45 + 1e-12, 135])
def test_an_image_turned_to_a_code_has_that_code_even_where_two_are_as_near(code, degrees):
    order = [1, 2, 0]
    moved = turned(about_z(degrees)[np.ix_(order, order)]).reoriented(code, (3, 4, 5)).geometry
    assert moved.code == code
    assert moved.reoriented(code, (3, 4, 5)).is_identity
