"""Values as another type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spconvert.errors import Unsupported
from spconvert.pixels.cast import CastSource, converted
from spconvert.pixels.opened import ArraySource
from spconvert.testing.pixel_source import PixelSourceContract

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


class TestContract(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return np.random.default_rng(5).integers(0, 255, (7, 5, 9)).astype("u1")

    @pytest.fixture
    def source(self, expected):
        return CastSource(ArraySource(expected.astype("i4")), np.dtype("u1"))


@pytest.mark.parametrize("wanted", INTEGERS)
@pytest.mark.parametrize("held", INTEGERS)
@given(st.data())
def test_integers_arrive_exactly_or_are_refused(held, wanted, data):
    limits, target = np.iinfo(held), np.iinfo(wanted)
    value = data.draw(st.integers(int(limits.min), int(limits.max)))
    pixels = np.array([value], held)
    if target.min <= value <= target.max:
        assert converted(pixels, np.dtype(wanted)).tolist() == [value]
    else:
        with pytest.raises(Unsupported, match=f"do not fit {wanted}"):
            converted(pixels, np.dtype(wanted))


def test_floats_are_rounded_to_the_nearest_even():
    pixels = np.array([-1.5, -0.5, 0.5, 1.5, 2.5, 254.6])
    with pytest.raises(Unsupported, match="values from -2"):
        converted(pixels, np.dtype("u1"))
    assert converted(pixels[2:], np.dtype("u1")).tolist() == [0, 2, 2, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_does_not_become_an_integer(value):
    with pytest.raises(Unsupported, match="NaN and infinity"):
        converted(np.array([1.0, value]), np.dtype("i4"))


def test_a_float_too_large_for_a_narrower_one_is_refused_but_infinity_stays():
    with pytest.raises(Unsupported, match="too large for float32"):
        converted(np.array([1e300]), np.dtype("f4"))
    kept = converted(np.array([np.inf, np.nan, 1.1]), np.dtype("f4"))
    np.testing.assert_array_equal(kept, np.array([np.inf, np.nan, 1.1], "f4"))


def test_complex_numbers_do_not_become_real_ones():
    with pytest.raises(Unsupported, match="complex"):
        converted(np.array([1 + 2j]), np.dtype("f4"))
