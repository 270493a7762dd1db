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
    geometry, time = image.geometry, image.time
    has: dict[Feature, bool] = {
        "direction": not geometry.has_identity_direction,
        "shear": geometry.is_sheared,
        "origin": any(geometry.origin),
        "spacing": any(step != 1 for step in geometry.spacing),
        "unit": any(image.axes[a].unit for a in image.space_axes),
        "time": time is not None,
        "time-step": time is not None and (time.start, time.step, time.unit) != (0.0, 1.0, None),
        "channels": "c" in image.axis_names,
        "volume": geometry.ndim == len("xyz"),
    }
    findings = [
        warning(f"{feature}-lost", f"{plugin.name} cannot hold the {feature} of this image")
        for feature, present in has.items()
        if present and feature not in plugin.can.keeps
    ]
    labels = opened.opened.labels
    if labels:
        text = f"labels {', '.join(labels)} are not copied: --select reads one as an image"
        findings.append(warning("labels-lost", text))
    count = len(opened.opened.levels)
    if count > 1 and "levels" not in plugin.can.keeps:
        text = f"level {opened.level} of {count} levels is written; --level N picks one"
        findings.append(note("levels-dropped", text))
    return tuple(findings)
