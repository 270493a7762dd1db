"""MRC, read only: maps and tomograms of electron microscopy, plain or gzipped.

Rules: the MRC2014 standard (https://www.ccpem.ac.uk/mrc_format/mrc2014.php). A header of 1024
bytes and an extended one, then sections. Lengths are in ångström; a specimen has no anatomy.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spconvert.errors import FormatError, GeometryError, Unsupported, UsageError
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
from spconvert.model.axes import axes_named
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry
from spconvert.model.image import Access, SpatialImage

if TYPE_CHECKING:
    from spconvert.pixels.headed import Headed

_HEADER_BYTES = 1024
_MAGIC_AT, _MAGIC = 208, b"MAP"
_WORDS = "10i6f3i3f2i"
_TYPES = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_IMOD_AT, _IMOD_STAMP, _IMOD_SIGNED = 152, 1146047817, 1
_SUFFIXES = (".mrc.gz", ".map.gz", ".mrcs", ".mrc", ".rec")
_ACCESS: dict[Access, str] = {
    "random": "uncompressed",
    "sequential": "gzip: nothing can be decoded before what precedes it",
}
_KEEPS: frozenset[Feature] = frozenset({"volume", "origin", "spacing", "direction", "unit"})


class MrcFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "mrc"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Reading only."""
        return Capabilities(reads=True, writes=False, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether byte 208 begins "MAP"."""
        from spconvert.pixels.headed import sniffed_head

        return sniffed_head(head, _HEADER_BYTES)[_MAGIC_AT : _MAGIC_AT + 3] == _MAGIC

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        shape = self.read(Source(path)).image.shape
        return (ImageEntry("0", " x ".join(map(str, reversed(shape)))),)

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy volume; sections are z.

        Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``UsageError``.
        """
        from spconvert.pixels.headed import read_head, voxels_behind
        from spconvert.pixels.layout import Layout

        path = source.path
        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{path} holds one image, number 0, without further levels")
        file = read_head(path, _HEADER_BYTES)
        order = _byte_order(file)
        fields = struct.unpack_from(order + _WORDS, file.head)
        findings: list[Finding] = []
        layout = Layout(_sizes(file, fields), _dtype(file, fields[3], order, findings), (0, 1, 2))
        extended = fields[23]
        if extended < 0:
            raise FormatError(f"{path}: extended header of {extended} bytes: 0 or more expected")
        pixels, surplus = voxels_behind(file, _HEADER_BYTES + extended, layout)
        findings += surplus
        geometry = _geometry(
            source, fields, struct.unpack_from(order + "3f", file.head, 196), findings
        )
        image = SpatialImage(
            pixels=pixels, axes=axes_named("zyx", "angstrom"), geometry=geometry, name=_stem(path)
        )
        return Opened(image, tuple(findings))

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Raise ``Unsupported``: MRC is only read."""
        del image, options
        raise Unsupported(
            f"{target.path.name}: MRC is read and not written", hint="name the target .mha or .nrrd"
        )


def _byte_order(file: Headed) -> str:
    """The machine stamp says; where it does not, the order in which the axes are 1, 2, 3."""
    if len(file.head) < _HEADER_BYTES or file.head[_MAGIC_AT : _MAGIC_AT + 3] != _MAGIC:
        raise FormatError(
            f"{file.path} is not an MRC file: {len(file.head)} bytes of header with "
            f"{file.head[_MAGIC_AT : _MAGIC_AT + 4]!r} at byte {_MAGIC_AT}, {_MAGIC!r} expected"
        )
    for order in "<>":
        if sorted(struct.unpack_from(order + "3i", file.head, 64)) == [1, 2, 3]:
            return order
    return ">" if file.head[212] == 0x11 else "<"


def _sizes(file: Headed, fields: tuple[Any, ...]) -> tuple[int, int, int]:
    x, y, z = fields[:3]
    if min(x, y, z) < 1:
        raise FormatError(f"{file.path}: sizes {(x, y, z)}: whole numbers above 0 expected")
    return z, y, x


def _dtype(file: Headed, mode: int, order: str, findings: list[Finding]) -> Any:
    """Mode 0 is signed in the standard, and unsigned where IMOD says so, as most of its files."""
    import numpy as np

    if mode not in _TYPES:
        raise FormatError(f"{file.path}: MRC mode {mode}: one of {[*_TYPES]} expected")
    code, name = _TYPES[mode], file.path.name
    stamp, flags = struct.unpack_from(order + "2i", file.head, _IMOD_AT)
    if mode == 0 and stamp == _IMOD_STAMP and not flags & _IMOD_SIGNED:
        code = "u1"
        findings.append(note("unsigned-bytes", f"{name}: bytes are unsigned, says IMOD"))
    elif mode == 0 and stamp != _IMOD_STAMP:
        text = f"{name}: bytes are signed by MRC2014; ITK and older programs write unsigned ones"
        findings.append(note("signed-bytes", text))
    return np.dtype(order + code)


def _geometry(
    source: Source, fields: tuple[Any, ...], origin: tuple[float, ...], findings: list[Finding]
) -> Geometry:
    """Cell lengths over sampling; columns, rows and sections run along any order of X, Y, Z."""
    path, axes = source.path, fields[16:19]
    if sorted(axes) != [1, 2, 3]:
        if any(axes):
            raise FormatError(f"{path}: axes {axes} of columns, rows, sections: 1, 2, 3 expected")
        axes = (1, 2, 3)
    cell, intervals = fields[10:13], fields[7:10]
    steps = [
        length / count if count > 0 else 0.0 for length, count in zip(cell, intervals, strict=True)
    ]
    if not any(cell):
        findings.append(note("spacing-unknown", f"{path.name}: no cell lengths, spacing 1 assumed"))
        steps = [1.0] * 3
    bad = [not isfinite(step) or step <= 0 for step in steps]
    if any(bad) and not source.options.spacing_assigned:
        raise GeometryError(
            f"{path}: cell {cell} over {intervals} intervals: spacings above 0 expected",
            hint="--spacing states the right one",
        )
    steps = [1.0 if wrong else step for wrong, step in zip(bad, steps, strict=True)]
    angles = fields[13:16]
    if any(angle not in (0.0, 90.0) for angle in angles):
        text = f"{path.name}: cell angles {angles} are not right ones: taken as 90 degrees"
        findings.append(warning("cell-angles-ignored", text))
    if not all(map(isfinite, origin)):
        raise GeometryError(f"{path}: origin {origin}: finite numbers expected")
    rows = tuple(tuple(1.0 if axis == row + 1 else 0.0 for axis in axes) for row in range(3))
    return Geometry(origin, tuple(steps[axis - 1] for axis in axes), rows)


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


PLUGIN: FormatPlugin = MrcFormat()
