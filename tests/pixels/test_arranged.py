"""Permuted and flipped views against NumPy's own."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from spconvert.model.region import Region
from spconvert.pixels.arranged import ArrangedSource
from spconvert.pixels.inflated import CompressedPart, InflatedSource
from spconvert.pixels.layout import Layout
from spconvert.pixels.opened import ArraySource
from spconvert.pixels.raw import FilePart, RawSource
from spconvert.testing.pixel_source import PixelSourceContract

SHAPE = (2, 3, 5, 7)

ARRANGEMENTS = [
    ((0, 1, 2, 3), (False, False, False, False)),
    ((0, 1, 2, 3), (False, True, False, True)),
    ((0, 3, 1, 2), (False, False, False, False)),
    ((0, 2, 3, 1), (False, True, True, False)),
    ((0, 3, 2, 1), (False, True, True, True)),
]


def arranged(array, order, flips):
    return np.flip(array.transpose(order), [a for a, flip in enumerate(flips) if flip])


@pytest.mark.parametrize(("order", "flips"), ARRANGEMENTS)
class TestArrangedArray(PixelSourceContract):
    @pytest.fixture
    def array(self):
        return np.arange(np.prod(SHAPE), dtype="i4").reshape(SHAPE)

    @pytest.fixture
    def expected(self, array, order, flips):
        return np.ascontiguousarray(arranged(array, order, flips))

    @pytest.fixture
    def source(self, array, order, flips):
        return ArrangedSource(ArraySource(array), order, flips)

    def test_twice_is_as_good_as_once(self, array, order, flips):
        once = ArrangedSource(ArraySource(array), order, flips)
        back = tuple(int(a) for a in np.argsort(order))
        twice = ArrangedSource(once, back, tuple(flips[a] for a in back))
        np.testing.assert_array_equal(twice.read(Region.whole(SHAPE)), array)


class TestArrangedFile(PixelSourceContract):
    """A raw big-endian file with interleaved components."""

    @pytest.fixture
    def expected(self, array):
        return np.ascontiguousarray(arranged(array, *ARRANGEMENTS[3]))

    @pytest.fixture
    def array(self):
        return np.arange(np.prod(SHAPE), dtype="u2").reshape(SHAPE)

    @pytest.fixture
    def source(self, array, tmp_path):
        path = tmp_path / "voxels"
        path.write_bytes(array.transpose(1, 2, 3, 0).astype(">u2").tobytes())
        layout = Layout(SHAPE, np.dtype(">u2"), (1, 2, 3, 0))
        raw = RawSource((FilePart(path, 0, array.nbytes),), layout)
        return ArrangedSource(raw, *ARRANGEMENTS[3])

    def test_storage_order_names_the_new_axes(self, source):
        # Source axes z, y, x, c from slow to fast are the new axes 3, 1, 2, 0.
        assert source.storage_order == (3, 1, 2, 0)
        assert source.chunks == (2, 5, 7, 1)


def test_stream_is_refused(tmp_path):
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(bytes(24)))
    layout = Layout((2, 3, 4), np.dtype("u1"), (0, 1, 2))
    stream = InflatedSource((CompressedPart(path, 0, 24),), "gzip", layout)
    with pytest.raises(ValueError, match="sequential"):
        ArrangedSource(stream, (0, 1, 2), (True, False, False))
