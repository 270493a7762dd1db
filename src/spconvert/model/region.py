"""Boxes of array indices, and the ways to walk over an array in boxes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

Shape = tuple[int, ...]
"""Extents per array axis, in array order (slowest first)."""


@dataclass(frozen=True, slots=True)
class Region:
    """A half-open box of array indices: ``start[a] <= i < stop[a]`` on every axis ``a``.

    Raises ``ValueError`` if the two corners differ in length or if one axis is negative.
    """

    start: Shape
    stop: Shape

    def __post_init__(self) -> None:
        if len(self.start) != len(self.stop):
            raise ValueError(f"corners of unlike length: {self.start} and {self.stop}")
        if any(a < 0 or b < a for a, b in zip(self.start, self.stop, strict=True)):
            raise ValueError(f"not a region: {self.start} to {self.stop}")

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Region:
        """The region that covers an array of this shape."""
        return cls((0,) * len(shape), tuple(shape))

    @property
    def ndim(self) -> int:
        """Number of array axes."""
        return len(self.start)

    @property
    def shape(self) -> Shape:
        """Extents per array axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def slices(self) -> tuple[slice, ...]:
        """The same box as an index for an array."""
        return tuple(slice(a, b) for a, b in zip(self.start, self.stop, strict=True))

    def shifted(self, offset: Sequence[int]) -> Region:
        """The box moved by ``offset`` indices per axis."""
        return Region(
            tuple(a + o for a, o in zip(self.start, offset, strict=True)),
            tuple(b + o for b, o in zip(self.stop, offset, strict=True)),
        )

    def relative_to(self, outer: Region) -> Region:
        """The same box, counted from the first corner of ``outer``."""
        return self.shifted(tuple(-a for a in outer.start))

    def clipped(self, outer: Region) -> Region:
        """The part of the box that lies in ``outer``; an axis without overlap gets extent 0."""
        start = tuple(max(a, o) for a, o in zip(self.start, outer.start, strict=True))
        stop = tuple(
            max(s, min(b, o)) for s, b, o in zip(start, self.stop, outer.stop, strict=True)
        )
        return Region(start, stop)

    def contains(self, inner: Region) -> bool:
        """Whether ``inner`` lies in this box."""
        return self.clipped(inner) == inner

    def coarsened(self, factors: Sequence[int]) -> Region:
        """The coarser samples whose windows touch the box (start down, stop up)."""
        return Region(
            tuple(a // f for a, f in zip(self.start, factors, strict=True)),
            tuple(
                -(-b // f) if b > a else a // f
                for a, b, f in zip(self.start, self.stop, factors, strict=True)
            ),
        )

    def refined(self, factors: Sequence[int], within: Sequence[int]) -> Region:
        """The finer samples that the box stands for, clipped to an array of shape ``within``."""
        return Region(
            tuple(min(a * f, n) for a, f, n in zip(self.start, factors, within, strict=True)),
            tuple(min(b * f, n) for b, f, n in zip(self.stop, factors, within, strict=True)),
        )


def grid_shape(shape: Sequence[int], block: Sequence[int]) -> Shape:
    """How many blocks lie along each axis, the last one perhaps cut off."""
    return tuple(-(-n // b) for n, b in zip(shape, block, strict=True))


def block_region(shape: Sequence[int], block: Sequence[int], index: Sequence[int]) -> Region:
    """The region of the block with this grid index, clipped to the array."""
    return Region(
        tuple(i * b for i, b in zip(index, block, strict=True)),
        tuple(min((i + 1) * b, n) for i, b, n in zip(index, block, shape, strict=True)),
    )


def blocks(shape: Sequence[int], block: Sequence[int]) -> Iterator[Region]:
    """All blocks of an array in C order; together they cover every element exactly once."""
    for index in itertools.product(*(range(n) for n in grid_shape(shape, block))):
        yield block_region(shape, block, index)


def blocks_touching(region: Region, block: Sequence[int]) -> Iterator[Shape]:
    """Grid indices of the blocks that a region touches, in C order."""
    yield from itertools.product(
        *(
            range(a // b, -(-z // b) if z > a else a // b)
            for a, z, b in zip(region.start, region.stop, block, strict=True)
        )
    )


def slabs(
    shape: Sequence[int],
    itemsize: int,
    budget: int,
    *,
    order: Sequence[int] | None = None,
    align: Sequence[int] | None = None,
) -> Iterator[Region]:
    """Regions of at most ``budget`` bytes that walk an array front to back.

    ``order`` lists the axes from slowest to fastest in the file (default: C order), so each region
    is one run of the file. ``align`` gives, per array axis, the multiple that a cut should keep
    (default 1); it is kept as far as the budget allows. At least one element is always returned.
    """
    order = tuple(range(len(shape))) if order is None else tuple(order)
    align = (1,) * len(shape) if align is None else tuple(align)
    step = [max(1, n) for n in shape]
    for position, axis in enumerate(order):
        inner = prod(shape[a] for a in order[position + 1 :]) * itemsize
        fits = max(1, budget // max(1, inner))
        if inner <= budget or position == len(order) - 1:
            kept = fits // align[axis] * align[axis] if fits >= align[axis] else fits
            step[axis] = max(1, min(shape[axis], kept))
            break
        step[axis] = 1
    counts = grid_shape([shape[a] for a in order], [step[a] for a in order])
    for index in itertools.product(*(range(n) for n in counts)):
        by_axis = dict(zip(order, index, strict=True))
        yield block_region(shape, step, [by_axis[a] for a in range(len(shape))])
