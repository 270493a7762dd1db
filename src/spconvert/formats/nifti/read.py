"""From a header to a lazy image."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from pathlib import Path

from spconvert.errors import FormatError
from spconvert.formats.nifti.axes import axes_of, channels_of, file_axes
from spconvert.formats.nifti.data import pixels_of, voxel_offset
from spconvert.formats.nifti.extensions import read_extensions, safe_extensions
from spconvert.formats.nifti.extra import extra_of
from spconvert.formats.nifti.geometry import Placed, placed
from spconvert.formats.nifti.header import Header, read_header
from spconvert.formats.nifti.supplement import Supplement, split, supplemented
from spconvert.formats.plugin import Opened, Rescale, Source
from spconvert.model.axes import Axis
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry
from spconvert.model.image import PixelSource, SpatialImage
from spconvert.pixels.rescaled import Mode, RescaledSource, rescaled_type


def read_image(source: Source, stem: Callable[[Path], str]) -> Opened:
    """Read a header and make its image; see ``NiftiFormat.read``."""
    options, findings = source.options, list[Finding]()
    header = read_header(source.path)
    offset = voxel_offset(header, findings)
    extensions, found = read_extensions(header, offset)
    findings += found
    said, others, found = split(extensions, header.path.name)
    findings += found
    # Bytes first, geometry second: a file that is cut off is said to be so.
    axes = file_axes(header, stated=_names(said, header))
    pixels, found = pixels_of(
        header, axes.layout(header), offset, allow_external=options.allow_external_data
    )
    findings += found
    place = placed(header, options.nifti_xform, spacing_assigned=options.spacing_assigned)
    findings += place.findings
    geometry, model_axes = model_place(header, place, axes.names, said, findings)
    rescale = rescale_of(header, findings)
    pixels, applied = _rescaled(pixels, rescale, options.rescale, header, findings)
    channels = said.channels or channels_of(header, axes.size("c"), findings)
    if options.metadata == "safe":
        others, found = safe_extensions(header, others)
        findings += found
    extra = extra_of(header, others, rescaled=applied, personal=options.metadata == "all")
    try:
        image = SpatialImage(
            pixels=pixels,
            axes=model_axes,
            geometry=geometry,
            channels=channels if len(channels) == axes.size("c") else (),
            name=stem(source.path),
            extra={} if options.metadata == "none" else {"nifti": extra},
        )
    except ValueError as error:
        raise FormatError(f"{source.path}: {error}") from error
    return Opened(image, tuple(findings), rescale=rescale)


def model_place(
    header: Header, place: Placed, names: str, said: Supplement, findings: list[Finding]
) -> tuple[Geometry, tuple[Axis, ...]]:
    """Geometry and axes of a header and the comment beside it."""
    geometry = place.geometry
    if "z" not in names and geometry.ndim == 3:
        geometry = Geometry(
            geometry.origin[:2],
            geometry.spacing[:2],
            tuple(row[:2] for row in geometry.direction[:2]),
        )
    axes = axes_of(header, names, findings)
    geometry, axes, found = supplemented(said, geometry, axes, header.path.name)
    findings += found
    return geometry, axes


def _names(said: Supplement, header: Header) -> str | None:
    """The axes that the comment names, unless they leave out one that has a place in space."""
    return None if said.axes is None or (header.is_placed and "z" not in said.axes) else said.axes


def rescale_of(header: Header, findings: list[Finding]) -> Rescale | None:
    """Slope and intercept, or ``None`` where they change nothing.

    nifti1.h, "DATA SCALING": a slope of 0 means none, and colours are never scaled. A slope or
    intercept that is no number is reported and means none. Analyze has none; the number that SPM
    keeps in an unused field is reported.
    """
    name = header.path.name
    if header.version == "analyze":
        spm = float(header.fields["funused"][0])
        if isfinite(spm) and spm not in (0.0, 1.0):
            text = f"{name}: funused1 is {spm:g}: if SPM wrote it, a factor; it is not applied"
            findings.append(warning("factor-ignored", text, "funused1"))
        return None
    slope, intercept = float(header.fields["scl_slope"]), float(header.fields["scl_inter"])
    if slope == 0 or header.colors > 1:
        return None
    if not (isfinite(slope) and isfinite(intercept)):
        text = f"{name}: slope {slope} and intercept {intercept}: values are taken as stored"
        findings.append(warning("rescale-unusable", text, "scl_slope"))
        return None
    return None if (slope, intercept) == (1.0, 0.0) else Rescale(slope, intercept)


def _rescaled(
    pixels: PixelSource,
    rescale: Rescale | None,
    mode: Mode,
    header: Header,
    findings: list[Finding],
) -> tuple[PixelSource, bool]:
    if rescale is None:
        return pixels, True
    dtype = rescaled_type(pixels.dtype, rescale.slope, rescale.intercept, mode)
    values = f"{rescale.slope:g} · stored value + {rescale.intercept:g}"
    if dtype is None:
        text = f"{header.path.name}: stored values; real ones are {values}"
        findings.append(note("not-rescaled", text, "scl_slope"))
        return pixels, False
    text = f"{header.path.name}: {values}, as {dtype.name}"
    findings.append(note("rescaled", text, "scl_slope"))
    return RescaledSource(pixels, rescale.slope, rescale.intercept, dtype), True
