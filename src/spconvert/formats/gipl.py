"""GIPL, read and write: the Guy's Image Processing Lab format, plain or gzipped.

A header of 256 bytes, then voxels, all with the most significant byte first. There is no
description but the code of its readers; the places of the fields are those of ITK's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import isfinite, prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from spconvert.errors import FormatError, GeometryError, TargetError, Unsupported, UsageError
from spconvert.formats.plugin import (
    Capabilities,
    FormatPlugin,
    ImageEntry,
    Opened,
    Source,
    Target,
    WriteOptions,
)
from spconvert.model.axes import axes_named
from spconvert.model.finding import note, warning
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import Access, SpatialImage

if TYPE_CHECKING:
    from spconvert.pixels.headed import Headed

_HEADER_BYTES = 256
_MAGICS = (0xEFFFE9B0, 0x2AE389B8)
_HEAD = struct.Struct(">4HH4f80s20fBBdd4d4fI")
_TYPES = {7: "i1", 8: "u1", 15: "i2", 16: "u2", 31: "u4", 32: "i4", 64: "f4", 65: "f8"}
_CODES = {code: number for number, code in _TYPES.items()} | {"b1": 8}
_LARGEST_EXTENT = 0xFFFF
_SUFFIXES = (".gipl.gz", ".gipl")
_ACCESS: dict[Access, str] = {
    "random": "uncompressed",
    "sequential": "gzip: nothing can be decoded before what precedes it",
}


class GiplFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "gipl"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Neither direction nor unit, and one channel."""
        return Capabilities(True, True, frozenset({"volume", "origin", "spacing"}), _ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether byte 252 begins one of the two magic numbers."""
        from spconvert.pixels.headed import sniffed_head

        return _magic(sniffed_head(head, _HEADER_BYTES)) in _MAGICS

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        return (
            ImageEntry("0", " x ".join(map(str, reversed(self.read(Source(path)).image.shape)))),
        )

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image, in LPS by ITK's convention.

        GIPL has no direction: the axes run along the coordinates, which is noted. Raises
        ``SourceError``, ``FormatError``, ``GeometryError``, ``Unsupported``, ``UsageError``.
        """
        import numpy as np

        from spconvert.pixels.headed import read_head, voxels_behind
        from spconvert.pixels.layout import Layout

        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{source.path} holds one image, number 0, without further levels")
        file = read_head(source.path, _HEADER_BYTES)
        fields = _fields(file)
        if fields[4] not in _TYPES:
            raise FormatError(f"{source.path}: GIPL type {fields[4]}: one of {[*_TYPES]} expected")
        sizes = _sizes(file, fields[:4])
        dtype = np.dtype(">" + _TYPES[fields[4]])
        layout = Layout(sizes[::-1], dtype, tuple(range(len(sizes))))
        pixels, found = voxels_behind(file, _HEADER_BYTES, layout)
        spacing, origin = fields[5 : 5 + len(sizes)], fields[34 : 34 + len(sizes)]
        findings = [*found]
        if not all(isfinite(s) and s > 0 for s in spacing):
            if not source.options.spacing_assigned:
                raise GeometryError(
                    f"{source.path}: spacing {spacing}: finite numbers above 0 expected",
                    hint="--spacing states the right one",
                )
            text = f"{source.path.name}: spacing {spacing}: impossible members are replaced by 1"
            findings.append(warning("spacing-impossible", text))
            spacing = tuple(s if isfinite(s) and s > 0 else 1.0 for s in spacing)
        if not all(map(isfinite, origin)):
            raise GeometryError(f"{source.path}: origin {origin}: finite numbers expected")
        text = f"{source.path.name}: GIPL has no direction: axes taken along left, posterior, ..."
        findings.append(note("direction-assumed", text))
        image = SpatialImage(
            pixels=pixels,
            axes=axes_named("zyx"[-len(sizes) :], "millimeter"),
            geometry=Geometry(origin, spacing, identity_matrix(len(sizes)), "LPS"),
            name=_stem(source.path),
        )
        return Opened(image, tuple(findings))

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write one file, gzipped where its name ends so; the level of gzip is ``gzip:N``.

        Spacings are rounded to float32. Raises ``Unsupported`` for time, channels, types and sizes
        that GIPL does not have.
        """
        from spconvert.pixels.ordered import check_order, in_file_order

        code = f"{image.dtype.kind}{image.dtype.itemsize}"
        if code not in _CODES or max(image.shape) > _LARGEST_EXTENT:
            raise Unsupported(
                f"GIPL cannot hold {image.dtype.name} of shape {image.shape}: sizes up to "
                f"{_LARGEST_EXTENT} of {', '.join(_CODES)} expected",
                hint="--dtype converts",
            )
        if image.axis_names not in ("zyx", "yx"):
            raise Unsupported(
                f"GIPL cannot hold axes {image.axis_names}: zyx or yx expected",
                hint="NRRD, NIfTI, MetaImage and OME-Zarr hold time and channels",
            )
        stored = struct.unpack(">3f", struct.pack(">3f", *[*image.geometry.spacing, 1.0][:3]))
        if stored[: image.geometry.ndim] != image.geometry.spacing:
            text = f"GIPL has room for float32: spacing {image.geometry.spacing} is rounded"
            options.finding(warning("spacing-rounded", text))
        order = tuple(range(len(image.shape)))
        check_order(image.pixels, order, "GIPL")
        main = target.folder / target.path.name
        try:
            with main.open("wb") as file:
                sink = _Sink(file, _compressor(target.path, options.codec))
                sink.write(_header(image, _CODES[code]))
                done = 0
                for values in in_file_order(image.pixels, order, options.budget, options.finding):
                    sink.write(values.astype(values.dtype.newbyteorder(">")).tobytes())
                    done += values.nbytes
                    options.report(done)
                sink.close()
        except OSError as error:
            raise TargetError(f"{main}: {error.strerror}") from error
        return [main]


class _Sink:
    def __init__(self, file: IO[bytes], compressor: Any) -> None:
        self._file = file
        self._compressor = compressor

    def write(self, data: bytes) -> None:
        self._file.write(self._compressor.compress(data) if self._compressor else data)

    def close(self) -> None:
        if self._compressor:
            self._file.write(self._compressor.flush())


def _compressor(path: Path, codec: str | None) -> Any:
    from spconvert.pixels.deflating import deflater

    gzipped = path.name.lower().endswith(".gz")
    name, _, level = (codec or ("gzip" if gzipped else "raw")).partition(":")
    if name != ("gzip" if gzipped else "raw") or level not in ("", *"123456789"):
        raise UsageError(
            f"codec {codec!r} for {path.name}", hint="gzip or gzip:1 to 9 for .gipl.gz, raw else"
        )
    return deflater("gzip", int(level or 1)) if gzipped else None


def _magic(head: bytes) -> int:
    return int.from_bytes(head[252:256], "big") if len(head) >= _HEADER_BYTES else 0


def _fields(file: Headed) -> tuple[Any, ...]:
    if _magic(file.head) not in _MAGICS:
        raise FormatError(
            f"{file.path} is not a GIPL file: {len(file.head)} bytes of header with magic number "
            f"{_magic(file.head):#x}, {_MAGICS[0]:#x} expected"
        )
    return _HEAD.unpack(file.head)


def _sizes(file: Headed, stated: tuple[int, ...]) -> tuple[int, ...]:
    """x, y, (z); trailing sizes of 0 and 1 are none."""
    if stated[3] > 1:
        raise Unsupported(f"{file.path}: GIPL of sizes {stated}: 2 or 3 dimensions expected")
    sizes = stated[:3] if stated[2] else stated[:2]
    if prod(sizes) == 0:
        raise FormatError(f"{file.path}: GIPL of sizes {stated}: sizes above 0 expected")
    return sizes


def _header(image: SpatialImage, type_code: int) -> bytes:
    sizes = [*reversed(image.shape)]
    sizes += [1] * (2 - len(sizes)) + [0 if len(sizes) == 2 else 1] * (4 - len(sizes))
    geometry = image.geometry
    spacing = [*geometry.spacing, *[1.0] * (4 - geometry.ndim)]
    origin = [*geometry.origin, *[0.0] * (4 - geometry.ndim)]
    zeros = [0.0] * 20
    return _HEAD.pack(
        *sizes, type_code, *spacing, b"", *zeros, 0, 0, 0.0, 0.0, *origin, *zeros[:4], _MAGICS[0]
    )


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


PLUGIN: FormatPlugin = GiplFormat()
