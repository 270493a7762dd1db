"""The three facts of use in an EXIF block: rotation, and resolution with its unit.

A small reader of its own, because a block is hostile input: only the first directory is looked at,
at most 200 entries of it, and no offset is followed outside the block. Rules: CIPA DC-008 (EXIF),
TIFF 6.0, section 2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from struct import unpack_from

from spconvert.formats.raster.resolution import MILLIMETERS_PER_INCH, spacing_per_inch
from spconvert.model.finding import Finding, note

_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x112, 0x11A, 0x11B, 0x128
_SHORT, _RATIONAL = 3, 5
_MOST_ENTRIES = 200
_ROTATIONS = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored and turned",
    6: "turned by 90 degrees clockwise",
    7: "mirrored and turned",
    8: "turned by 90 degrees counter-clockwise",
}


@dataclass(frozen=True, slots=True)
class Exif:
    """What an EXIF block says."""

    orientation: int = 1
    """1 to 8; 1 is upright."""
    per_inch: tuple[float, float] | None = None
    """Pixels per inch along x and y."""

    @property
    def spacing(self) -> tuple[tuple[float, float] | None, tuple[Finding, ...]]:
        """As ``resolution.spacing_per_inch``."""
        return spacing_per_inch(self.per_inch, "EXIF resolution") if self.per_inch else (None, ())

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A note where viewers would turn the picture."""
        if self.orientation not in _ROTATIONS:
            return ()
        text = (
            f"EXIF orientation {self.orientation}: viewers show the picture "
            f"{_ROTATIONS[self.orientation]}; pixels are read as stored"
        )
        return (note("rotation-not-applied", text, "EXIF Orientation"),)


def parse_exif(block: bytes) -> Exif:
    """Read a block that begins with its byte order mark; whatever makes no sense is left out."""
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return Exif()
    values: dict[int, float] = {}
    try:
        (start,) = unpack_from(order + "I", block, 4)
        (count,) = unpack_from(order + "H", block, start)
        for number in range(min(count, _MOST_ENTRIES)):
            place = start + 2 + 12 * number
            tag, kind, amount = unpack_from(order + "HHI", block, place)
            if kind == _SHORT and amount == 1:
                (values[tag],) = unpack_from(order + "H", block, place + 8)
            elif kind == _RATIONAL and amount == 1 and tag in (_X_RESOLUTION, _Y_RESOLUTION):
                (offset,) = unpack_from(order + "I", block, place + 8)
                over, under = unpack_from(order + "II", block, offset)
                values[tag] = over / under if under else 0.0
    except struct.error:  # the block ends before: what was read so far is true all the same
        pass
    return Exif(int(values.get(_ORIENTATION, 1)), _per_inch(values))


def _per_inch(values: dict[int, float]) -> tuple[float, float] | None:
    """Unit 2 is the inch, 3 the centimetre, 1 none; 2 where it is not stated."""
    if _X_RESOLUTION not in values or _Y_RESOLUTION not in values:
        return None
    factor = {2: 1.0, 3: MILLIMETERS_PER_INCH / 10}.get(int(values.get(_RESOLUTION_UNIT, 2)))
    if factor is None:
        return None
    return values[_X_RESOLUTION] * factor, values[_Y_RESOLUTION] * factor
