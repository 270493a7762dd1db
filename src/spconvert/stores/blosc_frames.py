"""Checks of Blosc frames before c-blosc sees them.

c-blosc trusts the sizes in a frame's header: of a chunk that was cut off it reads past the end of
the buffer and returns what lies there, without an error. The header is that of c-blosc 1
(README_CHUNK_FORMAT): decoded bytes at 4, block size at 8, encoded bytes at 12, little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from spconvert.errors import FormatError
from spconvert.stores.shard_index import inner_chunks

_HEADER = struct.Struct("<4B3I")


@dataclass(frozen=True, slots=True)
class BloscCheck:
    """Compares every frame of an array with the bytes that there are."""

    chunk_bytes: int | None
    """Size of a decoded chunk; ``None`` where another codec changes it."""
    chunks_per_shard: int | None = None
    """``None``: an object is one chunk."""
    index_at_end: bool = True
    """Where a shard has its index."""

    def __call__(self, name: str, data: bytes, start: int, *, whole: bool) -> None:
        """``data`` is object ``name`` from byte ``start``, to its end if ``whole``.

        Raises ``FormatError`` if a frame is not as long as it says.
        """
        if self.chunks_per_shard is None:
            self._frame(name, data, len(data))
        elif whole and start == 0:
            self._shard(name, data)
        elif not (start < 0 or (start == 0 and not self.index_at_end)):
            self._frame(name, data, len(data))  # else it is the index

    def _shard(self, name: str, data: bytes) -> None:
        assert self.chunks_per_shard is not None
        for offset, length in inner_chunks(
            name, data, self.chunks_per_shard, at_end=self.index_at_end
        ):
            self._frame(name, data[offset : offset + _HEADER.size], length)

    def _frame(self, name: str, head: bytes, length: int) -> None:
        if length < _HEADER.size or len(head) < _HEADER.size:
            raise FormatError(f"{name}: {length} bytes are no Blosc frame")
        *_, decoded, _block, encoded = _HEADER.unpack_from(head)
        if encoded != length:
            raise FormatError(f"{name}: a Blosc frame has {length} of {encoded} bytes")
        if self.chunk_bytes is not None and decoded != self.chunk_bytes:
            expected = f"{self.chunk_bytes} expected"
            raise FormatError(f"{name}: a Blosc frame of {decoded} decoded bytes: {expected}")
