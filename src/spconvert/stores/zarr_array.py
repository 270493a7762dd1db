"""One Zarr array as it is stored: its metadata document, its chunk grid, its keys.

The rules are those of the Zarr specifications, v2 and v3, and of the sharding codec (ZEP 2).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spconvert.errors import Unsupported
from spconvert.model.region import Region, Shape, block_region, grid_shape
from spconvert.stores.codecs import Codec, v2_compressor, v3_codecs

_TYPES = frozenset(
    ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
)
"""What both Zarr formats have (zarr-specs v3, "Data types")."""

_MOST_BLOSC_BYTES = (1 << 31) - 17
"""c-blosc 1 takes no more at a time (``BLOSC_MAX_BUFFERSIZE``)."""


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """A Zarr array to be written: all that its metadata say.

    Raises ``Unsupported`` for a type of value that the Zarr format does not have, and for chunks
    that are too large for the codec.
    """

    path: str
    """Where the array lies in its group: "s0"."""
    shape: Shape
    dtype: np.dtype[Any]
    chunks: Shape
    codec: Codec
    zarr_format: Literal[2, 3]
    dimension_names: tuple[str, ...]
    shards: Shape | None = None
    """Extents of a shard, multiples of ``chunks``; ``None``: each chunk is an object."""

    def __post_init__(self) -> None:
        if f"{self.dtype.kind}{self.dtype.itemsize}" not in _TYPES:
            raise Unsupported(f"Zarr has no values of type {self.dtype}")
        if self.codec.name == "blosc" and self.chunk_bytes > _MOST_BLOSC_BYTES:
            raise Unsupported(
                f"a chunk of {self.chunk_bytes} bytes: Blosc takes at most {_MOST_BLOSC_BYTES}",
                hint="choose smaller --chunks, or --codec zstd",
            )

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """The type in the byte order of the store: little-endian."""
        return self.dtype.newbyteorder("<")

    @property
    def objects(self) -> Shape:
        """Extents of what lies under one key: a shard, or a chunk where there are no shards."""
        return self.shards or self.chunks

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one decoded chunk."""
        return Region.whole(self.chunks).size * self.dtype.itemsize

    def chunk_region(self, index: Shape) -> Region:
        """Array indices of a chunk, clipped to the array."""
        return block_region(self.shape, self.chunks, index)

    def object_key(self, index: Shape) -> str:
        """Key of a chunk or shard below the group: "s0/c/0/1/2" (v3), "s0/0/1/2" (v2)."""
        prefix = (self.path,) if self.zarr_format == 2 else (self.path, "c")
        return "/".join((*prefix, *map(str, index)))

    def chunks_in_shard(self, index: Shape) -> int:
        """How many chunks of this shard touch the array."""
        assert self.shards is not None
        inside = block_region(self.shape, self.shards, index).shape
        return Region.whole(grid_shape(inside, self.chunks)).size

    def documents(self) -> dict[str, bytes]:
        """Key below the group to the bytes of the metadata document."""
        keys = {".zarray": self._v2()} if self.zarr_format == 2 else {"zarr.json": self._v3()}
        return {f"{self.path}/{key}": _json(value) for key, value in keys.items()}

    def _fill(self) -> Any:
        if self.dtype.kind == "b":
            return False
        return 0.0 if self.dtype.kind == "f" else 0

    def _v2(self) -> dict[str, Any]:
        return {
            "zarr_format": 2,
            "shape": list(self.shape),
            "chunks": list(self.chunks),
            "dtype": self.stored_dtype.str,
            "compressor": v2_compressor(self.codec, self.dtype),
            "fill_value": [0.0, 0.0] if self.dtype.kind == "c" else self._fill(),
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }

    def _v3(self) -> dict[str, Any]:
        codecs = v3_codecs(self.codec, self.dtype)
        if self.shards is not None:
            inner = {
                "chunk_shape": list(self.chunks),
                "codecs": codecs,
                "index_codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "crc32c"},
                ],
                "index_location": "end",
            }
            codecs = [{"name": "sharding_indexed", "configuration": inner}]
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype.name,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": list(self.objects)},
            },
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": [0.0, 0.0] if self.dtype.kind == "c" else self._fill(),
            "codecs": codecs,
            "attributes": {},
            "dimension_names": list(self.dimension_names),
        }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, allow_nan=False).encode()
