"""Decide everything about a pyramid before a voxel is read: levels, chunks, blocks, memory. Pure.

All levels come out of one pass over the source. A block is read, its chunks are written, it is
reduced into the block of the next level that it belongs to; when that one is full it is treated
the same way. A plan says how large the blocks are, in which order they come, and what is alive at
the same time, so the memory of a run is a number known before it starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import lcm, prod, sqrt
from typing import Literal

from spconvert.errors import LimitError, UsageError
from spconvert.model.geometry import Anchor
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region, Shape, grid_shape

MIB = 1 << 20

RESERVED_BYTES = 48 * MIB
"""What the interpreter's own growth and the encoders' buffers take out of a budget."""

PREFERRED_BLOCK_BYTES = 8 * MIB
"""A block of this size keeps threads busy between locks and stays near the cache."""

MOST_SHARD_CHUNKS = 4
"""Chunks per axis of a shard, by default: 64³ chunks lie in 256³ shards."""

FEWEST_CHUNKS_TO_SHARD = 128
"""A level with fewer chunks than this is stored as plain chunks unless shards are asked for."""

Shards = Literal["auto", "none"] | Shape


@dataclass(frozen=True, slots=True)
class PyramidOptions:
    """What the user asks of a pyramid."""

    anchor: Anchor = "center"
    """Where the reducer's samples lie; see ``pixels.reduced.Reducer``."""
    chunks: Shape | None = None
    """Per array axis; ``None``: 1 for t and c, 64 per space axis (512 in 2-D)."""
    shards: Shards = "none"
    """Per array axis in voxels, or ``auto``: where a level has many chunks."""
    levels: int | None = None
    """How many, level 0 included; ``None``: until one fits a chunk."""
    scale_factors: tuple[Shape, ...] | None = None
    """Per level after the first, relative to level 0, per array axis."""


@dataclass(frozen=True, slots=True)
class PlannedLevel:
    """One level; all extents are per array axis."""

    path: str
    shape: Shape
    chunks: Shape
    shards: Shape | None
    factors: Shape
    """Relative to level 0."""
    step: Shape
    """Relative to the level before; all 1 for level 0."""
    block: Shape
    """What is encoded and reduced at a time: whole chunks, whole windows of the next level."""

    @property
    def block_count(self) -> int:
        """Number of blocks in the level."""
        return prod(grid_shape(self.shape, self.block))


@dataclass(frozen=True, slots=True)
class PyramidPlan:
    """Everything that ``run_plan`` needs to know, and what it will cost."""

    levels: tuple[PlannedLevel, ...]
    space_ndim: int
    """How many of the last array axes are space axes: 2 or 3."""
    dtype_bytes: int
    workers: int
    slab: Shape | None
    """Sequential sources: extents of the runs of the file that are decoded at a time."""
    slabs_alive: int
    """How many of them are held at the same time; 0 for sources with random access."""
    peak_bytes: int
    """Pixels and buffers alive at the same time, at most."""

    @property
    def voxels(self) -> int:
        """Voxels of all levels together."""
        return sum(prod(level.shape) for level in self.levels)


def plan_pyramid(
    image: SpatialImage, options: PyramidOptions, budget: int, workers: int
) -> PyramidPlan:
    """Plan the levels of an image and how they are made within ``budget`` bytes.

    Raises ``UsageError`` for factors or chunks that make no sense and ``LimitError`` if not even
    one block fits; for a sequential source the latter also means that it must be spooled first.
    """
    chunks = options.chunks or default_chunks(image)
    if len(chunks) != len(image.shape) or min(chunks) < 1:
        raise UsageError(f"chunks {chunks} do not fit an array of shape {image.shape}")
    factors = _all_factors(image, options, chunks)
    shapes = [grid_shape(image.shape, f) for f in factors]
    steps = [(1,) * len(image.shape), *(_divided(b, a) for a, b in pairwise(factors))]
    stored = [_storage(shape, chunks, options.shards) for shape in shapes]
    following = [*steps[1:], (1,) * len(image.shape)]
    units = [
        tuple(lcm(c, f) for c, f in zip(layout[0], after, strict=True))
        for layout, after in zip(stored, following, strict=True)
    ]
    limit = budget - RESERVED_BYTES
    if image.pixels.access == "sequential":
        first, slab = _streamed_block(image, units[0])
    else:
        first, slab = _random_block(image, units[0], limit, workers), None
    coarser = zip(units[1:], factors[1:], strict=True)
    blocks = [first, *(_level_block(first, unit, f) for unit, f in coarser)]
    levels = tuple(
        PlannedLevel(f"s{n}", shape, layout[0], layout[1], f, step, _clipped(block, shape, unit))
        for n, (shape, layout, f, step, block, unit) in enumerate(
            zip(shapes, stored, factors, steps, blocks, units, strict=True)
        )
    )
    return _with_memory(image, levels, slab, limit, workers)


# -- levels ----------------------------------------------------------------------------------


def default_chunks(image: SpatialImage) -> Shape:
    """1 for t and c; 64 per space axis, 512 for planes."""
    planar = len([n for n in image.space_shape if n > 1]) < len(("z", "y", "x"))
    edge = 512 if planar else 64
    return tuple(edge if axis.kind == "space" else 1 for axis in image.axes)


def next_step(shape: Shape, chunks: Shape, spacing: Sequence[float]) -> Shape:
    """Which of the space axes to halve for the next level, as factors 1 and 2; all in array order.

    Among the axes that still exceed one chunk those with the finest spacing, up to √2 of it.
    """
    open_axes = [a for a, (n, c) in enumerate(zip(shape, chunks, strict=True)) if n > c]
    if not open_axes:
        return (1,) * len(shape)
    finest = min(spacing[a] for a in open_axes)
    return tuple(
        2 if a in open_axes and spacing[a] <= finest * sqrt(2) * (1 + 1e-9) else 1
        for a in range(len(shape))
    )


def _all_factors(image: SpatialImage, options: PyramidOptions, chunks: Shape) -> list[Shape]:
    ones = (1,) * len(image.shape)
    if options.scale_factors is not None:
        return _checked_factors([ones, *options.scale_factors], image)
    axes = image.space_axes
    spacing = tuple(reversed(image.geometry.spacing))
    factors = [ones]
    while options.levels is None or len(factors) < options.levels:
        last = factors[-1]
        shape = grid_shape(image.shape, last)
        now = [s * last[a] for s, a in zip(spacing, axes, strict=True)]
        limit = [chunks[a] if options.levels is None else 1 for a in axes]
        step = next_step(tuple(shape[a] for a in axes), tuple(limit), now)
        if max(step) == 1:
            break
        following = list(last)
        for a, s in zip(axes, step, strict=True):
            following[a] *= s
        factors.append(tuple(following))
    return factors


def _checked_factors(factors: list[Shape], image: SpatialImage) -> list[Shape]:
    names = image.axis_names
    for before, after in pairwise(factors):
        if len(after) != len(names) or min(after) < 1:
            raise UsageError(f"scale factors {after} do not fit the axes {names}")
        if any(b % a for a, b in zip(before, after, strict=True)):
            raise UsageError(
                f"scale factors {after} are no multiples of {before}",
                hint="factors are relative to level 0, each a multiple of the one before: 2,4,8",
            )
        if any(f > 1 and n in "tc" for f, n in zip(after, names, strict=True)):
            raise UsageError(f"scale factors {after}: time and channels are not downsampled")
        if any(f > n for f, n in zip(after, image.shape, strict=True)):
            raise UsageError(f"scale factors {after} exceed the size {image.shape}")
    return factors


def _storage(shape: Shape, chunks: Shape, shards: Shards) -> tuple[Shape, Shape | None]:
    """Chunks and shards of a level: chunks never larger than the level."""
    fitting = tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))
    counts = grid_shape(shape, fitting)
    if shards == "none":
        return fitting, None
    if shards == "auto":
        if prod(counts) < FEWEST_CHUNKS_TO_SHARD:
            return fitting, None
        most = MOST_SHARD_CHUNKS
        return fitting, tuple(c * min(most, n) for c, n in zip(fitting, counts, strict=True))
    if any(s % c for s, c in zip(shards, chunks, strict=True)):
        raise UsageError(f"shards {shards} are no multiples of the chunks {chunks}")
    per_shard = _divided(shards, chunks)
    return fitting, tuple(c * min(p, n) for c, p, n in zip(fitting, per_shard, counts, strict=True))


# -- blocks ----------------------------------------------------------------------------------


def _random_block(image: SpatialImage, unit: Shape, limit: int, workers: int) -> Shape:
    """Whole rows of the file where they fit, so that no byte is read twice or alone.

    An axis that is faster in the file than every space axis (interleaved colours) is taken whole;
    then the block grows to the source's own chunks, and along the fastest space axis to the row.
    """
    order = image.pixels.storage_order
    fastest = next(a for a in reversed(order) if a in image.space_axes)
    block = list(unit)
    for axis in order[order.index(fastest) + 1 :]:
        block[axis] = image.shape[axis]
    most = max(1, min(PREFERRED_BLOCK_BYTES, limit // (3 * workers + 2)))
    own = [
        lcm(u, min(c, n)) for u, c, n in zip(unit, image.pixels.chunks, image.shape, strict=True)
    ]
    wanted = [(axis, own[axis]) for axis in reversed(order) if own[axis] <= image.shape[axis]]
    for axis, extent in [*wanted, (fastest, image.shape[fastest])]:
        grown = [*block]
        grown[axis] = max(block[axis], _rounded_up(extent, unit[axis]))
        inside = prod(min(g, n) for g, n in zip(grown, image.shape, strict=True))
        enough_blocks = inside * 4 * workers <= prod(image.shape)
        if enough_blocks and inside * image.dtype.itemsize <= most:
            block = grown
    return tuple(block)


def _streamed_block(image: SpatialImage, unit: Shape) -> tuple[Shape, Shape]:
    """Block and slab for a source that comes front to back.

    The slab is one run of the file: single indices along the slowest axes, one block along the
    first axis that is cut in chunks, everything along the faster ones.
    """
    order = image.pixels.storage_order
    slab = [1] * len(unit)
    block = list(unit)
    cut = next((p for p, a in enumerate(order) if unit[a] > 1 and image.shape[a] > 1), 0)
    for position, axis in enumerate(order):
        if position == cut:
            slab[axis] = min(unit[axis], image.shape[axis])
        elif position > cut:
            slab[axis] = image.shape[axis]
    fastest = next(a for a in reversed(order) if a in image.space_axes)
    rows = prod(unit[a] for a in range(len(unit)) if a != fastest) * image.dtype.itemsize
    if order.index(fastest) > cut and rows * image.shape[fastest] <= PREFERRED_BLOCK_BYTES:
        block[fastest] = _rounded_up(image.shape[fastest], unit[fastest])
    return tuple(block), tuple(slab)


def _level_block(first: Shape, unit: Shape, factors: Shape) -> Shape:
    """A block of a coarser level: a unit, or as long as level 0's block where that is longer."""
    return tuple(_rounded_up(-(-b // f), u) for b, u, f in zip(first, unit, factors, strict=True))


def _clipped(block: Shape, shape: Shape, unit: Shape) -> Shape:
    """A block no larger than the level, rounded up to a whole unit."""
    return tuple(min(b, _rounded_up(n, u)) for b, n, u in zip(block, shape, unit, strict=True))


def _rounded_up(n: int, unit: int) -> int:
    return -(-n // unit) * unit


# -- memory ----------------------------------------------------------------------------------


def _with_memory(
    image: SpatialImage,
    levels: tuple[PlannedLevel, ...],
    slab: Shape | None,
    limit: int,
    workers: int,
) -> PyramidPlan:
    """The plan with as many workers and slabs as the memory allows.

    Random access: every worker holds the block that it read, its reduction, encoded chunks that
    wait for their turn in a shard, and a chunk; per level at most one unfinished block more than
    there are workers. Streams: the slabs, and per level the
    unfinished blocks that one slab crosses, twice where two slabs are alive.
    """
    item = image.dtype.itemsize
    whole = [prod(min(b, n) for b, n in zip(v.block, v.shape, strict=True)) for v in levels]
    working = (whole[0] * 3 + prod(levels[0].chunks) * 3) * item
    if slab is None:
        for count in range(workers, 0, -1):
            parents = sum((count + 1) * size for size in whole[1:]) * item
            need = count * working + parents
            if need <= limit:
                return PyramidPlan(levels, len(image.space_axes), item, count, None, 0, need)
        raise _too_small(need, limit)
    for alive in (2, 1):
        parents = alive * sum(_crossed(slab, v) for v in levels[1:]) * item
        buffers = workers * (working - whole[0] * item)
        need = alive * prod(slab) * item + parents + buffers
        if need <= limit:
            return PyramidPlan(levels, len(image.space_axes), item, workers, slab, alive, need)
    raise _too_small(need, limit)


def _crossed(slab: Shape, level: PlannedLevel) -> int:
    """Voxels of the blocks of a level that one slab contributes to."""
    touched = Region.whole(slab).coarsened(level.factors).stop
    return prod(
        min(n, _rounded_up(t, b)) for t, b, n in zip(touched, level.block, level.shape, strict=True)
    )


def _too_small(need: int, limit: int) -> LimitError:
    smallest = -(-(need + RESERVED_BYTES) // MIB)
    return LimitError(
        f"memory of {(limit + RESERVED_BYTES) // MIB} MiB is too small: {smallest} MiB are needed",
        hint=f"allow more with --memory {smallest}MiB, or choose smaller --chunks",
    )


def _divided(a: Shape, b: Shape) -> Shape:
    return tuple(x // y for x, y in zip(a, b, strict=True))
