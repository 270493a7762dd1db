"""The geometry in a raw NIfTI header, as NIfTI-Zarr keeps one beside the levels.

Offsets are those of nifti1.h and nifti2.h; physical coordinates there are RAS.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import isfinite, sqrt

from spconvert.model.finding import Finding, warning
from spconvert.model.geometry import Geometry, to_lps

WHERE = "nifti"
"""Name of the array."""

_Rows = tuple[tuple[float, ...], ...]

_DISAGREEMENT = 0.1
"""Largest difference between sform and qform, in the header's unit, that passes in silence."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the members lie: byte offsets, and the types of integers and numbers."""

    size: int
    whole: str
    real: str
    dim: int
    pixdim: int
    code: str
    codes: int
    quaternion: int
    sform: int


_LAYOUTS = (
    _Layout(348, "h", "f", 40, 76, "h", 252, 256, 280),
    _Layout(540, "q", "d", 16, 104, "i", 344, 352, 400),
)


def header_geometry(header: bytes) -> tuple[Geometry | None, tuple[Finding, ...]]:
    """The geometry in LPS: sform if its code is positive, else qform, else ``None``.

    A header that makes no sense is reported and gives ``None``.
    """
    for layout in _LAYOUTS:
        for order in "<>":
            if len(header) < layout.size:
                continue
            (size,) = struct.unpack_from(f"{order}i", header)
            if size == layout.size:
                return _read(header, layout, order)
    message = f"{len(header)} bytes that are no NIfTI-1 or NIfTI-2 header; not used"
    return None, (warning("nifti-header", message, WHERE),)


def _read(
    header: bytes, layout: _Layout, order: str
) -> tuple[Geometry | None, tuple[Finding, ...]]:
    def unpack(form: str, offset: int) -> tuple[float, ...]:
        return struct.unpack_from(f"{order}{form}", header, offset)

    qform_code, sform_code = unpack(f"2{layout.code}", layout.codes)
    pixdim = unpack(f"8{layout.real}", layout.pixdim)
    quaternion = unpack(f"6{layout.real}", layout.quaternion)
    numbers = unpack(f"12{layout.real}", layout.sform)
    sform = (numbers[:4], numbers[4:8], numbers[8:])
    qform = _qform(quaternion, pixdim)
    if sform_code <= 0 and qform_code <= 0:
        message = "neither sform nor qform is set: the header says no position; not used"
        return None, (warning("nifti-header", message, WHERE),)
    chosen = sform if sform_code > 0 else qform
    try:
        geometry = _in_lps(chosen)
    except ValueError as error:
        return None, (warning("nifti-header", f"not used: {error}", WHERE),)
    findings: tuple[Finding, ...] = ()
    if sform_code > 0 and qform_code > 0:
        gap = _gap(sform, qform, unpack(f"8{layout.whole}", layout.dim))
        if not gap <= _DISAGREEMENT:
            message = f"sform and qform differ by up to {gap:.3g}; sform is used"
            findings = (warning("xform-disagreement", message, WHERE),)
    return geometry, findings


def _in_lps(rows: _Rows) -> Geometry:
    """Raises ``ValueError`` as ``Geometry`` does."""
    columns = [to_lps([row[j] for row in rows], "RAS") for j in range(4)]
    if not all(isfinite(v) for column in columns for v in column):
        raise ValueError("a transform with numbers that are not finite")
    return Geometry.from_columns(columns[:3], columns[3], "LPS")


def _qform(quaternion: tuple[float, ...], pixdim: tuple[float, ...]) -> _Rows:
    """nifti1.h, "METHOD 2": rotation of the unit quaternion (a, b, c, d), times the spacing."""
    b, c, d, *origin = quaternion
    a = sqrt(max(0.0, 1.0 - (b * b + c * c + d * d))) if isfinite(b + c + d) else float("nan")
    rotation = (
        (a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)),
        (2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)),
        (2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c),
    )
    handed = -1.0 if pixdim[0] < 0 else 1.0
    steps = (pixdim[1], pixdim[2], pixdim[3] * handed)
    return tuple(
        (*(r * s for r, s in zip(row, steps, strict=True)), o)
        for row, o in zip(rotation, origin, strict=True)
    )


def _gap(a: _Rows, b: _Rows, dim: tuple[float, ...]) -> float:
    """An upper bound of the distance along one axis between the corners of two placements."""
    reach = (*(max(0.0, dim[i] - 1) for i in (1, 2, 3)), 1.0)
    return max(
        sum(abs(p - q) * r for p, q, r in zip(row_a, row_b, reach, strict=True))
        for row_a, row_b in zip(a, b, strict=True)
    )
