"""In which order the blocks of a level are visited, and finished, whatever the threads do."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from spconvert.model.region import Shape, block_region, blocks_touching, grid_shape
from spconvert.pipeline.plan import PlannedLevel, PyramidPlan


def visiting_order(plan: PyramidPlan) -> Iterator[Shape]:
    """Blocks of level 0 of a source with random access, in the order of their tasks.

    Depth first: all that a block of the coarsest level is made of comes before the next one
    begins, and so on down, so that one thread would have one unfinished block per level. Where
    every step halves every axis this is the Z-order curve (Morton 1966).
    """
    top = plan.levels[-1]
    for index in itertools.product(*map(range, grid_shape(top.shape, top.block))):
        yield from _descendants(plan.levels, index)


def _descendants(levels: Sequence[PlannedLevel], index: Shape) -> Iterator[Shape]:
    """Blocks of the first level below block ``index`` of the last one."""
    if len(levels) == 1:
        yield index
        return
    finer, level = levels[-2:]
    counts = grid_shape(finer.shape, finer.block)
    children = []
    for i, block, step, child, count in zip(
        index, level.block, level.step, finer.block, counts, strict=True
    ):
        first, stop = (-(-j * block * step // child) for j in (i, i + 1))
        children.append(range(first, min(stop, count)))
    for inner in itertools.product(*children):
        yield from _descendants(levels[:-1], inner)


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
