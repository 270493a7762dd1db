"""Value ranges against NumPy over the whole array, whatever the blocks were."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spconvert.model.region import Region, blocks
from spconvert.pipeline import statistics
from spconvert.pipeline.statistics import RangeObserver, ValueRange


def ranges(array, channel_axis=None, block=None, *, backwards=False, workers=1):
    observer = RangeObserver(array.shape, channel_axis)
    regions = list(blocks(array.shape, block or array.shape))
    with ThreadPoolExecutor(workers) as threads:
        for region in reversed(regions) if backwards else regions:
            threads.submit(observer.observe, 0, region, array[region.slices]).result()
    return observer.ranges()


def plain(array):
    finite = array[np.isfinite(array)]
    ends = np.percentile(finite.astype("f8"), (0.1, 99.9), method="nearest")
    return ValueRange(float(finite.min()), float(finite.max()), float(ends[0]), float(ends[1]))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f2", "f4", "f8"])
def test_small_image_counts_every_voxel(dtype):
    array = np.random.default_rng(3).normal(100, 20, (11, 12, 13)).astype(dtype)
    assert ranges(array, block=(4, 5, 13)) == (plain(array),)


def test_extremes_are_never_missed_by_sampling(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_SAMPLES", 50)
    array = np.random.default_rng(3).integers(0, 100, (21, 22, 23)).astype("i4")
    array[1, 1, 1], array[20, 20, 20] = -70000, 90000
    (found,) = ranges(array, block=(5, 7, 9))
    assert (found.low, found.high) == (-70000, 90000)
    assert -70000 <= found.start < found.end <= 90000


@given(data=st.data(), most=st.sampled_from([10, 100, 100000]))
def test_blocks_and_their_order_do_not_matter(data, most):
    shape = (6, 7, 9)
    array = np.random.default_rng(3).integers(-500, 500, shape).astype("i2")
    block = data.draw(st.tuples(*(st.integers(1, n) for n in shape)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "MOST_SAMPLES", most)
        whole = ranges(array)
        assert ranges(array, block=block) == whole
        assert ranges(array, block=block, backwards=True) == whole
        assert ranges(array, 0, block=block) == ranges(array, 0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_channel_has_its_own_range(axis):
    array = np.random.default_rng(3).integers(0, 50, (3, 5, 7)).astype("u2")
    channels = np.moveaxis(array, axis, 0)
    channels[1] += 1000
    found = ranges(array, axis, block=(2, 2, 3))
    assert found == tuple(plain(channel) for channel in channels)


def test_samples_of_all_channels_together_are_bounded(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_SAMPLES", 400)
    array = np.zeros((10, 40, 50), "u1")
    observer = RangeObserver(array.shape, 0)
    observer.observe(0, Region.whole(array.shape), array)
    assert sum(s.size for parts in observer._samples.values() for s in parts) <= 400


def test_values_that_are_not_finite_do_not_count():
    array = np.arange(60, dtype="f4").reshape(3, 4, 5)
    array[0, 0, 0], array[1, 1, 1], array[2, 2, 2] = np.nan, np.inf, -np.inf
    assert ranges(array, block=(1, 4, 5)) == (plain(array),)


def test_channel_without_finite_values_gets_a_window_of_one():
    array = np.full((2, 3, 4), np.nan)
    array[1] = 5
    assert ranges(array, 0) == (ValueRange(0.0, 1.0, 0.0, 1.0), ValueRange(5.0, 5.0, 5.0, 5.0))


def test_blocks_without_a_sample_leave_nothing_behind(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_SAMPLES", 2)
    array = np.arange(64.0).reshape(8, 8)
    array[0, 0] = np.nan
    observer = RangeObserver(array.shape, None)
    for region in blocks(array.shape, (1, 1)):
        observer.observe(0, region, array[region.slices])
    assert sum(map(len, observer._samples.values())) <= 2
    assert observer.ranges()[0].high == 63.0


def test_a_channel_whose_only_sample_is_not_finite_has_its_whole_range(monkeypatch):
    monkeypatch.setattr(statistics, "MOST_SAMPLES", 1)
    array = np.arange(64.0).reshape(8, 8)
    array[0, 0] = np.nan
    assert ranges(array) == (ValueRange(1.0, 63.0, 1.0, 63.0),)


def test_booleans_range_from_0_to_1():
    array = np.indices((4, 4)).sum(0) % 2 == 0
    assert ranges(array) == (ValueRange(0.0, 1.0, 0.0, 1.0),)


def test_coarser_levels_do_not_count():
    observer = RangeObserver((4, 4), None)
    observer.observe(0, Region.whole((4, 4)), np.ones((4, 4)))
    observer.observe(1, Region.whole((2, 2)), np.full((2, 2), 99.0))
    assert observer.ranges()[0].high == 1.0
