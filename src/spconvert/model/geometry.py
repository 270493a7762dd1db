"""Where an image is: origin, spacing and direction. The one home of LPS/RAS and of x, y, z order.

The definition is that of the ITK Software Guide (Yaniv et al., "Image Representation"):
``P = O + D · S · I`` with physical point P, origin O, direction D, spacing S and index I, all in
x, y, z order. Anatomical coordinates are LPS: x towards Left, y towards Posterior, z towards
Superior, as in DICOM (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import copysign, hypot, isfinite
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vector = tuple[float, ...]
Matrix = tuple[tuple[float, ...], ...]
Space = Literal["LPS", "unknown"]
Anchor = Literal["center", "corner"]

_LETTERS = ("RL", "AP", "IS")
_WORDS = {
    "R": "left-to-right",
    "L": "right-to-left",
    "A": "posterior-to-anterior",
    "P": "anterior-to-posterior",
    "I": "superior-to-inferior",
    "S": "inferior-to-superior",
}

ORTHONORMAL_TOLERANCE = 1e-6
"""Largest |DᵀD − I| of a direction that still counts as orthonormal."""

IDENTITY_TOLERANCE = 1e-9
"""Largest deviation of a direction that still counts as the identity or as a rotation."""

ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Relative error of a position after a chain of transformations (a rotation about it, say)."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Origin, spacing and direction of a 2-D or 3-D sampling grid, in x, y, z order.

    Raises ``ValueError`` if the sizes do not fit each other, a number is not finite, a spacing is
    not positive, the space is not known, or the direction is singular or has a column that is not
    of unit length (1e-3).
    """

    origin: Vector
    """Physical position of the centre of the first voxel, in the unit of the space axes."""
    spacing: Vector
    """Distance between voxel centres along each index axis, > 0, in the same unit."""
    direction: Matrix
    """Rows; column j is the unit vector along which index j increases. Orthonormal as a rule;
    a sheared grid (gantry tilt, sheared sform) has unit columns that are not orthogonal."""
    space: Space = "unknown"
    """``LPS`` for anatomical images; ``unknown`` where the file states no anatomy."""

    def __post_init__(self) -> None:
        n = len(self.origin)
        if n not in (2, 3) or len(self.spacing) != n:
            raise ValueError(
                f"origin {self.origin} and spacing {self.spacing}: 2-D or 3-D expected"
            )
        if len(self.direction) != n or any(len(row) != n for row in self.direction):
            raise ValueError(f"direction {self.direction}: {n} rows of {n} numbers expected")
        if not all(map(isfinite, (*self.origin, *self.spacing, *sum(self.direction, ())))):
            raise ValueError("origin, spacing and direction must be finite numbers")
        if min(self.spacing) <= 0:
            raise ValueError(f"spacing {self.spacing}: every member must be greater than 0")
        if self.space not in get_args(Space):
            raise ValueError(f"space {self.space!r}: 'LPS' or 'unknown' expected")
        self._check_direction()

    def _check_direction(self) -> None:
        lengths = [hypot(*column) for column in zip(*self.direction, strict=True)]
        if any(abs(length - 1) > 1e-3 for length in lengths):
            raise ValueError(f"direction has columns of length {lengths}: unit vectors expected")
        if abs(float(np.linalg.det(np.array(self.direction)))) < 1e-6:
            raise ValueError(f"direction {self.direction} is singular")

    # -- made from ---------------------------------------------------------------------------

    @classmethod
    def identity(cls, ndim: int, space: Space = "unknown") -> Geometry:
        """Origin 0, spacing 1, direction the identity."""
        return cls((0.0,) * ndim, (1.0,) * ndim, identity_matrix(ndim), space)

    @classmethod
    def from_affine(cls, affine: ArrayLike, space: Space = "unknown") -> Geometry:
        """From a homogeneous matrix, ``(n + 1, n + 1)``, index x, y, z to physical x, y, z.

        Spacing is the length of each column of the linear part, direction the column divided by
        it, origin the last column. Raises ``ValueError`` as the class does, also for a last row
        other than 0, ..., 0, 1 (a transposed matrix).
        """
        matrix = np.asarray(affine, dtype=np.float64)
        if matrix.shape not in ((3, 3), (4, 4)):
            raise ValueError(f"affine of shape {matrix.shape}: (3, 3) or (4, 4) expected")
        n = matrix.shape[0] - 1
        if matrix[n].tolist() != [0.0] * n + [1.0]:
            raise ValueError(f"last row {matrix[n].tolist()} of an affine: 0, ..., 0, 1 expected")
        columns = [matrix[:n, j].tolist() for j in range(n)]
        return cls.from_columns(columns, matrix[:n, n].tolist(), space)

    @classmethod
    def from_columns(
        cls, steps: Sequence[Sequence[float]], origin: Sequence[float], space: Space = "unknown"
    ) -> Geometry:
        """From one physical step per index axis (NRRD's ``space directions``) and the origin.

        Raises ``ValueError`` as the class does, also for a step of length 0 or of unlike dimension.
        """
        if any(len(step) != len(steps) for step in steps):
            raise ValueError(f"steps {steps}: {len(steps)} members expected in each")
        lengths = tuple(hypot(*step) for step in steps)
        if not all(isfinite(length) and length > 0 for length in lengths):
            raise ValueError(f"steps of length {lengths}: finite and greater than 0 expected")
        units = [[c / length for c in v] for v, length in zip(steps, lengths, strict=True)]
        rows = tuple(tuple(float(u[i]) for u in units) for i in range(len(units)))
        return cls(tuple(float(o) for o in origin), lengths, rows, space)

    # -- as matrices and points --------------------------------------------------------------

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.origin)

    @property
    def linear(self) -> NDArray[np.float64]:
        """D · S, shape ``(n, n)``: one physical step per column."""
        return np.array(self.direction, np.float64) * np.array(self.spacing, np.float64)

    @property
    def affine(self) -> NDArray[np.float64]:
        """Homogeneous matrix, shape ``(n + 1, n + 1)``: index x, y, z to physical x, y, z."""
        matrix = np.eye(self.ndim + 1)
        matrix[:-1, :-1] = self.linear
        matrix[:-1, -1] = self.origin
        return matrix

    def physical(self, index: ArrayLike) -> NDArray[np.float64]:
        """Physical positions of (continuous) indices, both ``(..., n)`` in x, y, z order."""
        points = np.asarray(index, np.float64) @ self.linear.T
        return np.asarray(points + np.array(self.origin), np.float64)

    def index(self, physical: ArrayLike) -> NDArray[np.float64]:
        """Continuous indices of physical positions, both ``(..., n)`` in x, y, z order."""
        offset = np.asarray(physical, np.float64) - np.array(self.origin)
        along = offset @ np.linalg.inv(np.array(self.direction)).T
        return np.asarray(along / np.array(self.spacing), np.float64)

    def bounds(self, space_shape: Sequence[int]) -> tuple[Vector, Vector]:
        """Smallest and largest physical coordinates of the outer voxel corners.

        ``space_shape`` is in array order, (z,) y, x. Voxels reach half a spacing beyond their
        centres. Returns (low, high), each x, y, z.
        """
        ends = [(-0.5, n - 0.5) for n in reversed(space_shape)]
        corners = self.physical(list(itertools.product(*ends)))
        return _vector(corners.min(axis=0)), _vector(corners.max(axis=0))

    # -- changed -----------------------------------------------------------------------------

    def cropped(self, start: Sequence[int]) -> Geometry:
        """Geometry of the part that begins at array index ``start`` ((z,) y, x)."""
        return replace(self, origin=_vector(self.physical(tuple(reversed(start)))))

    def downsampled(self, factors: Sequence[int], anchor: Anchor = "center") -> Geometry:
        """Geometry of a level that is coarser by ``factors`` per array axis ((z,) y, x).

        ``center`` is the anchor of reducers that average a window (sample i at ``f·i + (f−1)/2``),
        ``corner`` that of plain striding (``f·i``).
        """
        f = np.array(tuple(reversed(factors)), np.float64)
        offset = (f - 1) / 2 if anchor == "center" else np.zeros_like(f)
        spacing = tuple(float(s * k) for s, k in zip(self.spacing, f, strict=True))
        return replace(self, origin=_vector(self.physical(offset)), spacing=spacing)

    def reoriented(self, code: str, space_shape: Sequence[int]) -> Reorientation:
        """How to flip and permute whole voxel axes so that they run closest to ``code``.

        ``code`` has three letters that name the positive directions of x, y, z ("LPS", "RAS").
        ``space_shape`` is z, y, x. No voxel is interpolated, every one keeps its physical position.
        Raises ``ValueError`` for a bad code, a 2-D geometry, or a space without anatomy.
        """
        if self.space != "LPS" or self.ndim != 3:
            raise ValueError("only a 3-D image in patient space has an orientation to change")
        wanted = parse_code(code)
        runs = self._runs
        at = {world: axis for axis, (world, _) in enumerate(runs)}
        order = tuple(at[world] for world, _ in wanted)
        flips = tuple(runs[at[world]][1] != sign for world, sign in wanted)
        shape = tuple(reversed(space_shape))
        first = [0] * 3
        for axis, flip in zip(order, flips, strict=True):
            first[axis] = shape[axis] - 1 if flip else 0
        signs = [-1.0 if flip else 1.0 for flip in flips]
        direction = tuple(
            tuple(s * row[a] + 0.0 for a, s in zip(order, signs, strict=True))
            for row in self.direction
        )
        moved = Geometry(
            _vector(self.physical(first)) if any(first) else self.origin,
            tuple(self.spacing[a] for a in order),
            direction,
            self.space,
        )
        return Reorientation(order, flips, moved)

    # -- described ---------------------------------------------------------------------------

    @property
    def _runs(self) -> tuple[tuple[int, int], ...]:
        """Per index axis: the nearest physical axis, one to one, and the sign along it.

        Nearest is the assignment with the largest sum of |cosines|. Ties (a turn by 45°, to 1e-9)
        are decided by the columns themselves and not by their order or sign, so that rounding
        does not change the answer and an image turned to a code has that code.
        """
        sums = {
            p: sum(abs(self.direction[w][j]) for j, w in enumerate(p))
            for p in itertools.permutations(range(self.ndim))
        }
        ties = [p for p, s in sums.items() if s >= max(sums.values()) - IDENTITY_TOLERANCE]
        best = max(ties, key=self._facing)
        return tuple((w, 1 if self.direction[w][j] > 0 else -1) for j, w in enumerate(best))

    def _facing(self, assigned: tuple[int, ...]) -> list[float]:
        """The columns in the order of their physical axes, each turned to run along its own.

        ``assigned`` gives each column's physical axis. Rounded, because it decides between ties.
        """
        columns = sorted(zip(assigned, zip(*self.direction, strict=True), strict=True))
        return [round(copysign(1, c[w]) * member, 6) for w, c in columns for member in c]

    @property
    def code(self) -> str | None:
        """Letters of the directions in which x, y, z increase ("LPS"), or ``None`` if unknown.

        The positive direction is named: AFNI and c3d would write the opposite letters.
        """
        if self.space != "LPS" or self.ndim != 3:
            return None
        return "".join(_LETTERS[world][sign > 0] for world, sign in self._runs)

    @property
    def words(self) -> tuple[str, ...]:
        """Orientation per index axis x, y, z in words ("right-to-left"); empty if unknown."""
        return tuple(_WORDS[letter] for letter in self.code or "")

    @property
    def nearest_direction(self) -> Matrix:
        """The signed permutation matrix nearest to the direction."""
        rows = [[0.0] * self.ndim for _ in range(self.ndim)]
        for axis, (world, sign) in enumerate(self._runs):
            rows[world][axis] = float(sign)
        return tuple(map(tuple, rows))

    @property
    def oblique_angle(self) -> float:
        """Largest angle between an index axis and its nearest physical axis, in degrees."""
        cosines = [abs(self.direction[w][j]) for j, (w, _) in enumerate(self._runs)]
        sines = [
            hypot(*(row[j] for i, row in enumerate(self.direction) if i != w))
            for j, (w, _) in enumerate(self._runs)
        ]
        return float(np.degrees(np.arctan2(sines, cosines).max()))

    @property
    def orthonormal_deviation(self) -> float:
        """Largest |DᵀD − I|: 0 for an exactly orthonormal direction."""
        d = np.array(self.direction)
        return float(np.abs(d.T @ d - np.eye(self.ndim)).max())

    @property
    def is_sheared(self) -> bool:
        """Whether the index axes are not orthogonal (beyond 1e-6)."""
        return self.orthonormal_deviation > ORTHONORMAL_TOLERANCE

    @property
    def is_axis_aligned(self) -> bool:
        """Whether the direction is a signed permutation (to 1e-9)."""
        return _near(self.direction, self.nearest_direction)

    @property
    def has_identity_direction(self) -> bool:
        """Whether the direction is the identity (to 1e-9)."""
        return _near(self.direction, identity_matrix(self.ndim))

    @property
    def is_rotation(self) -> bool:
        """Whether the direction is a proper rotation: orthonormal to 1e-9 and determinant +1."""
        proper = float(np.linalg.det(np.array(self.direction))) > 0
        return proper and self.orthonormal_deviation <= IDENTITY_TOLERANCE

    def deviation_from(self, other: Geometry) -> float:
        """Largest difference between two geometries, in units of this one's smallest spacing.

        Origins and steps (D · S) are compared; ``inf`` if dimension or space differ. Origins that
        differ by no more than the rounding of numbers of their size count as equal: far from 0,
        one unit in the last place may be more of a voxel than anybody's tolerance.
        """
        if self.ndim != other.ndim or self.space != other.space:
            return float("inf")
        steps = float(np.abs(self.linear - other.linear).max())
        origins = float(np.abs(np.subtract(self.origin, other.origin)).max())
        if origins <= ROUNDING * max(map(abs, (*self.origin, *other.origin))):
            origins = 0.0
        return max(steps, origins) / min(self.spacing)


@dataclass(frozen=True, slots=True)
class Reorientation:
    """A flip and permutation of the index axes, all in x, y, z order."""

    order: tuple[int, ...]
    """New axis a is old axis ``order[a]``."""
    flips: tuple[bool, ...]
    """Whether new axis a runs backwards along its old axis."""
    geometry: Geometry
    """Geometry after the change."""

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return self.order == tuple(range(len(self.order))) and not any(self.flips)


def parse_code(code: str) -> tuple[tuple[int, int], ...]:
    """(physical axis, sign) in LPS of each letter of an orientation code such as "LPS" or "RAI".

    Raises ``ValueError`` unless each of R/L, A/P and I/S occurs exactly once.
    """
    places = {
        letter: (axis, sign)
        for axis, pair in enumerate(_LETTERS)
        for letter, sign in zip(pair, (-1, 1), strict=True)
    }
    found = tuple(places[letter] for letter in code.upper() if letter in places)
    if len(code) != 3 or sorted(axis for axis, _ in found) != [0, 1, 2]:
        raise ValueError(f"orientation {code!r}: one each of R/L, A/P and I/S expected")
    return found


def code_direction(code: str) -> Matrix:
    """The signed permutation whose x, y, z run along the letters of ``code``, in LPS.

    Raises ``ValueError`` for a bad code.
    """
    rows = [[0.0] * 3 for _ in range(3)]
    for axis, (world, sign) in enumerate(parse_code(code)):
        rows[world][axis] = float(sign)
    return tuple(map(tuple, rows))


def identity_matrix(ndim: int) -> Matrix:
    """Ones on the diagonal, zeros elsewhere."""
    return tuple(tuple(1.0 if i == j else 0.0 for j in range(ndim)) for i in range(ndim))


def reversed_vector(values: Sequence[float]) -> Vector:
    """x, y, z to array order z, y, x, or back."""
    return tuple(float(v) for v in reversed(values))


def reversed_matrix(matrix: Sequence[Sequence[float]]) -> Matrix:
    """J D J, rows and columns reversed: a direction in x, y, z order to array order, or back.

    The determinant is kept; nothing is transposed.
    """
    return tuple(tuple(float(v) for v in reversed(row)) for row in reversed(matrix))


def to_lps(vector: Sequence[float], positive: str) -> Vector:
    """A physical vector from a frame whose x, y, z axes point along ``positive`` ("RAS") to LPS.

    Only frames in L/R, A/P, I/S order are meant; the same call turns LPS back into the frame.
    """
    return tuple(
        float(v) if letter == pair[1] or v == 0 else -float(v)
        for v, letter, pair in zip(vector, positive, _LETTERS, strict=True)
    )


def _vector(values: NDArray[Any]) -> Vector:
    return tuple(float(v) for v in values)


def _near(a: Matrix, b: Matrix) -> bool:
    return bool(np.abs(np.array(a) - np.array(b)).max() <= IDENTITY_TOLERANCE)
