"""Run a plan: blocks through an executor, all levels in one pass, a bounded number in flight."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.model.finding import Finding
from spconvert.model.image import PixelSource, SequentialSource
from spconvert.model.region import Region, Shape, block_region, blocks, blocks_touching, slabs
from spconvert.pipeline.events import Advanced, Found, Listener, Started
from spconvert.pipeline.order import finishing_orders, visiting_order
from spconvert.pipeline.plan import PyramidPlan

Reduce = Callable[[NDArray[Any], Sequence[int]], NDArray[Any]]


class PixelTarget(Protocol):
    """Where the blocks of one level go; called from many threads."""

    def write(self, sequence: int, region: Region, pixels: NDArray[Any]) -> None:
        """Store a block; ``sequence`` numbers the blocks of a level in a fixed order."""
        ...


class Observer(Protocol):
    """Somebody who looks at every block of every level before it is stored."""

    def observe(self, level: int, region: Region, pixels: NDArray[Any]) -> None:
        """Look, do not change; called from many threads."""
        ...


@dataclass(frozen=True, slots=True)
class PyramidSink:
    """Where the levels go, how each is made from the one before, and who looks on."""

    targets: Sequence[PixelTarget]
    """One per level."""
    reduce: Reduce
    observers: Sequence[Observer] = ()


def run_plan(
    plan: PyramidPlan,
    source: PixelSource,
    sink: PyramidSink,
    executor: Executor,
    listener: Listener,
) -> None:
    """Write every level of ``plan`` from ``source`` into ``sink``, in one pass.

    Raises whatever the source, the reducer or a target raises; the first cause, once all tasks
    that had begun have ended.
    """
    pyramid = _Pyramid(plan, sink)
    total = Region.whole(plan.levels[0].shape).size * plan.dtype_bytes
    listener(Started("write", total))
    tracker = _Tracker(listener, plan.dtype_bytes)
    if plan.slab is None:
        _run_random(pyramid, source, executor, tracker)
    else:
        _run_stream(pyramid, source, executor, tracker)
    pyramid.check_finished()


def _run_random(
    pyramid: _Pyramid, source: PixelSource, executor: Executor, tracker: _Tracker
) -> None:
    level = pyramid.plan.levels[0]
    pyramid.number(visiting_order(pyramid.plan))

    def task(index: Shape) -> int:
        region = block_region(level.shape, level.block, index)
        pyramid.take(0, index, region, source.read(region))
        return region.size

    # A block may not run ahead of the oldest unfinished one by more than this: what waits for its
    # turn in a shard stays bounded.
    window = pyramid.plan.workers + 2
    running: deque[Future[int]] = deque()
    try:
        for index in visiting_order(pyramid.plan):
            if len(running) >= window:
                tracker.advance(running.popleft().result())
            running.append(executor.submit(task, index))
        while running:
            tracker.advance(running.popleft().result())
    finally:
        _drain(running)


def _run_stream(
    pyramid: _Pyramid, source: PixelSource, executor: Executor, tracker: _Tracker
) -> None:
    plan = pyramid.plan
    level = plan.levels[0]
    assert plan.slab is not None
    regions = list(slab_regions(plan, source.storage_order))
    pyramid.number(index for region in regions for index in blocks_touching(region, level.block))
    alive: deque[list[Future[int]]] = deque()
    if source.access == "sequential":
        scan = cast("SequentialSource", source).scan(regions, tracker.report)
    else:
        scan = _read_in_parts(source, regions, executor, plan.workers)
    try:
        for region in regions:
            if len(alive) >= plan.slabs_alive:
                tracker.finish(alive.popleft())
            slab = next(scan)
            alive.append(
                [
                    executor.submit(_take_part, pyramid, index, region, slab)
                    for index in blocks_touching(region, level.block)
                ]
            )
            del slab
        for _surplus in scan:  # read to the end: checksums and surplus data come last
            raise AssertionError("a source yielded more than it was asked for")
        while alive:
            tracker.finish(alive.popleft())
    finally:
        _drain([future for futures in alive for future in futures])
        if isinstance(scan, Generator):
            scan.close()  # its file, also where a traceback keeps the generator alive


def _read_in_parts(
    source: PixelSource, regions: Sequence[Region], executor: Executor, workers: int
) -> Iterator[NDArray[Any]]:
    """Each region in turn, its parts decoded side by side; no chunk of the source is cut."""
    order = source.storage_order

    def fill(slab: NDArray[Any], region: Region, part: Region) -> None:
        slab[part.relative_to(region).slices] = source.read(part)

    for region in regions:
        slab = np.empty(region.shape, source.dtype)
        share = -(-slab.nbytes // workers)
        align = tuple(min(c, n) for c, n in zip(source.chunks, region.shape, strict=True))
        parts = slabs(region.shape, slab.itemsize, share, order=order, align=align)
        futures = [
            executor.submit(fill, slab, region, part.shifted(region.start)) for part in parts
        ]
        try:
            for future in futures:
                future.result()
        finally:
            _drain(futures)
        yield slab


def slab_regions(plan: PyramidPlan, storage_order: Sequence[int]) -> Iterator[Region]:
    """The runs of the file that a stream is decoded in, front to back."""
    assert plan.slab is not None
    shape = plan.levels[0].shape
    in_file = [shape[a] for a in storage_order]
    slab = [plan.slab[a] for a in storage_order]
    back = [list(storage_order).index(a) for a in range(len(shape))]
    for region in blocks(in_file, slab):
        yield Region(tuple(region.start[b] for b in back), tuple(region.stop[b] for b in back))


def _take_part(pyramid: _Pyramid, index: Shape, slab_region: Region, slab: NDArray[Any]) -> int:
    level = pyramid.plan.levels[0]
    region = block_region(level.shape, level.block, index)
    pyramid.take(0, index, region, slab[region.relative_to(slab_region).slices])
    return region.size


def _drain(futures: Iterable[Future[Any]]) -> None:
    """Let what has begun end, and begin nothing more."""
    begun = list(futures)
    for future in begun:
        future.cancel()
    for future in begun:
        if not future.cancelled():
            future.exception()


@dataclass(slots=True)
class _Tracker:
    """Counts voxels and tells the listener, from the thread that runs the plan."""

    listener: Listener
    dtype_bytes: int
    voxels: int = 0

    def advance(self, voxels: int) -> None:
        self.voxels += voxels
        self.listener(Advanced(self.voxels * self.dtype_bytes))

    def finish(self, futures: list[Future[int]]) -> None:
        for future in futures:
            self.advance(future.result())

    def report(self, finding: Finding) -> None:
        self.listener(Found(finding))


@dataclass(slots=True)
class _Unfinished:
    """A block of a coarser level that still misses some of its children."""

    region: Region
    pixels: NDArray[Any]
    missing: int


@dataclass(slots=True)
class _Pyramid:
    """Stores blocks and grows the coarser levels out of them, depth first."""

    plan: PyramidPlan
    sink: PyramidSink
    _orders: list[dict[Shape, int]] = field(init=False, default_factory=list)
    _unfinished: list[dict[Shape, _Unfinished]] = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._unfinished = [{} for _ in self.plan.levels]

    def number(self, first: Iterator[Shape]) -> None:
        """Fix the sequence numbers of all blocks, where shards need them."""
        wanted = [level.shards is not None for level in self.plan.levels]
        self._orders = finishing_orders(self.plan, first, wanted)

    def take(self, n: int, index: Shape, region: Region, pixels: NDArray[Any]) -> None:
        """Store one whole block of level ``n`` and hand its reduction to the next level."""
        for observer in self.sink.observers:
            observer.observe(n, region, pixels)
        self.sink.targets[n].write(self._orders[n].get(index, 0), region, pixels)
        if n + 1 == len(self.plan.levels):
            return
        coarser = self.plan.levels[n + 1]
        made = region.coarsened(coarser.step)
        reduced = self.sink.reduce(pixels, coarser.step)
        for parent in blocks_touching(made, coarser.block):
            whole = block_region(coarser.shape, coarser.block, parent)
            part = made.clipped(whole)
            full = self._give(n + 1, parent, whole, part, reduced[part.relative_to(made).slices])
            if full is not None:
                self.take(n + 1, parent, whole, full)

    def _give(
        self, n: int, index: Shape, whole: Region, part: Region, pixels: NDArray[Any]
    ) -> NDArray[Any] | None:
        """Put a part into its block; the block's pixels if that was the last missing part."""
        if part == whole:
            return pixels
        with self._lock:
            block = self._unfinished[n].get(index)
            if block is None:
                block = _Unfinished(whole, np.empty(whole.shape, pixels.dtype), whole.size)
                self._unfinished[n][index] = block
        block.pixels[part.relative_to(whole).slices] = pixels
        with self._lock:
            block.missing -= part.size
            if block.missing:
                return None
            del self._unfinished[n][index]
            return block.pixels

    def check_finished(self) -> None:
        """Every block of every level has been stored: an invariant of the plan."""
        left = [len(blocks_left) for blocks_left in self._unfinished]
        assert not any(left), f"unfinished blocks per level: {left}"
