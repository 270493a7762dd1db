"""Reducers against the slow obvious way: exact fractions for integers, float64 loops for floats."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spconvert.errors import UsageError
from spconvert.pixels.reduced import REDUCERS, mean, nearest, reducer

INTEGERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
FLOATS = ["f2", "f4", "f8"]
MAX = np.finfo("f8").max


def windows(array, factors):
    """(index of the coarser voxel, its window) for every window, cut off at the far end."""
    counts = [-(-n // f) for n, f in zip(array.shape, factors, strict=True)]
    for index in itertools.product(*map(range, counts)):
        box = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        yield index, array[box]


def half_up(window):
    values = [int(v) for v in window.ravel()]
    return math.floor(Fraction(sum(values), len(values)) + Fraction(1, 2))


def assert_exact_mean(array, factors):
    result = mean(array, factors)
    assert result.dtype == array.dtype.newbyteorder("=")
    expected = {index: half_up(window) for index, window in windows(array, factors)}
    assert {index: int(result[index]) for index in np.ndindex(result.shape)} == expected


def limits(dtype):
    return (0, 1) if dtype == "?" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def noise(shape, dtype):
    rng = np.random.default_rng(7)
    if dtype == "?":
        return rng.integers(0, 2, shape).astype(bool)
    low, high = limits(dtype)
    return rng.integers(low, high, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    ("shape", "factors"),
    [
        ((7, 9), (2, 2)),
        ((5, 9), (1, 2)),
        ((9, 7), (3, 5)),
        ((5, 7, 9), (2, 2, 2)),
        ((5, 7, 9), (1, 2, 2)),
        ((6, 5, 7), (3, 2, 1)),
        ((4, 7, 11), (2, 3, 5)),
        ((3, 4, 5), (5, 5, 5)),
        ((4, 3, 2), (1, 1, 1)),
        ((2, 3, 5, 4, 7), (1, 1, 2, 3, 2)),
    ],
)
def test_integer_mean_is_the_exact_one_rounded_half_up(dtype, shape, factors):
    assert_exact_mean(noise(shape, dtype), factors)


@given(
    data=st.data(),
    dtype=st.sampled_from(INTEGERS),
    shape=hnp.array_shapes(min_dims=2, max_dims=4, max_side=6),
)
def test_integer_mean_is_exact_for_any_values(data, dtype, shape):
    low, high = limits(dtype)
    near_the_ends = st.sampled_from([low, high, low + 1, high - 1])
    elements = st.booleans() if dtype == "?" else st.integers(low, high) | near_the_ends
    array = data.draw(hnp.arrays(dtype, shape, elements=elements))
    factors = data.draw(st.tuples(*(st.sampled_from([1, 2, 3, 5]) for _ in shape)))
    assert_exact_mean(array, factors)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("factors", [(2, 2, 2), (3, 3, 3), (5, 1, 2)])
def test_extremes_neither_overflow_nor_wrap(dtype, factors):
    low, high = limits(dtype)
    for value in (low, high):
        assert (mean(np.full((5, 6, 7), value, dtype), factors) == value).all()
    checkers = np.indices((5, 6, 7)).sum(0) % 2
    assert_exact_mean(np.where(checkers, high, low).astype(dtype), factors)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 1], 1), ([1, 2], 2), ([-1, 0], 0), ([-2, -1], -1), ([-3, -2], -2), ([2, 3], 3)],
)
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8"])
def test_ties_go_towards_plus_infinity(values, expected, dtype):
    assert mean(np.array([values], dtype), (1, 2)).tolist() == [[expected]]


def test_half_of_true_is_true():
    assert mean(np.array([[True, False], [False, True]]), (2, 2)).tolist() == [[True]]
    assert mean(np.array([[True, False], [False, False]]), (2, 2)).tolist() == [[False]]


def layouts(array):
    """The same values in memory in other ways."""
    wide = np.zeros((*array.shape[:-1], array.shape[-1] * 2), array.dtype)
    wide[..., ::2] = array
    padded = np.zeros((*array.shape[:-1], array.shape[-1] + 1), array.dtype)
    padded[..., 1:] = array
    octets = np.zeros(array.nbytes + 1, np.uint8)
    octets[1:] = np.frombuffer(array.tobytes(), np.uint8)
    yield "fortran", np.asfortranarray(array)
    yield "every second", wide[..., ::2]
    yield "backwards", np.ascontiguousarray(array[:, ::-1, ::-1])[:, ::-1, ::-1]
    yield "a part of wider rows", padded[..., 1:]
    yield "interleaved", np.ascontiguousarray(array.transpose(1, 2, 0)).transpose(2, 0, 1)
    yield "unaligned", octets[1:].view(array.dtype).reshape(array.shape)
    yield "other byte order", array.astype(array.dtype.newbyteorder())


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", "f4", "c8"])
@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 3, 2)])
@pytest.mark.parametrize("name", list(REDUCERS))
def test_how_values_lie_in_memory_does_not_matter(dtype, factors, name):
    array = noise((5, 6, 8), "i2").astype(dtype)
    expected = REDUCERS[name].reduce(array, factors)
    for label, other in layouts(array):
        found = REDUCERS[name].reduce(other, factors)
        np.testing.assert_array_equal(found, expected, err_msg=label)


@pytest.mark.parametrize("name", list(REDUCERS))
def test_reducing_leaves_its_input_alone(name):
    for dtype in ["i2", "u8", "f4"]:
        array = noise((4, 6, 8), "i2").astype(dtype)
        before = array.copy()
        array.flags.writeable = False
        REDUCERS[name].reduce(array, (2, 2, 2))[:] = 1
        np.testing.assert_array_equal(array, before)


# -- floats --------------------------------------------------------------------------------------


def plain_mean(window):
    """NaN left out; inf and -inf together are NaN; summed without rounding."""
    values = [float(v) for v in window.ravel() if not np.isnan(v)]
    if not values:
        return math.nan
    if any(map(math.isinf, values)):
        ends = {v for v in values if math.isinf(v)}
        return ends.pop() if len(ends) == 1 else math.nan
    return float(sum(map(Fraction, values)) / len(values))


@given(
    data=st.data(),
    dtype=st.sampled_from(FLOATS),
    shape=hnp.array_shapes(min_dims=2, max_dims=3, max_side=5),
)
def test_float_mean_leaves_nan_out_and_never_overflows(data, dtype, shape):
    width = np.dtype(dtype).itemsize * 8
    elements = st.floats(width=width) | st.sampled_from([math.nan, math.inf])
    array = data.draw(hnp.arrays(dtype, shape, elements=elements))
    factors = data.draw(st.tuples(*(st.sampled_from([1, 2, 3, 5]) for _ in shape)))
    result = mean(array, factors)
    assert result.dtype == array.dtype
    for index, window in windows(array, factors):
        expected = plain_mean(window)
        found = float(result[index])
        if math.isfinite(expected):
            scale = float(np.abs(window[np.isfinite(window)]).max())
            tiny = float(np.finfo(dtype).smallest_subnormal)
            epsilon = float(np.finfo(dtype).eps)
            assert abs(Fraction(found) - Fraction(expected)) <= Fraction(
                scale * epsilon
            ) * 4 + 4 * (Fraction(tiny))
        else:
            assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize("count", range(2, 12))
@pytest.mark.parametrize("value", [MAX, -MAX])
def test_mean_of_the_largest_numbers_is_finite(count, value):
    found = mean(np.full((1, count), value), (1, count))[0, 0]
    assert found == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_narrow_floats_are_summed_in_a_wider_type(dtype):
    largest = np.finfo(dtype).max
    assert (mean(np.full((4, 6), largest, dtype), (2, 3)) == largest).all()
    one = np.array([[1, np.finfo(dtype).eps, np.finfo(dtype).eps, 1]], dtype)
    expected = np.dtype(dtype).type((2 + 2 * float(np.finfo(dtype).eps)) / 4)
    assert mean(one, (1, 4))[0, 0] == expected


def test_a_window_of_nan_is_nan_and_its_neighbours_are_not():
    array = np.array([[np.nan, np.nan, 1.0, np.nan, 5.0]])
    np.testing.assert_array_equal(mean(array, (1, 2)), [[np.nan, 1.0, 5.0]])


def test_infinities_of_both_signs_have_no_mean():
    found = mean(np.array([[np.inf, 1.0, np.inf, -np.inf, -np.inf, -MAX]]), (1, 2))
    np.testing.assert_array_equal(found, [[np.inf, np.nan, -np.inf]])


@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_complex_mean_is_that_of_its_parts(dtype):
    rng = np.random.default_rng(3)
    array = (rng.normal(size=(5, 7, 9)) + 1j * rng.normal(size=(5, 7, 9))).astype(dtype)
    found = mean(array, (2, 3, 2))
    assert found.dtype == np.dtype(dtype)
    real = np.dtype(f"f{found.dtype.itemsize // 2}")
    kind = {"rtol": 10 * float(np.finfo(real).eps), "atol": float(np.finfo(real).eps)}
    np.testing.assert_allclose(found.real, mean(array.real, (2, 3, 2)), **kind)
    np.testing.assert_allclose(found.imag, mean(array.imag, (2, 3, 2)), **kind)


def test_complex_values_that_are_nan_in_one_part_are_left_out():
    array = np.array([[2 + 4j, complex(np.nan, 1), complex(np.inf, 1), 1 + 1j, MAX, MAX + 2j]])
    assert mean(array, (1, 2)).tolist() == [[2 + 4j, complex(np.inf, 1), MAX + 1j]]


# -- nearest -------------------------------------------------------------------------------------


@given(
    data=st.data(),
    dtype=st.sampled_from([*INTEGERS, *FLOATS, "c8"]),
    shape=hnp.array_shapes(min_dims=2, max_dims=4, max_side=7),
)
def test_nearest_takes_the_first_voxel_of_each_window(data, dtype, shape):
    array = data.draw(hnp.arrays(dtype, shape))
    factors = data.draw(st.tuples(*(st.sampled_from([1, 2, 3, 5]) for _ in shape)))
    result = nearest(array, factors)
    assert result.flags.c_contiguous
    assert result.dtype == array.dtype
    for index, window in windows(array, factors):
        assert result[index].tobytes() == window[(0,) * window.ndim].tobytes()


def test_nearest_never_makes_a_value_that_was_not_there():
    array = noise((9, 10, 11), "u4")
    assert set(nearest(array, (2, 3, 5)).ravel()) <= set(array.ravel())


# -- by name -------------------------------------------------------------------------------------


def test_reducers_are_found_by_name_with_their_anchor():
    assert {name: reducer(name).anchor for name in REDUCERS} == {
        "mean": "center",
        "nearest": "corner",
    }


def test_unknown_reducer_names_those_there_are():
    with pytest.raises(UsageError, match="'gauss' is not known") as error:
        reducer("gauss")
    assert "mean" in error.value.hint
