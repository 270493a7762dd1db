"""Write an OME-TIFF or an ImageJ TIFF, plane by plane and tile by tile, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spconvert.errors import TargetError, Unsupported
from spconvert.formats.plugin import Target, WriteOptions
from spconvert.formats.tiff.codings import IMAGEJ, Coding, coding_named
from spconvert.formats.tiff.imagej_out import write_imagej
from spconvert.formats.tiff.library import silence
from spconvert.formats.tiff.ome_out import ome_type, ome_xml
from spconvert.formats.tiff.planes import TILE, check_order, page_order, page_pieces
from spconvert.model.axes import unit_factor
from spconvert.model.finding import note
from spconvert.model.image import SpatialImage

_READ_ONLY = (".svs", ".ndpi", ".lsm", ".scn", ".qptiff")
_BIG = (".btf", ".tf8")
_CLASSIC_LIMIT = (1 << 32) - (1 << 26)
"""Offsets of a classic TIFF end at 4 GiB; directories and incompressible pixels need room."""
_WORKERS = 4


def write_image(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """Write one file; see ``TiffFormat.write``."""
    coding = coding_named(options.codec)
    suffix = target.path.suffix.lower()
    if suffix in _READ_ONLY:
        raise Unsupported(
            f"{suffix} files are read, not written", hint="write an OME-TIFF, .ome.tif"
        )
    path = target.folder / target.path.name
    if not image.geometry.has_identity_direction or image.geometry.space == "LPS":
        options.finding(
            note(
                "direction-in-annotation",
                "direction and patient space are written as an annotation that only spconvert "
                "reads; other programs see none",
            )
        )
    try:
        if coding.name == IMAGEJ:
            write_imagej(image, path, options)
        else:
            _write_ome(image, path, coding, options, big=suffix in _BIG)
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror or error}") from error
    return [path]


def _write_ome(
    image: SpatialImage, path: Path, coding: Coding, options: WriteOptions, *, big: bool
) -> None:
    from tifffile import TiffWriter

    silence()
    ome_type(image)
    order = page_order(image, "tcz")
    check_order(image.pixels, order)
    text = ome_xml(image, order)
    differences = coding.compression is not None and image.dtype.kind in "iuf"
    arguments: dict[str, Any] = {
        "photometric": "rgb" if order.samples > 1 else "minisblack",
        "planarconfig": "contig" if order.samples > 1 else None,
        "extrasamples": ["unassalpha"] if order.samples == 4 else None,
        "compression": coding.compression,
        "compressionargs": coding.arguments or None,
        "predictor": differences,
        "description": text,
        "metadata": None,
        "software": "spconvert",
        "maxworkers": min(_WORKERS, os.cpu_count() or 1),
        "buffersize": max(1, options.budget // 4),  # what waits to be encoded
        **_resolution(image),
    }
    if order.is_tiled:
        arguments["tile"] = (TILE, TILE)
    else:
        arguments["rowsperstrip"] = order.page_shape[0]
    large = big or image.nbytes + len(text) > _CLASSIC_LIMIT
    with TiffWriter(path, bigtiff=large, byteorder="<", ome=False) as file:
        file.write(
            page_pieces(image, order, options),
            shape=(order.pages, *order.page_shape),
            dtype=image.dtype,
            **arguments,
        )


def _resolution(image: SpatialImage) -> dict[str, Any]:
    """Pixels per centimetre: the one spacing that programs without OME-XML know of."""
    y, x = (image.axes[i] for i in image.space_axes[-2:])
    if x.unit is None or y.unit is None:
        return {}
    steps = zip(image.geometry.spacing, (x.unit, y.unit), strict=False)
    per_cm = [1 / (step * unit_factor(unit, "centimeter")) for step, unit in steps]
    if not all(1e-6 < value < 1e9 for value in per_cm):
        return {}  # a rational of 32 bits cannot say it
    return {"resolution": tuple(per_cm), "resolutionunit": "centimeter"}
