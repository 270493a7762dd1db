"""Slope and intercept on the fly: types, values, layouts, sources of both kinds."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spconvert.model.region import Region
from spconvert.pixels.inflated import CompressedPart, InflatedSource
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource
from spconvert.pixels.rescaled import RescaledSource, rescaled_type
from spconvert.testing.pixel_source import PixelSourceContract

SHAPE = (2, 5, 7, 11)
ORDER = (1, 2, 3, 0)


def stored_file(tmp_path, stored, *, packed):
    array = np.random.default_rng(4).integers(0, 120, SHAPE).astype(stored)
    data = np.ascontiguousarray(array.transpose(ORDER)).tobytes()
    layout = Layout(SHAPE, np.dtype(stored), ORDER)
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(data) if packed else data)
    if packed:
        return array, InflatedSource((CompressedPart(path, 0, len(data)),), "gzip", layout)
    return array, RawSource((FilePart(path, 0, len(data)),), layout)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "dtype"),
    [
        (">i2", 0.0754, 3100.75, "float32"),
        ("<u2", 1.0, -1024.0, "int32"),
        ("u1", -1.0, 255.0, "uint8"),
        ("<f8", 2.0, 0.5, "float64"),
        ("<c8", 2.0, 0.5, "complex64"),
    ],
)
class TestRescaledSource(PixelSourceContract):
    @pytest.fixture
    def made(self, stored, slope, intercept, dtype, packed, tmp_path):
        array, source = stored_file(tmp_path, stored, packed=packed)
        return array, RescaledSource(source, slope, intercept, np.dtype(dtype))

    @pytest.fixture
    def source(self, made):
        return made[1]

    @pytest.fixture
    def expected(self, made, slope, intercept, dtype):
        array = made[0]
        offset = intercept * (1 + 1j) if array.dtype.kind == "c" else intercept
        kind = np.complex128 if array.dtype.kind == "c" else np.float64
        return (array.astype(kind) * slope + offset).astype(dtype)


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "mode", "expected"),
    [
        ("int16", 0.5, 0.0, "auto", "float32"),
        ("int16", 1.0, -1024.0, "auto", "int32"),
        ("int16", 1.0, -1024.0, "apply", "float32"),
        ("int16", 1.0, -1024.0, "keep", None),
        ("int16", 1.0, 0.0, "apply", None),
        ("uint8", 2.0, 0.0, "auto", "uint16"),
        ("uint8", 1.0, -1.0, "auto", "int16"),
        ("uint8", -1.0, 255.0, "auto", "uint8"),
        ("int8", 1.0, 128.0, "auto", "int16"),
        ("uint64", 2.0, 0.0, "auto", "float64"),
        ("int32", 0.5, 0.0, "auto", "float64"),
        ("float32", 3.0, 1.0, "auto", "float32"),
        ("float64", 3.0, 1.0, "apply", "float64"),
        ("complex64", 3.0, 1.0, "auto", "complex64"),
        ("uint8", 1e300, 0.0, "auto", "float32"),
    ],
)
def test_type_of_real_values(stored, slope, intercept, mode, expected):
    found = rescaled_type(np.dtype(stored), slope, intercept, mode)
    assert found == (None if expected is None else np.dtype(expected))


@given(
    st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]),
    st.integers(-(2**33), 2**33),
    st.integers(-(2**34), 2**34),
)
def test_integer_results_are_exact_at_both_ends(stored, slope, intercept):
    dtype = rescaled_type(np.dtype(stored), float(slope), float(intercept), "auto")
    if dtype is None or dtype.kind not in "iu":
        return
    limits = np.iinfo(stored)
    array = np.array([limits.min, limits.min + 1, 0, 1, limits.max], stored)
    source = RescaledSource(_Array(array), slope, intercept, dtype)
    found = source.read(Region((0,), (5,)))
    assert found.tolist() == [int(v) * slope + intercept for v in array]


def test_whole_numbers_are_needed_for_integers():
    with pytest.raises(ValueError, match=r"0\.5"):
        RescaledSource(_Array(np.zeros(2, "u1")), 0.5, 0.0, np.dtype("int16"))


def test_float32_is_rounded_once():
    array = np.arange(-32768, 32768, dtype="int16")
    source = RescaledSource(_Array(array), 1 / 3, -1e3 / 7, np.dtype("float32"))
    exact = array.astype("f8") * (1 / 3) + (-1e3 / 7)
    np.testing.assert_array_equal(source.read(Region((0,), (65536,))), exact.astype("f4"))


class _Array:
    access = "random"
    chunks = (1,)
    storage_order = (0,)

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def read(self, region):
        return self.array[region.slices]
