"""PNG, read and write: 1 to 16 bits, grey, colours, palettes and transparency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Target, WriteOptions
from spconvert.formats.raster.decoded import interleaved
from spconvert.formats.raster.exif import parse_exif
from spconvert.formats.raster.picture import Picture
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.formats.raster.png_chunks import (
    SIGNATURE,
    PngHeader,
    critical_bytes,
    read_chunks,
)
from spconvert.formats.raster.png_scale import KEYWORD, aspect_of, placed_of, scale_of
from spconvert.model.finding import Finding, note, warning
from spconvert.model.image import SpatialImage


def is_png(head: bytes) -> bool:
    """Whether a file begins with the signature."""
    return head.startswith(SIGNATURE)


def look(path: Path, options: ReadOptions) -> Picture:
    """Walk over the chunks; see ``Picture``. Raises ``FormatError``, ``SourceError``."""
    header = read_chunks(path)
    spacing, unit, said = scale_of(header)
    placed, noted = placed_of(header)
    return Picture(
        pixels=interleaved(
            path, decode, (header.width, header.height), len(header.samples), header.dtype
        ),
        samples=header.samples,
        spacing=spacing,
        unit=unit,
        placed=placed,
        fields=_fields(header, options),
        findings=(*(() if placed else said), *noted, *_findings(header)),
    )


def decode(path: Path) -> NDArray[Any]:
    """All pixels: (y, x) or (y, x, sample), uint8 or uint16. Raises ``FormatError``."""
    import imagecodecs

    header = read_chunks(path)
    try:
        found: NDArray[Any] = imagecodecs.png_decode(critical_bytes(path, header))
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise FormatError(f"{path}: the pixels of the PNG are broken: {reason}") from error
    # The decoder drops neither samples nor rows, but a lone sample or row may lose its axis.
    samples = len(header.samples)
    extents = (header.height, header.width, samples) if samples > 1 else found.shape
    return found.reshape(extents) if found.size == header.height * header.width * samples else found


def _fields(header: PngHeader, options: ReadOptions) -> Mapping[str, Any]:
    fields: dict[str, Any] = {
        "bit_depth": header.bit_depth,
        "color_type": header.color_type,
        "interlaced": header.interlaced,
    }
    aspect = aspect_of(header)
    if aspect is not None:
        fields["aspect"] = aspect
    if options.metadata == "all":  # text may name anybody
        pairs = (body.partition(b"\0") for body in header.kept.get(b"tEXt", ()))
        texts = [[k.decode("latin-1"), v.decode("latin-1")] for k, _, v in pairs if k != KEYWORD]
        if texts:
            fields["text"] = texts
    return fields


def _findings(header: PngHeader) -> tuple[Finding, ...]:
    findings = []
    if header.color_type == 0 and header.bit_depth < 8:
        factor = 255 // (2**header.bit_depth - 1)
        text = f"samples of {header.bit_depth} bits are expanded to 8: stored value x {factor}"
        findings.append(note("samples-expanded", text, "IHDR"))
    if header.color_type == 3:
        names = ", ".join(header.samples)
        findings.append(note("palette-expanded", f"palette expanded to {names}", "PLTE"))
    elif header.transparent:
        text = "one colour is transparent: the last sample is alpha"
        findings.append(note("transparency-expanded", text, "tRNS"))
    for body in header.kept.get(b"eXIf", ())[:1]:
        findings.extend(parse_exif(body).findings)
    for body in header.kept.get(b"acTL", ())[:1]:
        count = int.from_bytes(body[:4], "big")
        if count > 1:
            text = f"animation of {count} frames: the still picture is read"
            findings.append(warning("animation-still", text, "acTL"))
    return tuple(findings)


def write(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """See ``RasterFormat.write``."""
    from spconvert.formats.raster.png_write import write_image

    return write_image(image, target, options)


PLUGIN: FormatPlugin = RasterFormat(
    "png",
    (".png",),
    is_png,
    look,
    write,
    frozenset({"channels", "volume", "spacing", "unit"}),
    {"whole": "one compressed stream, each row a difference to the row before"},
)
