"""A stack reads what its planes hold, opens only those it needs, and decodes each once."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from spconvert.model.region import Region
from spconvert.pixels.opened import ArraySource
from spconvert.pixels.stacked import SliceSource, StackedSource
from spconvert.testing.pixel_source import PixelSourceContract

VOLUME = np.random.default_rng(3).integers(0, 999, (5, 4, 7)).astype("uint16")
COLORS = np.random.default_rng(4).integers(0, 99, (3, 5, 4, 7)).astype("uint8")


@dataclass(frozen=True)
class WholePlane:
    """A plane in a file of its own that can only be decoded whole, and keeps a tally of that."""

    path: Path
    access = "whole"
    shape = (4, 7)
    dtype = np.dtype("uint16")
    chunks = (4, 7)
    storage_order = (0, 1)

    def read(self, region):
        with self.path.with_suffix(".log").open("a") as log:
            log.write("x")
        return np.load(self.path)[region.slices]

    def decoded(self):
        log = self.path.with_suffix(".log")
        return len(log.read_text()) if log.exists() else 0


@pytest.fixture
def planes(tmp_path):
    made = []
    for number, plane in enumerate(VOLUME):
        np.save(tmp_path / f"{number}.npy", plane)
        made.append(WholePlane(tmp_path / f"{number}.npy"))
    return tuple(made)


class TestPlanesInMemory(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return VOLUME

    @pytest.fixture
    def source(self):
        return StackedSource(tuple(ArraySource(plane) for plane in VOLUME), 0)


class TestWholePlanes(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return VOLUME

    @pytest.fixture
    def source(self, planes):
        return StackedSource(planes, 0)


class TestColors(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return COLORS

    @pytest.fixture
    def source(self):
        planes = [ArraySource(np.ascontiguousarray(p)) for p in np.moveaxis(COLORS, 1, 0)]
        return StackedSource(tuple(planes), 1)


class TestSlices(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return VOLUME[2]

    @pytest.fixture
    def source(self):
        return SliceSource(ArraySource(VOLUME[2:3]), 0)


def test_region_decodes_the_planes_it_touches_and_each_once(planes):
    source = StackedSource(planes, 0)
    source.read(Region((1, 0, 0), (4, 2, 3)))
    assert [plane.decoded() for plane in planes] == [0, 1, 1, 1, 0]
    source.read(Region((3, 2, 3), (4, 4, 7)))
    assert planes[3].decoded() == 1  # the last plane is kept
    source.read(Region((1, 0, 0), (2, 1, 1)))
    assert planes[1].decoded() == 2  # and only the last one


def test_each_thread_keeps_one_plane_of_its_own(planes):
    source = StackedSource(planes, 0)
    found = {}

    def work(number):
        for row in range(4):
            found[number, row] = source.read(Region((number, row, 0), (number + 1, row + 1, 7)))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [plane.decoded() for plane in planes] == [1] * 5
    for (number, row), array in found.items():
        np.testing.assert_array_equal(array[0, 0], VOLUME[number, row])


def test_result_is_the_callers_to_change(planes):
    source = StackedSource(planes, 0)
    region = Region((1, 0, 0), (2, 4, 7))
    source.read(region)[:] = 0
    np.testing.assert_array_equal(source.read(region)[0], VOLUME[1])


def test_pickled_stack_carries_no_pixels(planes):
    source = StackedSource(planes, 0)
    before = len(pickle.dumps(source))
    source.read(Region.whole(source.shape))
    assert len(pickle.dumps(source)) == before


def test_chunks_are_whole_planes_unless_these_are_read_in_part(planes):
    assert StackedSource(planes, 0).chunks == (1, 4, 7)
    assert StackedSource(planes, 0).storage_order == (0, 1, 2)
    assert StackedSource(planes, 2).shape == (4, 7, 5)
    assert StackedSource(planes, 2).storage_order == (2, 0, 1)


@pytest.mark.parametrize(
    ("arrays", "axis"),
    [
        ([], 0),
        ([np.zeros((2, 3)), np.zeros((2, 4))], 0),
        ([np.zeros((2, 3)), np.zeros((2, 3), "uint8")], 0),
        ([np.zeros((2, 3))], 3),
    ],
)
def test_planes_that_do_not_fit_are_refused(arrays, axis):
    with pytest.raises(ValueError, match=r"plane|axis"):
        StackedSource(tuple(ArraySource(a) for a in arrays), axis)


def test_only_a_single_slice_can_lose_its_axis():
    with pytest.raises(ValueError, match="left out"):
        SliceSource(ArraySource(VOLUME), 0)
