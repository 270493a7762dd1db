"""Slope and intercept of the frames: kept beside the voxels, or applied to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spconvert.formats.dicom.frame import Frame
from spconvert.formats.dicom.pixel_format import PixelFormat
from spconvert.formats.dicom.pixels import Scale
from spconvert.formats.plugin import Rescale
from spconvert.model.finding import Finding, warning


@dataclass(frozen=True, slots=True)
class Rescaling:
    """What is done about slope and intercept."""

    dtype: np.dtype[Any]
    """Type of the values as they are read."""
    scales: tuple[Scale, ...] | None
    """Per frame, or ``None``: stored values."""
    stated: Rescale | None
    """What the file says, where all frames agree."""
    findings: tuple[Finding, ...] = ()


def rescaling(
    frames: Sequence[Frame | None],
    forms: Sequence[PixelFormat],
    mode: Literal["auto", "apply", "keep"],
) -> Rescaling:
    """Decide for the frames of a grid.

    ``auto``: integers where slope and intercept are integers, the smallest type that holds every
    value that the stored bits may have; else float32. ``apply``: float32 for up to 16 stored bits,
    float64 beyond. Slopes that differ from frame to frame make one value in different frames mean
    different things: they are applied unless the caller keeps stored values.
    """
    stored = forms[0].dtype
    pairs = [(1.0, 0.0) if frame is None else frame.rescale for frame in frames]
    uniform = len(set(pairs)) == 1
    slope, intercept = pairs[0]
    stated = Rescale(slope, intercept) if uniform else None
    findings: list[Finding] = []
    if not uniform:
        done = "not applied" if mode == "keep" else "applied frame by frame"
        text = f"slope and intercept differ between frames: {done}"
        findings.append(warning("rescale-differs", text, "RescaleSlope"))
    identity = uniform and (slope, intercept) == (1.0, 0.0)
    plain = forms[0].channels > 1 or (stored.kind == "f" and identity)
    if mode == "keep" or plain or (identity and mode == "auto"):
        return Rescaling(stored, None, stated, tuple(findings))
    whole = uniform and slope == int(slope) and intercept == int(intercept)
    if mode == "auto" and whole and stored.kind in "iu":
        dtype = _holding(forms, int(slope), int(intercept))
        if dtype is not None:
            return Rescaling(dtype, tuple(pairs), stated, tuple(findings))
    wide = stored.itemsize > 2 and (mode == "apply" or stored.itemsize > 4)
    dtype = np.dtype(np.float64 if wide else np.float32)
    return Rescaling(dtype, tuple(pairs), stated, tuple(findings))


def _holding(forms: Sequence[PixelFormat], slope: int, intercept: int) -> np.dtype[Any] | None:
    """The stored type if every result fits, else the smallest signed one, or ``None``."""
    ends = [slope * end + intercept for form in forms for end in form.value_range]
    stored = forms[0].dtype
    signed = [np.dtype(f"i{size}") for size in (1, 2, 4) if size >= stored.itemsize]
    for dtype in (stored, *signed):
        info = np.iinfo(dtype)
        if info.min <= min(ends) and max(ends) <= info.max:
            return dtype
    return None
