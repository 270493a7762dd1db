"""Where a PNG is: the chunks pHYs and sCAL, and a note of our own that holds all of a geometry.

pHYs (PNG, Third Edition, section 11.3.4.3): whole pixels per metre, or an aspect ratio only.
sCAL (PNG Extensions 1.4.0, section 3.3): size of a pixel of the subject as decimal numbers; its
units are metre and radian. ITK writes its spacing there as if it were metres, in whatever unit the
image has (millimetres as a rule), and reads the number back as it is; it is by far the most common
writer of sCAL.
"""

from __future__ import annotations

import json
from dataclasses import replace
from math import isfinite
from struct import pack, unpack
from typing import Any

from spconvert.formats.raster.picture import Placed
from spconvert.formats.raster.png_chunks import LONGEST, PngHeader, chunk, text_of
from spconvert.formats.raster.resolution import millimeters_per_pixel
from spconvert.model.axes import LENGTH_UNITS, axes_named, unit_factor
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry

KEYWORD = b"spconvert"
_METER = 1
_SCREEN_PER_METER = (2834, 2835, 3779, 3780)
"""72 and 96 pixels per inch."""

Scale = tuple[tuple[float, float] | None, str | None, tuple[Finding, ...]]
"""Spacing x, y and its unit, and what is to be said of it."""


def scale_of(header: PngHeader) -> Scale:
    """What pHYs and sCAL say together.

    pHYs in metres decides; sCAL gives the digits that pHYs had to round. sCAL alone is taken as
    ITK takes it, without a unit.
    """
    exact = _subject_scale(header)
    per_meter = _pixels_per_meter(header)
    if per_meter is None:
        if exact is None or exact == (1.0, 1.0):
            return None, None, ()
        text = (
            f"sCAL {exact[0]:.6g} x {exact[1]:.6g} says metres, and most programs write "
            "millimetres there: the numbers are taken without a unit"
        )
        return exact, None, (warning("scale-unit-uncertain", text, "sCAL"),)
    rounded = (millimeters_per_pixel(per_meter[0]), millimeters_per_pixel(per_meter[1]))
    if exact is not None and exact != (1.0, 1.0):
        for factor in (1.0, 1000.0):
            found = (exact[0] * factor, exact[1] * factor)
            if tuple(map(_per_meter, found)) == per_meter:
                return found, "millimeter", ()
        text = f"sCAL {exact[0]:.6g} x {exact[1]:.6g} disagrees with pHYs, which is taken"
        return rounded, "millimeter", (warning("scale-disagrees", text, "sCAL"),)
    findings: tuple[Finding, ...] = ()
    if all(value in _SCREEN_PER_METER for value in per_meter):
        text = (
            f"pHYs of {per_meter[0]} pixels per metre is the resolution of a screen, "
            "perhaps not a measurement"
        )
        findings = (note("screen-resolution", text, "pHYs"),)
    return rounded, "millimeter", findings


def aspect_of(header: PngHeader) -> list[int] | None:
    """A pHYs chunk without a unit, which says how the picture is stretched, not how large it is."""
    body = _physical(header)
    if body is None:
        return None
    x, y, unit = unpack(">IIB", body)
    return [x, y] if unit != _METER and x > 0 and y > 0 else None


def placed_of(header: PngHeader) -> tuple[Placed | None, tuple[Finding, ...]]:
    """The geometry of our own note, if it still fits the size and scale of the picture."""
    text = text_of(header, KEYWORD)
    if text is None:
        return None, ()
    try:
        found = json.loads(text)
        placed, size = _placed(found), found["size"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None, (warning("note-broken", "the note of spconvert is not readable", "tEXt"),)
    expected = _scale_chunks(placed)
    now = [
        (kind, body)
        for kind in (b"pHYs", b"sCAL")
        for body in header.kept.get(kind, ())
        if (kind, body[8:9]) != (b"pHYs", b"\0")
    ]
    if size != [header.width, header.height] or now != expected:
        reason = "the note of spconvert fits the picture no more: it was changed by another program"
        return None, (note("note-outdated", reason, "tEXt"),)
    return placed, ()


def _placed(found: Any) -> Placed:
    units = found["units"]
    if any(unit is not None and unit not in LENGTH_UNITS for unit in units):
        raise ValueError(f"units {units}")
    names = "zyx"[-len(units) :]
    axes = tuple(axes_named(name, unit)[0] for name, unit in zip(names, units, strict=True))
    vectors = [tuple(float(v) for v in found[key]) for key in ("origin", "spacing")]
    direction = tuple(tuple(float(v) for v in row) for row in found["direction"])
    space = found["space"]
    if space not in ("LPS", "unknown"):
        raise ValueError(f"space {space}")
    geometry = Geometry(vectors[0], vectors[1], direction, space)
    if geometry.ndim != len(axes):
        raise ValueError(f"{geometry.ndim}-D geometry")
    return Placed(axes, geometry)


def chunks_of(placed: Placed, size: tuple[int, int]) -> bytes:
    """The chunks that say where a picture of ``size`` (width, height) is; none if nowhere."""
    scale = b"".join(chunk(kind, data) for kind, data in _scale_chunks(placed))
    if _is_plain(placed):
        return scale
    body = {
        "version": 1,
        "size": list(size),
        "units": [axis.unit for axis in placed.axes],
        "space": placed.geometry.space,
        "origin": placed.geometry.origin,
        "spacing": placed.geometry.spacing,
        "direction": placed.geometry.direction,
    }
    own = chunk(b"tEXt", KEYWORD + b"\0" + json.dumps(body).encode("ascii"))
    return scale + own


def _is_plain(placed: Placed) -> bool:
    """Whether the scale alone says everything."""
    plane = replace(Geometry.identity(2), spacing=placed.geometry.spacing[:2])
    units = {axis.unit for axis in placed.axes}
    return placed.geometry == plane and units in ({None}, {"millimeter"})


def _scale_chunks(placed: Placed) -> list[tuple[bytes, bytes]]:
    """Chunk pHYs where the unit is known and the number fits; sCAL as ITK reads it, all digits."""
    x, y = placed.geometry.spacing[:2]
    units = {axis.unit for axis in placed.axes if axis.name != "z"}
    unit = units.pop() if len(units) == 1 else None
    if unit is None:
        return [] if (x, y) == (1.0, 1.0) else [(b"sCAL", _decimal(x, y))]
    factor = unit_factor(unit, "millimeter")
    x, y = x * factor, y * factor
    per_meter = (_per_meter(x), _per_meter(y))
    if not all(1 <= value <= LONGEST for value in per_meter):
        return [(b"sCAL", _decimal(x, y))]
    return [(b"pHYs", pack(">IIB", *per_meter, _METER)), (b"sCAL", _decimal(x, y))]


def _per_meter(millimeters: float) -> int:
    return round(min(1000 / millimeters, 2.0 * LONGEST)) if millimeters > 0 else 2 * LONGEST


def _decimal(x: float, y: float) -> bytes:
    """``repr`` gives the shortest digits that read back as the same float64."""
    return b"\1" + f"{x!r}\0{y!r}".encode("ascii")


def _physical(header: PngHeader) -> bytes | None:
    """The body of pHYs, if it has its nine bytes."""
    body = header.kept.get(b"pHYs", (b"",))[0]
    return body if len(body) == 9 else None


def _pixels_per_meter(header: PngHeader) -> tuple[int, int] | None:
    body = _physical(header)
    if body is None:
        return None
    x, y, unit = unpack(">IIB", body)
    return (x, y) if unit == _METER and x > 0 and y > 0 else None


def _subject_scale(header: PngHeader) -> tuple[float, float] | None:
    """The two numbers of sCAL, where they are lengths greater than 0."""
    body = header.kept.get(b"sCAL", (b"",))[0]
    if body[:1] != bytes([_METER]) or len(body) > 200:
        return None
    words = body[1:].split(b"\0")
    try:
        x, y = (float(word) for word in words)
    except ValueError:
        return None
    return (x, y) if all(isfinite(v) and v > 0 for v in (x, y)) else None
