"""Where an image lies, read from everything that writers of OME-Zarr have used to say it.

The order, first that applies: the ``spconvert`` attribute if it agrees with scale and translation,
a NIfTI header, a ``direction`` beside the datasets, orientation labels, ``xyz_orientation``, and
the identity. (The transformations of 0.6 come before all of these: see ``systems``.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spconvert.errors import FormatError, GeometryError
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import (
    Geometry,
    Matrix,
    Space,
    code_direction,
    identity_matrix,
    reversed_matrix,
    reversed_vector,
)
from spconvert.omezarr.attribute import KEY, Exact
from spconvert.omezarr.fields import items, numbers, shown
from spconvert.omezarr.nifti_header import WHERE as NIFTI
from spconvert.omezarr.nifti_header import header_geometry
from spconvert.omezarr.orientation import labelled_direction

AGREEMENT = 1e-6
"""How far, relative to their size, two statements of the same geometry may differ."""

_NIFTI_AGREEMENT = 1e-3
_CONFLICT = 1e-3


@dataclass(frozen=True, slots=True)
class Clues:
    """What a store says of the place of level 0, unjudged."""

    scale: tuple[float, ...]
    """Per space axis, in array order ((z,) y, x); may be negative."""
    translation: tuple[float, ...]
    """As ``scale``."""
    labels: tuple[str | None, ...]
    """Anatomical labels, as ``scale``."""
    stored: tuple[int, ...]
    """Rank of each space axis among the stored space axes, as ``scale``: 0, 1, 2 as a rule."""
    exact: Exact
    multiscale: Mapping[str, Any]
    """The multiscale's JSON object."""
    attributes: Mapping[str, Any]
    """All attributes of the group."""
    nifti: bytes | None = None

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.scale)

    def along(self, direction: Matrix, space: Space, origin: Sequence[float]) -> Geometry:
        """Spacing from the scale; a negative one turns its column of ``direction``.

        Raises ``GeometryError`` if that is no geometry.
        """
        spacing = reversed_vector([abs(s) for s in self.scale])
        signs = [-1.0 if s < 0 else 1.0 for s in reversed(self.scale)]
        rows = tuple(
            tuple(v if s > 0 else 0.0 - v for v, s in zip(row, signs, strict=True))
            for row in direction
        )
        try:
            return Geometry(tuple(float(o) for o in origin), spacing, rows, space)
        except ValueError as error:
            raise GeometryError(f"scale and translation: {error}") from error


def place_image(clues: Clues) -> tuple[Geometry, tuple[Finding, ...]]:
    """The geometry of level 0, and what could not be used or contradicts it.

    Raises ``GeometryError`` if scale and translation make no geometry.
    """
    findings: list[Finding] = []
    if any(s < 0 for s in clues.scale):
        message = f"scale {clues.scale} is negative: folded into the direction"
        findings.append(note("scale-negative", message))
    chosen: tuple[str, Geometry] | None = None
    for name, rule in _RULES:
        geometry = rule(clues, findings)
        if geometry is None:
            continue
        if chosen is None:
            chosen = (name, geometry)
        elif _contradicts(name, geometry, chosen[1]):
            message = f"{name} says something else than {chosen[0]}, which is used"
            findings.append(warning("geometry-conflict", message))
    if chosen is not None:
        if chosen[0] == _LABELS:
            findings.extend(_ambiguous_origin(clues, chosen[1]))
        return chosen[1], tuple(findings)
    origin = reversed_vector(clues.translation)
    return clues.along(identity_matrix(clues.ndim), "unknown", origin), tuple(findings)


def same_place(a: Geometry, b: Geometry, tolerance: float = AGREEMENT) -> bool:
    """Whether two geometries agree: steps relative to the spacing, origin to its own size."""
    if a.ndim != b.ndim or a.space != b.space:
        return False
    steps = np.abs(a.linear - b.linear) <= tolerance * np.array(b.spacing)
    return bool(steps.all()) and _near(a.origin, b.origin, b.spacing, tolerance)


def _near(
    a: Sequence[float], b: Sequence[float], spacing: Sequence[float], tolerance: float
) -> bool:
    size = max(*map(abs, b), *spacing)
    return all(abs(p - q) <= tolerance * size for p, q in zip(a, b, strict=True))


def _by_attribute(clues: Clues, findings: list[Finding]) -> Geometry | None:
    geometry = clues.exact.geometry
    if geometry is None:
        return None
    spacing = reversed_vector(clues.scale)
    origin = reversed_vector(clues.translation)
    if geometry.ndim == clues.ndim:
        agrees = all(
            abs(s - t) <= AGREEMENT * abs(t) for s, t in zip(geometry.spacing, spacing, strict=True)
        )
        if agrees and _near(geometry.origin, origin, geometry.spacing, AGREEMENT):
            return geometry
    findings.append(stale(geometry, f"spacing {spacing} and origin {origin}"))
    return None


def stale(geometry: Geometry, standard: str) -> Finding:
    """The finding for an attribute that somebody's change of the metadata has left behind."""
    message = (
        f"spacing {geometry.spacing} and origin {geometry.origin} do not agree with the"
        f" transformations, which say {standard}; the attribute's geometry is not used"
    )
    return warning("attribute-stale", message, KEY)


def _by_nifti(clues: Clues, findings: list[Finding]) -> Geometry | None:
    if clues.nifti is None:
        return None
    geometry, found = header_geometry(clues.nifti)
    findings.extend(found)
    if geometry is None:
        return None
    spacing = [abs(s) for s in reversed(clues.scale)]
    pairs = zip(geometry.spacing, spacing, strict=False)
    if clues.ndim != 3 or any(abs(s - t) > _NIFTI_AGREEMENT * t for s, t in pairs):
        message = f"spacing {geometry.spacing} is not the scale {tuple(spacing)}; not used"
        findings.append(warning("nifti-header", message, NIFTI))
        return None
    findings.append(note("nifti-header", "origin and direction are the NIfTI header's", NIFTI))
    return geometry


def _by_direction(clues: Clues, findings: list[Finding]) -> Geometry | None:
    """``direction`` in array order, rows and columns as the stored space axes."""
    written = clues.multiscale.get("direction")
    if written is None:
        return None
    try:
        stored = _matrix(written, clues.ndim)
        array_order = [[stored[i][j] for j in clues.stored] for i in clues.stored]
        space: Space = "LPS" if labelled_direction(clues.labels) is not None else "unknown"
        origin = reversed_vector(clues.translation)
        return clues.along(reversed_matrix(array_order), space, origin)
    except (FormatError, GeometryError) as error:
        message = f"{shown(written)} is not used: {error}"
        findings.append(warning("direction-unusable", message, "multiscales", 0, "direction"))
        return None


def _matrix(written: object, ndim: int) -> Matrix:
    rows = items(written, "direction")
    if len(rows) != ndim:
        raise FormatError(f"{len(rows)} rows: {ndim} expected")
    return tuple(numbers(row, ndim, "direction", i) for i, row in enumerate(rows))


def _by_labels(clues: Clues, findings: list[Finding]) -> Geometry | None:
    """Labels as a signed permutation, the translation being the LPS origin."""
    if not any(clues.labels):
        return None
    direction = labelled_direction(clues.labels)
    if direction is None:
        message = f"labels {clues.labels}: three that name different directions expected; not used"
        findings.append(warning("orientation-unusable", message))
        return None
    return clues.along(direction, "LPS", reversed_vector(clues.translation))


def _by_code(clues: Clues, findings: list[Finding]) -> Geometry | None:
    """What zarrnii writes: letters of x, y, z; coordinates increase along each letter."""
    key = "xyz_orientation"
    written = clues.attributes.get(key, clues.multiscale.get(key))
    if written is None or clues.ndim != 3:
        return None
    try:
        direction = code_direction(written if isinstance(written, str) else "")
    except ValueError as error:
        message = f"{shown(written)} is not used: {error}"
        findings.append(warning("orientation-unusable", message, key))
        return None
    along_axes = np.array(direction) @ np.array(reversed_vector(clues.translation)) + 0.0
    return clues.along(direction, "LPS", along_axes.tolist())


_LABELS = "the orientation labels"

_RULES = (
    ("the spconvert attribute", _by_attribute),
    ("the NIfTI header", _by_nifti),
    ("the direction beside the datasets", _by_direction),
    (_LABELS, _by_labels),
    ("xyz_orientation", _by_code),
)


def _contradicts(name: str, geometry: Geometry, chosen: Geometry) -> bool:
    if name == _LABELS:  # they are the nearest ones, by definition
        return chosen.space == "LPS" and geometry.direction != chosen.nearest_direction
    return not same_place(replace(geometry, space=chosen.space), chosen, _CONFLICT)


def _ambiguous_origin(clues: Clues, geometry: Geometry) -> tuple[Finding, ...]:
    """A warning where labels alone place the image and its axes do not run along L, P, S.

    RFC-4 may be read as "coordinates increase along the label", which gives another origin.
    """
    direction = labelled_direction(clues.labels)
    if direction is None or direction == identity_matrix(3) or not any(clues.translation):
        return ()
    other = tuple(float(v) for v in np.array(direction) @ np.array(geometry.origin))
    message = (
        f"the labels say {geometry.code}; the translation is taken as the LPS origin"
        f" {geometry.origin}, other readers may take {other}"
    )
    return (warning("origin-ambiguous", message),)
