"""What one frame of a file is made of: rows, columns, samples, bits and colour (PS3.3 C.7.6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, LimitError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.carrier import LARGEST_RATIO
from spconvert.formats.dicom.instance import Instance

_INTEGERS = {(8, 0): "u1", (8, 1): "i1", (16, 0): "u2", (16, 1): "i2", (32, 0): "u4", (32, 1): "i4"}
_INTEGERS |= {(64, 0): "u8", (64, 1): "i8", (1, 0): "u1"}
_FLOATS = {tags.FLOAT_PIXEL_DATA: (32, "f4"), tags.DOUBLE_FLOAT_PIXEL_DATA: (64, "f8")}
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "YBR_PARTIAL_420")


_MOST_FRAMES = 1 << 20
"""Each is looked at; the largest slides have some hundred thousand."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelFormat:
    """The image pixel module of one file."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    photometric: str
    planar: bool
    """Whether all reds come before all greens."""
    stored: np.dtype[Any]
    """Type of one sample in the file, byte order included; ``uint8`` for packed bits."""
    palette: NDArray[Any] | None = None
    """Shape ``(3, entries)``, for ``PALETTE COLOR``."""
    palette_start: int = 0
    """The stored value that the first entry stands for."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one sample as it is read, native byte order."""
        kind = self.stored if self.palette is None else self.palette.dtype
        return kind.newbyteorder("=")

    @property
    def channels(self) -> int:
        """Samples per pixel as they are read: a palette becomes three."""
        return self.samples if self.palette is None else 3

    @property
    def halved(self) -> bool:
        """Whether two pixels share their chroma (uncompressed YBR_FULL_422)."""
        return self.photometric == "YBR_FULL_422"

    @property
    def frame_bits(self) -> int:
        """Bits of one uncompressed frame."""
        samples = 2 if self.halved else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    def nbytes(self, frames: int) -> int:
        """Bytes of all uncompressed frames."""
        return ceil(frames * self.frame_bits / 8)

    @property
    def value_range(self) -> tuple[int, int]:
        """The least and the largest integer that the stored bits can hold."""
        if self.stored.kind == "i":
            return -(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1
        return 0, (1 << self.bits_stored) - 1


def pixel_format(instance: Instance) -> PixelFormat:
    """Read the image pixel module.

    Raises ``FormatError`` for sizes and bits that make no sense, and for layouts that are not read.
    """
    header, label = instance.header, instance.label
    if instance.pixels is None:
        raise FormatError(f"{label} has no pixel data", hint="only its header is there")
    sizes = {name: header.integer(tag, 0) for name, tag in _SIZES.items()}
    rows, columns = sizes["rows"], sizes["columns"]
    samples = header.integer(tags.SAMPLES_PER_PIXEL, 1)
    if min(rows, columns) < 1 or samples not in (1, 3):
        raise FormatError(
            f"{label}: {rows} rows, {columns} columns, {samples} samples: sizes of 1 or more and "
            "1 or 3 samples expected"
        )
    photometric = header.text(tags.PHOTOMETRIC_INTERPRETATION) or "MONOCHROME2"
    if photometric not in (_MONOCHROME if samples == 1 else _COLOUR):
        raise FormatError(
            f"{label}: photometric interpretation {photometric!r} with {samples} samples per pixel"
        )
    native = instance.syntax in tags.NATIVE
    if native and photometric == "YBR_PARTIAL_420":
        raise FormatError(f"{label}: uncompressed {photometric} is not read")
    bits, stored_bits, high, kind = _bits(instance)
    order: Literal[">", "<"] = ">" if instance.syntax == tags.EXPLICIT_BIG else "<"
    palette, start = _palette(instance) if photometric == "PALETTE COLOR" else (None, 0)
    if bits == 1 and samples > 1:
        raise FormatError(f"{label}: {samples} samples of one bit")
    return PixelFormat(
        rows,
        columns,
        samples,
        bits,
        stored_bits,
        high,
        photometric,
        samples > 1 and header.integer(tags.PLANAR_CONFIGURATION, 0) == 1,
        np.dtype(kind).newbyteorder(order),
        palette,
        start,
    )


_SIZES = {"rows": tags.ROWS, "columns": tags.COLUMNS}


def _bits(instance: Instance) -> tuple[int, int, int, str]:
    header, label = instance.header, instance.label
    assert instance.pixels is not None
    allocated = header.integer(tags.BITS_ALLOCATED, 16)
    if instance.pixels.tag in _FLOATS:
        wanted, kind = _FLOATS[instance.pixels.tag]
        if allocated != wanted:
            raise FormatError(f"{label}: {allocated} bits allocated for floats of {wanted}")
        return allocated, allocated, allocated - 1, kind
    signed = header.integer(tags.PIXEL_REPRESENTATION, 0)
    if (allocated, signed) not in _INTEGERS:
        raise FormatError(
            f"{label}: {allocated} bits allocated, pixel representation {signed}: 1, 8, 16, 32 or "
            "64 bits and 0 or 1 expected"
        )
    stored = header.integer(tags.BITS_STORED, allocated)
    high = header.integer(tags.HIGH_BIT, stored - 1)
    if not (1 <= stored <= allocated and stored - 1 <= high < allocated):
        raise FormatError(
            f"{label}: {stored} bits stored up to bit {high}, {allocated} allocated: no such layout"
        )
    return allocated, stored, high, _INTEGERS[allocated, signed]


def _palette(instance: Instance) -> tuple[NDArray[Any], int]:
    """The three lookup tables, and the stored value that the first entry stands for (C.7.6.3.1.5).

    Descriptor: number of entries (0 stands for 65536), first value mapped, bits of an entry.
    """
    header, label = instance.header, instance.label
    columns: list[NDArray[Any]] = []
    start = 0
    for descriptor_tag, data_tag in zip(tags.PALETTE_DESCRIPTORS, tags.PALETTE_DATA, strict=True):
        numbers = [int(n) for n in header.numbers(descriptor_tag)]
        data = header.bytes_of(data_tag)
        if len(numbers) != 3 or numbers[2] not in (8, 16):
            raise FormatError(f"{label}: palette described by {numbers}: 3 numbers expected")
        entries, start = numbers[0] or 65536, numbers[1]
        if start >= 1 << 15 and header.integer(tags.PIXEL_REPRESENTATION, 0) == 1:
            start -= 1 << 16
        # Tables of 8-bit entries may still take two bytes each.
        kind = np.uint8 if numbers[2] == 8 else np.uint16
        width = 1 if numbers[2] == 8 and len(data) < 2 * entries else 2
        if len(data) < entries * width:
            raise FormatError(f"{label}: a palette of {len(data)} bytes for {entries} entries")
        order = ">" if instance.syntax == tags.EXPLICIT_BIG else "<"
        table = np.frombuffer(data, f"{order}u{width}", entries)
        columns.append(table.astype(kind))
    if len({column.size for column in columns}) != 1:
        raise FormatError(f"{label}: palettes of unlike length {[c.size for c in columns]}")
    return np.stack(columns), start


def true_bits(values: NDArray[Any], form: PixelFormat) -> None:
    """Clear the bits beside the stored ones, in place; signed values get their sign back.

    PS3.5, 8.1.1: the bits above the high bit may hold anything (overlays once did).
    """
    if form.stored.kind == "f" or form.bits_stored == form.bits_allocated:
        return
    np.left_shift(values, form.bits_allocated - 1 - form.high_bit, out=values)
    np.right_shift(values, form.bits_allocated - form.bits_stored, out=values)


def coloured(values: NDArray[Any], form: PixelFormat, *, converted: bool) -> NDArray[Any]:
    """Samples ``(samples, rows, columns)`` as RGB where the file says another colour model.

    ``converted``: whether the decoder has done it already. YBR_FULL is full-range BT.601
    (C.7.6.3.1.2).
    """
    if form.palette is not None:
        entries = form.palette.shape[1]
        index = np.clip(values[0].astype(np.int64) - form.palette_start, 0, entries - 1)
        return np.asarray(form.palette[:, index])
    if converted or not form.photometric.startswith("YBR_FULL"):
        return values
    middle = float(1 << (form.bits_stored - 1))
    y, cb, cr = (plane.astype(np.float32) for plane in values)
    cb, cr = cb - middle, cr - middle
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb])
    np.clip(np.rint(rgb, out=rgb), *form.value_range, out=rgb)
    return rgb.astype(values.dtype)


def frame_count(instance: Instance) -> int:
    """Number of frames.

    Raises ``FormatError`` for less than 1 and for more than the file has bits for, ``LimitError``
    for millions that it may hold.
    """
    frames = instance.header.integer(tags.NUMBER_OF_FRAMES, 1)
    if frames < 1:
        raise FormatError(f"{instance.label}: {frames} frames: 1 or more expected")
    there = instance.carrier.nbytes * LARGEST_RATIO ** len(instance.carrier.inflations)
    if frames > 8 * there:
        raise FormatError(
            f"{instance.label} has {instance.carrier.nbytes} bytes, which cannot hold {frames} "
            "frames",
            hint="the file is cut off, or its header states a wrong number",
        )
    if frames > _MOST_FRAMES:
        raise LimitError(f"{instance.label}: {frames} frames, at most {_MOST_FRAMES} are read")
    return frames
