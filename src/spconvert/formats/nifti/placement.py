"""Both transforms of a header from a geometry: sform and qform, or the sform alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spconvert.formats.nifti.xforms import (
    largest_gap,
    nearest_rotation,
    qform_affine,
    quaternion_of,
)
from spconvert.model.geometry import Geometry

_SCANNER = 1

_STRAIGHT = 1e-3
"""Largest distance in voxels between sform and qform that float32 and a direction with few digits
explain; beyond it the axes are sheared."""


@dataclass(frozen=True, slots=True)
class Codes:
    """The codes of the header that the image came from; 0 where there was none."""

    sform: int = 0
    qform: int = 0


def placement(
    geometry: Geometry, codes: Codes, sizes: Sequence[int]
) -> tuple[dict[str, Any], bool]:
    """Fields for a 3-D geometry in LPS; ``sizes`` is x, y, z. Second: whether the sform is alone.

    The sform holds D · S and the origin. The qform holds the rotation nearest to D, unless some
    voxel would be more than a thousandth of a voxel elsewhere: a reader that prefers the qform
    would then be wrong without a word, so its code is 0. Codes of the original are kept; otherwise
    both are 1 (scanner), as ITK writes them.
    """
    to_ras = np.array([-1.0, -1.0, 1.0])[:, None]
    # −0 is 0: it would be another bit pattern in the file.
    srow = np.column_stack([geometry.linear, geometry.origin]) * to_ras + 0.0
    rotation, sign = nearest_rotation(np.array(geometry.direction) * to_ras)
    _, b, c, d = quaternion_of(rotation)
    fields: dict[str, Any] = {
        "pixdim": [sign, *geometry.spacing, 1.0, 1.0, 1.0, 1.0],
        "quatern": [b + 0.0, c + 0.0, d + 0.0],
        "qoffset": srow[:, 3].tolist(),
        "srow": srow.tolist(),
    }
    gap = largest_gap(srow, qform_affine(fields), sizes)
    sform_only = not gap <= _STRAIGHT * min(geometry.spacing)
    known = max(0, codes.sform) or max(0, codes.qform) or _SCANNER
    fields["sform_code"] = known
    fields["qform_code"] = 0 if sform_only else max(0, codes.qform) or known
    return fields, sform_only


def no_placement(geometry: Geometry) -> dict[str, Any]:
    """Fields for a geometry without anatomy: the spacing, and both codes 0 ("method 1")."""
    spacing = [*geometry.spacing, 1.0][:3]
    return {"pixdim": [1.0, *spacing, 1.0, 1.0, 1.0, 1.0], "qform_code": 0, "sform_code": 0}
