"""From pixels per metre or inch to a spacing, where it was measured and not just a default.

Programs that know nothing of the subject's size fill these fields with the resolution of a screen:
72 or 96 pixels per inch, or 1. Such a number is no spacing.
"""

from __future__ import annotations

from spconvert.model.finding import Finding, note

MILLIMETERS_PER_INCH = 25.4
_SCREEN_PER_INCH = (0.0, 1.0, 72.0, 96.0)


def millimeters_per_pixel(per_meter: int) -> float:
    """The float64 nearest to the pixel size that ``per_meter`` pixels per metre mean."""
    return 1000 / per_meter


def spacing_per_inch(
    per_inch: tuple[float, float], field: str
) -> tuple[tuple[float, float] | None, tuple[Finding, ...]]:
    """Spacing x, y in millimetres of a resolution in pixels per inch, ``None`` for a default.

    ``field`` says where the number comes from.
    """
    if any(not value > 0 for value in per_inch):
        return None, ()
    if all(_is_screen(value) for value in per_inch):
        text = f"{field} of {per_inch[0]:.6g} pixels per inch is a default, not a spacing"
        return None, (note("resolution-ignored", text, field),)
    x, y = (MILLIMETERS_PER_INCH / value for value in per_inch)
    text = (
        f"spacing {x:.6g} x {y:.6g} mm comes from {field}, which may mean a print and not "
        "the subject"
    )
    return (x, y), (note("spacing-from-resolution", text, field),)


def _is_screen(per_inch: float) -> bool:
    """Whether it is one of the defaults, to the rounding of whole pixels per centimetre."""
    return any(abs(per_inch - default) <= 0.9 for default in _SCREEN_PER_INCH)
