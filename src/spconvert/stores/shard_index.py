"""Where the inner chunks of a whole shard are, for checks of their bytes before zarr sees them.

The index is that of the codec ``sharding_indexed``: offset and length per inner chunk, 64 bits
each and little-endian, then a checksum of 4 bytes (zarr-specs v3, "Sharding codec").
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spconvert.errors import FormatError

_ABSENT = 2**64 - 1


def inner_chunks(name: str, data: bytes, count: int, *, at_end: bool) -> Iterator[tuple[int, int]]:
    """Offset and length of each of the ``count`` inner chunks that are there.

    Raises ``FormatError`` if the shard is too short for its index or for a chunk.
    """
    size = 16 * count
    if len(data) < size + 4:
        raise FormatError(f"{name} has {len(data)} bytes: an index alone has {size + 4}")
    index = data[-(size + 4) : -4] if at_end else data[:size]
    for offset, length in np.frombuffer(index, "<u8").reshape(-1, 2).tolist():
        if offset == _ABSENT:
            continue
        if offset + length > len(data):
            end = offset + length
            raise FormatError(f"{name} has {len(data)} bytes: a chunk in it ends at {end}")
        yield offset, length
