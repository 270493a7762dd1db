"""MGH and MGZ, read only: volumes of FreeSurfer, plain or gzipped.

A header of 284 bytes, voxels, and a trailer with the repetition time, all with the most
significant byte first: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spconvert.errors import FormatError, GeometryError, SourceError, Unsupported, UsageError
from spconvert.formats.plugin import (
    Capabilities,
    Feature,
    FormatPlugin,
    ImageEntry,
    Opened,
    Source,
    Target,
    WriteOptions,
)
from spconvert.model.axes import Axis, axes_named
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, to_lps
from spconvert.model.image import Access, SpatialImage

if TYPE_CHECKING:
    from spconvert.pixels.headed import Headed

_DATA_AT = 284
_HEAD = struct.Struct(">7ih3f9f3f")
_TYPES = {0: "u1", 1: "i4", 3: "f4", 4: "i2", 10: "u2"}
_VERSION = b"\0\0\0\1"
_SUFFIXES = (".mgh.gz", ".mgz", ".mgh")
_ACCESS: dict[Access, str] = {
    "random": "uncompressed",
    "sequential": "gzip: nothing can be decoded before what precedes it",
}
_KEEPS: frozenset[Feature] = frozenset(
    {"volume", "time", "origin", "spacing", "direction", "unit", "time-step"}
)
_CORONAL = (-1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0)
"""Directions in RAS of x, y, z where a file says that it does not know them."""


class MghFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "mgh"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Reading only."""
        return Capabilities(reads=True, writes=False, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a header of version 1 states a known type and sizes above 0."""
        from spconvert.pixels.headed import sniffed_head

        head = sniffed_head(head, _DATA_AT)
        if not head.startswith(_VERSION) or len(head) < _HEAD.size:
            return False
        fields = _HEAD.unpack_from(head)
        return min(fields[1:5]) > 0 and fields[5] in _TYPES

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        shape = self.read(Source(path)).image.shape
        return (ImageEntry("0", " x ".join(map(str, reversed(shape)))),)

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image in LPS; several frames are a time axis.

        The repetition time is behind the voxels: of a gzipped file it is not read. Raises
        ``SourceError``, ``FormatError``, ``GeometryError``, ``UsageError``.
        """
        import numpy as np

        from spconvert.pixels.headed import read_head, voxels_behind
        from spconvert.pixels.layout import Layout

        path = source.path
        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{path} holds one image, number 0, without further levels")
        file = read_head(path, _DATA_AT)
        fields = _fields(file)
        sizes = fields[4:0:-1] if fields[4] > 1 else fields[3:0:-1]
        dtype = np.dtype(">" + _TYPES[fields[5]])
        layout = Layout(sizes, dtype, tuple(range(len(sizes))))
        pixels, _ = voxels_behind(file, _DATA_AT, layout, trailer=True)
        findings: list[Finding] = []
        axes = axes_named("tzyx"[-len(sizes) :], "millimeter")
        if fields[4] > 1:
            axes = (_time(file, _DATA_AT + layout.nbytes, findings), *axes[1:])
        geometry = _geometry(source, fields, findings)
        image = SpatialImage(pixels=pixels, axes=axes, geometry=geometry, name=_stem(path))
        return Opened(image, tuple(findings))

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Raise ``Unsupported``: MGH is only read."""
        del image, options
        raise Unsupported(
            f"{target.path.name}: MGH is read and not written", hint="name the target .nii.gz"
        )


def _fields(file: Headed) -> tuple[Any, ...]:
    if not file.head.startswith(_VERSION):
        raise FormatError(
            f"{file.path} is not an MGH file: it begins with {file.head[:4]!r}, version 1 expected"
        )
    if len(file.head) < _DATA_AT:
        raise FormatError(f"{file.path} has {len(file.head)} of {_DATA_AT} bytes of header")
    fields = _HEAD.unpack_from(file.head)
    if min(fields[1:5]) < 1:
        raise FormatError(f"{file.path}: sizes {fields[1:5]}: whole numbers above 0 expected")
    if fields[5] not in _TYPES:
        raise FormatError(f"{file.path}: MGH type {fields[5]}: one of {[*_TYPES]} expected")
    return fields


def _geometry(source: Source, fields: tuple[Any, ...], findings: list[Finding]) -> Geometry:
    """The header gives the position of the voxel at half the size along each axis, in RAS."""
    path, known = source.path, fields[7] > 0
    spacing, cosines, center = fields[8:11], fields[11:20], fields[20:23]
    if not known:
        spacing, cosines, center = (1.0,) * 3, _CORONAL, (0.0,) * 3
        text = f"{path.name}: no valid orientation: FreeSurfer's coronal default assumed"
        findings.append(warning("direction-assumed", text))
    bad = [not isfinite(s) or s <= 0 for s in spacing]
    if any(bad) and not source.options.spacing_assigned:
        raise GeometryError(
            f"{path}: spacing {spacing}: finite numbers above 0 expected",
            hint="--spacing states the right one",
        )
    spacing = tuple(1.0 if wrong else s for wrong, s in zip(bad, spacing, strict=True))
    columns = [cosines[i : i + 3] for i in (0, 3, 6)]
    origin = [
        center[i]
        - sum(c[i] * s * n / 2 for c, s, n in zip(columns, spacing, fields[1:4], strict=True))
        for i in range(3)
    ]
    rows = tuple(zip(*(to_lps(column, "RAS") for column in columns), strict=True))
    try:
        return Geometry(to_lps(origin, "RAS"), spacing, rows, "LPS")
    except ValueError as error:
        raise GeometryError(f"{path}: {error}") from error


def _time(file: Headed, end: int, findings: list[Finding]) -> Axis:
    """The trailer begins with the repetition time in milliseconds."""
    from spconvert.pixels.raw import open_input

    step = 0.0
    if not file.gzipped:
        with open_input(file.path) as raw:
            try:
                raw.seek(end)
                trailer = raw.read(4)
            except OSError as error:
                raise SourceError(f"{file.path}: {error.strerror}") from error
        step = struct.unpack(">f", trailer)[0] if len(trailer) == 4 else 0.0
    if not isfinite(step) or step <= 0:
        findings.append(
            note("time-step-unknown", f"{file.path.name}: no repetition time: 1 assumed")
        )
        return Axis("t", "time")
    return Axis("t", "time", "millisecond", 0.0, step)


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


PLUGIN: FormatPlugin = MghFormat()
