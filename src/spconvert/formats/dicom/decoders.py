"""Compressed frames to samples, by transfer syntax, through imagecodecs.

A frame says its own size; it is compared with the header before anything is decoded, so that a
small file cannot ask for more memory than its header does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, MissingDependency
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.pixel_format import PixelFormat

_JPEG = "1.2.840.10008.1.2.4."
_SYNTAXES = {
    tags.RLE: "rle",
    f"{_JPEG}50": "jpeg",
    f"{_JPEG}51": "jpeg",
    f"{_JPEG}57": "lossless",
    f"{_JPEG}70": "lossless",
    f"{_JPEG}80": "jpegls",
    f"{_JPEG}81": "jpegls",
    f"{_JPEG}90": "jpeg2k",
    f"{_JPEG}91": "jpeg2k",
    f"{_JPEG}201": "htj2k",
    f"{_JPEG}202": "htj2k",
    f"{_JPEG}203": "htj2k",
}
"""PS3.5, A.4: RLE; JPEG baseline, extended, lossless; JPEG-LS; JPEG 2000; High-Throughput JPEG
2000."""

LOSSY = frozenset(f"{_JPEG}{n}" for n in (50, 51, 81, 91, 203))
"""Syntaxes that may have lost something."""


def check_syntax(syntax: str, label: str) -> None:
    """Raise ``FormatError`` if frames of a transfer syntax cannot be decoded."""
    if syntax not in _SYNTAXES:
        raise FormatError(
            f"{label} has transfer syntax {syntax or 'none'}, which is not read",
            hint="dcmtk's dcmconv or gdcmconv can rewrite it uncompressed",
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame."""

    values: NDArray[Any]
    """Shape ``(samples, rows, columns)``, native byte order, the type of ``PixelFormat.stored``."""
    is_rgb: bool
    """Whether the decoder has turned luminance and chroma into RGB."""


def decode(data: bytes, syntax: str, form: PixelFormat, label: str) -> Decoded:
    """Decode one frame.

    Raises ``FormatError`` if it is damaged or of another size than the header says, and
    ``MissingDependency`` without imagecodecs.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingDependency(
            f"{label} has transfer syntax {syntax}: imagecodecs decodes it",
            hint="pip install imagecodecs",
        ) from error
    kind = _SYNTAXES[syntax]
    if kind != "rle":
        _check_size(data, kind, form, label)
    run: Callable[[Any, bytes, PixelFormat], NDArray[Any]] = _DECODERS[kind]
    try:
        values = run(imagecodecs, data, form)
    # imagecodecs' own errors are RuntimeErrors; its wrappers raise the others on odd input.
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        reason = f"{error}".splitlines()[0][:200] if f"{error}" else type(error).__name__
        raise FormatError(
            f"{label}: a frame cannot be decoded ({kind}): {reason}",
            hint="the file is damaged or cut off",
        ) from error
    return Decoded(_as_planes(values, form, label), is_rgb=kind in ("jpeg", "jpeg2k", "htj2k"))


def _rle(codecs: Any, data: bytes, form: PixelFormat) -> NDArray[Any]:
    """PS3.5, annex G: byte planes, most significant first, each run-length coded."""
    count = struct.unpack_from("<L", data)[0] if len(data) >= 64 else 0
    wanted = form.samples * form.stored.itemsize
    if count != wanted:
        raise ValueError(f"{count} segments, {wanted} expected")
    little = form.stored.newbyteorder("<")
    out = np.empty(form.samples * form.rows * form.columns * little.itemsize, np.uint8)
    found = codecs.dicomrle_decode(data, little, out=out)
    if len(found) != out.size:
        raise ValueError(f"{len(found)} of {out.size} bytes")
    values = out.view(little).reshape(form.samples, form.rows, form.columns)
    return values.astype(little.newbyteorder("="), copy=False)


def _jpeg(codecs: Any, data: bytes, form: PixelFormat) -> NDArray[Any]:
    """The header's photometric interpretation says what the components are (PS3.5, 8.2.1)."""
    if form.samples == 1:
        return np.asarray(codecs.jpeg_decode(data))
    source = "RGB" if form.photometric == "RGB" else "YCBCR"
    return np.asarray(codecs.jpeg_decode(data, colorspace=source, outcolorspace="RGB"))


def _lossless(codecs: Any, data: bytes, form: PixelFormat) -> NDArray[Any]:
    try:
        return np.asarray(codecs.jpegsof3_decode(data))
    except RuntimeError:
        # Some predictors and bit depths are only known to the other of the two.
        return np.asarray(codecs.ljpeg_decode(data)) if form.samples == 1 else _jpeg8(codecs, data)


def _jpeg8(codecs: Any, data: bytes) -> NDArray[Any]:
    return np.asarray(codecs.jpeg8_decode(data))


def _jpegls(codecs: Any, data: bytes, _form: PixelFormat) -> NDArray[Any]:
    return np.asarray(codecs.jpegls_decode(data))


def _jpeg2k(codecs: Any, data: bytes, _form: PixelFormat) -> NDArray[Any]:
    return np.asarray(codecs.jpeg2k_decode(data))


def _htj2k(codecs: Any, data: bytes, _form: PixelFormat) -> NDArray[Any]:
    return np.asarray(codecs.htj2k_decode(data))


_DECODERS = {
    "rle": _rle,
    "jpeg": _jpeg,
    "lossless": _lossless,
    "jpegls": _jpegls,
    "jpeg2k": _jpeg2k,
    "htj2k": _htj2k,
}


def _as_planes(values: NDArray[Any], form: PixelFormat, label: str) -> NDArray[Any]:
    shape = (form.samples, form.rows, form.columns)
    if values.shape == (form.rows, form.columns, form.samples):
        values = np.moveaxis(values, 2, 0)
    elif form.samples == 1 and values.shape == shape[1:]:
        values = values[np.newaxis]
    if values.shape != shape or values.dtype.kind not in "iu":
        raise FormatError(
            f"{label}: a frame of shape {values.shape}, type {values.dtype}: {shape} expected"
        )
    native = form.stored.newbyteorder("=")
    if values.dtype.itemsize > native.itemsize:
        raise FormatError(f"{label}: a frame of {values.dtype}, {native} expected")
    # The bits are what was encoded; whether they have a sign, the header says.
    return (
        values.view(native) if values.dtype.itemsize == native.itemsize else values.astype(native)
    )


def _check_size(data: bytes, kind: str, form: PixelFormat, label: str) -> None:
    """Compare rows, columns and components of the frame with those of the header."""
    size = _jpeg2k_size(data) if kind in ("jpeg2k", "htj2k") else _jpeg_size(data)
    wanted = (form.rows, form.columns, form.samples)
    if size is None:
        raise FormatError(
            f"{label}: a compressed frame starts with {data[:8].hex()} and states no size",
            hint="the file is damaged, or has another transfer syntax than it says",
        )
    if size != wanted:
        raise FormatError(
            f"{label}: a compressed frame of {size} rows, columns and components: {wanted} expected"
        )


def _jpeg_size(data: bytes) -> tuple[int, int, int] | None:
    """From the start-of-frame segment (ISO 10918-1, B.2.2; JPEG-LS: ISO 14495-1, C.2.2)."""
    position = 2
    while data[:2] == b"\xff\xd8" and position + 10 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns, components = struct.unpack_from(">HHB", data, position + 5)
            return rows, columns, components
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None


def _jpeg2k_size(data: bytes) -> tuple[int, int, int] | None:
    """From the SIZ segment (ISO 15444-1, A.5.1), which follows the start of the codestream."""
    at = data.find(b"\xff\x4f\xff\x51", 0, 1024)  # behind a few boxes, if it is a whole JP2 file
    if at < 0 or len(data) < at + 42:
        return None
    columns, rows, left, top = struct.unpack_from(">4L", data, at + 8)
    components = struct.unpack_from(">H", data, at + 40)[0]
    return rows - top, columns - left, components
