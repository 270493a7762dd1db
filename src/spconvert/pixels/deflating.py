"""Deflate (RFC 1951), written: isal where it is faster, zlib where it packs tighter."""

from __future__ import annotations

import zlib
from typing import Any, Literal, Protocol

_FASTEST_OF_ZLIB = 4
"""From this level on zlib packs tighter than isal, whose levels end at 3."""

_WINDOW_BITS = {"gzip": 31, "zlib": 15}


class Compressor(Protocol):
    """What zlib, bz2 and isal have in common."""

    def compress(self, data: Any, /) -> bytes:
        """Take bytes; return what is ready."""
        ...

    def flush(self) -> bytes:
        """Return the rest and the checksum."""
        ...


def deflater(wrapper: Literal["gzip", "zlib"], level: int) -> Compressor:
    """A compressor of this level, 1 to 9, in the frame of gzip (RFC 1952) or zlib (RFC 1950).

    gzip's time is 0: the bytes say nothing of when they were made.
    """
    bits = _WINDOW_BITS[wrapper]
    if level < _FASTEST_OF_ZLIB:
        try:
            from isal import isal_zlib
        except ImportError:  # no wheel for this machine: slower, and other bytes
            pass
        else:
            isal: Any = isal_zlib
            made: Compressor = isal.compressobj(level, zlib.DEFLATED, bits)
            return made
    return zlib.compressobj(level, zlib.DEFLATED, bits)
