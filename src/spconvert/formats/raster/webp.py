"""WebP, read and write (without loss): colours, transparency, animations as time.

Rules: https://developers.google.com/speed/webp/docs/riff_container and the bit stream documents of
VP8 (RFC 6386, section 9.1) and VP8L.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import UsageError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Target, WriteOptions
from spconvert.formats.raster.decoded import DecodedSource
from spconvert.formats.raster.exif import Exif, parse_exif
from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import RGB, RGBA, Picture
from spconvert.formats.raster.pillow import decoded, encoded
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.formats.raster.slices import PictureKind, Slice, write_slices
from spconvert.model.image import SpatialImage

_LARGEST = 16384
_MOST_CHUNKS = 1 << 20
_LARGEST_EXIF = 1 << 20
_ALPHA, _ANIMATION = 0x10, 0x02
"""Flags of the VP8X chunk."""


@dataclass(slots=True)
class _Found:
    """What the chunks said so far."""

    size: tuple[int, int] | None = None
    alpha: bool = False
    animated: bool = False
    lossless: bool = False
    exif: Exif = field(default_factory=Exif)
    durations: tuple[int, ...] = ()
    """Milliseconds of each frame."""


def is_webp(head: bytes) -> bool:
    """Whether a file is a RIFF container of this kind."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _read(path: Path) -> _Found:
    with HeaderBytes(path, "WebP") as source:
        if source.size < 12 or not is_webp(source.take(12)):
            raise source.not_this_format()
        source.seek(4)
        (length,) = source.unpack("<I")
        if length + 8 > source.size:
            raise source.cut_off(length + 8, "container")
        source.seek(12)
        found = _Found()
        durations: list[int] = []
        for _ in range(_MOST_CHUNKS):
            if source.position + 8 > length + 8:
                break
            _chunk(source, found, durations)
        if found.size is None:
            raise source.wrong("a WebP without a picture has no pixels")
        checked_size(source, *found.size, _LARGEST)
        if found.animated and not durations:
            raise source.wrong("an animated WebP without frames has no pixels")
        found.durations = tuple(durations) if found.animated else ()
        return found


def _chunk(source: HeaderBytes, found: _Found, durations: list[int]) -> None:
    kind, length = source.unpack("<4sI", "chunk")
    start = source.position
    if kind == b"VP8X":
        flags, width, height = _canvas(source.take(10, "chunk VP8X"))
        found.size = (width, height)
        found.alpha, found.animated = bool(flags & _ALPHA), bool(flags & _ANIMATION)
    elif kind == b"VP8 " and found.size is None:
        body = source.take(10, "chunk VP8")
        if body[3:6] != b"\x9d\x01\x2a":
            raise source.wrong(f"frame of a WebP starts with {body[3:6]!r}: no key frame")
        width, height = (int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        found.size = (width, height)
    elif kind == b"VP8L":
        body = source.take(5, "chunk VP8L")
        if body[:1] != b"\x2f":
            raise source.wrong(f"lossless frame of a WebP starts with {body[:1]!r}: b'/' expected")
        bits = int.from_bytes(body[1:], "little")
        found.lossless = True
        if found.size is None:
            found.size = ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
            found.alpha = bool(bits >> 28 & 1)
    elif kind == b"ANMF":
        durations.append(int.from_bytes(source.take(16, "frame")[12:15], "little"))
    elif kind == b"EXIF" and length <= _LARGEST_EXIF:
        found.exif = parse_exif(source.take(length, "chunk EXIF"))
    source.seek(start)
    source.skip(length, f"chunk {kind!r}")
    if length % 2 and source.position < source.size:
        source.skip(1)


def _canvas(body: bytes) -> tuple[int, int, int]:
    width, height = (int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
    return body[0], width, height


def look(path: Path, _options: ReadOptions) -> Picture:
    """See ``Picture``. Raises ``FormatError``, ``SourceError``."""
    found = _read(path)
    assert found.size is not None
    width, height = found.size
    samples = RGBA if found.alpha else RGB
    frames = len(found.durations)
    moving = frames > 1
    extents = (height, width, len(samples))
    spacing, said = found.exif.spacing
    steps = set(found.durations)
    return Picture(
        pixels=DecodedSource(
            path,
            decode,
            "tyxc" if moving else "yxc",
            (frames, *extents) if moving else extents,
            np.dtype(np.uint8),
        ),
        samples=samples,
        frames=moving,
        frame_seconds=steps.pop() / 1000 if moving and len(steps) == 1 else None,
        spacing=spacing,
        unit="millimeter",
        fields={
            "lossless": found.lossless,
            "orientation": found.exif.orientation,
            "durations_ms": list(found.durations),
        },
        findings=(*said, *found.exif.findings),
    )


def decode(path: Path) -> NDArray[Any]:
    """All pixels: ((t,) y, x, sample), uint8. Raises ``FormatError``."""
    found = _read(path)
    return decoded(path, "WebP", "RGBA" if found.alpha else "RGB", max(1, len(found.durations)))


def write(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """See ``RasterFormat.write``; without loss, also of the colours of transparent pixels."""
    if options.codec not in (None, "lossless"):
        raise UsageError(f"codec {options.codec!r} is not one of WebP", hint="lossless")

    def encode(one: Slice, _options: WriteOptions) -> None:
        array = np.asarray(one.whole(), np.uint8)
        data = encoded(array, "WebP", lossless=True, exact=True, quality=50, method=2)
        one.path.write_bytes(data)

    kind = PictureKind("WebP", ("uint8",), (RGB, RGBA), 16383, by_rows=False)
    return write_slices(image, kind, target, options, encode)


PLUGIN: FormatPlugin = RasterFormat(
    "webp",
    (".webp",),
    is_webp,
    look,
    write,
    frozenset({"channels", "volume"}),
    {"whole": "one compressed stream, each pixel predicted from those before it"},
)
