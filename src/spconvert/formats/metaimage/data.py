"""Where the samples of a MetaImage are: behind the header or in other files, raw, zlib or text.

Rules: https://itk.org/Wiki/MetaIO/Documentation, "ElementDataFile" and "HeaderSize"; where it is
silent, what ITK's reader does. Sizes are checked against the files before anything is allocated.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod

from spconvert.errors import FormatError, SourceError
from spconvert.formats.metaimage.axes import FileAxes
from spconvert.formats.metaimage.header import Header
from spconvert.model.finding import Finding
from spconvert.model.image import PixelSource
from spconvert.pixels.external import (
    DataFile,
    external_file,
    numbered_names,
    raw_source,
    text_source,
)
from spconvert.pixels.inflated import Codec, CompressedPart, InflatedSource, check_plausible
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import open_input, regular_size

_PATTERN = re.compile(
    r"(?P<name>.*%\S*?)"
    r"(?:\s+(?P<first>-?\d{1,9}))?(?:\s+(?P<last>-?\d{1,9}))?(?:\s+(?P<step>-?\d{1,9}))?"
)
_LIST = re.compile(r"LIST(?:\s+(?P<subdim>\d{1,3})D?)?")
_GZIP = b"\x1f\x8b"


def pixels_of(
    header: Header, axes: FileAxes, *, allow_external: bool
) -> tuple[PixelSource, tuple[Finding, ...]]:
    """The lazy samples of a file, and what was noticed about its size.

    Raises ``SourceError`` for a data file that is missing, no regular file, or outside the
    header's folder without leave; ``FormatError`` for too few bytes or wrong skips.
    """
    layout = Layout(axes.shape, header.dtype, axes.storage_order)
    files = _files(header, allow_external=allow_external)
    skip = _header_size(header)
    if skip > 0:  # counted from the first byte of the file, for LOCAL data too, as ITK does
        files = [replace(file, start=0) for file in files]
    binary, compressed = header.flag("BinaryData", True), header.flag("CompressedData", False)
    if binary and not compressed:
        return raw_source(files, skip, layout)
    if skip == -1:
        raise FormatError(f"{header.path}: HeaderSize -1 is only for uncompressed binary data")
    files = [replace(file, start=file.start + skip) for file in files]
    if not binary:
        if compressed or len(files) != 1:
            raise FormatError(
                f"{header.path}: text in {len(files)} files, compressed {compressed}: one file of "
                "plain text expected"
            )
        return text_source(files[0], "decimal", layout), ()
    return _inflated(header, files, layout), ()


def _header_size(header: Header) -> int:
    text = header.texts.get("HeaderSize", "0")
    if not re.fullmatch(r"-1|\+?\d{1,18}", text):
        raise FormatError(f"{header.path}: HeaderSize {text[:30]!r}: -1, 0 or more expected")
    return int(text)


def _inflated(header: Header, files: list[DataFile], layout: Layout) -> PixelSource:
    """ITK's decoder takes the frames of zlib and of gzip; the first bytes tell which."""
    parts = tuple(CompressedPart(file.path, file.start, file.nbytes) for file in files)
    stated = header.texts.get("CompressedDataSize", "")
    if stated and not re.fullmatch(r"\d{1,19}", stated):
        raise FormatError(f"{header.path}: CompressedDataSize {stated[:30]!r}: a number expected")
    codecs: set[Codec] = set()
    for part in parts:
        there = max(0, regular_size(part.path) - part.offset)
        if stated and len(parts) == 1 and there < int(stated):
            raise FormatError(
                f"{part.path} has {there} of {int(stated)} bytes of compressed voxels",
                hint="the file is cut off",
            )
        codecs.add("gzip" if _first_bytes(part) == _GZIP else "zlib")
    if len(codecs) > 1:
        raise FormatError(f"{header.path}: data files of gzip and of zlib: one kind expected")
    codec = codecs.pop()
    for part in parts:
        check_plausible(part, codec)
    return InflatedSource(parts, codec, layout)


def _first_bytes(part: CompressedPart) -> bytes:
    with open_input(part.path) as file:
        try:
            file.seek(part.offset)
            return file.read(len(_GZIP))
        except OSError as error:
            raise SourceError(f"{part.path}: {error.strerror}") from error


def _files(header: Header, *, allow_external: bool) -> list[DataFile]:
    stated = header.texts["ElementDataFile"]
    if stated.upper() == "LOCAL":
        return [DataFile(header.path, header.data_offset, header.nbytes)]
    names = _names(header, stated)
    share = header.nbytes // len(names)
    return [
        DataFile(external_file(header.path, name, allow_external=allow_external), 0, share)
        for name in names
    ]


def _names(header: Header, stated: str) -> list[str]:
    """The data files in order: one name, a LIST, or a pattern with first, last and step."""
    if not stated:
        raise FormatError(f"{header.path}: ElementDataFile names no file")
    if listed := _LIST.fullmatch(stated):
        _check_count(header, len(header.data_list), listed["subdim"])
        return list(header.data_list)
    if "%" in stated and (counted := _PATTERN.fullmatch(stated)):
        first = int(counted["first"] or 1)
        last = int(counted["last"] or first + header.sizes[-1] - 1)
        step = int(counted["step"] or 1)
        if step <= 0 or last < first:
            raise FormatError(f"{header.path}: ElementDataFile {stated[:80]!r} counts no file")
        numbers = range(first, last + 1, step)
        _check_count(header, len(numbers), None)
        return numbered_names(header.path, counted["name"], numbers)
    return [stated]


def _check_count(header: Header, count: int, subdim: str | None) -> None:
    """One file per index of the axes above the dimension of a file, by default the slowest."""
    sizes = header.sizes
    below = int(subdim) if subdim else len(sizes) - 1
    if not 1 <= below <= len(sizes):
        raise FormatError(f"{header.path}: data files of dimension {below}, image of {len(sizes)}")
    wanted = prod(sizes[below:])
    if count != wanted:
        raise FormatError(f"{header.path} names {count} data files: {wanted} expected")
