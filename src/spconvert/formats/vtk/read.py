"""From a legacy VTK file to a lazy image."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from spconvert.errors import GeometryError, SourceError, Unsupported, UsageError
from spconvert.formats.plugin import Opened, Source
from spconvert.formats.vtk.header import Header, read_header
from spconvert.model.axes import axes_named
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import PixelSource, SpatialImage
from spconvert.pixels.external import DataFile, text_source
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource, open_input, surplus_bytes


def read_image(source: Source) -> Opened:
    """See ``VtkFormat.read``."""
    path = source.path
    if source.select not in (None, "", "0") or source.level:
        raise UsageError(f"{path} holds one image, number 0, without further levels")
    _refuse_xml(path)
    header = read_header(path)
    findings: list[Finding] = []
    deep = not (
        header.sizes[2] == 1
        and (header.origin or (0.0,) * 3)[2] == 0
        and (header.spacing or (1.0,) * 3)[2] == 1
    )
    names = ("c" if header.components > 1 else "") + ("zyx" if deep else "yx")
    pixels = _pixels(header, names, findings)
    geometry = _geometry(header, 3 if deep else 2, source, findings)
    text = f"{path.name}: VTK legacy has no direction: axes taken along left, posterior, superior"
    findings.append(note("direction-assumed", text))
    image = SpatialImage(
        pixels=pixels,
        axes=axes_named(names, "millimeter"),
        geometry=geometry,
        name=_stem(path),
        extra={"vtk": {"title": header.title, "attribute": header.attribute}},
    )
    return Opened(image, tuple(findings))


def _refuse_xml(path: Path) -> None:
    with open_input(path) as file:
        try:
            head = file.read(1024)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
    if b"<VTKFile" in head:
        raise Unsupported(
            f"{path} is a VTK XML file, which is not read",
            hint="write it as MetaImage (.mha) with vtkMetaImageWriter or ParaView",
        )


def _pixels(header: Header, names: str, findings: list[Finding]) -> PixelSource:
    sizes = {"x": header.sizes[0], "y": header.sizes[1], "z": header.sizes[2]}
    sizes["c"] = header.components
    order = [*names.replace("c", ""), *("c" if "c" in names else "")]
    layout = Layout(
        tuple(sizes[name] for name in names),
        header.dtype,
        tuple(names.index(name) for name in order),
    )
    if not header.binary:
        return text_source(
            DataFile(header.path, header.data_offset, layout.nbytes), "decimal", layout
        )
    part = FilePart(header.path, header.data_offset, layout.nbytes)
    if surplus_bytes(part) and (behind := _behind(part)):
        text = f"{header.path.name}: what follows the first data is not read ({behind[:20]!r} ...)"
        findings.append(warning("surplus-data", text, str(header.path)))
    return RawSource((part,), layout)


def _behind(part: FilePart) -> bytes:
    """What follows the voxels, but for white space and VTK's notes on them."""
    with open_input(part.path) as file:
        try:
            file.seek(part.offset + part.nbytes)
            tail = file.read(256).strip()
        except OSError as error:
            raise SourceError(f"{part.path}: {error.strerror}") from error
    return b"" if tail.startswith(b"METADATA") else tail


def _geometry(header: Header, ndim: int, source: Source, findings: list[Finding]) -> Geometry:
    path = header.path
    spacing, origin = header.spacing or (1.0,) * 3, header.origin or (0.0,) * 3
    if header.spacing is None:
        findings.append(note("spacing-unknown", f"{path.name}: no SPACING, 1 assumed"))
    if not all(map(isfinite, origin)):
        raise GeometryError(f"{path}: ORIGIN {origin}: finite numbers expected")
    impossible = [not isfinite(step) or step == 0 for step in spacing]
    if any(impossible) and not source.options.spacing_assigned:
        raise GeometryError(
            f"{path}: SPACING {spacing}: finite numbers other than 0 expected",
            hint="--spacing states the right one",
        )
    if any(impossible):
        text = f"{path.name}: SPACING {spacing}: impossible members are replaced by 1"
        findings.append(warning("spacing-impossible", text))
        spacing = tuple(1.0 if bad else s for bad, s in zip(impossible, spacing, strict=True))
    if min(spacing) < 0:
        text = f"{path.name}: SPACING {spacing}: the sign goes into the direction"
        findings.append(note("negative-spacing", text))
    rows = tuple(
        tuple(-one if step < 0 and one else one for one, step in zip(row, spacing, strict=False))
        for row in identity_matrix(ndim)
    )
    return Geometry(origin[:ndim], tuple(map(abs, spacing))[:ndim], rows, "LPS")


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return name[:-4] if name.lower().endswith((".vtk", ".vti")) and len(name) > 4 else name
