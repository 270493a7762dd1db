"""JPEG, read and write: grey, colours, and CMYK as four channels.

Rules: ITU-T T.81, Annex B (markers); JFIF 1.02 and EXIF for the resolution; Adobe Technical
Note 5116 for CMYK.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import UsageError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Target, WriteOptions
from spconvert.formats.raster.decoded import interleaved
from spconvert.formats.raster.exif import Exif, parse_exif
from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import CMYK, GRAY, RGB, Picture
from spconvert.formats.raster.pillow import decoded, encoded
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.formats.raster.resolution import MILLIMETERS_PER_INCH, spacing_per_inch
from spconvert.formats.raster.slices import PictureKind, Slice, write_slices
from spconvert.model.finding import warning
from spconvert.model.image import SpatialImage

_LARGEST = 65535
_MODES = {1: ("L", GRAY), 3: ("RGB", RGB), 4: ("CMYK", CMYK)}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers SOF0 to SOF15; C4, C8 and CC mean other things."""
_READABLE = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive, Huffman coded."""
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a body."""
_MOST_SEGMENTS = 10_000
_QUALITY = 95


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What stands before the first scan."""

    width: int
    height: int
    components: int
    progressive: bool
    per_inch: tuple[float, float] | None
    exif: Exif


def is_jpeg(head: bytes) -> bool:
    """Whether a file begins with SOI and another marker; 0xF7 there means JPEG-LS."""
    return head[:3] == b"\xff\xd8\xff" and head[3:4] != b"\xf7"


def read_header(path: Path) -> JpegHeader:
    """Walk over the segments up to the first scan. Raises ``FormatError``, ``SourceError``."""
    with HeaderBytes(path, "JPEG") as source:
        if source.size < 4 or not is_jpeg(source.take(4)):
            raise source.not_this_format()
        source.seek(2)
        return _walked(source)


def _walked(source: HeaderBytes) -> JpegHeader:
    frame: tuple[int, int, int, bool] | None = None
    per_inch, exif = None, Exif()
    for _ in range(_MOST_SEGMENTS):
        marker = _marker(source)
        if marker in _BARE:
            continue
        if marker == 0xD9:
            break
        (length,) = source.unpack(">H", "segment")
        if length < 2:
            raise source.wrong(f"segment {marker:02X} of {length} bytes: 2 at least")
        if marker == 0xDA:
            if frame is None:
                break
            source.skip(length - 2, "first scan")
            return JpegHeader(*frame, per_inch, exif)
        body = source.take(length - 2, f"segment {marker:02X}")
        if marker in _FRAMES and frame is None:
            frame = _frame(source, marker, body)
        elif marker == 0xE0 and body.startswith(b"JFIF\0") and per_inch is None:
            per_inch = _density(body)
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            exif = parse_exif(body)
    raise source.wrong("a JPEG without a frame and a scan has no pixels")


def _marker(source: HeaderBytes) -> int:
    """The next marker; any number of FF may stand before it."""
    if source.take(1, "marker") != b"\xff":
        raise source.wrong(f"byte {source.position - 1} is no marker of a JPEG")
    while (code := source.take(1, "marker")) == b"\xff":
        pass
    return code[0]


def _frame(source: HeaderBytes, marker: int, body: bytes) -> tuple[int, int, int, bool]:
    if len(body) < 6:
        raise source.wrong(f"frame header of {len(body)} bytes: 6 at least")
    depth, components = body[0], body[5]
    height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
    checked_size(source, width, height, _LARGEST)
    if marker not in _READABLE or depth != 8:
        raise source.wrong(
            f"JPEG of process SOF{marker - 0xC0} with {depth} bits a sample is not supported: "
            "baseline, extended or progressive with 8 bits"
        )
    if components not in _MODES:
        raise source.wrong(f"JPEG of {components} components: 1, 3 or 4 expected")
    return width, height, components, marker == 0xC2


def _density(body: bytes) -> tuple[float, float] | None:
    """Pixels per inch of a JFIF header; unit 1 is the inch, 2 the centimetre, 0 an aspect ratio."""
    if len(body) < 12:
        return None
    x, y = int.from_bytes(body[8:10], "big"), int.from_bytes(body[10:12], "big")
    factor = {1: 1.0, 2: MILLIMETERS_PER_INCH / 10}.get(body[7])
    return None if factor is None else (x * factor, y * factor)


def look(path: Path, _options: ReadOptions) -> Picture:
    """See ``Picture``; JFIF's resolution goes before that of EXIF. Raises ``FormatError``."""
    header = read_header(path)
    spacing, said = spacing_per_inch(header.per_inch or (0, 0), "JFIF density")
    if spacing is None:
        spacing, more = header.exif.spacing
        said = more or said
    _, samples = _MODES[header.components]
    return Picture(
        pixels=interleaved(path, decode, (header.width, header.height), len(samples), "uint8"),
        samples=samples,
        spacing=spacing,
        unit="millimeter",
        fields={"progressive": header.progressive, "orientation": header.exif.orientation},
        findings=(*said, *header.exif.findings),
    )


def decode(path: Path) -> NDArray[Any]:
    """All pixels: (y, x) or (y, x, sample), uint8; CMYK as amounts of ink."""
    mode, _ = _MODES[read_header(path).components]
    return decoded(path, "JPEG", mode)


def write(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """See ``RasterFormat.write``. Codec: ``quality:1`` to ``quality:100``; pixels change."""
    found = re.fullmatch(r"quality(?::([1-9]\d?|100))?", options.codec or "quality")
    if found is None:
        raise UsageError(f"codec {options.codec!r} is not one of JPEG", hint="quality:1 to :100")
    quality = int(found[1] or _QUALITY)

    def encode(one: Slice, _options: WriteOptions) -> None:
        array = np.asarray(one.whole(), np.uint8)
        one.path.write_bytes(encoded(array, "JPEG", quality=quality, subsampling=0))

    kind = PictureKind("JPEG", ("uint8",), (GRAY, RGB), _LARGEST, by_rows=False)
    paths = write_slices(image, kind, target, options, encode)
    text = f"JPEG of quality {quality} changes the pixels; PNG keeps them"
    options.finding(warning("pixels-changed", text))
    return paths


PLUGIN: FormatPlugin = RasterFormat(
    "jpeg",
    (".jpeg", ".jpg", ".jpe"),
    is_jpeg,
    look,
    write,
    frozenset({"channels", "volume"}),
    {"whole": "one stream of codes of varying length: no row can be found without those before it"},
)
