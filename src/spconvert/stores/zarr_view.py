"""A location as a read-only store of zarr-python, so that its checks hold for every chunk.

zarr's own LocalStore follows symbolic links and ".." out of its folder, and its ZipStore reads
one member at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Protocol

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.core.buffer.core import default_buffer_prototype


class Readable(Protocol):
    """What this module asks of a location; see ``location.Location`` for the meaning."""

    @property
    def path(self) -> Path:
        """The folder or file."""
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """The bytes under a key, or a slice of them."""
        ...

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Names directly below a prefix."""
        ...


class ObjectCheck(Protocol):
    """Looks at a stored object, or a part of it, before it is decoded."""

    def __call__(self, name: str, data: bytes, start: int, *, whole: bool) -> None:
        """``data`` is object ``name`` from byte ``start`` (negative: from its end).

        Raises ``FormatError`` if it must not be decoded.
        """
        ...


_DOCUMENTS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")


def make_store(location: Readable, check: ObjectCheck | None = None) -> Store:
    """The store of a location; ``check`` sees the bytes of chunks and shards before zarr does."""
    return LocationStore(location, check)


class LocationStore(Store):
    """Reads go to the location; there is no writing."""

    supports_writes: bool = False
    supports_deletes: bool = False
    supports_listing: bool = True

    def __init__(self, location: Readable, check: ObjectCheck | None = None) -> None:
        super().__init__(read_only=True)
        self._location = location
        self._check = check

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocationStore) and other._location == self._location

    def __hash__(self) -> int:
        return hash(self._location)

    def __str__(self) -> str:
        return str(self._location.path)

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """What zarr-python (3.2 and later) calls where it reads without its event loop."""
        start, stop = _bounds(byte_range)
        data = self._location.read(key, start, stop)
        if data is not None and key.endswith(".zarray"):
            data = _without_empty_filters(data)
        elif data is not None and self._check is not None and not key.endswith(_DOCUMENTS):
            name = f"{self._location.path}: {key}"
            self._check(name, data, start, whole=byte_range is None)
        kind = default_buffer_prototype() if prototype is None else prototype
        return None if data is None else kind.buffer.from_bytes(data)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The bytes under a key, or a part of them."""
        return await asyncio.to_thread(
            self.get_sync, key, prototype=prototype, byte_range=byte_range
        )

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Parts of several keys."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether there are bytes under a key."""
        return await asyncio.to_thread(self._location.read, key, 0, 1) is not None

    async def set(self, key: str, value: Buffer) -> None:  # noqa: ARG002 (zarr's signature)
        """Refused: the store is read-only."""
        self._check_writable()

    async def delete(self, key: str) -> None:  # noqa: ARG002 (as above)
        """Refused: the store is read-only."""
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin with ``prefix``, a folder."""
        folder = prefix.rstrip("/")
        for name in self._location.names(folder):
            key = f"{folder}/{name}" if folder else name
            if self._location.read(key, 0, 1) is not None:
                yield key
            else:
                async for inner in self.list_prefix(key):
                    yield inner

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names directly below ``prefix``."""
        for name in self._location.names(prefix.rstrip("/")):
            yield name


def _without_empty_filters(document: bytes) -> bytes:
    """Old writers (jzarr, bioformats2raw) say no filters by an empty list.

    The Zarr v2 specification wants null there; zarr-python warns, and is going to refuse.
    """
    try:
        metadata = json.loads(document)
    except ValueError:  # zarr-python has its own words for it
        return document
    if not isinstance(metadata, dict) or metadata.get("filters") != []:
        return document
    return json.dumps({**metadata, "filters": None}).encode()


def _bounds(part: ByteRequest | None) -> tuple[int, int | None]:
    """Start and stop of a slice."""
    match part:
        case None:
            return 0, None
        case RangeByteRequest():
            return part.start, part.end
        case OffsetByteRequest():
            return part.offset, None
        case SuffixByteRequest():
            return -part.suffix, None
