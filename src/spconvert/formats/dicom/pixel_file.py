"""Where the frames of one file are, and how a part of one is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.carrier import LARGEST_RATIO, ByteReader, Carrier
from spconvert.formats.dicom.decoders import check_syntax, decode
from spconvert.formats.dicom.encapsulated import Fragment, frame_fragments
from spconvert.formats.dicom.instance import Instance
from spconvert.formats.dicom.pixel_format import (
    PixelFormat,
    coloured,
    frame_count,
    pixel_format,
    true_bits,
)
from spconvert.model.finding import Finding, warning


@dataclass(frozen=True, slots=True, eq=False)
class PixelFile:
    """Where the frames of one file are."""

    carrier: Carrier
    syntax: str
    form: PixelFormat
    offset: int
    """Of the first raw frame."""
    swapped: bool = False
    """Whether the bytes of each pair of 8-bit samples are exchanged (big-endian OW)."""
    fragments: tuple[tuple[Fragment, ...], ...] = ()
    """Per compressed frame."""

    def block(self, reader: ByteReader, frame: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Part of a frame, shape ``(channels, rows, columns)``, native byte order.

        Raises ``SourceError`` or ``FormatError`` if it cannot be had whole.
        """
        if self.fragments:
            data = b"".join(reader.some(*fragment) for fragment in self.fragments[frame])
            found = decode(data, self.syntax, self.form, self.carrier.label)
            values, is_rgb = found.values[:, rows, columns], found.is_rgb
        else:
            values, is_rgb = self._raw(reader, frame, rows)[:, :, columns], False
        if values.dtype.kind in "iu" and self.form.bits_stored < self.form.bits_allocated:
            values = np.array(values)
            true_bits(values, self.form)
        return coloured(values, self.form, converted=is_rgb)

    def _raw(self, reader: ByteReader, frame: int, rows: slice) -> NDArray[Any]:
        """Whole rows of a raw frame."""
        form = self.form
        if form.bits_allocated == 1:
            return self._bits(reader, frame, rows)
        count = rows.stop - rows.start
        width = form.columns * form.stored.itemsize
        start = self.offset + frame * form.frame_bits // 8
        if form.planar and not form.halved:
            out = np.empty((form.samples, count, form.columns), form.stored)
            for plane in range(form.samples):
                at = start + (plane * form.rows + rows.start) * width
                self.fill(reader, out[plane], at)
        else:
            parts = 2 if form.halved else form.samples
            line = np.empty((count, form.columns * parts), form.stored)
            self.fill(reader, line, start + rows.start * width * parts)
            out = _unhalved(line) if form.halved else _planes(line, form.samples)
        native = form.stored.newbyteorder("=")
        return np.ascontiguousarray(out, native) if not form.stored.isnative else out

    def fill(self, reader: ByteReader, out: NDArray[Any], offset: int) -> None:
        """Read a contiguous array as it is stored."""
        view = out.reshape(-1).view(np.uint8).data
        if not self.swapped:
            reader.fill(view, offset)
            return
        lead = (offset - self.offset) % 2
        pairs = np.empty(len(view) + lead + (len(view) + lead) % 2, np.uint8)
        reader.fill(pairs.data, offset - lead)
        straight = pairs.reshape(-1, 2)[:, ::-1].reshape(-1)
        view[:] = np.ascontiguousarray(straight[lead : lead + len(view)]).data

    def _bits(self, reader: ByteReader, frame: int, rows: slice) -> NDArray[Any]:
        """Packed bits, least significant first; frames may begin within a byte (PS3.5, 8.1.1)."""
        form = self.form
        first = (frame * form.rows + rows.start) * form.columns
        last = (frame * form.rows + rows.stop) * form.columns
        data = np.empty(-(-last // 8) - first // 8, np.uint8)
        self.fill(reader, data, self.offset + first // 8)
        bits = np.unpackbits(data, bitorder="little")[first % 8 :][: last - first]
        return bits.reshape(1, rows.stop - rows.start, form.columns)


def _planes(line: NDArray[Any], samples: int) -> NDArray[Any]:
    rows, width = line.shape
    return np.moveaxis(line.reshape(rows, width // samples, samples), 2, 0)


def _unhalved(line: NDArray[Any]) -> NDArray[Any]:
    """Y0 Y1 Cb Cr per pair of pixels (C.7.6.3.1.2)."""
    rows, width = line.shape
    groups = line.reshape(rows, width // 4, 4)
    luminance = groups[:, :, :2].reshape(rows, width // 2)
    chroma = [np.repeat(groups[:, :, k], 2, axis=1) for k in (2, 3)]
    return np.stack([luminance, *chroma])


def pixel_file(instance: Instance, findings: list[Finding]) -> PixelFile:
    """Find the frames of a file, and check that they are all there.

    Raises ``FormatError`` if they are not, or for an unknown transfer syntax.
    """
    form, frames = pixel_format(instance), frame_count(instance)
    element = instance.pixels
    assert element is not None
    if element.length is None or instance.syntax not in tags.NATIVE:
        check_syntax(instance.syntax, instance.label)
        if element.length is not None:
            raise FormatError(
                f"{instance.label}: {element.length} bytes of pixel data without items with "
                f"transfer syntax {instance.syntax}"
            )
        return PixelFile(
            instance.carrier,
            instance.syntax,
            form,
            element.offset,
            fragments=frame_fragments(instance, frames),
        )
    wanted = form.nbytes(frames)
    _check_length(instance, wanted, findings)
    swapped = form.stored.itemsize == 1 and element.vr == "OW"
    swapped = swapped and instance.syntax == tags.EXPLICIT_BIG
    return PixelFile(instance.carrier, instance.syntax, form, element.offset, swapped)


def _check_length(instance: Instance, wanted: int, findings: list[Finding]) -> None:
    element = instance.pixels
    assert element is not None
    assert element.length is not None
    # What is deflated can only be bounded until it is read.
    there = instance.carrier.nbytes * LARGEST_RATIO ** len(instance.carrier.inflations)
    held = min(element.length, max(0, there - element.offset))
    if held < wanted:
        raise FormatError(
            f"{instance.label} has {held} of {wanted} bytes of pixels",
            hint="the file is cut off, or its header states wrong sizes",
        )
    if element.length > wanted + wanted % 2:
        text = f"{instance.name} has {element.length - wanted} bytes behind its pixels"
        findings.append(warning("surplus-data", text, instance.name))
