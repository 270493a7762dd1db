"""Describe what a file holds, from its header alone: the facts behind ``spconvert inspect``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spconvert.actions.open import OpenedFile, open_file
from spconvert.errors import ChoiceNeeded, FormatError, UsageError
from spconvert.formats.plugin import ImageEntry, Source
from spconvert.formats.registry import plugin_for_reading
from spconvert.formats.stack import is_stack
from spconvert.model.finding import Finding
from spconvert.model.image import SpatialImage

SCHEMA = "spconvert-inspect/1"

Facts = dict[str, Any]
"""JSON values; the schema is documented in the reference, "inspect JSON"."""


def describe(source: Source, format_name: str | None = None) -> Facts:
    """The facts about every image that a path holds; no voxel is read.

    Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``UsageError``.
    """
    plugin, _ = plugin_for_reading(source.path, format_name)
    # Several files are one image; a folder of DICOM may hold several.
    stacked = is_stack(source)
    entries = (ImageEntry("0"),) if stacked else plugin.images(source.path)
    if not entries:
        plugin.read(source)  # says what is missing
        raise FormatError(f"{source.path} holds no image")
    chosen = [e for e in entries if source.select in (None, e.select)]
    if not chosen and source.select is not None:
        found = ", ".join(e.select for e in entries)
        raise UsageError(f"{source.path} has no image {source.select!r}", hint=f"it has: {found}")
    several = len(entries) > 1
    images = []
    for entry in chosen:
        select = entry.select if several else source.select
        one = replace(source, select=select)
        images.append(_facts(open_file(one, format_name), select))
    return {"schema": SCHEMA, "path": str(source.path), "format": plugin.name, "images": images}


def fact(facts: Facts, key: str) -> Any:
    """One value of the only image, by a dotted key such as "spacing" or "time.step".

    Raises ``UsageError`` for a key that the image does not have, ``ChoiceNeeded`` for several
    images.
    """
    if len(facts["images"]) > 1:
        found = ", ".join(image["select"] for image in facts["images"])
        hint = f"choose one with --select: {found}"
        raise ChoiceNeeded(f"{facts['path']} holds {len(facts['images'])} images", hint=hint)
    image = facts["images"][0]
    known: Facts = {"path": facts["path"], "format": facts["format"], **image}
    value: Any = known
    for part in key.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise UsageError(f"--get {key}: no such value", hint=f"keys: {', '.join(known)}")
    return value


def _facts(file: OpenedFile, select: str | None) -> Facts:
    image = file.image
    geometry = image.geometry
    low, high = geometry.bounds(image.space_shape)
    code = geometry.code
    return {
        "name": image.name,
        "select": select,
        "axes": list(image.axis_names),
        "shape": list(image.shape),
        "dtype": image.dtype.name,
        "space": geometry.space,
        "units": {axis.name: axis.unit for axis in image.axes if axis.kind != "channel"},
        "origin": list(geometry.origin),
        "spacing": list(geometry.spacing),
        "direction": [list(row) for row in geometry.direction],
        "affine": geometry.affine.tolist(),
        "orientation": {"code": code, "words": list(geometry.words)} if code else None,
        "oblique_degrees": geometry.oblique_angle,
        "sheared": geometry.is_sheared,
        "bounds": [list(low), list(high)],
        "time": _time(image),
        "channels": [{"label": c.label, "color": c.color} for c in image.channels] or None,
        "rescale": _rescale(file),
        "voxel_bytes": image.nbytes,
        "levels": _levels(file),
        "extra": dict(image.extra),
        "findings": [finding_facts(f) for f in file.findings],
    }


def finding_facts(finding: Finding) -> Facts:
    """A finding as JSON values."""
    return {
        "severity": finding.severity,
        "code": finding.code,
        "where": list(finding.where),
        "message": finding.message,
    }


def _time(image: SpatialImage) -> Facts | None:
    axis = image.time
    if axis is None:
        return None
    return {"start": axis.start, "step": axis.step, "unit": axis.unit}


def _rescale(file: OpenedFile) -> Facts | None:
    rescale = file.opened.rescale
    if rescale is None:
        return None
    return {"slope": rescale.slope, "intercept": rescale.intercept}


def _levels(file: OpenedFile) -> Sequence[Facts] | None:
    made = [
        {
            "path": level.path,
            "shape": list(level.shape),
            "chunks": list(level.chunks),
            "shards": list(level.shards) if level.shards else None,
            "codecs": level.codecs,
            "spacing": list(level.spacing),
            "origin": list(level.origin),
        }
        for level in file.opened.levels
    ]
    return made or None
