"""OME-XML in: what an OME-TIFF says of its images, as values.

Schema: OME 2016-06 (https://docs.openmicroscopy.org/ome-model), and how TiffData maps planes to
pages: "OME-TIFF specification", section "Storage of pixel data". Older namespaces differ in names
that are not read here.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from spconvert.errors import FormatError
from spconvert.formats.tiff.annotation import NAMESPACE
from spconvert.formats.tiff.units import NO_LENGTH, ome_unit
from spconvert.formats.tiff.xml import children, local, parse_xml
from spconvert.model.axes import LENGTH_UNITS, TIME_UNITS, ChannelInfo

MAX_PLANES = 1 << 24


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit."""

    value: float
    unit: str | None
    """Full name, ``None`` for pixels and unknown units."""


@dataclass(frozen=True, slots=True)
class TiffData:
    """A run of planes in a run of pages."""

    ifd: int
    first: Mapping[str, int]
    """First z, c, t; c counts planes, not samples."""
    count: int | None
    """How many planes, or ``None`` for all pages of the file."""
    file: str | None
    uuid: str | None


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One Image element and its Pixels."""

    name: str
    order: str
    """DimensionOrder without X and Y, fastest first: "ZCT"."""
    sizes: Mapping[str, int]
    """Per X, Y, Z, C, T."""
    physical: Mapping[str, Quantity]
    """Per x, y, z, as far as said and usable."""
    increment: Quantity | None
    channels: tuple[ChannelInfo, ...]
    samples: tuple[int, ...]
    """SamplesPerPixel of each channel element."""
    tiff_data: tuple[TiffData, ...]
    positions: Mapping[tuple[int, int, int], Mapping[str, Quantity]] = field(default_factory=dict)
    """Per (t, c, z): PositionX, Y, Z as x, y, z and DeltaT as t."""
    annotation: Mapping[str, str] | None = None
    """Our own."""
    unusable: tuple[str, ...] = ()
    """Sentences about values that make no sense."""


@dataclass(frozen=True, slots=True)
class OmeDocument:
    """The root element."""

    uuid: str | None
    images: tuple[OmeImage, ...]
    master: str | None = None
    """The file that holds the metadata, where this one is only a part of a set."""


def parse_ome(data: bytes) -> OmeDocument | None:
    """Read OME-XML; ``None`` if the text is not meant to be any.

    Raises ``FormatError`` for text that is broken, or that means what cannot be.
    """
    text = data.strip()
    if not (text.startswith(b"<") and re.search(rb"<(\w+:)?OME[\s>]", text)):
        return None
    root = parse_xml(text)
    if local(root) != "OME":
        return None
    for only in children(root, "BinaryOnly"):
        return OmeDocument(root.get("UUID"), (), only.get("MetadataFile"))
    notes = _annotations(root)
    images = tuple(
        _image(image, pixels, notes)
        for image in children(root, "Image")
        for pixels in children(image, "Pixels")[:1]
    )
    return OmeDocument(root.get("UUID"), images) if images else None


def _image(
    image: ET.Element, pixels: ET.Element, notes: Mapping[str, Mapping[str, str]]
) -> OmeImage:
    sizes = {axis: _whole(pixels, f"Size{axis}", None) for axis in "XYZCT"}
    order = pixels.get("DimensionOrder", "XYZCT")
    if sorted(order) != sorted("XYZCT") or order[:2] != "XY":
        raise FormatError(f"DimensionOrder {order[:40]!r}: XY and a permutation of ZCT expected")
    if min(sizes.values()) < 1 or sizes["Z"] * sizes["C"] * sizes["T"] > MAX_PLANES:
        raise FormatError(f"sizes {sizes}: 1 or more, and at most {MAX_PLANES} planes expected")
    problems: list[str] = []
    physical = {}
    for axis in "XYZ":
        # "PhysicalSizeXUnit: default µm" in the schema.
        found = _quantity(pixels, f"PhysicalSize{axis}", "µm", problems)
        if found is not None:
            physical[axis.lower()] = found
    channels = children(pixels, "Channel")
    refs = (ref.get("ID", "") for ref in children(image, "AnnotationRef"))
    return OmeImage(
        image.get("Name") or image.get("ID") or "image",
        order[2:],
        sizes,
        physical,
        _quantity(pixels, "TimeIncrement", "s", problems),
        tuple(ChannelInfo(c.get("Name") or "", _color(c)) for c in channels),
        tuple(_whole(c, "SamplesPerPixel", 1) for c in channels),
        tuple(_tiff_data(element) for element in children(pixels, "TiffData")),
        {_place(plane): _plane(plane) for plane in children(pixels, "Plane")},
        next((notes[ref] for ref in refs if ref in notes), None),
        tuple(problems),
    )


def _tiff_data(element: ET.Element) -> TiffData:
    """Read one TiffData: no IFD means the first; no PlaneCount all, or one if an IFD is named."""
    count = element.get("PlaneCount", element.get("NumPlanes"))
    if count is None:
        planes = 1 if "IFD" in element.attrib else None
    else:
        planes = _whole(element, "PlaneCount" if "PlaneCount" in element.attrib else "NumPlanes", 1)
    first = {axis.lower(): _whole(element, f"First{axis}", 0) for axis in "ZCT"}
    uuid = next(iter(children(element, "UUID")), None)
    name = None if uuid is None else uuid.get("FileName")
    text = None if uuid is None else (uuid.text or "").strip()
    return TiffData(_whole(element, "IFD", 0), first, planes, name, text)


def _place(plane: ET.Element) -> tuple[int, int, int]:
    return _whole(plane, "TheT", 0), _whole(plane, "TheC", 0), _whole(plane, "TheZ", 0)


def _plane(plane: ET.Element) -> dict[str, Quantity]:
    """Position and time of a plane; a stage's unit is "reference frame" unless said."""
    found = {}
    for name, key, unit in (
        ("PositionX", "x", "reference frame"),
        ("PositionY", "y", "reference frame"),
        ("PositionZ", "z", "reference frame"),
        ("DeltaT", "t", "s"),
    ):
        text = plane.get(name)
        value = _number(text) if text is not None else None
        if value is not None:
            found[key] = Quantity(value, ome_unit(plane.get(f"{name}Unit", unit)))
    return found


def _quantity(element: ET.Element, name: str, default: str, problems: list[str]) -> Quantity | None:
    text = element.get(name)
    if text is None:
        return None
    value = _number(text)
    if value is None or value <= 0:
        problems.append(f"{name} is {text[:40]!r}: a number greater than 0 expected")
        return None
    symbol = element.get(f"{name}Unit", default)
    unit = ome_unit(symbol)
    if unit is None and symbol not in NO_LENGTH:
        problems.append(f"{name}Unit {symbol[:40]!r} is not known")
    if unit is not None and unit not in (TIME_UNITS if name == "TimeIncrement" else LENGTH_UNITS):
        problems.append(f"{name}Unit is {unit}")
        unit = None
    return Quantity(value, unit)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _whole(element: ET.Element, name: str, default: int | None) -> int:
    text = element.get(name)
    if text is None and default is not None:
        return default
    if text is None or not re.fullmatch(r"\s*\d{1,18}\s*", text):
        raise FormatError(f"{name} of {local(element)} is {str(text)[:40]!r}: a number expected")
    return int(text)


def _color(channel: ET.Element) -> str:
    """RRGGBB of a signed 32-bit integer that holds red, green, blue, alpha."""
    text = channel.get("Color", "")
    if not re.fullmatch(r"-?\d{1,10}", text):
        return ""
    return f"{int(text) & 0xFFFFFFFF:08X}"[:6]


def _annotations(root: ET.Element) -> dict[str, dict[str, str]]:
    """Our own map annotations, by their ID."""
    found = {}
    for parent in children(root, "StructuredAnnotations"):
        for note in children(parent, "MapAnnotation"):
            if note.get("Namespace") == NAMESPACE:
                pairs = [m for value in children(note, "Value") for m in children(value, "M")]
                found[note.get("ID", "")] = {m.get("K", ""): m.text or "" for m in pairs}
    return found
