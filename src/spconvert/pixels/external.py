"""The voxels beside a header: which files hold them, and whether they hold enough.

Shared by formats with detached headers (NRRD, MetaImage). A header is somebody else's text: a file
outside its own folder is touched only if the caller allows it, and nothing is allocated before the
sizes are checked against the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from spconvert.errors import FormatError, SourceError
from spconvert.model.finding import Finding, warning
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource, regular_size, surplus_bytes
from spconvert.pixels.text import Notation, TextSource

_NUMBER = re.compile(r"%(0?\d{0,2})[du]")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file: its share of the voxels, and where it begins."""

    path: Path
    start: int
    """First byte that may belong to the voxels."""
    nbytes: int
    """Bytes of voxels, decoded."""


def external_file(header: Path, name: str, *, allow_external: bool) -> Path:
    """The path of a data file that a header names, relative to the header's folder.

    Raises ``SourceError`` for a URL, the header itself, a file that is missing or no regular file,
    and one outside the header's folder (links resolved) unless ``allow_external``.
    """
    if "://" in name or "\0" in name:
        raise SourceError(f"{header} names the data file {name[:80]!r}: a local file expected")
    path = header.parent / name
    try:
        real, folder = path.resolve(), header.parent.resolve()
        same = real == header.resolve()
    except (OSError, RuntimeError) as error:
        raise SourceError(f"{path}: {error}") from error
    if not (allow_external or real.is_relative_to(folder)):
        raise SourceError(
            f"{header} names the data file {name[:200]!r}, which is outside its folder",
            hint="--allow-external-data reads it",
        )
    if same:
        raise SourceError(f"{header} names itself as its data file")
    regular_size(path)
    return path


def numbered_names(header: Path, pattern: str, numbers: Iterable[int]) -> list[str]:
    """File names from a pattern with one number such as ``%03d``.

    Raises ``FormatError`` for any other use of ``%``: nothing else of C's formats is meant.
    """
    found = _NUMBER.findall(pattern)
    if len(found) != 1 or pattern.count("%") != 1:
        raise FormatError(
            f"{header}: data file {pattern[:80]!r}: exactly one number such as %03d expected"
        )
    before, _, after = _NUMBER.sub("\0", pattern).partition("\0")
    return [f"{before}{f'%{found[0]}d' % number}{after}" for number in numbers]


def raw_source(
    files: Sequence[DataFile], skip: int, layout: Layout
) -> tuple[RawSource, tuple[Finding, ...]]:
    """Uncompressed voxels behind ``skip`` bytes of each file; -1: they end with the file.

    Surplus bytes are a finding. Raises ``FormatError`` for too few, ``SourceError`` as
    ``regular_size`` does.
    """
    parts, findings = [], []
    for file in files:
        start = file.start + skip
        if skip == -1:
            start = max(regular_size(file.path) - file.nbytes, file.start)
        part = FilePart(file.path, start, file.nbytes)
        surplus = surplus_bytes(part)
        if surplus:
            findings.append(
                warning(
                    "surplus-data",
                    f"{file.path} has {surplus} bytes behind the {file.nbytes} bytes of voxels",
                    str(file.path),
                )
            )
        parts.append(part)
    return RawSource(tuple(parts), layout), tuple(findings)


def text_source(file: DataFile, notation: Notation, layout: Layout) -> TextSource:
    """Voxels as text from ``file.start`` to the end of the file.

    Raises ``FormatError`` if there are too few characters for so many numbers.
    """
    characters = regular_size(file.path) - file.start
    # A number takes one character and a separator, a byte two digits.
    least = 2 * layout.nbytes if notation == "hex" else 2 * prod(layout.shape) - 1
    if characters < least:
        raise FormatError(
            f"{file.path} has {max(0, characters)} of at least {least} characters of voxels",
            hint="the file is cut off, or its header states wrong sizes",
        )
    return TextSource(FilePart(file.path, file.start, characters), notation, layout)
