"""Where the samples of an NRRD are: in the header's file or in others, raw, compressed or as text.

Rules: http://teem.sourceforge.net/nrrd/format.html, section 3 (detached headers) and section 5
("data file", "line skip", "byte skip"). Every size is checked against the files before anything
is allocated, and no file outside the header's folder is touched unless the caller allows it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from typing import Literal

from spconvert.errors import FormatError, SourceError
from spconvert.formats.nrrd.axes import FileAxes
from spconvert.formats.nrrd.header import Header
from spconvert.model.finding import Finding
from spconvert.model.image import PixelSource
from spconvert.pixels.external import (
    DataFile,
    external_file,
    numbered_names,
    raw_source,
    text_source,
)
from spconvert.pixels.inflated import CompressedPart, InflatedSource, check_plausible
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import open_input
from spconvert.pixels.streams import PIECE_BYTES

_PATTERN = re.compile(
    r"(?P<name>.*%.*?)\s+(?P<min>-?\d{1,9})\s+(?P<max>-?\d{1,9})\s+(?P<step>-?\d{1,9})"
    r"(?:\s+(?P<subdim>\d{1,3}))?"
)
_LIST = re.compile(r"LIST(?:\s+(?P<subdim>\d{1,3}))?")


def pixels_of(
    header: Header, axes: FileAxes, *, allow_external: bool
) -> tuple[PixelSource, tuple[Finding, ...]]:
    """The lazy samples of a file, and what was noticed about its size.

    Raises ``SourceError`` for a data file that is missing, no regular file, or outside the
    header's folder without leave; ``FormatError`` for too few bytes or wrong skips.
    """
    layout = Layout(axes.shape, header.dtype, axes.storage_order)
    pieces = _pieces(header, allow_external=allow_external)
    byte_skip = int(header.values.get("byte skip", 0))
    if byte_skip < (-1 if header.encoding == "raw" else 0):
        raise FormatError(
            f"{header.path}: byte skip {byte_skip} with encoding {header.encoding}: 0 or more "
            "expected, or -1 with raw"
        )
    pieces = [_after_lines(header, piece) for piece in pieces]
    if header.encoding == "raw":
        return raw_source(pieces, byte_skip, layout)
    if header.encoding in ("gzip", "bzip2"):
        codec: Literal["gzip", "bzip2"] = "gzip" if header.encoding == "gzip" else "bzip2"
        # The bytes to skip are those of the decompressed stream.
        parts = tuple(CompressedPart(p.path, p.start, p.nbytes, byte_skip) for p in pieces)
        for part in parts:
            check_plausible(part, codec)
        return InflatedSource(parts, codec, layout), ()
    if len(pieces) != 1:
        raise FormatError(
            f"{header.path}: {len(pieces)} data files with encoding {header.encoding}: one expected"
        )
    text = replace(pieces[0], start=pieces[0].start + byte_skip)
    return text_source(text, "hex" if header.encoding == "hex" else "decimal", layout), ()


def _pieces(header: Header, *, allow_external: bool) -> list[DataFile]:
    stated = header.texts.get("data file")
    if stated is None:
        if header.data_offset is None:
            raise FormatError(
                f"{header.path}: no blank line ends the header, and no data file is named",
                hint="the file is cut off",
            )
        return [DataFile(header.path, header.data_offset, header.nbytes)]
    names = _names(header, stated)
    share = header.nbytes // len(names)
    return [
        DataFile(external_file(header.path, name, allow_external=allow_external), 0, share)
        for name in names
    ]


def _names(header: Header, stated: str) -> list[str]:
    """The data files in order: one name, a LIST, or a pattern with first, last and step."""
    if listed := _LIST.fullmatch(stated):
        _check_count(header, len(header.data_list), listed["subdim"])
        return list(header.data_list)
    if counted := _PATTERN.fullmatch(stated):
        first, last, step = (int(counted[name]) for name in ("min", "max", "step"))
        if step == 0 or (last - first) * step < 0:
            raise FormatError(f"{header.path}: data file {stated[:80]!r} counts no file")
        numbers = range(first, last + (1 if step > 0 else -1), step)
        _check_count(header, len(numbers), counted["subdim"])
        return numbered_names(header.path, counted["name"], numbers)
    return [stated]


def _check_count(header: Header, count: int, subdim: str | None) -> None:
    """Every file holds the same number of whole slices.

    With a "subdim" below the dimension there is one file per index of the axes above it.
    """
    sizes = header.sizes
    below = int(subdim) if subdim else len(sizes)
    if not 1 <= below <= len(sizes):
        raise FormatError(f"{header.path}: data files of dimension {below}, array of {len(sizes)}")
    wanted = prod(sizes[below:])
    divides = count > 0 and (sizes[-1] % count == 0 if below == len(sizes) else count == wanted)
    if not divides:
        expected = (
            f"a divisor of {sizes[-1]}, the size of the slowest axis,"
            if below == len(sizes)
            else f"{wanted}"
        )
        raise FormatError(f"{header.path} names {count} data files: {expected} expected")


def _after_lines(header: Header, piece: DataFile) -> DataFile:
    """The piece behind the lines to skip, which are those of the file, compressed or not."""
    count = int(header.values.get("line skip", 0))
    if count < 0:
        raise FormatError(f"{header.path}: line skip {count}: 0 or more expected")
    if count == 0:
        return piece
    position, left = piece.start, count
    with open_input(piece.path) as file:
        file.seek(position)
        while left:
            try:
                text = file.read(PIECE_BYTES)
            except OSError as error:
                raise SourceError(f"{piece.path}: {error.strerror}") from error
            if not text:
                raise FormatError(f"{piece.path} has {count - left} of {count} lines to skip")
            ends = [match.end() for match in re.finditer(b"\n", text)][:left]
            left -= len(ends)
            position += ends[-1] if ends and not left else len(text)
    return DataFile(piece.path, position, piece.nbytes)
