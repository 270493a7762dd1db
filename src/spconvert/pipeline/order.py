"""In which order the blocks of a level are visited, and finished, whatever the threads do."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from spconvert.model.region import Shape, block_region, blocks_touching, grid_shape
from spconvert.pipeline.plan import PlannedLevel, PyramidPlan


def morton(counts: Sequence[int]) -> Iterator[Shape]:
    """Grid indices along the Z-order curve (Morton 1966): neighbours in space come close in time.

    So the children of a coarser block come one after another, and few coarser blocks are ever
    unfinished at once.
    """
    edge = 1 << max(0, max(counts) - 1).bit_length()
    yield from _morton_cube((0,) * len(counts), edge, tuple(counts))


def _morton_cube(corner: Shape, edge: int, counts: Shape) -> Iterator[Shape]:
    if any(c >= n for c, n in zip(corner, counts, strict=True)):
        return
    if edge == 1:
        yield corner
        return
    half = edge // 2
    # An axis that ends before the middle is not split: one child instead of two.
    choices = [(c, c + half) if c + half < n else (c,) for c, n in zip(corner, counts, strict=True)]
    for child in itertools.product(*choices):
        yield from _morton_cube(child, half, counts)


def visiting_order(plan: PyramidPlan) -> Iterator[Shape]:
    """Blocks of level 0 of a source with random access, in the order of their tasks.

    Time and channel blocks come one after another, space blocks along the Z-order curve.
    """
    counts = grid_shape(plan.levels[0].shape, plan.levels[0].block)
    for outer in itertools.product(*(range(n) for n in counts[: -plan.space_ndim])):
        for inner in morton(counts[-plan.space_ndim :]):
            yield (*outer, *inner)


def finishing_orders(
    plan: PyramidPlan, first: Iterable[Shape], wanted: Sequence[bool]
) -> list[dict[Shape, int]]:
    """Per level, the place of each block in the order in which a single thread would finish them.

    ``first`` visits the blocks of level 0. Levels that are not ``wanted``, and after which none is,
    get an empty mapping.
    """
    last = max((n for n, want in enumerate(wanted) if want), default=-1)
    orders: list[dict[Shape, int]] = [{} for _ in plan.levels]
    current: Iterable[Shape] = first
    for n in range(last + 1):
        orders[n] = {index: place for place, index in enumerate(current)}
        if n < last:
            current = _parents_in_order(plan.levels[n], plan.levels[n + 1], orders[n])
    return orders


def _parents_in_order(
    level: PlannedLevel, coarser: PlannedLevel, order: Iterable[Shape]
) -> Iterator[Shape]:
    """Blocks of the coarser level, each when the last of its children has come."""
    covered: Counter[Shape] = Counter()
    for index in order:
        made = block_region(level.shape, level.block, index).coarsened(coarser.step)
        for parent in blocks_touching(made, coarser.block):
            whole = block_region(coarser.shape, coarser.block, parent)
            covered[parent] += made.clipped(whole).size
            if covered[parent] == whole.size:
                del covered[parent]
                yield parent
