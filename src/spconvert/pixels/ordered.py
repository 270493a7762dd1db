"""The voxels of an image from first to last, in the axis order of the file to be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import LimitError
from spconvert.model.finding import Report, ignore_finding
from spconvert.model.image import PixelSource, SequentialSource
from spconvert.model.region import slabs

_SLAB_BYTES = 16 << 20
"""More at a time does not make a source of rows any faster."""


def check_order(pixels: PixelSource, order: Sequence[int], format_name: str) -> None:
    """Raise ``LimitError`` if a source that is read front to back lies in another axis order.

    ``order`` lists the array axes from slowest to fastest in the file to be written.
    """
    if pixels.access != "sequential":
        return
    many = [axis for axis in order if pixels.shape[axis] > 1]
    if many != [axis for axis in pixels.storage_order if pixels.shape[axis] > 1]:
        raise LimitError(
            f"the source is stored in axis order {pixels.storage_order} and can only be read in "
            f"it; this {format_name} needs {tuple(order)}",
            hint="write the image to OME-Zarr first",
        )


def in_file_order(
    pixels: PixelSource, order: Sequence[int], budget: int, report: Report = ignore_finding
) -> Iterator[NDArray[Any]]:
    """Contiguous arrays, axes from slowest to fastest as ``order`` says, front to back.

    At most ``budget`` bytes are held at once, but for a budget below one row. ``report`` gets what
    a sequential source finds. Raises what the source raises.
    """
    itemsize = pixels.dtype.itemsize
    share = max(1, budget // 2)  # the array read, and its copy in file order
    slowest = next((axis for axis in order if pixels.shape[axis] > 1), order[0])
    row = pixels.chunks[slowest] * itemsize * prod(pixels.shape) // pixels.shape[slowest]
    step = min(share, max(_SLAB_BYTES, row))
    cuts = list(slabs(pixels.shape, itemsize, step, order=order, align=pixels.chunks))
    if pixels.access == "sequential":
        arrays = cast("SequentialSource", pixels).scan(cuts, report)
    else:
        arrays = (pixels.read(cut) for cut in cuts)
    for array in arrays:
        yield np.ascontiguousarray(array.transpose(order))
