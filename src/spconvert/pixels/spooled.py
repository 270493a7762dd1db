"""A stream made random: decoded once into a scratch file, then read region by region."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spconvert.errors import TargetError
from spconvert.model.finding import Report, ignore_finding
from spconvert.model.image import PixelSource, SequentialSource
from spconvert.model.region import slabs
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource

_SLAB_BYTES = 8 << 20


def unpacked(source: PixelSource, path: Path) -> RawSource:
    """The source that ``spool`` makes at ``path``; nothing needs to be there yet."""
    layout = Layout(source.shape, source.dtype, source.storage_order)
    return RawSource((FilePart(path, 0, layout.nbytes),), layout)


def spool(
    source: SequentialSource,
    path: Path,
    report: Report = ignore_finding,
    advanced: Callable[[int], None] = lambda _done: None,
) -> RawSource:
    """Decode ``source`` front to back into a new file at ``path`` and return it for random access.

    Needs as much disk as the pixels have bytes, and 8 MiB of memory. ``report`` gets what the
    source finds, ``advanced`` the bytes done so far. Raises what the source raises, and
    ``TargetError`` if the disk refuses.
    """
    order = source.storage_order
    regions = list(slabs(source.shape, source.dtype.itemsize, _SLAB_BYTES, order=order))
    done = 0
    try:
        # Patients' voxels are nobody else's to read, however the folder is shared.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for slab in source.scan(regions, report):
                in_file = np.ascontiguousarray(slab.transpose(order))
                file.write(in_file.reshape(-1).view(np.uint8).data)
                done += in_file.nbytes
                advanced(done)
    except OSError as error:
        hint = "a compressed source is unpacked beside the output first: free some space there"
        raise TargetError(f"cannot write {path}: {error.strerror or error}", hint=hint) from error
    return unpacked(source, path)
