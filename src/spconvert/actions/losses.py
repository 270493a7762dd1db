"""What a target format cannot hold of an image, said before anything is written."""

from __future__ import annotations

from spconvert.actions.open import OpenedFile
from spconvert.formats.plugin import Feature, FormatPlugin
from spconvert.model.finding import Finding, note, warning
from spconvert.model.image import SpatialImage


def check_keeps(
    image: SpatialImage, plugin: FormatPlugin, opened: OpenedFile
) -> tuple[Finding, ...]:
    """What the target format cannot hold of this image, said before anything is written."""
    geometry = image.geometry
    has: dict[Feature, bool] = {
        "direction": not geometry.has_identity_direction,
        "shear": geometry.is_sheared,
        "origin": any(geometry.origin),
        "unit": image.unit is not None,
        "time": image.time is not None,
        "channels": "c" in image.axis_names,
        "volume": geometry.ndim == len("xyz"),
    }
    findings = [
        warning(f"{feature}-lost", f"{plugin.name} cannot hold the {feature} of this image")
        for feature, present in has.items()
        if present and feature not in plugin.can.keeps
    ]
    count = len(opened.opened.levels)
    if count > 1:
        text = f"level {opened.level} of {count} levels is written; --level N picks one"
        findings.append(note("levels-dropped", text))
    return tuple(findings)
