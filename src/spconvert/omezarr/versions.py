"""The table of OME-Zarr versions: which one an image needs, and which one a store is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from spconvert.errors import FormatError, UsageError
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry
from spconvert.omezarr import legacy, v04, v05, v06
from spconvert.omezarr.fields import members, shown
from spconvert.omezarr.multiscale import Decoded, Multiscale, Version

Wanted = Literal["auto", "0.4", "0.5", "0.6"]

VERSIONS: Mapping[str, Version] = MappingProxyType({"0.4": v04, "0.5": v05, "0.6": v06})
"""Those that can be written, by name. Reading also knows 0.1 to 0.3 and the drafts of 0.6."""

_V05 = re.compile(r"0\.5([.-]?(dev|rc)-?\d*)?")
_V06 = re.compile(r"0\.6([.-]?(dev|rc)-?\d*)?")
_LEGACY = ("0.1", "0.2", "0.3")


def choose_version(
    image: Multiscale | Geometry, wanted: Wanted | str = "auto"
) -> tuple[Version, Finding]:
    """The version to write, and why.

    ``auto``: the most widely read version that holds the geometry exactly: 0.5 if the direction
    is the identity (to 1e-9), else 0.6. Raises ``UsageError`` for a version that is not written.
    """
    geometry = image if isinstance(image, Geometry) else image.geometry
    straight = geometry.has_identity_direction
    if wanted == "auto":
        if straight:
            return v05, note("version", "OME-Zarr 0.5: the direction is the identity")
        reason = "the direction is not the identity, and 0.6 is the first version that holds one"
        return v06, note("version", f"OME-Zarr 0.6: {reason}")
    if wanted not in VERSIONS:
        hint = f"one of auto, {', '.join(VERSIONS)}"
        raise UsageError(f"OME-Zarr {wanted} cannot be written", hint=hint)
    if straight or wanted == v06.name:
        return VERSIONS[wanted], note("version", f"OME-Zarr {wanted}: as asked for")
    kept = "the exact geometry is in the attribute 'spconvert', which other readers do not know"
    if not geometry.is_axis_aligned:
        what = "a sheared direction" if geometry.is_sheared else "an oblique direction"
        message = f"OME-Zarr {wanted} has no place for {what}: {_standard(geometry)}; {kept}"
        return VERSIONS[wanted], warning("direction-not-standard", message, "direction")
    message = f"OME-Zarr {wanted} has no place for a direction: {_standard(geometry)}; {kept}"
    return VERSIONS[wanted], note("direction-not-standard", message, "direction")


def _standard(geometry: Geometry) -> str:
    code = geometry.code
    return f"it gets the nearest labels ({code})" if code else "nothing of it is in the standard"


def decode_any(attributes: Mapping[str, Any], nifti: bytes | None = None) -> Decoded:
    """What the attributes of a group say, whatever their version.

    ``nifti`` is the raw NIfTI header beside the levels, where there is one. Raises ``FormatError``
    (no multiscale, an unknown version, broken metadata), ``GeometryError`` or ``Unsupported``.
    """
    try:
        if "ome" in attributes:
            return _decode_ome(members(attributes["ome"], "ome"), attributes, nifti)
        if "multiscales" in attributes:
            return _decode_bare(attributes, nifti)
    except RecursionError as error:
        raise FormatError("the metadata are nested too deeply") from error
    raise FormatError("no multiscales: this group is not an OME-Zarr image")


def _decode_ome(
    ome: Mapping[str, Any], attributes: Mapping[str, Any], nifti: bytes | None
) -> Decoded:
    if "multiscales" not in ome:
        kinds = [k for k in ("plate", "well", "scene", "labels") if k in ome]
        what = f"a {kinds[0]}" if kinds else "a group without multiscales"
        raise FormatError(f"{what}, not an OME-Zarr image", hint="select an image inside it")
    version = ome.get("version")
    if isinstance(version, str) and _V06.fullmatch(version):
        return v06.decode(attributes, nifti)
    if isinstance(version, str) and _V05.fullmatch(version):
        return v05.decode(attributes, nifti)
    if version is None:
        if "coordinateSystems" in _first_keys(ome):
            return v06.decode(attributes, nifti)
        return v05.decode(attributes, nifti)
    raise _unknown(version)


def _first_keys(holder: Mapping[str, Any]) -> frozenset[str]:
    """Keys of the first multiscale, if there is one."""
    entries = holder.get("multiscales")
    first = entries[0] if isinstance(entries, list) and entries else None
    return frozenset(first) if isinstance(first, Mapping) else frozenset()


def _decode_bare(attributes: Mapping[str, Any], nifti: bytes | None) -> Decoded:
    entries = attributes["multiscales"]
    first = entries[0] if isinstance(entries, list) and entries else None
    version = first.get("version") if isinstance(first, Mapping) else None
    if version is None:
        version = _guessed(first)
    if version in _LEGACY:
        return legacy.decode(attributes, version, nifti)
    if version == v04.name:
        return v04.decode(attributes, nifti)
    if isinstance(version, str) and _V05.fullmatch(version):
        return v05.decode({**attributes, "ome": dict(attributes)}, nifti)
    raise _unknown(version)


def _guessed(first: object) -> str:
    """0.1 to 0.4 by what a multiscale without a version has."""
    if not isinstance(first, Mapping) or "axes" not in first:
        return "0.1"
    axes = first["axes"]
    named = isinstance(axes, list) and all(isinstance(axis, str) for axis in axes)
    return "0.3" if named else v04.name


def _unknown(version: object) -> FormatError:
    hint = "a later version of spconvert may know it"
    return FormatError(f"OME-Zarr {shown(version)}: 0.1 to 0.6 expected", hint=hint)
