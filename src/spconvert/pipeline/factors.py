"""How coarse each level of a pyramid is: chosen by the spacing, or asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

from spconvert.errors import UsageError
from spconvert.model.image import SpatialImage
from spconvert.model.region import Shape, grid_shape


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


def chosen_factors(image: SpatialImage, chunks: Shape, levels: int | None) -> list[Shape]:
    """Factors relative to level 0, per array axis, one per level, the first all 1.

    Goes on until a level fits one chunk, or, with ``levels``, to that many levels, as long as an
    axis has more than one voxel.
    """
    axes = image.space_axes
    spacing = tuple(reversed(image.geometry.spacing))
    factors = [(1,) * len(image.shape)]
    while levels is None or len(factors) < levels:
        last = factors[-1]
        shape = grid_shape(image.shape, last)
        now = [s * last[a] for s, a in zip(spacing, axes, strict=True)]
        limit = [chunks[a] if levels is None else 1 for a in axes]
        step = next_step(tuple(shape[a] for a in axes), tuple(limit), now)
        if max(step) == 1:
            break
        following = list(last)
        for a, s in zip(axes, step, strict=True):
            following[a] *= s
        factors.append(tuple(following))
    return factors


def asked_factors(image: SpatialImage, asked: Sequence[Shape]) -> list[Shape]:
    """The same for factors as ``--scale-factors`` has them, level 0 left out.

    Raises ``UsageError`` if they make no sense.
    """
    names = image.axis_names
    factors = [(1,) * len(image.shape), *asked]
    for before, after in pairwise(factors):
        if len(after) != len(names) or min(after) < 1:
            raise UsageError(f"scale factors {after} do not fit the axes {names}")
        if any(b % a for a, b in zip(before, after, strict=True)):
            raise UsageError(
                f"scale factors {after} are no multiples of {before}",
                hint="factors are relative to level 0, each a multiple of the one before: 2,4,8",
            )
        if before == after:
            raise UsageError(
                f"scale factors {after} make a level no coarser than the one before",
                hint="factors are relative to level 0, each larger than the one before: 2,4,8",
            )
        if any(f > 1 and n in "tc" for f, n in zip(after, names, strict=True)):
            raise UsageError(f"scale factors {after}: time and channels are not downsampled")
        if any(f > n for f, n in zip(after, image.shape, strict=True)):
            raise UsageError(f"scale factors {after} exceed the size {image.shape}")
    return factors
