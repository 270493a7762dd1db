"""A bound on what a stored chunk decompresses to, before a codec does it without one.

The codecs of zarr-python decompress whatever is there: 60 KB of gzip become a gigabyte before the
length is compared. So gzip and zlib data are decompressed here first, piece by piece, and let go;
the frame of zstd says how long it is.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from spconvert.errors import FormatError
from spconvert.stores.codecs import zstd_content_bytes
from spconvert.stores.shard_index import inner_chunks

CODECS = ("gzip", "zlib", "zstd")
_PIECE_BYTES = 1 << 20
_AUTOMATIC = 47
"""``wbits``: the header says whether it is gzip or zlib."""


@dataclass(frozen=True, slots=True)
class BombCheck:
    """Satisfies ``zarr_view.ObjectCheck`` for chunks that one of ``CODECS`` has packed last."""

    codec: str
    chunk_bytes: int
    """Size of a decoded chunk."""
    chunks_per_shard: int | None = None
    """``None``: an object is one chunk."""
    index_at_end: bool = True
    """Where a shard has its index."""

    def __call__(self, name: str, data: bytes, start: int, *, whole: bool) -> None:
        """``data`` is object ``name`` from byte ``start``, to its end if ``whole``.

        Raises ``FormatError`` if a chunk holds more than it may.
        """
        if self.chunks_per_shard is None:
            self._chunk(name, data)
        elif whole and start == 0:
            count, at_end = self.chunks_per_shard, self.index_at_end
            for offset, length in inner_chunks(name, data, count, at_end=at_end):
                self._chunk(name, data[offset : offset + length])
        elif not (start < 0 or (start == 0 and not self.index_at_end)):
            self._chunk(name, data)  # else it is the index

    def _chunk(self, name: str, data: bytes) -> None:
        if self.codec == "zstd":
            held = zstd_content_bytes(data) or 0
        else:
            held = _inflated_bytes(data, self.chunk_bytes)
        if held > self.chunk_bytes:
            raise FormatError(
                f"{name}: a chunk decompresses to {held} bytes or more: {self.chunk_bytes} expected"
            )


def _inflated_bytes(data: bytes, enough: int) -> int:
    """How much comes out of a stream, counted to a little above ``enough`` at most.

    Broken data are left to the codec, which says what is wrong with them.
    """
    inflate, count = zlib.decompressobj(_AUTOMATIC), 0
    try:
        while data and count <= enough and not inflate.eof:
            count += len(inflate.decompress(data, _PIECE_BYTES))
            data = inflate.unconsumed_tail
    except zlib.error:
        return 0
    return count
