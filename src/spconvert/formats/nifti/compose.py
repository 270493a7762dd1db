"""From an image to the header that will be written, and the comment that completes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from spconvert.errors import SpconvertError, Unsupported
from spconvert.formats.nifti.axes import channels_of, file_axes
from spconvert.formats.nifti.extra import is_rescaled, kept_fields
from spconvert.formats.nifti.fields import (
    ANALYZE_DATATYPES,
    DATATYPES,
    INTENT_VECTOR,
    RGB,
    RGBA,
    SPACE_UNITS,
    STRUCTURES,
    TIME_UNITS,
    Version,
)
from spconvert.formats.nifti.geometry import placed
from spconvert.formats.nifti.header import Header
from spconvert.formats.nifti.placement import Codes, no_placement, placement
from spconvert.formats.nifti.read import model_place
from spconvert.formats.nifti.supplement import Supplement
from spconvert.model.axes import LENGTH_UNITS, Axis, unit_factor
from spconvert.model.axes import TIME_UNITS as SECONDS
from spconvert.model.finding import Finding
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage

_LARGEST_SIZE = 32767
"""dim is int16 in NIfTI-1 and Analyze."""

_EXACT = 1e-12
"""Deviation, in voxels, below which two geometries are one."""

_TEXTS = ("descrip", "aux_file", "db_name")
_ACQUISITION = ("dim_info", "slice_start", "slice_end", "slice_code", "slice_duration")
_ANALYZE_KEPT = ("cal_units", "originator", "generated", "scannum", "patient_id", "exp_date")
_CODES = {(dtype.base, dtype.shape): code for code, dtype in DATATYPES.items()}


@dataclass(frozen=True, slots=True)
class Composed:
    """What is written."""

    header: Header
    supplement: Supplement
    order: tuple[int, ...]
    """The image's axes from slowest to fastest in the file."""
    inexact: bool
    """Whether the header alone gives another geometry than the image's."""
    sform_only: bool
    """Whether the qform is left out because the axes are not orthogonal."""


@dataclass(slots=True)
class _Draft:
    """A header in the making."""

    image: SpatialImage
    version: Version
    kept: Mapping[str, Any]
    fields: dict[str, Any]

    def header(self) -> Header:
        """The numbers as they will read back, rounded to the types of the structure."""
        values = np.zeros((), STRUCTURES[self.version])
        for name, value in self.fields.items():
            with np.errstate(over="ignore"):
                values[name] = value
        fields = {name: values[name].tolist() for name in values.dtype.names or ()}
        return Header(Path(self.image.name), self.version, "<", False, True, fields)


def composed(image: SpatialImage, wanted: Version | None) -> Composed:
    """The header of an image, as near to the one that it came from as is true.

    Raises ``Unsupported`` for a type or a size that the version does not have.
    """
    kept_version, kept = kept_fields(image.extra)
    version = _version(image, wanted, kept_version)
    draft = _Draft(image, version, kept, {})
    interleaved = _type(draft)
    _sizes(draft, interleaved=interleaved)
    _texts(draft)
    if version == "analyze":
        return _analyze(draft)
    given_back, sform_only = _place(draft)
    _units_and_time(draft)
    _meaning(draft, given_back=given_back)
    header = draft.header()
    supplement, inexact = _supplement(image, header)
    axes = file_axes(header, stated=image.axis_names)
    return Composed(header, supplement, axes.storage_order, inexact, sform_only)


def _version(image: SpatialImage, wanted: Version | None, kept: Version | None) -> Version:
    large = max(image.shape) > _LARGEST_SIZE
    if large and wanted in ("nifti1", "analyze"):
        raise Unsupported(
            f"size {max(image.shape)}: {wanted} holds up to {_LARGEST_SIZE}",
            hint="--codec nifti2 holds it",
        )
    if wanted is not None:
        return wanted
    return "nifti2" if large or kept == "nifti2" else "nifti1"


def _type(draft: _Draft) -> bool:
    """Set the voxel type; whether components lie together as a colour."""
    image, dtype = draft.image, draft.image.dtype
    dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype
    code = _CODES.get((dtype, ()))
    if code is None:
        hint = "--dtype float32 converts" if dtype.kind == "f" else "--dtype converts"
        raise Unsupported(f"NIfTI has no type for {dtype.name}", hint=hint)
    labels = tuple(c.label.lower() for c in image.channels)
    colors = {("red", "green", "blue"): RGB, ("red", "green", "blue", "alpha"): RGBA}.get(labels)
    interleaved = colors is not None and code == 2
    if interleaved and colors is not None:
        code = colors
    if draft.version == "analyze" and code not in ANALYZE_DATATYPES:
        raise Unsupported(
            f"Analyze has no type for {dtype.name}", hint="--dtype converts, or write NIfTI"
        )
    draft.fields |= {"datatype": code, "bitpix": DATATYPES[code].itemsize * 8}
    return interleaved


def _sizes(draft: _Draft, *, interleaved: bool) -> None:
    image, kept = draft.image, draft.kept
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    sizes = [extents.get(name, 1) for name in "xyzt"]
    old = [int(n) for n in kept.get("dim", [0] * 8)]
    ndim = 3 if "z" in extents else 2
    if "c" in extents and not interleaved:
        used = old[5 : old[0] + 1]
        rest = used if len(used) > 1 and prod(used) == extents["c"] else [extents["c"]]
        ndim, sizes = 4 + len(rest), sizes + rest
    elif "t" in extents:
        ndim = 4
    elif old[:1] == [2] and sizes[2] == 1 and image.geometry.space == "LPS":
        ndim = 2
    draft.fields["dim"] = [ndim, *sizes, *[1] * (7 - len(sizes))]
    draft.fields["pixdim"] = [1.0] * 8


def _texts(draft: _Draft) -> None:
    size = STRUCTURES[draft.version].itemsize
    draft.fields["sizeof_hdr"] = size
    if draft.version == "analyze":
        draft.fields |= {"extents": 16384, "regular": b"r"}
    names = [*_TEXTS, "cal_max", "cal_min"]
    if draft.version == "analyze":
        names += _ANALYZE_KEPT
    known = STRUCTURES[draft.version].names or ()
    draft.fields |= {n: draft.kept[n] for n in names if n in draft.kept and n in known}


def _analyze(draft: _Draft) -> Composed:
    """Spacing and units only. Raises ``Unsupported`` if the image has more than that."""
    image = draft.image
    geometry = image.geometry
    if geometry.space != "unknown" or any(geometry.origin) or not geometry.has_identity_direction:
        raise Unsupported(
            "Analyze 7.5 holds no origin, direction or patient space, and this image has them",
            hint="without --codec analyze a pair is NIfTI, which does",
        )
    draft.fields["pixdim"][1 : 1 + geometry.ndim] = geometry.spacing
    if image.unit is not None:
        short = {"millimeter": b"mm", "micrometer": b"um", "centimeter": b"cm", "meter": b"m"}
        draft.fields["vox_units"] = short.get(image.unit, b"")
    if image.time is not None:
        draft.fields["pixdim"][4] = image.time.step
    header = draft.header()
    axes = file_axes(header)
    if axes.names != image.axis_names:
        raise Unsupported(
            f"Analyze 7.5 holds {axes.names} where this image has {image.axis_names}",
            hint="without --codec analyze a pair is NIfTI, which does",
        )
    return Composed(header, Supplement(), axes.storage_order, inexact=False, sform_only=False)


def _native_unit(unit: str | None) -> str | None:
    """The unit of NIfTI nearest in size to one that it may not have."""
    if unit is None or unit in SPACE_UNITS.values():
        return unit
    metres = LENGTH_UNITS[unit]
    return "meter" if metres >= 0.1 else "millimeter" if metres >= 1e-4 else "micrometer"


def _in_native_unit(image: SpatialImage) -> Geometry:
    geometry, native = image.geometry, _native_unit(image.unit)
    if native is None or native == image.unit or image.unit is None:
        return geometry
    factor = unit_factor(image.unit, native)
    return replace(
        geometry,
        origin=tuple(o * factor for o in geometry.origin),
        spacing=tuple(s * factor for s in geometry.spacing),
    )


def _place(draft: _Draft) -> tuple[bool, bool]:
    """Set both transforms; whether they are those of the original file, and the sform alone."""
    image, kept, fields = draft.image, draft.kept, draft.fields
    geometry = _in_native_unit(image)
    names = ("qform_code", "sform_code", "quatern", "qoffset", "srow", "pixdim")
    if all(name in kept for name in names) and _same_unit(image, kept):
        old = {name: kept[name] for name in names}
        old["pixdim"] = [*old["pixdim"][:4], *fields["pixdim"][4:]]
        try:
            found = placed(replace(draft, fields=fields | old).header()).geometry
        except SpconvertError:  # edited by hand
            found = None
        if found is not None and found.deviation_from(image.geometry) <= _EXACT:
            fields |= old
            return True, False
    if geometry.space != "LPS" or geometry.ndim != 3:
        fields |= no_placement(geometry)
        return False, False
    codes = Codes(kept.get("sform_code", 0), kept.get("qform_code", 0))
    values, sform_only = placement(geometry, codes, image.space_shape[::-1])
    fields |= values
    return False, sform_only


def _same_unit(image: SpatialImage, kept: Mapping[str, Any]) -> bool:
    return SPACE_UNITS.get(int(kept.get("xyzt_units", 0)) & 7) == image.unit


def _units_and_time(draft: _Draft) -> None:
    image, fields = draft.image, draft.fields
    codes = {name: code for code, name in (SPACE_UNITS | TIME_UNITS).items()}
    units = codes.get(_native_unit(image.unit) or "", 0)
    old, kept = draft.kept.get("pixdim"), int(draft.kept.get("xyzt_units", 0)) & 0x38
    rest = old[4:] if old else [1.0] * 4
    time = image.time
    if time is None or (time.unit is None and kept):
        units |= kept  # of an axis that is not there; hertz; seconds without a step
    if time is None:
        fields["toffset"] = draft.kept.get("toffset", 0.0)
    else:
        native = _native_time(time)
        if not (rest[0] <= 0 and native.step == 1 and native.unit is None):
            rest = [max(0.0, native.step), *rest[1:]]
        fields["toffset"] = native.start
        units |= codes.get(native.unit or "", 0)
    fields["pixdim"] = [*fields["pixdim"][:4], *rest]
    fields["xyzt_units"] = units


def _native_time(time: Axis) -> Axis:
    """In second, millisecond or microsecond."""
    if time.unit is None or time.unit in TIME_UNITS.values():
        return time
    native = "second" if SECONDS[time.unit] >= 1e-2 else "microsecond"
    factor = unit_factor(time.unit, native)
    return replace(time, unit=native, start=time.start * factor, step=time.step * factor)


def _meaning(draft: _Draft, *, given_back: bool) -> None:
    """Intent, slope, and how slices were acquired, where they still hold."""
    image, kept, fields = draft.image, draft.kept, draft.fields
    dim, old = fields["dim"], [int(n) for n in kept.get("dim", [0] * 8)]
    old[1:] = [n if i < old[0] else 1 for i, n in enumerate(old[1:])]
    same_components = prod(dim[5:]) == prod(old[5:]) and old[0] > 0
    if same_components:
        names = ("intent_code", "intent_p", "intent_name")
        fields |= {name: kept[name] for name in names if name in kept}
    elif dim[0] > 4:
        fields["intent_code"] = INTENT_VECTOR
    if given_back and dim[1:4] == old[1:4]:
        fields |= {name: kept[name] for name in _ACQUISITION if name in kept}
    fields |= {"scl_slope": 1.0, "scl_inter": 0.0}
    if not is_rescaled(image.extra) and kept.get("datatype") == fields["datatype"]:
        fields |= {name: kept[name] for name in ("scl_slope", "scl_inter") if name in kept}


def _supplement(image: SpatialImage, header: Header) -> tuple[Supplement, bool]:
    """What the header alone does not say, found by reading it."""
    ignored: list[Finding] = []
    place = placed(header)
    plain = file_axes(header)
    names = None if plain.names == image.axis_names else image.axis_names
    geometry, axes = model_place(header, place, image.axis_names, Supplement(), ignored)
    own = image.unit if _native_unit(image.unit) != image.unit else None
    inexact = geometry.deviation_from(image.geometry) > _EXACT
    time = None
    if image.time is not None:
        found = next(axis for axis in axes if axis.name == "t")
        time = image.time if found != image.time else None
    channels = image.channels
    if channels == channels_of(header, image.channel_count, ignored):
        channels = ()
    meant = replace(image.geometry, space="unknown") if inexact or own else None
    supplement = Supplement(names, meant, own, time, channels)
    return supplement, inexact and own is None
