"""JPEG 2000, read and write (without loss): up to 16 bits, signed too, in a JP2 file or bare.

Rules: ITU-T T.800, Annex A (code stream, marker SIZ) and Annex I (boxes of JP2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, UsageError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Target, WriteOptions
from spconvert.formats.raster.decoded import interleaved
from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import GRAY, GRAY_ALPHA, RGB, RGBA, Picture
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.formats.raster.slices import PictureKind, Slice, write_slices
from spconvert.model.finding import Finding, note
from spconvert.model.image import SpatialImage
from spconvert.pixels.raw import open_input

_BOX_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_STREAM_SIGNATURE = b"\xff\x4f\xff\x51"
_LARGEST = (1 << 31) - 1
_MOST_BOXES = 10_000
_SAMPLES = {1: GRAY, 2: GRAY_ALPHA, 3: RGB, 4: RGBA}
_LARGEST_RATIO = 1 << 15
"""Pixels a byte of code stream may stand for: a packet of empty code blocks takes one byte."""


@dataclass(frozen=True, slots=True)
class Jpeg2000Header:
    """What marker SIZ and the boxes say."""

    width: int
    height: int
    samples: int
    bits: int
    signed: bool
    spacing: tuple[float, float] | None
    """x, y in millimetres, from the capture resolution."""
    has_palette: bool

    @property
    def dtype(self) -> str:
        """The smallest type of 8 or 16 bits that holds the samples."""
        return f"{'' if self.signed else 'u'}int{8 if self.bits <= 8 else 16}"


def is_jpeg2000(head: bytes) -> bool:
    """Whether a file begins as a JP2 file or a bare code stream does."""
    return head.startswith((_BOX_SIGNATURE, _STREAM_SIGNATURE))


def read_header(path: Path) -> Jpeg2000Header:
    """Raises ``FormatError``, ``SourceError``."""
    with HeaderBytes(path, "JPEG 2000") as source:
        head = source.take(min(12, source.size))
        if not is_jpeg2000(head):
            raise source.not_this_format()
        spacing, has_palette = None, False
        if head.startswith(_STREAM_SIGNATURE):
            source.seek(0)
        else:
            source.seek(12)
            spacing, has_palette = _boxes(source)
        return _stream(source, spacing, has_palette=has_palette)


def _boxes(source: HeaderBytes) -> tuple[tuple[float, float] | None, bool]:
    """Go to the code stream; the capture resolution and whether a palette stands before it."""
    spacing, has_palette = None, False
    for _ in range(_MOST_BOXES):
        start = source.position
        length, kind = source.unpack(">I4s", "box")
        if length == 1:
            (length,) = source.unpack(">Q", "box")
        inside = source.position
        if kind == b"jp2c":
            return spacing, has_palette
        if kind in (b"jp2h", b"res "):
            continue  # a box of boxes: go on inside
        if kind == b"resc":
            spacing = _capture(source.take(10, "resolution"))
        has_palette |= kind == b"pclr"
        if length == 0 or length < inside - start:
            break
        source.seek(start)
        source.skip(length, f"box {kind!r}")
    raise source.wrong("a JPEG 2000 file without a code stream has no pixels")


def _capture(body: bytes) -> tuple[float, float] | None:
    """Pixels per metre: numerator / denominator x 10^exponent, vertical first (I.5.3.7.1)."""
    v_over, v_under, h_over, h_under = (
        int.from_bytes(body[i : i + 2], "big") for i in range(0, 8, 2)
    )
    if 0 in (v_over, v_under, h_over, h_under):
        return None
    v_power, h_power = (int.from_bytes(body[i : i + 1], "big", signed=True) for i in (8, 9))
    return (
        1000 * h_under / h_over * 10.0**-h_power,
        1000 * v_under / v_over * 10.0**-v_power,
    )


def _stream(
    source: HeaderBytes, spacing: tuple[float, float] | None, *, has_palette: bool
) -> Jpeg2000Header:
    start = source.position
    if source.take(4, "code stream") != _STREAM_SIGNATURE:
        raise source.wrong("the code stream does not begin with its size")
    source.skip(4)
    right, bottom, left, top = source.unpack(">4I", "size")
    source.skip(16)
    (count,) = source.unpack(">H", "size")
    width, height = right - left, bottom - top
    checked_size(source, width, height, _LARGEST)
    if count not in _SAMPLES:
        raise source.wrong(f"JPEG 2000 of {count} components: 1 to 4 expected")
    parts = {source.unpack(">BBB", "components") for _ in range(count)}
    if len(parts) > 1 or {part[1:] for part in parts} != {(1, 1)}:
        raise source.wrong("JPEG 2000 with components of unlike size or depth is not supported")
    depth = parts.pop()[0]
    bits = (depth & 0x7F) + 1
    if bits > 16:
        raise source.wrong(f"JPEG 2000 of {bits} bits is not supported: 1 to 16")
    if width * height > (source.size - start) * _LARGEST_RATIO:
        raise source.wrong(f"{source.size - start} bytes cannot hold {width} x {height} pixels")
    return Jpeg2000Header(width, height, count, bits, depth > 0x7F, spacing, has_palette)


def look(path: Path, _options: ReadOptions) -> Picture:
    """See ``Picture``. Raises ``FormatError``, ``SourceError``."""
    header = read_header(path)
    if header.has_palette:
        raise FormatError(f"{path}: JPEG 2000 with a palette is not supported")
    findings: tuple[Finding, ...] = ()
    if header.spacing is not None:
        text = "spacing comes from the capture resolution"
        findings = (note("spacing-from-resolution", text, "resc"),)
    return Picture(
        pixels=interleaved(
            path, decode, (header.width, header.height), header.samples, header.dtype
        ),
        samples=_SAMPLES[header.samples],
        spacing=header.spacing,
        unit="millimeter",
        fields={"bits": header.bits, "signed": header.signed},
        findings=findings,
    )


def decode(path: Path) -> NDArray[Any]:
    """All pixels: (y, x) or (y, x, sample). Raises ``FormatError``."""
    import imagecodecs

    header = read_header(path)
    with open_input(path) as file:
        data = file.read()
    try:
        found: NDArray[Any] = imagecodecs.jpeg2k_decode(data)
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise FormatError(f"{path}: the pixels of the JPEG 2000 are broken: {reason}") from error
    extents = (header.height, header.width, *((header.samples,) if header.samples > 1 else ()))
    return found.reshape(extents) if found.size == np.prod(extents) else found


def write(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """See ``RasterFormat.write``: a JP2 file, or a bare code stream for ``.j2k`` and ``.jpc``."""
    import imagecodecs

    if options.codec not in (None, "lossless"):
        raise UsageError(f"codec {options.codec!r} is not one of JPEG 2000", hint="lossless")
    bare = target.path.suffix.lower() in (".j2k", ".jpc", ".j2c")

    def encode(one: Slice, _options: WriteOptions) -> None:
        data = imagecodecs.jpeg2k_encode(
            one.whole(), level=0, reversible=True, codecformat="j2k" if bare else "jp2"
        )
        one.path.write_bytes(data)

    kind = PictureKind(
        "JPEG 2000",
        ("uint8", "uint16", "int8", "int16"),
        (GRAY, GRAY_ALPHA, RGB, RGBA),
        by_rows=False,
    )
    return write_slices(image, kind, target, options, encode)


PLUGIN: FormatPlugin = RasterFormat(
    "jpeg2000",
    (".jp2", ".j2k", ".j2c", ".jpc"),
    is_jpeg2000,
    look,
    write,
    frozenset({"channels", "volume"}),
    {"whole": "wavelets span the picture, and the library returns it whole"},
)
