"""Spacing from the resolution tags of a page, where they are a measurement.

TIFF 6.0, section 8: XResolution and YResolution are pixels per ResolutionUnit (2 inch, 3
centimetre, 1 none).
"""

from __future__ import annotations

from spconvert.formats.tiff.ifd import Ifd
from spconvert.formats.tiff.ome import Quantity
from spconvert.model.finding import Finding, note

_UNITS_MM = {2: 25.4, 3: 10.0}
_DEFAULT_DPI = (72.0, 96.0)
"""What programs write that know nothing of the pixels' size: the dots of a screen."""


def resolution_of(page: Ifd, name: str) -> tuple[dict[str, Quantity], tuple[Finding, ...]]:
    """Spacing per x and y in millimetres, empty where the tags measure nothing."""
    unit = _UNITS_MM.get(page.first(296, 2))
    pair = page.rational(282), page.rational(283)
    if unit is None or pair[0] is None or pair[1] is None:
        return {}, ()
    per_inch = [value * 25.4 / unit for value in pair if value is not None]
    if pair == (1.0, 1.0) or all(_is_default(value) for value in per_inch):
        text = (
            f"{name}: a resolution of {per_inch[0]:.6g} dots per inch is what programs write by "
            "default, not a measurement: spacing unknown"
        )
        return {}, (note("resolution-default", text, "XResolution"),)
    spacing = {
        axis: Quantity(unit / value, "millimeter")
        for axis, value in zip("xy", pair, strict=True)
        if value is not None
    }
    return spacing, ()


def _is_default(dots_per_inch: float) -> bool:
    return any(abs(dots_per_inch - known) < 0.05 for known in _DEFAULT_DPI)
