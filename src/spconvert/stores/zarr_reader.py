"""Read back what ``zarr_writer`` wrote, without zarr-python, before it is published."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, SourceError
from spconvert.model.region import Region, Shape, blocks_touching
from spconvert.stores.codecs import decode
from spconvert.stores.zarr_array import ArraySpec

_ABSENT = 2**64 - 1


@dataclass(frozen=True, slots=True)
class ArrayReader:
    """Regions of an array that ``ArrayWriter`` wrote below ``root``."""

    root: Path
    """Folder of the group."""
    spec: ArraySpec

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``, native byte order; absent chunks are zeros.

        Raises ``FormatError`` naming the object if one is damaged, ``SourceError`` if unreadable.
        """
        result = np.zeros(region.shape, self.spec.dtype)
        for index in blocks_touching(region, self.spec.chunks):
            inside = self.spec.chunk_region(index).clipped(region)
            chunk = self._chunk(index)
            if chunk is not None:
                origin = tuple(i * c for i, c in zip(index, self.spec.chunks, strict=True))
                back = tuple(-o for o in origin)
                result[inside.relative_to(region).slices] = chunk[inside.shifted(back).slices]
        return result

    def _chunk(self, index: Shape) -> NDArray[Any] | None:
        data, key = self._bytes(index)
        if data is None:
            return None
        try:
            decoded = decode(self.spec.codec, data, self.spec.chunk_bytes)
        except FormatError as error:
            raise FormatError(f"{self.root / key}: {error}") from error
        return np.frombuffer(decoded, self.spec.stored_dtype).reshape(self.spec.chunks)

    def _bytes(self, index: Shape) -> tuple[bytes | None, str]:
        if self.spec.shards is None:
            key = self.spec.object_key(index)
            return self._object(key, 0, None), key
        per_shard = [s // c for s, c in zip(self.spec.shards, self.spec.chunks, strict=True)]
        key = self.spec.object_key(tuple(i // n for i, n in zip(index, per_shard, strict=True)))
        table = self._shard_table(key, tuple(per_shard))
        if table is None:
            return None, key
        inner = tuple(i % n for i, n in zip(index, per_shard, strict=True))
        offset, length = (int(v) for v in table[inner])
        if offset == _ABSENT:
            return None, key
        return self._object(key, offset, length), key

    def _shard_table(self, key: str, per_shard: Shape) -> NDArray[np.uint64] | None:
        import google_crc32c

        nbytes = 16 * Region.whole(per_shard).size
        data = self._object(key, -(nbytes + 4), nbytes + 4)
        if data is None:
            return None
        if google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise FormatError(f"{self.root / key}: the shard's index has a wrong checksum")
        return np.frombuffer(data[:-4], "<u8").reshape((*per_shard, 2))

    def _object(self, key: str, offset: int, length: int | None) -> bytes | None:
        """Bytes of an object from ``offset`` (negative: from its end); ``None`` if it is absent."""
        path = self.root / key
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = size + offset if offset < 0 else offset
                if length is not None and not 0 <= start <= size - length:
                    raise FormatError(f"{path}: has {size} bytes, {length} expected at {offset}")
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
