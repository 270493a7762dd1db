"""One frame: where it is, and what tells it from others at the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot, isfinite

from spconvert.errors import FormatError, GeometryError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.elements import Elements

Vector = tuple[float, ...]
Key = tuple[float | str, ...]

_SPACINGS = (tags.PIXEL_SPACING, tags.IMAGER_PIXEL_SPACING, tags.NOMINAL_SCANNED_PIXEL_SPACING)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of one file."""

    file: int
    """Index of the file in its series."""
    number: int
    """Index of the frame in its file."""
    label: str
    """How messages name it."""
    position: Vector | None
    """Image position (patient): the centre of the first pixel, in LPS and millimetres."""
    orientation: Vector | None
    """Direction of the rows (x, y, z), then of the columns."""
    spacing: tuple[float, float] | None
    """Between rows, then between columns: that is y, then x."""
    thickness: float | None
    """Of the slice; of a lone slice the only extent that is known."""
    between: float | None
    """Stated distance between slices: used where positions are missing, and never else."""
    size: tuple[int, int]
    """Rows, columns."""
    rescale: tuple[float, float]
    """Slope and intercept."""
    keys: Mapping[str, Key] = field(default_factory=dict)
    """What may tell two frames at one place apart, by name: echo time, b-value, ..."""
    ranks: Key = ()
    """What orders frames where ``keys`` do not: acquisition time, instance number, frame."""
    time: float | None = None
    """Acquisition time in seconds since midnight."""
    segment: int | None = None
    """Segment number, of a segmentation."""


def seconds(stamp: str) -> float | None:
    """Seconds since midnight of a time (HHMMSS.F) or a date and time (YYYYMMDDHHMMSS.F)."""
    whole, _, fraction = stamp.strip().replace(":", "").partition(".")
    fraction = fraction[:6].partition("+")[0].partition("-")[0]
    digits = whole.partition("+")[0].partition("-")[0]
    clock = digits[8:] if len(digits) > 8 else digits
    if len(clock) < 6 or not clock.isdecimal() or not (fraction or "0").isdecimal():
        return None
    hours, minutes, rest = int(clock[:2]), int(clock[2:4]), int(clock[4:6])
    return hours * 3600.0 + minutes * 60.0 + rest + float(f"0.{fraction or 0}")


def cross(a: Sequence[float], b: Sequence[float]) -> Vector:
    """The unit vector along a × b; zeros if they are parallel."""
    found = (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )
    length = hypot(*found)
    return tuple(v / length + 0.0 if length else 0.0 for v in found)


def sortable(time: float | None) -> tuple[float, ...]:
    """A time as a sorting key; unknown ones come first."""
    return (-1.0 if time is None else time,)


def vector_of(elements: Elements, tag: int, count: int, label: str) -> Vector | None:
    """Three or six numbers. Raises ``GeometryError`` if they are not, or not finite."""
    found = elements.numbers(tag)
    if not found:
        return None
    if len(found) != count or not all(map(isfinite, found)):
        name = "image position" if count == 3 else "image orientation"
        raise GeometryError(f"{label}: {name} {found}: {count} finite numbers expected")
    return tuple(value + 0.0 for value in found)


def positive(elements: Elements, tag: int) -> float | None:
    """A number above 0, or ``None``."""
    found = elements.number(tag)
    return found if found is not None and isfinite(found) and found > 0 else None


def pixel_spacing(elements: Elements, label: str) -> tuple[float, float] | None:
    """PixelSpacing is (between rows, between columns), that is (y, x): PS3.3 10.7.1.3.

    Projection images state it at the detector instead. Raises ``GeometryError`` for other than two
    numbers; whether they are good ones is checked where they are used.
    """
    for tag in _SPACINGS:
        found = elements.numbers(tag)
        if len(found) == 2:
            return found[0], found[1]
        if found:
            raise GeometryError(f"{label}: pixel spacing {found}: 2 numbers expected")
    return None


def rescale_of(elements: Elements, label: str) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 counts as none. Raises ``FormatError`` for no numbers."""
    slope = elements.number(tags.RESCALE_SLOPE)
    intercept = elements.number(tags.RESCALE_INTERCEPT)
    found = (1.0 if slope is None else slope, 0.0 if intercept is None else intercept)
    if not all(map(isfinite, found)):
        raise FormatError(f"{label}: rescale slope and intercept {found}: finite numbers expected")
    return (1.0, 0.0) if found[0] == 0 else found
