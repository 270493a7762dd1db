"""Write a legacy VTK file: header, then voxels with the most significant byte first, or as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import TargetError, Unsupported, UsageError
from spconvert.formats.plugin import Target, WriteOptions
from spconvert.model.image import SpatialImage
from spconvert.pixels.ordered import check_order, in_file_order

_TYPE_NAMES = {
    "b1": "unsigned_char",
    "i1": "char",
    "u1": "unsigned_char",
    "i2": "short",
    "u2": "unsigned_short",
    "i4": "int",
    "u4": "unsigned_int",
    "i8": "vtktypeint64",
    "u8": "vtktypeuint64",
    "f4": "float",
    "f8": "double",
}
_LONGEST_TITLE = 255
_PIECE = 1 << 16


def write_image(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """Write the file of one image; see ``VtkFormat.write``."""
    if target.path.suffix.lower() == ".vti":
        raise Unsupported("VTK XML files are not written", hint="name the target .vtk or .mha")
    if options.codec not in (None, "raw", "none", "ascii"):
        raise UsageError(f"codec {options.codec!r} is not one of VTK legacy", hint="raw or ascii")
    code = f"{image.dtype.kind}{image.dtype.itemsize}"
    if code not in _TYPE_NAMES:
        raise Unsupported(
            f"VTK legacy cannot hold {image.dtype.name}: {', '.join(_TYPE_NAMES)} expected",
            hint="--dtype float32 converts",
        )
    names = image.axis_names
    if "t" in names or ("c" in names and image.channel_count == 1):
        raise Unsupported(
            f"VTK legacy cannot hold axes {names} of shape {image.shape}: (c)(z)yx expected, "
            "c not of length 1",
            hint="NRRD, NIfTI, MetaImage and OME-Zarr hold time and channels",
        )
    order = tuple(names.index(name) for name in "zyxc" if name in names)
    check_order(image.pixels, order, "VTK file")
    text = options.codec == "ascii"
    main = target.folder / target.path.name
    try:
        with main.open("wb") as file:
            file.write(_header(image, _TYPE_NAMES[code], text=text))
            done = 0
            for values in in_file_order(image.pixels, order, options.budget, options.finding):
                _write_values(file, values, text=text)
                done += values.nbytes
                options.report(done)
            file.write(b"\n")
    except OSError as error:
        raise TargetError(f"{main}: {error.strerror}") from error
    return [main]


def _header(image: SpatialImage, type_name: str, *, text: bool) -> bytes:
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    sizes = [extents.get(name, 1) for name in "xyz"]
    geometry = image.geometry
    pad = 3 - geometry.ndim
    kept = image.extra.get("vtk")
    title, attribute = image.name, "scalars"
    if isinstance(kept, dict):
        title = str(kept.get("title", title))
        word = str(kept.get("attribute", attribute))
        attribute = word if re.fullmatch(r"[!-~]{1,200}", word) else attribute
    title = re.sub(r"[^ -~]", "?", title)[:_LONGEST_TITLE]
    channels = f" {image.channel_count}" if image.channel_count > 1 else ""
    lines = [
        "# vtk DataFile Version 3.0",
        title,
        "ASCII" if text else "BINARY",
        "DATASET STRUCTURED_POINTS",
        "DIMENSIONS " + " ".join(map(str, sizes)),
        "SPACING " + _numbers((*geometry.spacing, *[1.0] * pad)),
        "ORIGIN " + _numbers((*geometry.origin, *[0.0] * pad)),
        f"POINT_DATA {sizes[0] * sizes[1] * sizes[2]}",
        f"SCALARS {attribute} {type_name}{channels}",
        "LOOKUP_TABLE default",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")


def _numbers(values: Iterable[float]) -> str:
    """``repr`` gives the shortest digits that read back as the same float64."""
    return " ".join(repr(float(value)).removesuffix(".0") for value in values)


def _write_values(file: IO[bytes], values: NDArray[Any], *, text: bool) -> None:
    flat = values.reshape(-1)
    if flat.dtype.kind == "b":
        flat = flat.view(np.uint8)
    if not text:
        file.write(flat.astype(flat.dtype.newbyteorder(">"), copy=False).view(np.uint8).data)
        return
    for start in range(0, flat.size, _PIECE):
        some = flat[start : start + _PIECE]
        words = some.astype(str) if some.dtype.kind == "f" else map(str, some.tolist())
        file.write("\n".join(words).encode() + b"\n")
