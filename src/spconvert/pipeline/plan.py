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
from math import lcm, prod
from typing import Literal

from spconvert.errors import LimitError, UsageError
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region, Shape, grid_shape
from spconvert.pipeline.blocks import (
    decoded_bytes,
    decodes_again,
    random_block,
    rounded_up,
    streamed_block,
)
from spconvert.pipeline.factors import asked_factors, chosen_factors

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
    dtype_bytes: int
    workers: int
    slab: Shape | None
    """Extents of the runs of the file that are read at a time, for sources that are read front to
    back because they must be, or because blocks would decode the same chunk again and again."""
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
    one block fits; for a sequential or chunked source that may mean that it must be spooled first.
    """
    layout = _layout(image, options)
    limit = budget - RESERVED_BYTES
    preferred = max(PREFERRED_BLOCK_BYTES, decoded_bytes(image))
    most = max(0, min(preferred, limit // (3 * workers + 2)))
    for block_bytes in (most, most // 4):
        try:
            return _planned(image, layout, block_bytes, limit, workers)
        except LimitError:
            continue
    return _planned(image, layout, 0, limit, workers)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The levels as they will be stored, whatever the memory allows; one member per level."""

    factors: list[Shape]
    shapes: list[Shape]
    steps: list[Shape]
    stored: list[tuple[Shape, Shape | None]]
    """Chunks and shards."""
    units: list[Shape]
    """What a block must be a multiple of: whole chunks and whole windows of the next level."""


def _layout(image: SpatialImage, options: PyramidOptions) -> _Layout:
    chunks = options.chunks or default_chunks(image)
    if len(chunks) != len(image.shape) or min(chunks) < 1:
        raise UsageError(f"chunks {chunks} do not fit an array of shape {image.shape}")
    if options.scale_factors is None:
        factors = chosen_factors(image, chunks, options.levels)
    else:
        factors = asked_factors(image, options.scale_factors)
    ones = (1,) * len(image.shape)
    shapes = [grid_shape(image.shape, f) for f in factors]
    following = [_divided(b, a) for a, b in pairwise(factors)]
    stored = [_storage(shape, chunks, options.shards) for shape in shapes]
    units = [
        tuple(lcm(c, f) for c, f in zip(chunk, after, strict=True))
        for (chunk, _), after in zip(stored, [*following, ones], strict=True)
    ]
    return _Layout(factors, shapes, [ones, *following], stored, units)


def _planned(
    image: SpatialImage, layout: _Layout, block_bytes: int, limit: int, workers: int
) -> PyramidPlan:
    """The plan with blocks of level 0 of up to ``block_bytes``, or of one unit.

    Raises ``LimitError`` if it does not fit ``limit`` bytes.
    """
    slab = None
    if image.pixels.access != "sequential":
        block = random_block(image, layout.units[0], block_bytes, workers)
    if image.pixels.access == "sequential" or decodes_again(image, block):
        block, slab = streamed_block(image, layout.units[0], block_bytes)
    levels = []
    for n, (shape, unit, step) in enumerate(
        zip(layout.shapes, layout.units, layout.steps, strict=True)
    ):
        # A multiple of what the block before becomes: a block has whole children, and these come
        # one after another, so that few blocks of a coarser level are unfinished at a time.
        block = tuple(lcm(b // s, u) for b, s, u in zip(block, step, unit, strict=True))
        fitting = tuple(
            min(b, rounded_up(size, u)) for b, size, u in zip(block, shape, unit, strict=True)
        )
        chunks, shards = layout.stored[n]
        levels.append(
            PlannedLevel(f"s{n}", shape, chunks, shards, layout.factors[n], step, fitting)
        )
    return _with_memory(image, tuple(levels), slab, limit, workers)


# -- levels ----------------------------------------------------------------------------------


def default_chunks(image: SpatialImage) -> Shape:
    """1 for t and c; 64 per space axis, 512 for planes."""
    planar = len([n for n in image.space_shape if n > 1]) < len(("z", "y", "x"))
    edge = 512 if planar else 64
    return tuple(edge if axis.kind == "space" else 1 for axis in image.axes)


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


# -- memory ----------------------------------------------------------------------------------


def _with_memory(
    image: SpatialImage,
    levels: tuple[PlannedLevel, ...],
    slab: Shape | None,
    limit: int,
    workers: int,
) -> PyramidPlan:
    """The plan with as many workers and slabs as the memory allows.

    Every worker holds the block that it read or was given, its reduction, encoded chunks that wait
    for their turn in a shard, and a chunk. Random access: also a chunk of the source where that is
    compressed, before and after, and per level at most one unfinished block more than there are
    workers. Streams: the slabs, of which the workers' blocks are views, and per
    level the blocks that one slab leaves unfinished, twice where two slabs are alive.
    """
    item = image.dtype.itemsize
    whole = [prod(min(b, n) for b, n in zip(v.block, v.shape, strict=True)) for v in levels]
    worker = (whole[0] * 2 + prod(levels[0].chunks) * 3) * item
    if slab is None:
        worker += whole[0] * item + 2 * decoded_bytes(image)
        choices = [
            (0, count, count * worker + (count + 1) * sum(whole[1:]) * item)
            for count in range(workers, 0, -1)
        ]
    else:
        order = image.pixels.storage_order
        per_slab = (prod(slab) + sum(_unfinished(slab, v, order) for v in levels[1:])) * item
        counts = [(2, workers), *((1, count) for count in range(workers, 0, -1))]
        choices = [(alive, count, alive * per_slab + count * worker) for alive, count in counts]
    for alive, count, need in choices:
        if need <= limit:
            return PyramidPlan(levels, item, count, slab, alive, need)
    raise _too_small(choices[-1][-1], limit)


def _unfinished(slab: Shape, level: PlannedLevel, order: Sequence[int]) -> int:
    """Voxels of the blocks of a level that one slab begins and may leave unfinished."""
    touched = Region.whole(slab).coarsened(level.factors).stop
    extents = [
        min(n, rounded_up(t, b)) for t, b, n in zip(touched, level.block, level.shape, strict=True)
    ]
    for position, axis in enumerate(order):
        if min(level.block[axis], level.shape[axis]) * level.factors[axis] > slab[axis]:
            # Its blocks wait for a later slab, and until that comes all that is faster goes by.
            for faster in order[position + 1 :]:
                extents[faster] = level.shape[faster]
            break
    return prod(extents)


def _too_small(need: int, limit: int) -> LimitError:
    smallest = -(-(need + RESERVED_BYTES) // MIB)
    return LimitError(
        f"memory of {(limit + RESERVED_BYTES) // MIB} MiB is too small: {smallest} MiB are needed",
        hint=f"allow more with --memory {smallest}MiB, or choose smaller --chunks",
    )


def _divided(a: Shape, b: Shape) -> Shape:
    return tuple(x // y for x, y in zip(a, b, strict=True))
