"""The header of a legacy VTK file of structured points: lines of words, read within bounds.

Rules: "VTK File Formats" (https://docs.vtk.org/en/latest/vtk_file_formats/vtk_legacy_file_format.html),
"Structured Points" and "Dataset Attributes"; version 1.0 says ASPECT_RATIO for SPACING.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from spconvert.errors import FormatError, SourceError, Unsupported
from spconvert.pixels.raw import open_input

LARGEST_HEADER = 1 << 16
"""Bytes. A header has about ten lines of at most 256 characters."""

MAGIC = b"# vtk DataFile Version"

TYPES = {
    "char": "i1",
    "signed_char": "i1",
    "unsigned_char": "u1",
    "short": "i2",
    "unsigned_short": "u2",
    "int": "i4",
    "unsigned_int": "u4",
    "long": "i8",
    "unsigned_long": "u8",
    "vtkidtype": "i8",
    "vtktypeint64": "i8",
    "vtktypeuint64": "u8",
    "long_long": "i8",
    "unsigned_long_long": "u8",
    "float": "f4",
    "double": "f8",
}
"""Data types to numpy codes. ``long`` has four bytes where Windows wrote it."""

_COMPONENTS = {"vectors": 3, "normals": 3, "tensors": 9, "tensors6": 6}


@dataclass(slots=True)
class _Fields:
    """What the lines say, gathered."""

    binary: bool = True
    sizes: tuple[int, ...] = ()
    spacing: tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None
    points: int | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says, checked: sizes, points, type and components fit together."""

    path: Path
    title: str
    binary: bool
    sizes: tuple[int, int, int]
    """x, y, z."""
    spacing: tuple[float, ...] | None
    origin: tuple[float, ...] | None
    dtype: np.dtype[Any]
    """Of one component in the file: most significant byte first."""
    components: int
    attribute: str
    """Name of the data, as written."""
    data_offset: int = field(default=0)
    """First byte behind the header."""


def read_header(path: Path) -> Header:
    """Read the header up to the first attribute of the points; no voxel is read.

    Raises ``SourceError`` if the file cannot be read, ``FormatError`` if it is no such file or a
    field is missing or wrong, ``Unsupported`` for data sets and attributes that are no image.
    """
    with open_input(path) as file:
        try:
            lines = _LineReader(path, cast("BinaryIO", file))
            return _parsed(path, lines)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error


class _LineReader:
    """Lines of a file, within ``LARGEST_HEADER`` bytes."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.head = file.read(4096)
        self._file = file
        self.position = 0

    def next(self) -> str:
        """The next line, stripped. Raises ``FormatError`` at the end of file or bound."""
        while (end := self.head.find(b"\n", self.position)) < 0:
            more = self._file.read(4096) if len(self.head) < LARGEST_HEADER else b""
            if not more:
                raise FormatError(
                    f"{self.path}: the header does not end within {len(self.head)} bytes",
                    hint="the file is cut off or damaged",
                )
            self.head += more
        line = self.head[self.position : end]
        self.position = end + 1
        return line.decode("latin-1").strip()

    def next_filled(self) -> list[str]:
        """The words of the next line that is not empty."""
        while not (words := self.next().split()):
            pass
        return words

    def peek(self) -> str:
        """The next line without going on, or an empty string at the end."""
        before = self.position
        try:
            return self.next()
        except FormatError:
            return ""
        finally:
            self.position = before


def _parsed(path: Path, lines: _LineReader) -> Header:
    if not lines.head.startswith(MAGIC):
        raise FormatError(
            f"{path} is not a VTK legacy file: it begins with {lines.head[:12]!r}, "
            f"{MAGIC.decode()!r} expected"
        )
    lines.next()
    title = lines.next()
    fields = _Fields()
    words = lines.next_filled()
    if words[0].upper() not in ("BINARY", "ASCII"):
        raise FormatError(f"{path}: {words[0][:40]!r}: BINARY or ASCII expected")
    fields.binary = words[0].upper() == "BINARY"
    words = lines.next_filled()
    if words[0].upper() != "DATASET" or len(words) != 2:
        raise FormatError(f"{path}: line {' '.join(words)[:60]!r}: DATASET expected")
    if words[1].upper() != "STRUCTURED_POINTS":
        raise Unsupported(f"{path} holds {words[1][:40]}: STRUCTURED_POINTS expected, an image")
    while True:
        words = lines.next_filled()
        if fields.points is not None:
            return _attribute(path, title, fields, words, lines)
        _take(path, fields, words)


def _take(path: Path, fields: _Fields, words: list[str]) -> None:
    keyword = words[0].upper()
    if keyword == "DIMENSIONS":
        fields.sizes = tuple(_count(path, word) for word in words[1:])
        if len(fields.sizes) != 3:
            raise FormatError(f"{path}: {len(fields.sizes)} DIMENSIONS: 3 expected")
    elif keyword in ("SPACING", "ASPECT_RATIO"):
        fields.spacing = _three(path, words)
    elif keyword == "ORIGIN":
        fields.origin = _three(path, words)
    elif keyword == "POINT_DATA" and len(words) == 2:
        fields.points = _count(path, words[1])
    elif keyword in ("CELL_DATA", "FIELD", "METADATA"):
        raise Unsupported(f"{path}: {keyword} before the point data is not read")
    else:
        raise FormatError(f"{path}: header line {' '.join(words)[:60]!r} is not known")


def _attribute(
    path: Path, title: str, fields: _Fields, words: list[str], lines: _LineReader
) -> Header:
    """SCALARS name type [components] with its LOOKUP_TABLE, or another attribute."""
    if not fields.sizes:
        raise FormatError(f"{path}: DIMENSIONS is missing")
    if prod(fields.sizes) != fields.points:
        raise FormatError(
            f"{path}: POINT_DATA {fields.points} for DIMENSIONS {fields.sizes}: "
            f"{prod(fields.sizes)} expected"
        )
    keyword = words[0].lower()
    if keyword == "scalars" and len(words) in (3, 4):
        type_name, components = words[2], _count(path, words[3]) if len(words) == 4 else 1
        if re.match(r"LOOKUP_TABLE\s", lines.peek(), re.IGNORECASE):
            lines.next()
    elif keyword == "color_scalars" and len(words) == 3:
        # "BINARY: unsigned char, ASCII: floats between 0 and 1".
        type_name = "unsigned_char" if fields.binary else "float"
        components = _count(path, words[2])
    elif keyword in _COMPONENTS and len(words) == 3:
        type_name, components = words[2], _COMPONENTS[keyword]
    else:
        raise Unsupported(
            f"{path}: point data {' '.join(words)[:60]!r}: SCALARS, COLOR_SCALARS, VECTORS, "
            "NORMALS or TENSORS expected"
        )
    code = TYPES.get(type_name.lower())
    if code is None:
        raise FormatError(f"{path}: data type {type_name[:40]!r} is not one of VTK's numbers")
    dtype = np.dtype(">" + code)
    if prod(fields.sizes) * components * dtype.itemsize >= 2**63:
        raise FormatError(f"{path}: DIMENSIONS {fields.sizes} are more than 2^63 bytes")
    if fields.binary and type_name.lower() in ("long", "unsigned_long"):
        dtype = _long(dtype, prod(fields.sizes) * components, path.stat().st_size - lines.position)
    x, y, z = fields.sizes
    return Header(
        path,
        title,
        fields.binary,
        (x, y, z),
        fields.spacing,
        fields.origin,
        dtype,
        components,
        words[1],
        lines.position,
    )


def _long(dtype: np.dtype[Any], count: int, room: int) -> np.dtype[Any]:
    """Eight bytes, as ITK on Linux takes it, or four where the file has no room for more."""
    return np.dtype(f">{dtype.kind}4") if count * 4 <= room < count * 8 else dtype


def _count(path: Path, word: str) -> int:
    if not re.fullmatch(r"\+?[0-9]{1,19}", word) or int(word) == 0:
        raise FormatError(f"{path}: {word[:30]!r}: a whole number above 0 expected")
    return int(word)


def _three(path: Path, words: list[str]) -> tuple[float, ...]:
    try:
        values = tuple(map(float, words[1:]))
    except ValueError as error:
        raise FormatError(f"{path}: {' '.join(words)[:60]!r}: {error}") from error
    if len(values) != 3:
        raise FormatError(f"{path}: {words[0]} of {len(values)} numbers: 3 expected")
    return values
