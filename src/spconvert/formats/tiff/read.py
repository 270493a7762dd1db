"""From a file to its images: which dialect it is in, and the image that was asked for, in space."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spconvert.errors import ChoiceNeeded, FormatError, GeometryError, UsageError
from spconvert.formats.plugin import Opened, ReadOptions, Source
from spconvert.formats.tiff.found import Found
from spconvert.formats.tiff.ifd import Tiff, walk
from spconvert.formats.tiff.imagej import MAGIC, imagej_image
from spconvert.formats.tiff.ome import OmeDocument, parse_ome
from spconvert.formats.tiff.ome_images import OmeSet, beside, ome_images
from spconvert.formats.tiff.place import at_level, level_infos, placed_image, shape_of, trusted
from spconvert.formats.tiff.plain import page_findings, plain_images
from spconvert.formats.tiff.stack import Stack, check_alike
from spconvert.formats.tiff.vendors import vendor_images
from spconvert.model.finding import Finding, note, warning


def images_of(path: Path, options: ReadOptions) -> tuple[tuple[Found, ...], tuple[Finding, ...]]:
    """Every image of a file, and what was noticed.

    Raises ``SourceError``, ``FormatError``, ``LimitError``, ``Unsupported``, ``UsageError``.
    """
    tiff = walk(path)
    findings: tuple[Finding, ...] = page_findings(tiff.pages[0], path.name)
    text = tiff.text(tiff.pages[0], 270)
    try:
        document = parse_ome(text)
    except FormatError as error:
        said = warning("ome-unreadable", f"{path.name}: its OME-XML cannot be used: {error}")
        document, findings = None, (*findings, said)
    if document is not None and document.master is not None:
        found = _master(tiff, document, options)
        if found is not None:
            tiff, document = found
            text_of_part = f"{path.name} is part of a set whose metadata are in {tiff.path.name}"
            findings = (*findings, note("part-of-set", text_of_part))
    if document is not None and document.images:
        files = OmeSet(tiff, document, allow_external=options.allow_external_data)
        return ome_images(files, document, options.dims), findings
    if text.startswith(MAGIC):
        return (imagej_image(tiff, text, options.dims),), findings
    vendor = vendor_images(tiff, options.dims)
    return vendor or plain_images(tiff, options.dims), findings


def _master(
    tiff: Tiff, document: OmeDocument, options: ReadOptions
) -> tuple[Tiff, OmeDocument] | None:
    """The file of the set that holds the metadata, if it is there."""
    name = document.master or ""
    path = beside(tiff.path, name, allow_external=options.allow_external_data)
    if not path.is_file() or path.name == tiff.path.name:
        return None
    master = walk(path)
    found = parse_ome(master.text(master.pages[0], 270))
    return (master, found) if found is not None and found.images else None


def read_image(source: Source) -> Opened:
    """The image and level that ``source`` selects; see ``TiffFormat.read``."""
    images, findings = images_of(source.path, source.options)
    found = _chosen(images, source)
    if not 0 <= source.level < len(found.levels):
        raise UsageError(
            f"{source.path} has no level {source.level}",
            hint=f"levels 0 to {len(found.levels) - 1}",
        )
    calibration = found.calibration
    placement, said = trusted(found, source.path.name)
    findings = (*findings, *found.findings, *said)
    image, placed = placed_image(found, placement, source.path)
    if placement is None:
        findings = (*findings, *calibration.findings, *placed)
    levels = level_infos(found, image)
    try:
        if source.level:
            image = at_level(found, image, source.level)
    except ValueError as error:
        raise GeometryError(f"{source.path}: {error}") from error
    return Opened(image, findings, levels)


def _chosen(images: tuple[Found, ...], source: Source) -> Found:
    path, select = source.path, source.select
    if select is None:
        if len(images) == 1:
            return images[0]
        firsts = [f.levels[0] for f in images]
        if all(f.dialect == "plain" for f in images):
            check_alike([s.pages[0] for s in firsts if isinstance(s, Stack)])
        names = ", ".join(f"{i} ({f.name})" for i, f in enumerate(images[:10]))
        raise ChoiceNeeded(
            f"{path} holds {len(images)} images: {names}{', …' if len(images) > 10 else ''}",
            hint="select one by its number or name, for example 0",
        )
    for i, found in enumerate(images):
        if select in (str(i), found.name):
            return found
    raise UsageError(f"{path} has no image {select!r}", hint=f"numbers 0 to {len(images) - 1}")


def described(found: Found) -> str:
    """One line for a list of images."""
    level = found.levels[0]
    extents: Mapping[str, int] = dict(zip("tczyx", shape_of(level), strict=True))
    sizes = " x ".join(str(extents[name]) for name in reversed(level.names))
    more = f", {len(found.levels)} levels" if len(found.levels) > 1 else ""
    axes = ", ".join(reversed(level.names))
    return f"{found.name}: {sizes} ({axes}){more}"
