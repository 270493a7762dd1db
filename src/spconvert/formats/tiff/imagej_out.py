"""Write ImageJ's dialect of TIFF: one description, planes in the order channel, slice, frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import Unsupported
from spconvert.formats.plugin import WriteOptions
from spconvert.formats.tiff.annotation import NAMESPACE, annotation_of
from spconvert.formats.tiff.library import silence
from spconvert.formats.tiff.planes import PageOrder, check_order, page_order, page_pieces
from spconvert.model.axes import unit_factor
from spconvert.model.image import SpatialImage

_TYPES = ("uint8", "uint16", "float32")
_UNITS = {
    "micrometer": "micron",
    "millimeter": "mm",
    "nanometer": "nm",
    "centimeter": "cm",
    "meter": "m",
    "kilometer": "km",
    "inch": "inch",
    "picometer": "pm",
}


def write_imagej(image: SpatialImage, path: Path, options: WriteOptions) -> None:
    """Write a hyperstack, uncompressed.

    Raises ``Unsupported`` for types that ImageJ does not know, ``LimitError`` as ``check_order``.
    """
    from tifffile import TiffWriter

    silence()
    order = page_order(image, "tzc")
    if image.dtype.name not in _TYPES or (
        order.samples > 1 and (image.dtype != np.uint8 or order.samples != 3)
    ):
        raise Unsupported(
            f"ImageJ's TIFF has no type for {order.samples} x {image.dtype.name}: "
            f"{', '.join(_TYPES)} or 3 x uint8 expected",
            hint="--dtype float32 converts; without --codec imagej an OME-TIFF is written",
        )
    check_order(image.pixels, order)
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    channels = 1 if order.samples > 1 else extents.get("c", 1)
    shape = (
        extents.get("t", 1),
        extents.get("z", 1),
        channels,
        *order.page_shape[:2],
        order.samples,
    )
    metadata, steps = _imagej_metadata(image)
    with TiffWriter(path, imagej=True) as file:
        file.write(
            _pages(image, order, options),
            shape=shape,
            dtype=image.dtype,
            photometric="rgb" if order.samples > 1 else "minisblack",
            resolution=(1 / steps[0], 1 / steps[1]),
            metadata=metadata,
            software="spconvert",
        )


def _pages(image: SpatialImage, order: PageOrder, options: WriteOptions) -> Iterator[NDArray[Any]]:
    """Pages, assembled from their tiles where they are read in tiles."""
    if not order.is_tiled:
        yield from page_pieces(image, order, options)
        return
    height, width = order.page_shape[:2]
    page = np.empty(order.page_shape, image.dtype)
    y = x = 0
    for tile in page_pieces(image, order, options):
        page[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        x += tile.shape[1]
        if x == width:
            x, y = 0, y + tile.shape[0]
        if y == height:
            y = 0
            yield page
            page = np.empty(order.page_shape, image.dtype)


def _imagej_metadata(image: SpatialImage) -> tuple[dict[str, Any], tuple[float, ...]]:
    """Lines of the description, and the spacing in ImageJ's one unit."""
    geometry, time = image.geometry, image.time
    units = [image.axes[i].unit for i in reversed(image.space_axes)]
    unit = units[0] if units[0] in _UNITS else ("micrometer" if units[0] else None)
    factors = [1.0 if u is None or unit is None else unit_factor(u, unit) for u in units]
    steps = tuple(s * f for s, f in zip(geometry.spacing, factors, strict=True))
    found: dict[str, Any] = {
        "axes": "TZCYXS",
        "unit": "pixel" if unit is None else _UNITS[unit],
    }
    if geometry.ndim == 3:
        found["spacing"] = steps[2]
    for axis, place, step in zip("xyz", geometry.origin, geometry.spacing, strict=False):
        if place:
            found[f"{axis}origin"] = 0.0 - place / step
    if time is not None and time.unit is not None:
        found["finterval"] = time.step * unit_factor(time.unit, "second")
    kept = image.extra.get("tiff")
    if isinstance(kept, dict):
        found |= {key: kept[key] for key in ("min", "max", "mode") if key in kept}
    facts = {key: json.loads(text) for key, text in annotation_of(image).items()}
    found[NAMESPACE] = json.dumps(facts)
    return found, steps
