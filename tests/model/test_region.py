"""Regions, and the ways to walk over an array: every element once, in order, within the budget."""

from __future__ import annotations

import itertools
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spconvert.model.region import (
    Region,
    block_region,
    blocks,
    blocks_touching,
    grid_shape,
    slabs,
)

shapes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


def like(shape, elements):
    """One number per axis of ``shape``."""
    return st.tuples(*[elements] * len(shape))


@st.composite
def regions(draw, ndim=3, top=30):
    starts = draw(st.tuples(*[st.integers(0, top)] * ndim))
    sizes = draw(st.tuples(*[st.integers(0, top)] * ndim))
    return Region(starts, tuple(a + n for a, n in zip(starts, sizes, strict=True)))


def cells(region):
    """The set of index tuples of a small region."""
    return set(itertools.product(*map(range, region.start, region.stop)))


@pytest.mark.parametrize(
    ("start", "stop"), [((0, 0), (1,)), ((-1,), (1,)), ((2,), (1,)), ((), (1,))]
)
def test_corners_that_make_no_box_are_refused(start, stop):
    with pytest.raises(ValueError, match=r"unlike length|not a region"):
        Region(start, stop)


@given(regions())
def test_slices_shape_and_size_agree_with_numpy(region):
    array = np.zeros((61, 61, 61), np.uint8)[region.slices]
    assert array.shape == region.shape
    assert array.size == region.size
    assert region.ndim == 3


@given(regions(), st.tuples(*[st.integers(0, 9)] * 3))
def test_shifting_there_and_back_changes_nothing(region, offset):
    moved = region.shifted(offset)
    assert moved.shape == region.shape
    assert moved.shifted(tuple(-o for o in offset)) == region
    assert moved.relative_to(Region(offset, tuple(o + 99 for o in offset))) == region


@given(regions(2, 6), regions(2, 6))
def test_clipping_is_the_intersection(a, b):
    assert cells(a.clipped(b)) == cells(a) & cells(b)


@given(regions(2, 6), regions(2, 6))
def test_containing_is_being_a_superset(a, b):
    if b.size:
        assert a.contains(b) == (cells(b) <= cells(a))
    assert a.contains(a)


@given(regions(2, 9), st.tuples(*[st.integers(1, 4)] * 2))
def test_coarsened_holds_exactly_the_windows_that_are_touched(region, factors):
    touched = {(i // factors[0], j // factors[1]) for i, j in cells(region)}
    assert cells(region.coarsened(factors)) == touched


@given(shapes, st.data())
def test_refined_windows_of_all_coarse_samples_cover_the_array_once(shape, data):
    factors = data.draw(like(shape, st.integers(1, 4)))
    coarse = grid_shape(shape, factors)
    counts = np.zeros(shape, int)
    for index in itertools.product(*map(range, coarse)):
        sample = Region(index, tuple(i + 1 for i in index))
        window = sample.refined(factors, shape)
        assert window.size > 0
        assert window.coarsened(factors) == sample
        counts[window.slices] += 1
    assert (counts == 1).all()


@given(shapes, st.data())
def test_blocks_cover_every_element_exactly_once_in_c_order(shape, data):
    block = data.draw(like(shape, st.integers(1, 9)))
    counts = np.zeros(shape, int)
    made = list(blocks(shape, block))
    for region in made:
        counts[region.slices] += 1
        assert all(n <= b for n, b in zip(region.shape, block, strict=True))
    assert (counts == 1).all()
    assert len(made) == prod(grid_shape(shape, block))
    assert [r.start for r in made] == sorted(r.start for r in made)


@given(shapes, st.data())
def test_blocks_touching_a_region_are_those_that_share_an_element(shape, data):
    block = data.draw(like(shape, st.integers(1, 4)))
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    stop = tuple(data.draw(st.integers(a, n)) for a, n in zip(start, shape, strict=True))
    region = Region(start, stop)
    grid = itertools.product(*map(range, grid_shape(shape, block)))
    expected = [i for i in grid if block_region(shape, block, i).clipped(region).size]
    assert list(blocks_touching(region, block)) == expected


@given(shapes, st.data())
def test_slabs_are_runs_of_the_file_that_follow_one_another(shape, data):
    """Number the elements in file order: the slabs are consecutive ranges of these numbers."""
    order = data.draw(st.permutations(range(len(shape))))
    align = data.draw(like(shape, st.integers(1, 4)))
    itemsize = data.draw(st.sampled_from([1, 2, 8]))
    budget = data.draw(st.integers(0, 2000))
    numbers = np.arange(prod(shape)).reshape([shape[a] for a in order])
    numbers = numbers.transpose(np.argsort(order))
    following = 0
    for region in slabs(shape, itemsize, budget, order=order, align=align):
        inside = np.sort(numbers[region.slices], axis=None)
        assert inside.tolist() == list(range(following, following + inside.size))
        following += inside.size
        assert region.size * itemsize <= max(budget, itemsize)
    assert following == prod(shape)


@given(st.integers(1, 50), st.integers(1, 8), st.integers(1, 4000))
def test_cuts_keep_the_alignment_where_the_budget_allows_one_aligned_slab(depth, align, budget):
    shape, plane = (depth, 3, 5), 3 * 5 * 2
    made = list(slabs(shape, 2, budget, align=(align, 1, 1)))
    if budget >= align * plane:
        assert all(r.start[0] % align == 0 for r in made)
        if len(made) > 1:  # as few slabs as the alignment and the budget leave
            assert made[0].shape[0] == budget // plane // align * align
    assert all(r.size * 2 <= max(2, budget) for r in made)


def test_a_budget_for_everything_is_one_slab():
    assert list(slabs((4, 5, 6), 2, 240)) == [Region.whole((4, 5, 6))]


def test_a_budget_below_one_element_still_moves_on():
    assert len(list(slabs((2, 3), 8, 1))) == 6


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (3, 0, 4)])
def test_an_array_without_elements_has_no_slab_and_no_block(shape):
    assert list(slabs(shape, 2, 100)) == []
    assert list(blocks(shape, (2,) * len(shape))) == []


def test_sizes_beyond_32_bits_are_walked_without_overflow():
    shape = (3, 1 << 20, 1 << 20)
    made = list(slabs(shape, 8, 1 << 43))
    assert [r.shape[0] for r in made] == [1, 1, 1]
    assert sum(r.size for r in made) == 3 << 40
