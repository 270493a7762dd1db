"""The order of blocks: each once, depth first, and the same however the work is done."""

from __future__ import annotations

import itertools
from math import prod

import numpy as np
import pytest

from pyramids import held, image_of
from spconvert.model.region import Region, block_region, grid_shape
from spconvert.pipeline.order import finishing_orders, visiting_order
from spconvert.pipeline.plan import PyramidOptions, plan_pyramid

CASES = {
    "halved": ((70, 90, 110), "zyx", PyramidOptions(chunks=(8, 8, 8))),
    "thick slices": ((40, 130, 150), "zyx", PyramidOptions(chunks=(8, 8, 8))),
    "uneven factors": (
        (61, 62, 63),
        "zyx",
        PyramidOptions(chunks=(15, 15, 15), scale_factors=((2, 2, 2), (6, 6, 6), (18, 6, 6))),
    ),
    "planes": ((300, 257), "yx", PyramidOptions(chunks=(16, 16))),
    "channels and times": ((2, 3, 20, 33, 34), "tczyx", PyramidOptions(chunks=(1, 1, 8, 8, 8))),
    "one level": ((30, 31, 32), "zyx", PyramidOptions(chunks=(8, 8, 8), levels=1)),
}


def plan_of(name):
    shape, names, options = CASES[name]
    spacing = (1.0, 1.0, 5.0) if name == "thick slices" else None
    source = held(np.zeros(shape, "u1"))
    return plan_pyramid(image_of(source, names, spacing), options, 128 << 20, 2)


@pytest.mark.parametrize("name", CASES)
def test_every_block_is_visited_once(name):
    plan = plan_of(name)
    visited = list(visiting_order(plan))
    grid = grid_shape(plan.levels[0].shape, plan.levels[0].block)
    assert len(visited) == prod(grid) > 1
    assert sorted(visited) == sorted(itertools.product(*map(range, grid)))


def finished(plan, first):
    """Voxel by voxel: per level, blocks in the order in which they get full; most unfinished."""
    voxels = [np.zeros(level.shape, bool) for level in plan.levels]
    done = [[] for _ in plan.levels]
    most = [0] * len(plan.levels)

    def finish(n, index):
        done[n].append(index)
        level = plan.levels[n]
        region = block_region(level.shape, level.block, index)
        voxels[n][region.slices] = True
        if n + 1 == len(plan.levels):
            return
        coarser = plan.levels[n + 1]
        made = region.coarsened(coarser.step)
        voxels[n + 1][made.slices] = True
        for parent in itertools.product(*map(range, grid_shape(coarser.shape, coarser.block))):
            box = block_region(coarser.shape, coarser.block, parent)
            if parent not in done[n + 1] and voxels[n + 1][box.slices].all():
                finish(n + 1, parent)
        begun = 0
        for parent in itertools.product(*map(range, grid_shape(coarser.shape, coarser.block))):
            box = block_region(coarser.shape, coarser.block, parent)
            part = voxels[n + 1][box.slices]
            begun += part.any() and not part.all()
        most[n + 1] = max(most[n + 1], begun)

    for index in first:
        finish(0, index)
    return done, most


@pytest.mark.parametrize("name", ["thick slices", "uneven factors", "planes", "one level"])
def test_one_thread_has_one_unfinished_block_per_level_and_finishes_in_the_known_order(name):
    plan = plan_of(name)
    done, most = finished(plan, visiting_order(plan))
    assert max(most) <= 1
    orders = finishing_orders(plan, visiting_order(plan), [True] * len(plan.levels))
    assert [list(order) for order in orders] == done
    assert [list(order.values()) for order in orders] == [list(range(len(d))) for d in done]


def test_halved_cubes_are_visited_along_the_z_order_curve():
    source = held(np.zeros((64, 64, 64), "u1"))
    options = PyramidOptions(chunks=(8, 8, 8))
    plan = plan_pyramid(image_of(source, "zyx"), options, 128 << 20, 2**20)
    assert plan.levels[0].block == (8, 8, 8)

    def interleaved(index):
        bits = (format(i, "03b") for i in index)
        return "".join(itertools.chain.from_iterable(zip(*bits, strict=True)))

    visited = list(visiting_order(plan))
    assert visited == sorted(visited, key=interleaved)


def test_orders_end_at_the_last_level_that_wants_one():
    plan = plan_of("halved")
    count = len(plan.levels)
    none = finishing_orders(plan, visiting_order(plan), [False] * count)
    assert none == [{}] * count
    some = finishing_orders(plan, visiting_order(plan), [False, True, *[False] * (count - 2)])
    assert [bool(order) for order in some] == [True, True, *[False] * (count - 2)]
    blocks = [Region.whole(grid_shape(v.shape, v.block)).size for v in plan.levels]
    assert [len(order) for order in some[:2]] == blocks[:2]
