"""Files that are a header of known length and then voxels, plain or gzipped as a whole."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from spconvert.errors import FormatError, SourceError
from spconvert.model.finding import Finding
from spconvert.model.image import PixelSource
from spconvert.pixels.external import DataFile, raw_source
from spconvert.pixels.inflated import CompressedPart, InflatedSource, check_plausible
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import open_input
from spconvert.pixels.streams import PIECE_BYTES

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Headed:
    """The beginning of a file, decoded."""

    path: Path
    head: bytes
    """As many bytes as were asked for, or fewer if the file ends before."""
    gzipped: bool


def read_head(path: Path, count: int) -> Headed:
    """The first ``count`` bytes of a file, decompressed if it is gzip by its content.

    Raises ``SourceError`` if it cannot be read, ``FormatError`` for broken gzip.
    """
    with open_input(path) as file:
        try:
            raw = file.read(count)
            if not raw.startswith(_GZIP):
                return Headed(path, raw, gzipped=False)
            raw += file.read(PIECE_BYTES)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
    try:
        return Headed(path, gunzipped_head(raw, count), gzipped=True)
    except zlib.error as error:
        raise FormatError(f"{path}: broken gzip data at its beginning ({error})") from error


def gunzipped_head(raw: bytes, count: int) -> bytes:
    """The first ``count`` decompressed bytes of ``raw``, the beginning of a gzip file.

    Fewer where ``raw`` is too short or broken: whoever reads the voxels tells which. Raises
    ``zlib.error`` where nothing can be decompressed.
    """
    try:
        return zlib.decompressobj(31).decompress(raw, count)
    except zlib.error:
        head = _before_the_fault(raw, count)
        if not head:
            raise
        return head


def _before_the_fault(raw: bytes, count: int) -> bytes:
    """What comes out of broken gzip data fed byte by byte: a fault drops what comes with it."""
    decoder, head = zlib.decompressobj(31), b""
    with contextlib.suppress(zlib.error):
        for at in range(len(raw)):
            head += decoder.decompress(raw[at : at + 1], count - len(head))
            if len(head) == count:
                break
    return head


def sniffed_head(head: bytes, count: int) -> bytes:
    """The first bytes of a file for recognising it: decompressed where they are gzip."""
    if not head.startswith(_GZIP):
        return head
    try:
        return gunzipped_head(head, count)
    except zlib.error:
        return b""


def voxels_behind(
    file: Headed, start: int, layout: Layout, *, trailer: bool = False
) -> tuple[PixelSource, tuple[Finding, ...]]:
    """The voxels from (decoded) byte ``start`` on, and a finding for surplus bytes.

    ``trailer``: the format may have more behind the voxels, so that surplus is none. Raises
    ``FormatError`` if the file is too short for the voxels.
    """
    if file.gzipped:
        part = CompressedPart(file.path, 0, layout.nbytes, start, trailer)
        check_plausible(part, "gzip")
        return InflatedSource((part,), "gzip", layout), ()
    source, findings = raw_source([DataFile(file.path, start, layout.nbytes)], 0, layout)
    return source, () if trailer else findings
