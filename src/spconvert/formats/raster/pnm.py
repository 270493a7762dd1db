"""The Netpbm family, read and write: PBM, PGM, PPM, PAM and the float format PFM.

Rules: https://netpbm.sourceforge.net/doc/ (pbm, pgm, ppm, pam) and
https://www.pauldebevec.com/Research/HDR/PFM/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, UsageError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Target, WriteOptions
from spconvert.formats.raster.decoded import DecodedSource
from spconvert.formats.raster.header_bytes import HeaderBytes, checked_size
from spconvert.formats.raster.picture import GRAY, GRAY_ALPHA, RGB, RGBA, Picture
from spconvert.formats.raster.plugin import RasterFormat
from spconvert.formats.raster.slices import PictureKind, Slice, write_slices
from spconvert.model.finding import Finding, note, warning
from spconvert.model.image import PixelSource, SpatialImage
from spconvert.pixels.arranged import ArrangedSource
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource, open_input
from spconvert.pixels.text import TextSource

_LARGEST = (1 << 31) - 1
_USUAL_HEADER = 1 << 10
_LONGEST_HEADER = 1 << 16
_MAGICS = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"PF", b"Pf")
_BITS = ("P1", "P4")
_TUPLES = {1: GRAY, 2: GRAY_ALPHA, 3: RGB, 4: RGBA}


@dataclass(frozen=True, slots=True)
class PnmHeader:
    """What stands before the samples."""

    magic: str
    """P1 to P7, PF or Pf."""
    width: int
    height: int
    samples: int
    most: int
    """The value that means white; 1 for bits and floats."""
    stored: np.dtype[Any]
    offset: int
    """First byte of the samples."""
    length: int
    """Bytes of the file from there on."""

    @property
    def row_bytes(self) -> int:
        """Of a raw row; bits are padded to whole bytes."""
        if self.magic == "P4":
            return (self.width + 7) // 8
        return self.width * self.samples * self.stored.itemsize


def is_pnm(head: bytes) -> bool:
    """Whether a file begins with a magic and white space (or a comment)."""
    return head[:2] in _MAGICS and head[2:3] in (b" ", b"\t", b"\n", b"\r", b"#")


def read_header(path: Path) -> PnmHeader:
    """Raises ``FormatError``, also for a file with fewer bytes than its rows need."""
    with HeaderBytes(path, "PNM") as source:
        head = source.take(min(source.size, _USUAL_HEADER))
        if not is_pnm(head):
            raise source.not_this_format()
        magic = head[:2].decode("ascii")
        parse = _pam if magic == "P7" else _pnm
        try:
            width, height, samples, stored, most, offset = parse(source, magic, head)
        except FormatError:  # perhaps a longer header, of comments
            head += source.take(min(source.size, _LONGEST_HEADER) - len(head))
            width, height, samples, stored, most, offset = parse(source, magic, head)
        checked_size(source, width, height, _LARGEST)
        dtype = np.dtype(stored)
        left = source.size - offset
        header = PnmHeader(magic, width, height, samples, most, dtype, offset, left)
        if magic in ("P1", "P2", "P3"):
            count = width * height * samples
            least = count if magic == "P1" else 2 * count - 1
        else:
            least = header.row_bytes * height
        if left < least:
            raise source.cut_off(offset + least, "samples")
        return header


_Parsed = tuple[int, int, int, str, int, int]
"""Width, height, samples, type, maximum, offset."""


def _pnm(source: HeaderBytes, magic: str, head: bytes) -> _Parsed:
    """Words between white space and comments; one white space before raw samples."""
    count = 2 if magic in _BITS else 3
    word = rb"(?:\s|#[^\n\r]*[\n\r])+([^\s#]+)"
    found = re.match(rb"P." + word * count + rb"(?:#[^\n\r]*)?\s", head)
    if found is None:
        raise source.wrong(f"{magic} header is incomplete: {count} numbers expected")
    numbers = [_integer(source, text) for text in found.groups()[:2]]
    samples = 3 if magic in ("P3", "P6", "PF") else 1
    if magic in ("PF", "Pf"):
        order = "<" if _scale(source, found[3]) < 0 else ">"
        return numbers[0], numbers[1], samples, f"{order}f4", 1, found.end()
    most = 1 if magic in _BITS else _integer(source, found[3])
    return numbers[0], numbers[1], samples, _type(source, most), most, found.end()


def _pam(source: HeaderBytes, _magic: str, head: bytes) -> _Parsed:
    end = re.search(rb"\nENDHDR[ \t]*\n", head)
    if end is None:
        raise source.wrong("P7 header is incomplete: no line ENDHDR")
    lines = [line.split(None, 1) for line in head[2 : end.start()].split(b"\n")]
    fields = {line[0]: line[1] for line in lines if len(line) == 2 and line[0][:1] != b"#"}
    names = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    missing = [name.decode() for name in names if name not in fields]
    if missing:
        raise source.wrong(f"P7 header is incomplete: no {', '.join(missing)}")
    width, height, depth, most = (_integer(source, fields[name].strip()) for name in names)
    if depth not in _TUPLES:
        raise source.wrong(f"PAM of {depth} samples a pixel: 1 to 4 expected")
    return width, height, depth, _type(source, most), most, end.end()


def _integer(source: HeaderBytes, text: bytes) -> int:
    if re.fullmatch(rb"[0-9]{1,10}", text) is None:
        raise source.wrong(f"{text[:20]!r} in the header of a PNM: a whole number expected")
    return int(text)


def _scale(source: HeaderBytes, text: bytes) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not isfinite(value) or value == 0:
        raise source.wrong(f"scale {text[:20]!r} of a PFM: a number other than 0 expected")
    return value


def _type(source: HeaderBytes, most: int) -> str:
    if not 1 <= most <= 65535:
        raise source.wrong(f"maximum {most} of a PNM: 1 to 65535 expected")
    return ">u2" if most > 255 else "u1"


def look(path: Path, _options: ReadOptions) -> Picture:
    """See ``Picture``. Raises ``FormatError``, ``SourceError``."""
    header = read_header(path)
    findings: list[Finding] = []
    if header.magic in _BITS:
        text = "bits are expanded to bytes: 1 is black, 0; 0 is white, 255"
        findings.append(note("samples-expanded", text, header.magic))
    raw = header.magic not in ("P1", "P2", "P3")
    surplus = header.length - header.row_bytes * header.height
    if raw and surplus > 0:
        text = f"{path} has {surplus} bytes behind the first picture, which is read"
        findings.append(warning("surplus-data", text, str(path)))
    return Picture(
        pixels=_pixels(path, header),
        samples=_TUPLES[header.samples],
        fields={"magic": header.magic, "maximum": header.most},
        findings=tuple(findings),
    )


def _pixels(path: Path, header: PnmHeader) -> PixelSource:
    if header.magic in _BITS:
        extents = (header.height, header.width)
        return DecodedSource(path, _bits, "yx", extents, np.dtype(np.uint8))
    shape: tuple[int, ...] = (header.height, header.width)
    order: tuple[int, ...] = (0, 1)
    if header.samples > 1:
        shape, order = (header.samples, *shape), (1, 2, 0)
    if header.magic in ("P2", "P3"):
        native = Layout(shape, header.stored.newbyteorder("="), order)
        return TextSource(FilePart(path, header.offset, header.length), "decimal", native)
    layout = Layout(shape, header.stored, order)
    rows = RawSource((FilePart(path, header.offset, prod(shape) * header.stored.itemsize),), layout)
    if header.magic in ("PF", "Pf"):  # the first row of the file is the lowest
        axes = tuple(range(len(shape)))
        return ArrangedSource(rows, axes, tuple(axis == len(shape) - 2 for axis in axes))
    return rows


def _bits(path: Path) -> NDArray[Any]:
    """All pixels of a bitmap: 0 black, 255 white. Raises ``FormatError``."""
    header = read_header(path)
    with open_input(path) as file:
        file.seek(header.offset)
        if header.magic == "P4":
            packed = np.frombuffer(file.read(header.row_bytes * header.height), np.uint8)
            if packed.size < header.row_bytes * header.height:
                raise FormatError(f"{path} became shorter while it was read")
            found = np.unpackbits(packed.reshape(header.height, -1), axis=1)[:, : header.width]
        else:
            count = header.width * header.height
            text = file.read(8 * count + _LONGEST_HEADER)
            digits = re.sub(rb"#[^\n\r]*|\s+", b"", text)[:count]
            if len(digits) < count or digits.strip(b"01"):
                raise FormatError(f"{path} has {len(digits)} of {count} digits 0 or 1")
            found = (np.frombuffer(digits, np.uint8) - 48).reshape(header.height, header.width)
    return np.where(found == 1, np.uint8(0), np.uint8(255))


def write(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """See ``RasterFormat.write``: raw PGM or PPM by its samples, whatever the suffix; PAM else."""
    if options.codec not in (None, "raw"):
        raise UsageError(f"codec {options.codec!r} is not one of PNM", hint="raw")
    kind = PictureKind("PNM", ("uint8", "uint16"), largest=_LARGEST)
    return write_slices(image, kind, target, options, _encode)


def _encode(one: Slice, _options: WriteOptions) -> None:
    most = 255 if one.dtype.itemsize == 1 else 65535
    size = f"{one.width} {one.height}"
    if one.samples in (GRAY, RGB):
        head = f"{'P5' if one.samples == GRAY else 'P6'}\n{size}\n{most}\n"
    else:
        kind = "RGB_ALPHA" if one.samples == RGBA else "GRAYSCALE_ALPHA"
        head = (
            f"P7\nWIDTH {one.width}\nHEIGHT {one.height}\nDEPTH {len(one.samples)}\n"
            f"MAXVAL {most}\nTUPLTYPE {kind}\nENDHDR\n"
        )
    with one.path.open("wb") as file:
        file.write(head.encode("ascii"))
        for rows in one.rows:
            stored = np.ascontiguousarray(rows, rows.dtype.newbyteorder(">"))
            file.write(stored.reshape(-1).view(np.uint8).data)


PLUGIN: FormatPlugin = RasterFormat(
    "pnm",
    (".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm"),
    is_pnm,
    look,
    write,
    frozenset({"channels", "volume"}),
    {
        "random": "raw samples",
        "sequential": "samples as text: no number can be found without those before it",
        "whole": "bitmaps: bits are unpacked in one piece",
    },
)
