"""The codecs of a written TIFF by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spconvert.errors import UsageError

IMAGEJ = "imagej"
_HINT = "deflate, deflate:1 to deflate:12, zstd, zstd:1 to zstd:22, lzw, none, or imagej"
_LEVELS = {"deflate": (1, 12), "zstd": (3, 22)}
"""Default and largest level."""
_NAMES = {"deflate": "adobe_deflate", "zstd": "zstd", "lzw": "lzw", "none": None, IMAGEJ: None}
"""As tifffile calls them."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A codec and its level."""

    name: str
    level: int | None

    @property
    def compression(self) -> str | None:
        """The name that tifffile knows."""
        return _NAMES[self.name]

    @property
    def arguments(self) -> dict[str, int]:
        """What tifffile takes as ``compressionargs``."""
        return {} if self.level is None else {"level": self.level}


def coding_named(codec: str | None) -> Coding:
    """``deflate`` (the default, at its fastest), ``zstd``, each with ``:N``, ``lzw``, ``none``.

    ``imagej`` is the uncompressed dialect of that name. Raises ``UsageError`` for anything else.
    """
    found = re.fullmatch(
        r"(deflate|gzip|zlib|zstd)(?::(\d{1,2}))?|(lzw|none|raw|imagej)", codec or "deflate"
    )
    if found is None:
        raise UsageError(f"codec {codec!r} is not one of TIFF", hint=_HINT)
    if found[3]:
        return Coding({"raw": "none"}.get(found[3], found[3]), None)
    name = "zstd" if found[1] == "zstd" else "deflate"
    usual, largest = _LEVELS[name]
    level = int(found[2] or usual)
    if not 1 <= level <= largest:
        raise UsageError(f"codec {codec}: level 1 to {largest} expected", hint=_HINT)
    return Coding(name, level)
