"""The conformance suite of a pixel source: subclass it and say what to read and what to expect."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.region import Region, slabs

if TYPE_CHECKING:
    from spconvert.model.image import PixelSource, SequentialSource


class PixelSourceContract:
    """What every ``PixelSource`` must do, and every ``SequentialSource`` besides.

    A subclass, collected by pytest under a name that begins with ``Test``, provides two fixtures::

        class TestMine(PixelSourceContract):
            @pytest.fixture
            def expected(self): ...            # the whole array, in array order
            @pytest.fixture
            def source(self, expected, tmp_path): ...
    """

    regions = 12
    """How many random regions are read."""

    def test_shape_and_type_are_those_of_the_array(
        self, source: PixelSource, expected: NDArray[Any]
    ) -> None:
        """Extents in array order, type in native byte order."""
        assert source.shape == expected.shape
        assert source.dtype == expected.dtype
        assert source.dtype.isnative

    def test_layout_fits_the_shape(self, source: PixelSource) -> None:
        """Chunks have the shape's dimension; the storage order names every axis once."""
        assert len(source.chunks) == len(source.shape)
        assert all(1 <= c <= n for c, n in zip(source.chunks, source.shape, strict=True))
        assert sorted(source.storage_order) == list(range(len(source.shape)))
        assert source.access in ("random", "chunked", "sequential", "whole")

    def test_whole_reads_as_expected(self, source: PixelSource, expected: NDArray[Any]) -> None:
        """One read of everything."""
        _assert_same(source.read(Region.whole(source.shape)), expected)

    def test_any_region_equals_that_part_of_the_whole(
        self, source: PixelSource, expected: NDArray[Any]
    ) -> None:
        """Random boxes, the same ones on every run."""
        rng = np.random.default_rng(20260417)
        for _ in range(self.regions):
            start = tuple(int(rng.integers(0, n)) for n in source.shape)
            stop = tuple(
                int(rng.integers(a + 1, n + 1)) for a, n in zip(start, source.shape, strict=True)
            )
            region = Region(start, stop)
            _assert_same(source.read(region), expected[region.slices])

    def test_empty_region_has_its_shape(self, source: PixelSource) -> None:
        """A box without elements is read without complaint."""
        region = Region((0,) * len(source.shape), (0, *source.shape[1:]))
        assert source.read(region).shape == region.shape

    def test_copy_through_pickle_reads_the_same(
        self, source: PixelSource, expected: NDArray[Any]
    ) -> None:
        """Workers get a copy, also after the source was used."""
        source.read(Region.whole(source.shape))
        copy = pickle.loads(pickle.dumps(source))  # noqa: S301 (our own bytes)
        _assert_same(copy.read(Region.whole(copy.shape)), expected)

    def test_scan_in_slabs_equals_the_whole(
        self, source: PixelSource | SequentialSource, expected: NDArray[Any]
    ) -> None:
        """Sequential sources: slabs of several sizes, each array kept until the end."""
        if not hasattr(source, "scan"):
            assert source.access != "sequential"
            return
        for budget in (1, max(1, expected.nbytes // 3), expected.nbytes):
            cuts = list(
                slabs(source.shape, source.dtype.itemsize, budget, order=source.storage_order)
            )
            arrays = list(source.scan(cuts))
            found = np.full(expected.shape, 0, expected.dtype)
            for region, array in zip(cuts, arrays, strict=True):
                found[region.slices] = array
            _assert_same(found, expected)


def _assert_same(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    assert actual.dtype.isnative
    np.testing.assert_array_equal(actual, expected)
