"""The two transforms of a NIfTI header as matrices: quaternion form and its inverse, sform, gaps.

Formulas: nifti1.h, "3D IMAGE (VOLUME) ORIENTATION AND LOCATION IN SPACE", methods 2 and 3, and the
notes on quaternions behind them. Everything here is in RAS, as in the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from math import hypot, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
"""Shape (3, 4): the linear part and the position of voxel 0, index x, y, z to physical x, y, z."""

_HALF_TURN = 1e-7
"""nifti1_io: below this, a² counts as 0 and b, c, d are made a unit vector."""


def sform_affine(fields: Mapping[str, Any]) -> Affine:
    """Method 3: the three rows as they are."""
    return np.array(fields["srow"], np.float64)


def qform_affine(fields: Mapping[str, Any]) -> Affine:
    """Method 2: rotation of the unit quaternion (a, b, c, d), times pixdim, plus the offset.

    a is not stored: a = sqrt(1 − b² − c² − d²). pixdim[0] < 0 turns the third axis round.
    """
    b, c, d = fields["quatern"]
    rest = 1.0 - (b * b + c * c + d * d)
    if rest < _HALF_TURN:
        length = hypot(b, c, d) or 1.0
        a, b, c, d = 0.0, b / length, c / length, d / length
    else:
        a = sqrt(rest)
    steps = [*fields["pixdim"][1:3], fields["pixdim"][3] * handedness(fields)]
    affine = np.empty((3, 4))
    affine[:, :3] = rotation((a, b, c, d)) * steps
    affine[:, 3] = fields["qoffset"]
    return affine


def handedness(fields: Mapping[str, Any]) -> float:
    """Qfac: −1 where pixdim[0] is negative, else 1."""
    return -1.0 if fields["pixdim"][0] < 0 else 1.0


def rotation(quaternion: Sequence[float]) -> NDArray[np.float64]:
    """The rotation matrix of a unit quaternion (a, b, c, d), a its real part; shape (3, 3)."""
    a, b, c, d = quaternion
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def quaternion_of(matrix: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The unit quaternion (a, b, c, d), a ≥ 0, of a proper rotation of shape (3, 3).

    From the largest of the four members, which is at least 1/2, so nothing is lost to cancellation
    (S. W. Shepperd, "Quaternion from rotation matrix", 1978).
    """
    m = matrix.tolist()
    trace = m[0][0] + m[1][1] + m[2][2]
    squares = [trace, m[0][0], m[1][1], m[2][2]]
    most = squares.index(max(squares))
    if most == 0:
        found = [1 + trace, m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]]
    else:
        i = most - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        found = [m[k][j] - m[j][k], 0.0, 0.0, 0.0]
        found[1 + i] = 1 + m[i][i] - m[j][j] - m[k][k]
        found[1 + j] = m[i][j] + m[j][i]
        found[1 + k] = m[i][k] + m[k][i]
    length = hypot(*found) * (-1.0 if found[0] < 0 else 1.0)
    a, b, c, d = (member / length for member in found)
    return a, b, c, d


def nearest_rotation(direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The rotation nearest to a direction whose third column is first multiplied by the sign.

    Returns the rotation and the sign: −1 for a left-handed direction, as qfac asks. Nearest in the
    sense of least squares: the polar factor, by singular values (Higham 1986).
    """
    sign = -1.0 if np.linalg.det(direction) < 0 else 1.0
    u, _, v = np.linalg.svd(direction * [1.0, 1.0, sign])
    return u @ v, sign


def largest_gap(one: Affine, other: Affine, sizes: Sequence[int]) -> float:
    """How far apart two transforms put the same voxel centre, at worst: at one of the corners.

    ``sizes`` is x, y, z. In the unit of the header; NaN if a number is.
    """
    corners = np.array([(*c, 1) for c in itertools.product(*((0, n - 1) for n in sizes))])
    with np.errstate(all="ignore"):
        apart = (corners @ (one - other).T) ** 2
        return float(np.sqrt(apart.sum(axis=1)).max())
