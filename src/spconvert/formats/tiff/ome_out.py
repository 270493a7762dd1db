"""OME-XML out: the description of a written OME-TIFF.

Schema OME 2016-06. What the schema has no place for goes to a map annotation of our own; see
``annotation``.
"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

from spconvert.errors import Unsupported
from spconvert.formats.tiff.annotation import NAMESPACE, annotation_of
from spconvert.formats.tiff.planes import PageOrder
from spconvert.formats.tiff.units import ome_symbol
from spconvert.model.axes import ChannelInfo
from spconvert.model.image import SpatialImage

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_TYPES = {
    "bool": "bit",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "float32": "float",
    "float64": "double",
    "complex64": "complex",
    "complex128": "double-complex",
}
_MOST_PLANES = 10_000
"""With more, positions per plane would make the text larger than is useful."""
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def ome_type(image: SpatialImage) -> str:
    """The schema's name of the type. Raises ``Unsupported`` for types that it does not have."""
    name = image.dtype.name
    if name not in _TYPES:
        raise Unsupported(
            f"OME-TIFF has no type for {name}",
            hint="--dtype float32 converts" if name == "float16" else "--dtype int32 converts",
        )
    return _TYPES[name]


def ome_xml(image: SpatialImage, order: PageOrder) -> bytes:
    """The text, as UTF-8; the same for the same image."""
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    root = ET.Element(
        "OME",
        {
            "xmlns": _SCHEMA,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": f"{_SCHEMA} {_SCHEMA}/ome.xsd",
            "Creator": "spconvert",
        },
    )
    element = ET.SubElement(root, "Image", {"ID": "Image:0", "Name": _fit(image.name)})
    contig = order.samples > 1
    pixels = ET.SubElement(
        element,
        "Pixels",
        {
            "ID": "Pixels:0",
            "DimensionOrder": "XYCZT" if contig else "XYZCT",
            "Type": ome_type(image),
            **{f"Size{axis.upper()}": str(extents.get(axis, 1)) for axis in "xyzct"},
            **({"Interleaved": "true"} if contig else {}),
            **_spacing(image),
            **_time(image),
        },
    )
    count = image.channel_count // order.samples
    for i in range(count):
        info = ChannelInfo() if contig or not image.channels else image.channels[i]
        ET.SubElement(pixels, "Channel", _channel(i, info, order.samples))
    ET.SubElement(pixels, "TiffData", {"IFD": "0", "PlaneCount": str(order.pages)})
    _planes(pixels, image, count)
    ET.SubElement(element, "AnnotationRef", {"ID": "Annotation:0"})
    notes = ET.SubElement(root, "StructuredAnnotations")
    note = ET.SubElement(notes, "MapAnnotation", {"ID": "Annotation:0", "Namespace": NAMESPACE})
    value = ET.SubElement(note, "Value")
    for key, text in annotation_of(image).items():
        ET.SubElement(value, "M", {"K": key}).text = _fit(text)
    text = ET.tostring(root, encoding="unicode")
    return b'<?xml version="1.0" encoding="UTF-8"?>' + text.encode("utf-8", "replace")


def _fit(text: str) -> str:
    """Without the characters that XML 1.0 forbids."""
    return _UNFIT.sub("�", text)


def _spacing(image: SpatialImage) -> dict[str, str]:
    """PhysicalSize with its unit, always: the schema's default would be the micrometre."""
    units = [image.axes[i].unit for i in reversed(image.space_axes)]
    if not any(units) and set(image.geometry.spacing) == {1.0}:
        return {}
    found = {}
    for axis, step, unit in zip("XYZ", image.geometry.spacing, units, strict=False):
        found[f"PhysicalSize{axis}"] = repr(step)
        found[f"PhysicalSize{axis}Unit"] = _length(unit)
    return found


def _length(unit: str | None) -> str:
    return "reference frame" if unit is None else ome_symbol(unit)


def _time(image: SpatialImage) -> dict[str, str]:
    time = image.time
    if time is None or time.unit is None or time.step <= 0:
        return {}  # the schema cannot say it; the annotation does
    return {"TimeIncrement": repr(time.step), "TimeIncrementUnit": ome_symbol(time.unit)}


def _channel(number: int, info: ChannelInfo, samples: int) -> dict[str, str]:
    found = {"ID": f"Channel:0:{number}", "SamplesPerPixel": str(samples)}
    if info.label:
        found["Name"] = _fit(info.label)
    if re.fullmatch("[0-9A-Fa-f]{6}", info.color):
        value = int(f"{info.color}FF", 16)
        found["Color"] = str(value - (1 << 32) if value >= 1 << 31 else value)
    return found


def _planes(pixels: ET.Element, image: SpatialImage, channels: int) -> None:
    """Where each plane's first voxel is, and when it was taken, unless all of that is 0."""
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    times, depths = extents.get("t", 1), extents.get("z", 1)
    time, geometry = image.time, image.geometry
    begun = time is not None and time.start != 0 and time.unit is not None
    placed = any(geometry.origin)
    if not (begun or placed) or times * channels * depths > _MOST_PLANES:
        return
    units = [image.axes[i].unit for i in reversed(image.space_axes)]
    for t, c, z in itertools.product(range(times), range(channels), range(depths)):
        facts = {"TheZ": str(z), "TheC": str(c), "TheT": str(t)}
        if begun and time is not None and time.unit is not None:
            facts["DeltaT"] = repr(time.start + t * time.step)
            facts["DeltaTUnit"] = ome_symbol(time.unit)
        if placed:
            index = (0, 0, z)[: geometry.ndim]
            position = geometry.physical(index).tolist() if z else list(geometry.origin)
            for axis, value, unit in zip("XYZ", position, units, strict=False):
                facts[f"Position{axis}"] = repr(value)
                facts[f"Position{axis}Unit"] = _length(unit)
        ET.SubElement(pixels, "Plane", facts)
