"""Arrays in memory as sources, in every way that NumPy may hold them."""

from __future__ import annotations

import numpy as np
import pytest

from spconvert.model.region import Region
from spconvert.pixels.opened import ArraySource
from spconvert.testing.pixel_source import PixelSourceContract

SHAPE = (3, 5, 7)

HELD = {
    "C order": np.ascontiguousarray,
    "Fortran order": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "backwards": lambda a: np.ascontiguousarray(a[::-1, :, ::-1])[::-1, :, ::-1],
    "interleaved": lambda a: np.ascontiguousarray(a.transpose(1, 2, 0)).transpose(2, 0, 1),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "f4", "c8"])
class TestArraySource(PixelSourceContract):
    @pytest.fixture
    def expected(self, dtype):
        return np.random.default_rng(2).integers(-99, 99, SHAPE).astype(dtype)

    @pytest.fixture
    def source(self, expected, held):
        return ArraySource(HELD[held](expected))


@pytest.mark.parametrize(
    ("held", "order"),
    [
        ("C order", (0, 1, 2)),
        ("Fortran order", (2, 1, 0)),
        ("interleaved", (1, 2, 0)),
        ("backwards", (0, 1, 2)),
    ],
)
def test_storage_order_is_the_one_of_memory(held, order):
    array = np.zeros(SHAPE, "i2")
    assert ArraySource(HELD[held](array)).storage_order == order


def test_native_values_are_not_copied():
    array = np.zeros(SHAPE, "i2")
    assert np.shares_memory(ArraySource(array).read(Region((0, 1, 2), (2, 4, 6))), array)
