"""Write a MetaImage: the header as ITK orders it, the samples in slabs, raw or zlib."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import TargetError, Unsupported, UsageError
from spconvert.formats.metaimage.axes import FileAxes, default_letters
from spconvert.formats.metaimage.extra import kept_fields
from spconvert.formats.plugin import Target, WriteOptions
from spconvert.model.image import SpatialImage
from spconvert.pixels.deflating import deflater
from spconvert.pixels.ordered import check_order, in_file_order

_TYPE_NAMES = {
    "b1": "MET_UCHAR",
    "i1": "MET_CHAR",
    "u1": "MET_UCHAR",
    "i2": "MET_SHORT",
    "u2": "MET_USHORT",
    "i4": "MET_INT",
    "u4": "MET_UINT",
    "i8": "MET_LONG_LONG",
    "u8": "MET_ULONG_LONG",
    "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE",
    "c8": "MET_FLOAT",
    "c16": "MET_DOUBLE",
}
_UNITS = {"millimeter": "mm", "micrometer": "um", "centimeter": "cm"}
"""The words of MetaIO; other units are written by their full names, which it takes for unknown."""
_OPPOSITE = dict(zip("LRPASI", "RLAPIS", strict=True))
_SIZE_DIGITS = 20
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Coding:
    compressed: bool
    level: int

    @property
    def suffix(self) -> str:
        """Of a data file beside its header."""
        return ".zraw" if self.compressed else ".raw"


def write_image(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """Write the files of one image; see ``MetaImageFormat.write``."""
    coding = _coding_named(options.codec)
    code = f"{image.dtype.kind}{image.dtype.itemsize}"
    if code not in _TYPE_NAMES or (image.dtype.kind == "c" and "c" in image.axis_names):
        raise Unsupported(
            f"MetaImage has no type for {image.dtype.name} with axes {image.axis_names}",
            hint="--dtype float32 converts" if image.dtype.kind == "f" else "--dtype converts",
        )
    axes = _axes(image)
    check_order(image.pixels, axes.storage_order, "MetaImage")
    main = target.folder / target.path.name
    detached = target.path.suffix.lower() == ".mhd"
    data = main.with_name(main.name[: -len(".mhd")] + coding.suffix) if detached else main
    head = _header(image, axes, _TYPE_NAMES[code], coding)
    head += _data_file(data.name, axes) if detached else ["ElementDataFile = LOCAL"]
    text = ("\n".join(head) + "\n").encode("utf-8", "surrogateescape")
    try:
        if detached:
            with data.open("wb") as file:
                size = _samples(file, image, axes, coding, options)
            main.write_bytes(_with_size(text, size))
        else:
            with main.open("wb") as file:
                file.write(text)
                size = _samples(file, image, axes, coding, options)
                file.seek(0)
                file.write(_with_size(text, size))
    except OSError as error:
        raise TargetError(f"{data}: {error.strerror}") from error
    return [main, data] if detached else [main]


def _coding_named(codec: str | None) -> _Coding:
    found = re.fullmatch(r"(?:zlib|gzip|deflate)(?::([1-9]))?|(raw|none)", codec or "zlib")
    if found is None:
        raise UsageError(f"codec {codec!r} is not one of MetaImage", hint="zlib, zlib:1 to 9, raw")
    return _Coding(compressed=found[2] is None, level=int(found[1] or 1))


def _axes(image: SpatialImage) -> FileAxes:
    """Channels fastest, as MetaIO has them, then x, y, z, t."""
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    letters = "".join(name for name in "cxyzt" if name in extents)
    return FileAxes(letters, tuple(extents[name] for name in letters))


def _samples(
    file: IO[bytes], image: SpatialImage, axes: FileAxes, coding: _Coding, options: WriteOptions
) -> int:
    """Write all samples, least significant byte first; return the bytes they take in the file."""
    compressor = deflater("zlib", coding.level) if coding.compressed else None
    start, done = file.tell(), 0
    order = axes.storage_order
    for values in in_file_order(image.pixels, order, options.budget, options.finding):
        data = _little(values)
        for first in range(0, len(data), _PIECE):
            piece = data[first : first + _PIECE]
            file.write(compressor.compress(piece) if compressor else piece)
        done += values.nbytes
        options.report(done)
    if compressor:
        file.write(compressor.flush())
    return file.tell() - start


def _little(values: NDArray[Any]) -> memoryview:
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data


# -- the header ----------------------------------------------------------------------------------


def _header(image: SpatialImage, axes: FileAxes, type_name: str, coding: _Coding) -> list[str]:
    kept = kept_fields(image)
    channels = 2 if image.dtype.kind == "c" else image.channel_count
    dimension = len(axes.placed)
    lines = [
        "ObjectType = Image",
        f"NDims = {dimension}",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        f"CompressedData = {coding.compressed}",
    ]
    if coding.compressed:  # not known yet: room for it
        lines.append(f"CompressedDataSize = {0:>{_SIZE_DIGITS}}")
    center = kept.pop("CenterOfRotation", "").split()
    if len(center) != dimension:
        center = ["0"] * dimension
    lines += _placement(image, axes, " ".join(center))
    sizes = axes.sizes[-dimension:]
    lines.append("DimSize = " + " ".join(map(str, sizes)))
    lines += [f"{name} = {value}" for name, value in kept.items()]
    if axes.letters != default_letters(dimension, image.channel_count):
        lines.append("AxisNames = " + " ".join(axes.letters))
    if channels > 1:
        lines.append(f"ElementNumberOfChannels = {channels}")
    return [*lines, f"ElementType = {type_name}"]


def _placement(image: SpatialImage, axes: FileAxes, center: str) -> list[str]:
    """Where the samples are. Time is a coordinate of its own, as ITK reads it."""
    geometry, time = image.geometry, image.time
    at = {name: i for i, name in enumerate("xyz"[: geometry.ndim])}
    rows: list[list[float]] = []
    for name in axes.placed:
        if name in at:
            column = [row[at[name]] for row in geometry.direction]
            rows.append([column[at[n]] if n in at else 0.0 for n in axes.placed])
        else:
            sign = -1.0 if time is not None and time.step < 0 else 1.0
            rows.append([sign if n == name else 0.0 for n in axes.placed])
    start, step = (time.start, abs(time.step)) if time else (0.0, 1.0)
    origin = [geometry.origin[at[n]] if n in at else start for n in axes.placed]
    spacing = [geometry.spacing[at[n]] if n in at else step for n in axes.placed]
    lines = [
        f"TransformMatrix = {_numbers([value for row in rows for value in row])}",
        f"Offset = {_numbers(origin)}",
        f"CenterOfRotation = {center}",
        f"AnatomicalOrientation = {_letters(image, len(rows))}",
        f"ElementSpacing = {_numbers(spacing)}",
    ]
    unit = image.unit
    if geometry.space == "unknown":
        lines.append("Space = unknown")
    if unit != ("millimeter" if geometry.space == "LPS" else None):
        lines.append(f"DistanceUnits = {_UNITS.get(unit, unit) if unit else '?'}")
    if time is not None and time.unit:
        lines.append(f"TimeUnits = {time.unit}")
    return lines


def _letters(image: SpatialImage, dimension: int) -> str:
    """ITK's letters name where an axis begins: RAI is what the model calls LPS."""
    code = image.geometry.code
    if code is None or dimension != len(code):
        return "?" * dimension
    return "".join(_OPPOSITE[letter] for letter in code)


def _numbers(values: Sequence[float]) -> str:
    """``repr`` gives the shortest digits that read back as the same float64."""
    return " ".join(repr(float(value)).removesuffix(".0") for value in values)


def _with_size(text: bytes, size: int) -> bytes:
    """The header with the size of the compressed samples in the room left for it."""
    room = b"CompressedDataSize = " + b"%*d" % (_SIZE_DIGITS, 0)
    return text.replace(room, b"CompressedDataSize = " + b"%*d" % (_SIZE_DIGITS, size), 1)


def _data_file(name: str, axes: FileAxes) -> list[str]:
    """A plain name, or a list of one where the name would be taken for something else."""
    if "\n" in name or name != name.strip():
        raise Unsupported(f"a MetaImage header cannot name the file {name!r}")
    if "%" in name or name.startswith("LIST") or name.upper() == "LOCAL":
        return [f"ElementDataFile = LIST {len(axes.placed)}", name]
    return [f"ElementDataFile = {name}"]
