"""Origin, spacing and direction of a NIfTI or Analyze header, in the model's terms.

Rules: nifti1.h, "3D IMAGE (VOLUME) ORIENTATION AND LOCATION IN SPACE". RAS becomes LPS by a change
of sign, which is exact.

Analyze 7.5 has no orientation that could be relied on: its ``orient`` byte names a way of slicing,
programs disagree on whether x runs to the left or to the right, and SPM keeps the truth in a
``.mat`` file beside it, which is not read. So only the spacing counts, and the space is unknown;
``--direction`` and ``--space`` say what the user knows. The same holds for a NIfTI whose two codes
are 0 ("method 1").
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from spconvert.errors import GeometryError
from spconvert.formats.nifti.fields import SPACE_UNITS, XFORM_NAMES
from spconvert.formats.nifti.header import Header
from spconvert.formats.nifti.xforms import Affine, largest_gap, qform_affine, sform_affine
from spconvert.model.axes import LENGTH_UNITS
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import ORTHONORMAL_TOLERANCE, Geometry, to_lps

Wanted = Literal["auto", "sform", "qform"]

DISAGREEMENT = 0.1
"""Largest distance in millimetres between sform and qform that passes in silence."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the voxels are."""

    geometry: Geometry
    """3-D and in LPS where a transform is set; else 2-D or 3-D as the header, space unknown."""
    xform: Literal["sform", "qform", "none"]
    """Which transform it is."""
    findings: tuple[Finding, ...] = ()


def placed(header: Header, wanted: Wanted = "auto", *, spacing_assigned: bool = False) -> Placed:
    """The geometry that the header states.

    ``auto``: the sform if its code is set, else the qform if its code is set, else spacing alone;
    so do nibabel and (where the sform is orthonormal) ITK. Raises ``GeometryError`` for a spacing
    that is zero or no number (unless ``spacing_assigned``: then it is 1), and for a transform that
    is singular or not finite where the other one does not stand in.
    """
    findings: list[Finding] = []
    spacing = _spacing(header, findings, spacing_assigned=spacing_assigned)
    xform = _chosen(header, wanted, findings)
    if xform == "none":
        return Placed(_unplaced(header, spacing), xform, tuple(findings))
    affines = _affines(header, spacing)
    try:
        geometry = _in_lps(affines[xform], header)
    except ValueError as error:
        other: Literal["sform", "qform"] = "qform" if xform == "sform" else "sform"
        if other not in affines:
            raise GeometryError(
                f"{header.path}: the {xform} places no grid: {error}",
                hint="--affine states the right one",
            ) from error
        text = f"{header.path.name}: the {xform} places no grid ({error}): the {other} is used"
        findings.append(warning("xform-unusable", text, xform))
        xform = other
        try:
            geometry = _in_lps(affines[xform], header)
        except ValueError as second:
            raise GeometryError(f"{header.path}: neither sform nor qform: {second}") from second
    else:
        findings += _disagreement(header, affines, xform)
    if geometry.is_sheared:
        found = geometry.orthonormal_deviation
        text = (
            f"{header.path.name}: the axes of the {xform} are not orthogonal (|DᵀD − I| = "
            f"{found:.2g}, above {ORTHONORMAL_TOLERANCE:.0e}): kept as they are"
        )
        findings.append(note("sheared", text, xform))
    return Placed(geometry, xform, tuple(findings))


def space_unit(header: Header) -> str | None:
    """The unit of lengths, or ``None`` where the header says none or one that is not known."""
    return SPACE_UNITS.get(int(header.fields.get("xyzt_units", 0)) & 7)


def _chosen(
    header: Header, wanted: Wanted, findings: list[Finding]
) -> Literal["sform", "qform", "none"]:
    codes = {name: int(header.fields.get(f"{name}_code", 0)) for name in ("sform", "qform")}
    is_set = {name: code > 0 for name, code in codes.items()}
    for name, code in codes.items():
        if code and code not in XFORM_NAMES:
            text = f"{header.path.name}: {name}_code {code} is not one of the standard"
            findings.append(warning("xform-code", text, f"{name}_code"))
    if not any(is_set.values()):
        text = f"{header.path.name}: no orientation is stated, only the spacing"
        findings.append(note("orientation-unknown", text, "qform_code"))
        return "none"
    best: Literal["sform", "qform"] = "sform" if is_set["sform"] else "qform"
    if wanted == "auto" or is_set[wanted]:
        return best if wanted == "auto" else wanted
    text = f"{header.path.name}: its {wanted} is not set (code 0): the {best} is used"
    findings.append(warning("xform-missing", text, f"{wanted}_code"))
    return best


def _spacing(
    header: Header, findings: list[Finding], *, spacing_assigned: bool
) -> tuple[float, float, float]:
    """pixdim[1] to pixdim[3], with sign; 1 where an axis of one voxel has none."""
    found = []
    for axis, size in enumerate(header.sizes[:3]):
        value = float(header.fields["pixdim"][axis + 1])
        where = f"pixdim[{axis + 1}]"
        if isfinite(value) and value != 0:
            if value < 0:
                text = f"{header.path.name}: {where} is {value}: the sign goes into the direction"
                findings.append(note("negative-spacing", text, where))
        elif size == 1:  # nothing can be told from it, and files of slices leave it out
            value = 1.0
            if axis < header.ndim:
                text = f"{header.path.name}: no spacing of axis {'xyz'[axis]}: 1 assumed"
                findings.append(note("spacing-unknown", text, where))
        elif spacing_assigned:
            text = f"{header.path.name}: {where} is {value}: replaced by 1"
            findings.append(warning("spacing-impossible", text, where))
            value = 1.0
        else:
            raise GeometryError(
                f"{header.path}: {where} is {value}: a finite number other than 0 expected",
                hint="--spacing states the right one",
            )
        found.append(value)
    return found[0], found[1], found[2]


def _affines(header: Header, spacing: tuple[float, float, float]) -> dict[str, Affine]:
    """The transforms that are set, in RAS."""
    fields = dict(header.fields)
    fields["pixdim"] = [fields["pixdim"][0], *spacing]
    found = {}
    if fields["sform_code"] > 0:
        found["sform"] = _with_normal(sform_affine(fields), header, spacing)
    if fields["qform_code"] > 0:
        found["qform"] = qform_affine(fields)
    return found


def _with_normal(affine: Affine, header: Header, spacing: tuple[float, float, float]) -> Affine:
    """A slice whose sform has no third column gets one across, as long as pixdim says."""
    if header.sizes[2] > 1 or affine[:, 2].any() or not np.isfinite(affine).all():
        return affine
    normal = np.cross(affine[:, 0], affine[:, 1])
    length = float(np.linalg.norm(normal))
    if length > 0:
        affine[:, 2] = normal / length * abs(spacing[2])
    return affine


def _in_lps(affine: Affine, header: Header) -> Geometry:
    """Raises ``ValueError`` as ``Geometry`` does, ``GeometryError`` for an origin without place."""
    columns = [to_lps(affine[:, j].tolist(), "RAS") for j in range(4)]
    if not all(isfinite(member) for member in columns[3]):
        raise GeometryError(f"{header.path}: the origin is {columns[3]}: finite numbers expected")
    return Geometry.from_columns(columns[:3], columns[3], "LPS")


def _unplaced(header: Header, spacing: tuple[float, float, float]) -> Geometry:
    """Spacing along axes of no known direction; signs go into the direction."""
    n = 2 if header.ndim < 3 else 3
    steps = [tuple(spacing[i] if i == j else 0.0 for j in range(n)) for i in range(n)]
    return Geometry.from_columns(steps, (0.0,) * n)


def _disagreement(header: Header, affines: dict[str, Affine], used: str) -> list[Finding]:
    if len(affines) < 2:
        return []
    gap = largest_gap(affines["sform"], affines["qform"], header.sizes[:3])
    unit = space_unit(header) or "millimeter"
    if gap <= DISAGREEMENT * LENGTH_UNITS["millimeter"] / LENGTH_UNITS[unit]:
        return []
    names = [XFORM_NAMES.get(header.fields[f"{n}_code"], "unknown") for n in ("sform", "qform")]
    text = (
        f"{header.path.name}: sform ({names[0]}) and qform ({names[1]}) put a corner {gap:.3g} "
        f"{unit}s apart: the {used} is used (--nifti-xform chooses)"
    )
    return [warning("xform-disagree", text, "sform", "qform")]
