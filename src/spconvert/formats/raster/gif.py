"""GIF, read: colours from palettes, frames as time.

Every frame is drawn over those before it, so the picture is decoded in one piece. Rules:
https://www.w3.org/Graphics/GIF/spec-gif89a.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.formats.plugin import FormatPlugin, ReadOptions
from spconvert.formats.raster.decoded import DecodedSource
from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import RGB, RGBA, Picture
from spconvert.formats.raster.pillow import decoded
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.model.finding import note

_LARGEST = 65535
_MOST_BLOCKS = 1 << 20
_PALETTE, _PALETTE_SIZE = 0x80, 0x07
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9
_BACKGROUND_DISPOSAL = 2


@dataclass(slots=True)
class _Found:
    """What the blocks said so far."""

    width: int
    height: int
    frames: int = 0
    alpha: bool = False
    """Whether a pixel of any frame may be transparent."""
    centiseconds: tuple[int, ...] = ()


def is_gif(head: bytes) -> bool:
    """Whether a file begins with one of the two signatures."""
    return head[:6] in (b"GIF87a", b"GIF89a")


def _read(path: Path) -> _Found:
    with HeaderBytes(path, "GIF") as source:
        if source.size < 13 or not is_gif(source.take(6)):
            raise source.not_this_format()
        width, height, flags, _, _ = source.unpack("<HHBBB")
        checked_size(source, width, height, _LARGEST)
        _skip_palette(source, flags)
        found = _Found(width, height)
        delays: list[int] = []
        for _ in range(_MOST_BLOCKS):
            (kind,) = source.take(1, "block")
            if kind == _END:
                break
            if kind == _EXTENSION:
                _extension(source, found, delays)
            elif kind == _IMAGE:
                _frame(source, found)
            else:
                raise source.wrong(f"{kind:#04x} at byte {source.position - 1} is no GIF block")
        if found.frames == 0:
            raise source.wrong("a GIF without a frame has no pixels")
        found.centiseconds = tuple(delays)
        return found


def _skip_palette(source: HeaderBytes, flags: int) -> None:
    if flags & _PALETTE:
        source.skip(3 << ((flags & _PALETTE_SIZE) + 1), "palette")


def _extension(source: HeaderBytes, found: _Found, delays: list[int]) -> None:
    (label,) = source.take(1, "extension")
    if label == _CONTROL:
        size, flags, delay, _ = source.unpack("<BBHB", "graphic control")
        if size != 4:
            raise source.wrong(f"graphic control extension of {size} bytes: 4 expected")
        # Later frames show what was there before where they are transparent.
        found.alpha |= bool(flags & 1) and found.frames == 0
        found.alpha |= flags >> 2 & 7 == _BACKGROUND_DISPOSAL
        delays.append(delay)
    _skip_pieces(source)


def _frame(source: HeaderBytes, found: _Found) -> None:
    left, top, width, height, flags = source.unpack("<HHHHB", "frame")
    if width == 0 or height == 0 or left + width > found.width or top + height > found.height:
        raise source.wrong(
            f"frame {found.frames} of {width} x {height} at ({left}, {top}) does not fit the "
            f"picture of {found.width} x {found.height}"
        )
    covers = (left, top, width, height) == (0, 0, found.width, found.height)
    found.alpha |= found.frames == 0 and not covers
    found.frames += 1
    _skip_palette(source, flags)
    source.skip(1)
    _skip_pieces(source)


def _skip_pieces(source: HeaderBytes) -> None:
    while length := source.take(1, "data")[0]:
        source.skip(length)


def look(path: Path, _options: ReadOptions) -> Picture:
    """See ``Picture``. Raises ``FormatError``, ``SourceError``."""
    found = _read(path)
    samples = RGBA if found.alpha else RGB
    moving = found.frames > 1
    extents = (found.height, found.width, len(samples))
    steps = set(found.centiseconds)
    even = moving and len(steps) == 1 and len(found.centiseconds) == found.frames
    return Picture(
        pixels=DecodedSource(
            path,
            decode,
            "tyxc" if moving else "yxc",
            (found.frames, *extents) if moving else extents,
            np.dtype(np.uint8),
        ),
        samples=samples,
        frames=moving,
        frame_seconds=steps.pop() / 100 if even else None,
        fields={"durations_cs": list(found.centiseconds)},
        findings=(
            note("palette-expanded", f"palettes expanded to {', '.join(samples)}", "color table"),
        ),
    )


def decode(path: Path) -> NDArray[Any]:
    """All pixels: ((t,) y, x, sample), uint8, frames as shown. Raises ``FormatError``."""
    found = _read(path)
    return decoded(path, "GIF", "RGBA" if found.alpha else "RGB", found.frames)


PLUGIN: FormatPlugin = RasterFormat(
    "gif",
    (".gif",),
    is_gif,
    look,
    keeps=frozenset({"channels", "time", "time-step"}),
    access={"whole": "every frame is drawn over those before it"},
)
