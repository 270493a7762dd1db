"""A stream made random: decoded once into a scratch file, then read region by region."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import TargetError
from spconvert.model.finding import Report, ignore_finding
from spconvert.model.image import PixelSource, SequentialSource
from spconvert.model.region import Region, blocks, slabs
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource

_SLAB_BYTES = 8 << 20


def unpacked(source: PixelSource, path: Path) -> RawSource:
    """The source that ``spool`` makes at ``path``; nothing needs to be there yet."""
    layout = Layout(source.shape, source.dtype, source.storage_order)
    return RawSource((FilePart(path, 0, layout.nbytes),), layout)


def spool(
    source: PixelSource,
    path: Path,
    report: Report = ignore_finding,
    advanced: Callable[[int], None] = lambda _done: None,
) -> RawSource:
    """Decode ``source`` once into a new file at ``path`` and return it for random access.

    Needs as much disk as the pixels have bytes, and 8 MiB of memory, or a row of the source's
    chunks. ``report`` gets what the source finds, ``advanced`` the bytes done so far. Raises what
    the source raises, and ``TargetError`` if the disk refuses.
    """
    target = unpacked(source, path)
    done = 0
    try:
        # Patients' voxels are nobody else's to read, however the folder is shared.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for region, pixels in _decoded_once(source, report):
                data = np.ascontiguousarray(pixels.transpose(source.storage_order))
                view = data.reshape(-1).view(np.uint8).data
                for offset, length in target.layout.runs(region):
                    file.seek(offset)
                    file.write(view[:length])
                    view = view[length:]
                done += data.nbytes
                advanced(done)
    except OSError as error:
        hint = "a compressed source is unpacked beside the output first: free some space there"
        raise TargetError(f"cannot write {path}: {error.strerror or error}", hint=hint) from error
    return target


def _decoded_once(source: PixelSource, report: Report) -> Iterator[tuple[Region, NDArray[Any]]]:
    """All regions of a source: front to back, or rows of whole chunks."""
    order, itemsize = source.storage_order, source.dtype.itemsize
    if source.access == "sequential":
        regions = list(slabs(source.shape, itemsize, _SLAB_BYTES, order=order))
        scan = cast("SequentialSource", source).scan(regions, report)
        yield from zip(regions, scan, strict=True)
        return
    block = list(source.chunks)
    for axis in reversed(order):
        longer = prod(block) // block[axis] * source.shape[axis]
        if longer * itemsize > _SLAB_BYTES:
            break
        block[axis] = source.shape[axis]
    for region in blocks(source.shape, block):
        yield region, source.read(region)
