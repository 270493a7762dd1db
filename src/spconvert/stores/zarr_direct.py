"""Chunks of common Zarr arrays, decoded without zarr-python, which takes half a second to import.

Only arrays whose metadata are understood in full are read here, and only as long as nothing is
strange: at any damage the caller reads the region again through zarr-python, whose verdict counts.
Keys and shards are those of the Zarr specifications, v2 and v3, and of the sharding codec (ZEP 2).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.model.region import Region, Shape, blocks_touching
from spconvert.stores.codecs import Codec, decode
from spconvert.stores.location import Location

_ABSENT = 2**64 - 1
_PARALLEL_BYTES = 1 << 20
"""Below this much to decode, one thread is faster."""
_THREADS = 4
_THREADS_BYTES = 32 << 20
"""Decoded chunks that threads may hold at once beyond the first two."""


@dataclass(frozen=True, slots=True)
class DirectArray:
    """How an array is stored, as far as decoding its chunks needs it."""

    prefix: str
    """Of the keys of chunks, below the array: "c/" or ""."""
    separator: str
    stored: np.dtype[Any]
    """Byte order included."""
    shape: Shape
    chunks: Shape
    codec: Codec
    fill: int | float | bool | None
    """Value of a chunk that is not stored; ``None``: only zarr-python knows."""
    shards: Shape | None = None
    index_at_end: bool = True

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one decoded chunk."""
        return prod(self.chunks) * self.stored.itemsize


class NotDirect(Exception):
    """Something is strange about a chunk: zarr-python shall say what."""


def read_direct(location: Location, path: str, array: DirectArray, region: Region) -> NDArray[Any]:
    """The values in ``region``, native byte order, of the array at ``path``.

    Raises ``NotDirect`` for damaged chunks, ``SourceError`` for unreadable ones.
    """
    out = np.empty(region.shape, array.stored.newbyteorder("="))
    jobs = list(_jobs(location, path, array, region))

    def run(job: _Job) -> None:
        inside = Region(
            tuple(i * c for i, c in zip(job.index, array.chunks, strict=True)),
            tuple((i + 1) * c for i, c in zip(job.index, array.chunks, strict=True)),
        )
        part = inside.clipped(region)
        target = out[part.relative_to(region).slices]
        data = job.read(location)
        if data is None and array.fill is None:
            raise NotDirect
        if data is None:
            target[...] = array.fill
            return
        try:
            decoded = decode(array.codec, data, array.chunk_bytes)
        except FormatError as error:
            raise NotDirect from error
        values = np.frombuffer(decoded, array.stored).reshape(array.chunks)
        target[...] = values[part.relative_to(inside).slices]

    threads = min(_THREADS, os.cpu_count() or 1, max(2, _THREADS_BYTES // array.chunk_bytes))
    if len(jobs) < 4 or threads == 1 or len(jobs) * array.chunk_bytes < _PARALLEL_BYTES:
        for job in jobs:
            run(job)
    else:
        with ThreadPoolExecutor(threads, "zarr-decode") as pool:
            for _ in pool.map(run, jobs):
                pass
    return out


@dataclass(frozen=True, slots=True)
class _Job:
    """One chunk to decode."""

    index: Shape
    key: str
    start: int = 0
    stop: int | None = None
    """``start`` and ``stop`` are both 0 for a chunk that its shard does not have."""

    def read(self, location: Location) -> bytes | None:
        if self.stop == 0:
            return None
        data = location.read(self.key, self.start, self.stop)
        if self.stop is not None and (data is None or len(data) != self.stop - self.start):
            raise NotDirect
        return data


def _jobs(location: Location, path: str, array: DirectArray, region: Region) -> Iterator[_Job]:
    """The chunks that a region touches."""
    start = f"{path}/{array.prefix}" if path else array.prefix
    if array.shards is None:
        for index in blocks_touching(region, array.chunks):
            yield _Job(index, start + array.separator.join(map(str, index)))
        return
    counts = tuple(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    for shard in blocks_touching(region, array.shards):
        key = start + array.separator.join(map(str, shard))
        table = _shard_table(location, key, array, counts)
        corner = tuple(i * n for i, n in zip(shard, counts, strict=True))
        first = tuple(i * s for i, s in zip(shard, array.shards, strict=True))
        last = tuple(f + s for f, s in zip(first, array.shards, strict=True))
        within = region.clipped(Region(first, last)).relative_to(Region(first, last))
        for inner in blocks_touching(within, array.chunks):
            offset, length = (_ABSENT, 0) if table is None else map(int, table[inner])
            index = tuple(a + b for a, b in zip(corner, inner, strict=True))
            if offset == _ABSENT:
                yield _Job(index, key, 0, 0)
            elif length == 0:
                raise NotDirect
            else:
                yield _Job(index, key, offset, offset + length)


def _shard_table(
    location: Location, key: str, array: DirectArray, counts: Shape
) -> NDArray[np.uint64] | None:
    """Offset and length of each chunk of a shard; ``None`` if the shard is not stored."""
    import google_crc32c

    nbytes = 16 * prod(counts) + 4
    data = location.read(key, -nbytes) if array.index_at_end else location.read(key, 0, nbytes)
    if data is None:
        return None
    if len(data) != nbytes:
        raise NotDirect
    if google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise NotDirect
    return np.frombuffer(data[:-4], "<u8").reshape((*counts, 2))
