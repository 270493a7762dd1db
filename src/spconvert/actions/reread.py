"""Compare a file that was just written with the image that was meant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import cast

from spconvert.errors import VerificationError
from spconvert.formats.plugin import Feature
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import PixelSource, SequentialSource, SpatialImage
from spconvert.model.region import Region
from spconvert.pipeline.verify import GEOMETRY_TOLERANCE, check_geometry
from spconvert.pixels.opened import ArraySource
from spconvert.pixels.watched import Digests, values_digest

SAMPLED_REGIONS = 8
"""How many regions are compared where regions can be read alone."""

ROUNDED_TOLERANCE = 1e-4
"""In voxels, for formats with float32 numbers whose writer has said that it rounds."""


def check_reread(
    meant: SpatialImage, reread: SpatialImage, keeps: Collection[Feature], codes: Collection[str]
) -> tuple[Finding, ...]:
    """Compare what the format keeps of the geometry; ``codes`` are the writer's findings.

    Gives a finding where the file is taken for something else by all who read it, because its
    format has no word for it. Raises ``VerificationError`` if something differs that the format
    can hold.
    """
    ndim = min(meant.geometry.ndim, reread.geometry.ndim)
    wanted, found = (_kept(image.geometry, ndim, keeps) for image in (meant, reread))
    rounded = any(code.endswith("-rounded") for code in codes)
    tolerance = ROUNDED_TOLERANCE if rounded else GEOMETRY_TOLERANCE
    check_geometry([wanted], [found], tolerance)
    return _taken_for(meant, reread)


def _taken_for(meant: SpatialImage, reread: SpatialImage) -> tuple[Finding, ...]:
    """Formats without a word for the space are patient space in millimetres, or no space at all."""
    findings = []
    spaces = meant.geometry.space, reread.geometry.space
    if spaces[0] != spaces[1]:
        text = f"the space is {spaces[0]}, and whoever reads the file finds {spaces[1]}"
        findings.append(warning("space-assumed", text))
    if meant.unit is None and reread.unit is not None:
        text = f"the unit is not known, and whoever reads the file finds {reread.unit}"
        findings.append(warning("unit-assumed", text))
    return tuple(findings)


def _kept(geometry: Geometry, ndim: int, keeps: Collection[Feature]) -> Geometry:
    """The part of a geometry that a format with these features holds, the rest made equal."""
    whole = "direction" in keeps and ndim == geometry.ndim
    if not whole:
        # Without a direction the numbers are those of the grid's own axes.
        geometry = Geometry(
            geometry.origin[:ndim], geometry.spacing[:ndim], identity_matrix(ndim), "unknown"
        )
    if "origin" not in keeps:
        geometry = replace(geometry, origin=(0.0,) * ndim)
    if "spacing" not in keeps:
        geometry = replace(geometry, spacing=(1.0,) * ndim)
    # A plane has no anatomy, whatever space its slice came from.
    return geometry if ndim == len("xyz") else replace(geometry, space="unknown")


def check_voxels(
    meant: SpatialImage, reread: SpatialImage, digests: Digests, codes: Collection[str]
) -> Finding:
    """Compare digests: of a sample of regions where they can be read alone, else of all.

    Raises ``VerificationError`` for the first region that differs. A lossy writer has said so by
    ``pixels-changed``; then only the shape is compared.
    """
    order = _axes_kept(meant, reread)
    if "pixels-changed" in codes:
        return note("verified", "the shape reads back as written, the format is lossy")
    pixels = reread.pixels
    seen = digests.seen
    if pixels.access == "whole":
        pixels = ArraySource(pixels.read(Region.whole(pixels.shape)))
    if pixels.access != "sequential":
        step = max(1, -(-len(seen) // SAMPLED_REGIONS))
        seen = seen[::step]
    regions = [_of_axes(region, order) for region, _ in seen]
    for (region, wanted), found in zip(seen, _digests_of(pixels, regions), strict=True):
        if wanted != found:
            raise VerificationError(
                f"voxels from {region.start} to {region.stop} read back otherwise than written",
                hint="nothing was published; check the disk, and please report this",
            )
    return note("verified", f"{len(seen)} of {len(digests.seen)} slabs read back as written")


def _axes_kept(meant: SpatialImage, reread: SpatialImage) -> tuple[int | None, ...]:
    """Per axis of the file read back: which axis of the image it is, ``None`` for a new one.

    Axes of a single sample may come or go. Raises ``VerificationError`` for any other difference.
    """
    extents = dict(zip(meant.axis_names, meant.shape, strict=True))
    again = dict(zip(reread.axis_names, reread.shape, strict=True))
    for name in {**extents, **again}:
        if extents.get(name, 1) != again.get(name, 1):
            raise VerificationError(
                f"axes {reread.axis_names} of shape {reread.shape} read back, "
                f"{meant.axis_names} of {meant.shape} were written",
                hint="nothing was published; please report this",
            )
    at = {name: i for i, name in enumerate(meant.axis_names)}
    return tuple(at.get(name) for name in reread.axis_names)


def _of_axes(region: Region, order: Sequence[int | None]) -> Region:
    return Region(
        tuple(0 if a is None else region.start[a] for a in order),
        tuple(1 if a is None else region.stop[a] for a in order),
    )


def _digests_of(pixels: PixelSource, regions: Sequence[Region]) -> Iterator[int]:
    if pixels.access == "sequential":
        slabs = cast("SequentialSource", pixels).scan(regions)
    else:
        slabs = (pixels.read(region) for region in regions)
    return (values_digest(slab) for slab in slabs)
