"""Write Zarr arrays as whole objects into a folder: chunks side by side, shards in a fixed order.

Every object is written once. A chunk that is all zeros, the fill value, is left out.
Shards are appended to as blocks arrive in the order of their sequence numbers, so the bytes are
the same on every run, whatever the threads did, and no shard is ever held in memory whole.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.region import Region, Shape, blocks_touching
from spconvert.stores.codecs import encoder
from spconvert.stores.lock import refused
from spconvert.stores.zarr_array import ArraySpec

_ABSENT = 2**64 - 1


@dataclass(slots=True)
class _Shard:
    """A shard that is being appended to."""

    index: NDArray[np.uint64]
    """(offset, length) of each inner chunk in C order; both 2⁶⁴−1 where it is left out."""
    missing: int
    """Chunks that have not arrived yet."""
    size: int = 0


@dataclass(slots=True)
class ArrayWriter:
    """Writes blocks of one array below ``root``; safe to call from many threads."""

    root: Path
    """Folder of the group."""
    spec: ArraySpec
    stored_objects: int = 0
    """How many chunk or shard objects were written so far."""
    stored_bytes: int = 0
    _encode: Any = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _folders: set[Path] = field(init=False, default_factory=set)
    _waiting: dict[int, list[tuple[Shape, bytes]]] = field(init=False, default_factory=dict)
    _next: int = field(init=False, default=0)
    _shards: dict[Shape, _Shard] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._encode = encoder(self.spec.codec, self.spec.dtype)

    def write(self, sequence: int, region: Region, pixels: NDArray[Any]) -> None:
        """Encode and store a block of whole chunks (cut off only where the array ends).

        ``sequence`` numbers the blocks of the array 0, 1, 2, ... in the order in which they go
        into shards; blocks may arrive in any order. Raises ``TargetError`` if the disk refuses.
        """
        if self.spec.shards is None:
            for index in blocks_touching(region, self.spec.chunks):
                data = self._encoded(index, region, pixels)
                if data:
                    self._store(index, data)
            return
        encoded = [
            (index, self._encoded(index, region, pixels))
            for index in blocks_touching(region, self.spec.chunks)
        ]
        with self._lock:
            self._waiting[sequence] = encoded
            while (ready := self._waiting.pop(self._next, None)) is not None:
                self._next += 1
                self._append(ready)

    def _encoded(self, index: Shape, region: Region, pixels: NDArray[Any]) -> bytes:
        """The bytes of one chunk, padded to full size; empty if all of it is zero."""
        inside = self.spec.chunk_region(index)
        part = pixels[inside.relative_to(region).slices]
        if inside.shape == self.spec.chunks:
            chunk = np.ascontiguousarray(part, self.spec.stored_dtype)
        else:
            chunk = np.zeros(self.spec.chunks, self.spec.stored_dtype)
            chunk[tuple(slice(n) for n in inside.shape)] = part
        return b"" if _all_zero(chunk) else self._encode(chunk)

    def _store(self, index: Shape, data: bytes) -> None:
        path = self.root / self.spec.object_key(index)
        try:
            self._make_folder(path.parent)
            path.write_bytes(data)
        except OSError as error:
            raise refused(path, error) from error
        with self._lock:
            self.stored_objects += 1
            self.stored_bytes += len(data)

    def _make_folder(self, folder: Path) -> None:
        if folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)

    # -- shards: the caller holds the lock ------------------------------------------------------

    def _append(self, encoded: list[tuple[Shape, bytes]]) -> None:
        assert self.spec.shards is not None
        per_shard = [s // c for s, c in zip(self.spec.shards, self.spec.chunks, strict=True)]
        pieces: dict[Shape, list[bytes]] = {}
        for index, data in encoded:
            key = tuple(i // n for i, n in zip(index, per_shard, strict=True))
            shard = self._shards.get(key)
            if shard is None:
                table = np.full((*per_shard, 2), _ABSENT, np.uint64)
                shard = self._shards[key] = _Shard(table, self.spec.chunks_in_shard(key))
            if data:
                inner = tuple(i % n for i, n in zip(index, per_shard, strict=True))
                shard.index[inner] = (shard.size, len(data))
                shard.size += len(data)
            shard.missing -= 1
            pieces.setdefault(key, []).append(data)
        for key, parts in pieces.items():
            self._extend(key, b"".join(parts))

    def _extend(self, key: Shape, data: bytes) -> None:
        shard = self._shards[key]
        if shard.missing == 0:
            del self._shards[key]
            if shard.size:
                data += shard_index_bytes(shard.index)
                self.stored_objects += 1
        if not data:
            return
        path = self.root / self.spec.object_key(key)
        try:
            self._make_folder(path.parent)
            with path.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise refused(path, error) from error
        self.stored_bytes += len(data)


def shard_index_bytes(index: NDArray[np.uint64]) -> bytes:
    """A shard's index as it is stored: little-endian pairs, then their CRC-32C (ZEP 2)."""
    import google_crc32c

    table = index.astype("<u8").tobytes()
    return table + int(google_crc32c.value(table)).to_bytes(4, "little")


def _all_zero(chunk: NDArray[Any]) -> bool:
    """Whether every byte is zero (so -0.0 is not), cheaply for a chunk with data."""
    words = chunk.reshape(-1).view(np.uint8)
    step = max(1, words.size // 64)
    if words[::step].any():
        return False
    if words.size % 8 == 0:
        return not words.view(np.uint64).any()
    return not words.any()
