"""The header fields that the model has no place for: kept as JSON, and given back.

``extra["nifti"]`` is ``{"version", "dim", "pixdim", ..., "rescaled", "extensions"}``: the fields by
their names in nifti1.h (srow, quatern and qoffset as arrays), texts in Latin-1, numbers that are
not finite as null; extensions as ``{"code", "data"}`` with base64. Numbers of float32 are kept
exactly, because JSON has float64.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from spconvert.formats.nifti.extensions import Extension
from spconvert.formats.nifti.fields import STRUCTURES, Version
from spconvert.formats.nifti.header import Header

_ABOUT_THE_FILE = frozenset({"sizeof_hdr", "magic", "bitpix", "vox_offset", "unused"})
_UNUSED = frozenset({"data_type", "extents", "session_error", "regular", "glmax", "glmin"})
_PERSONAL = frozenset({"db_name", "scannum", "patient_id", "exp_date", "exp_time", "generated"})
"""Where Analyze has names and dates; NIfTI's db_name is its relic, and holds names in the wild."""


def extra_of(
    header: Header, extensions: Iterable[Extension], *, rescaled: bool, personal: bool
) -> dict[str, Any]:
    """What to keep of a header, as JSON values; with ``personal`` also what may name a patient."""
    left_out = _ABOUT_THE_FILE | _UNUSED | (frozenset() if personal else _PERSONAL)
    kept: dict[str, Any] = {"version": header.version}
    kept |= {k: _plain(v) for k, v in header.fields.items() if k not in left_out}
    kept["rescaled"] = rescaled
    kept["extensions"] = [
        {"code": e.code, "data": base64.b64encode(e.content).decode("ascii")} for e in extensions
    ]
    return kept


def kept_fields(extra: Mapping[str, Any]) -> tuple[Version | None, dict[str, Any]]:
    """Version and fields as ``header.Header.fields`` has them; members that cannot be are missing.

    Users may have edited the JSON.
    """
    kept = extra.get("nifti")
    if not isinstance(kept, Mapping):
        return None, {}
    versions: dict[str, Version] = {"analyze": "analyze", "nifti1": "nifti1", "nifti2": "nifti2"}
    version = versions.get(str(kept.get("version")))
    if version is None:
        return None, {}
    structure = STRUCTURES[version]
    fields = {}
    for name in structure.names or ():
        value = _back(kept.get(name))
        shape, kind = structure[name].shape, structure[name].base.kind
        if value is not None and _fits(value, shape, kind):
            fields[name] = value
    return version, fields


def kept_extensions(extra: Mapping[str, Any]) -> list[Extension]:
    """The extensions of the header that an image came from."""
    kept = extra.get("nifti")
    listed = kept.get("extensions") if isinstance(kept, Mapping) else None
    found = []
    for member in listed if isinstance(listed, list) else []:
        try:
            found.append(Extension(int(member["code"]), base64.b64decode(member["data"])))
        except (KeyError, TypeError, ValueError, binascii.Error):
            continue  # edited by hand
    return found


def is_rescaled(extra: Mapping[str, Any]) -> bool:
    """Whether slope and intercept of the header are in the values already."""
    kept = extra.get("nifti")
    return not isinstance(kept, Mapping) or kept.get("rescaled") is not False


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


def _back(value: Any) -> Any:
    """JSON to header: texts to bytes, null to 0."""
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    if isinstance(value, list):
        return [0.0 if member is None else _back(member) for member in value]
    return value


def _fits(value: Any, shape: tuple[int, ...], kind: str) -> bool:
    if shape:
        members = isinstance(value, list) and len(value) == shape[0]
        return members and all(_fits(member, shape[1:], kind) for member in value)
    if kind == "S":
        return isinstance(value, bytes)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62
    return whole or (kind == "f" and isinstance(value, float))
