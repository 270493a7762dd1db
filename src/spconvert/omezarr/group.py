"""An OME-Zarr group in a store: find its images, read its metadata, open one level.

Reading metadata imports no zarr: the documents are JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from spconvert.errors import FormatError, GeometryError, SourceError, Unsupported, UsageError
from spconvert.model.finding import Finding, note, warning
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region
from spconvert.omezarr.arrays import ArrayInfo, decode_v2, decode_v3
from spconvert.omezarr.direct import direct_v2, direct_v3
from spconvert.omezarr.fields import MAX_DOCUMENT_BYTES, dump, load, members, shown
from spconvert.omezarr.multiscale import Decoded, Level, Version
from spconvert.omezarr.source import ZarrSource
from spconvert.omezarr.versions import decode_any
from spconvert.stores.location import Location

__all__ = [
    "ArrayInfo",
    "OpenedStore",
    "ZarrSource",
    "image_paths",
    "label_paths",
    "level_image",
    "open_store",
    "root_documents",
]

_NIFTI_BYTES = 1 << 20
_CHILDREN = 10_000


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """An image of a store, its metadata read."""

    decoded: Decoded
    arrays: tuple[ArrayInfo, ...]
    """One per level that is there."""
    version: str
    """As written in the store."""
    findings: tuple[Finding, ...]
    """All of them, those of ``decoded`` included."""
    path: str = ""
    """Of the image's group, below the location."""


def root_documents(version: Version, attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Metadata documents of the root group, by key: the same bytes for the same attributes.

    Raises ``Unsupported`` for what JSON has no place for.
    """
    if version.zarr_format == 2:
        return {
            ".zgroup": dump({"zarr_format": 2}, ".zgroup"),
            ".zattrs": dump(attributes, ".zattrs"),
        }
    group = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
    return {"zarr.json": dump(group, "zarr.json")}


def image_paths(location: Location) -> tuple[tuple[str, str], ...]:
    """Path and name of each image: the root, or else its children (bioformats2raw, a folder).

    Labels are no images of their own here. Raises ``FormatError`` if the root is an array or its
    metadata are broken; children that are broken are listed.
    """
    root = _attributes(location, "")
    if root is not None and _is_image(root[0]):
        return (("", _name(root[0])),)
    found = []
    for child in location.names("")[:_CHILDREN]:
        if child.startswith(".") or child == "labels":
            continue
        try:
            inner = _attributes(location, child)
        except _ArrayFound:
            continue
        except FormatError:
            found.append((child, "unreadable"))
            continue
        if inner is not None and _is_image(inner[0]):
            found.append((child, _name(inner[0])))
    return tuple(found)


def label_paths(location: Location, path: str = "") -> tuple[str, ...]:
    """Paths of the label images of the image at ``path``: the groups below its "labels"."""
    folder = _joined(path, "labels")
    documents = ("zarr.json", ".zattrs")
    return tuple(
        f"{folder}/{name}"
        for name in location.names(folder)
        if any(location.read(f"{folder}/{name}/{key}", 0, 1) is not None for key in documents)
    )


def open_store(location: Location, path: str = "") -> OpenedStore:
    """Read the metadata of the image at ``path`` below ``location``, and of its arrays.

    Raises ``FormatError`` if there is no image or its finest level is missing or malformed,
    ``SourceError``, ``GeometryError``, ``Unsupported``.
    """
    found = _attributes(location, path)
    if found is None:
        where = f"group {path!r} of {location.path}" if path else f"{location.path}"
        hint = "give the folder that holds zarr.json or .zattrs"
        raise FormatError(f"{where}: no zarr.json and no .zattrs: not an OME-Zarr", hint=hint)
    attributes, findings = found
    nifti, nifti_findings = _nifti(location, path)
    findings += nifti_findings
    try:
        decoded = decode_any(attributes, nifti)
        arrays, more = _arrays(location, path, decoded)
    except (FormatError, GeometryError, Unsupported) as error:
        raise type(error)(f"{location.path}: {error}", hint=error.hint) from error
    decoded = _matching(decoded, arrays)
    if decoded.version in ("0.1", "0.2", "0.3"):
        decoded = _by_shape(decoded, arrays)
    everything = (*findings, *decoded.findings, *more)
    return OpenedStore(decoded, arrays, decoded.version, everything, path)


def level_image(location: Location, opened: OpenedStore, level: int = 0) -> SpatialImage:
    """One level as an image of its own, lazily. Raises ``UsageError`` for a level that is not."""
    multiscale = opened.decoded.multiscale
    if not 0 <= level < len(opened.arrays):
        last = len(opened.arrays) - 1
        raise UsageError(f"{location.path} has no level {level}", hint=f"choose one of 0 to {last}")
    info = opened.arrays[level]
    order = opened.decoded.order or tuple(range(len(info.shape)))
    source = ZarrSource(location, _joined(opened.path, info.path), info, order)
    count = dict(zip((a.name for a in multiscale.axes), source.shape, strict=True)).get("c", 1)
    channels = multiscale.channels if len(multiscale.channels) == count else ()
    return SpatialImage(
        pixels=source,
        axes=multiscale.axes,
        geometry=multiscale.level_geometry(level),
        channels=channels,
        name=multiscale.name,
        extra=multiscale.extra,
    )


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _document(location: Location, key: str) -> Mapping[str, Any] | None:
    data = location.read(key, 0, MAX_DOCUMENT_BYTES + 1)
    return None if data is None else load(data, f"{location.path}: {key}")


def _attributes(location: Location, path: str) -> tuple[Mapping[str, Any], list[Finding]] | None:
    """Attributes of the group at ``path``; ``None`` if there is no group."""
    findings: list[Finding] = []
    v3 = _document(location, _joined(path, "zarr.json"))
    key = _joined(path, ".zattrs")
    if v3 is None:
        v2 = _document(location, key)
        if v2 is None and location.read(_joined(path, ".zarray"), 0, 1) is not None:
            raise _array_error(location, path)
        return None if v2 is None else (v2, findings)
    if v3.get("node_type") == "array":
        raise _array_error(location, path)
    if v3.get("zarr_format") != 3 or v3.get("node_type") != "group":
        kind = f"{shown(v3.get('node_type'))} of format {shown(v3.get('zarr_format'))}"
        raise FormatError(f"{location.path}: zarr.json is {kind}: a group of format 3 expected")
    attributes = members(v3.get("attributes", {}), f"{location.path}: attributes")
    if location.read(key, 0, 1) is not None:
        message = "metadata of Zarr v2 and v3 side by side: those of v3 are read"
        findings.append(warning("zarr-formats-mixed", message, key))
    return attributes, findings


class _ArrayFound(FormatError):
    """An array where a group is meant."""


def _array_error(location: Location, path: str) -> FormatError:
    name = f"{location.path}/{path}" if path else str(location.path)
    return _ArrayFound(f"{name} is a Zarr array, not an image", hint="give the group that holds it")


def _is_image(attributes: Mapping[str, Any]) -> bool:
    ome = attributes.get("ome")
    return "multiscales" in attributes or (isinstance(ome, Mapping) and "multiscales" in ome)


def _name(attributes: Mapping[str, Any]) -> str:
    ome = attributes.get("ome")
    entries = (ome if isinstance(ome, Mapping) else attributes).get("multiscales")
    first = entries[0] if isinstance(entries, list) and entries else None
    name = first.get("name") if isinstance(first, Mapping) else None
    return name if isinstance(name, str) else ""


def _array_info(location: Location, path: str, name: str) -> ArrayInfo | None:
    """The array called ``name`` in messages; ``None`` if there is none."""
    v3 = _document(location, _joined(path, "zarr.json"))
    if v3 is not None:
        info = decode_v3(v3, name)
        return replace(info, direct=direct_v3(v3, info))
    v2 = _document(location, _joined(path, ".zarray"))
    if v2 is None:
        return None
    info = decode_v2(v2, name)
    return replace(info, direct=direct_v2(v2, info))


def _nifti(location: Location, path: str) -> tuple[bytes | None, list[Finding]]:
    """The raw bytes of the array "nifti" beside the levels, where there is one."""
    where = _joined(path, "nifti")
    try:
        info = _array_info(location, where, "nifti")
        if info is None:
            return None, []
        if len(info.shape) != 1 or info.dtype.itemsize != 1 or info.shape[0] > _NIFTI_BYTES:
            message = f"{info.dtype} values of shape {info.shape}: bytes expected; not used"
            return None, [warning("nifti-header", message, "nifti")]
        if info.zarr_format == 2 and info.codecs == "none" and info.chunks >= info.shape:
            return location.read(_joined(where, "0"), 0, _NIFTI_BYTES) or b"", []
        values = ZarrSource(location, where, info, (0,)).read(Region.whole(info.shape))
    except (FormatError, SourceError, Unsupported) as error:
        return None, [warning("nifti-header", f"not used: {error}", "nifti")]
    return values.tobytes(), []


def _arrays(
    location: Location, path: str, decoded: Decoded
) -> tuple[tuple[ArrayInfo, ...], list[Finding]]:
    """The arrays of the levels; a coarser one that is missing is reported and left out."""
    findings = []
    arrays: list[ArrayInfo] = []
    axes = decoded.multiscale.axes
    order = decoded.order or tuple(range(len(axes)))
    names = tuple(axes[order.index(i)].name for i in range(len(order)))
    for level in decoded.multiscale.levels:
        info = _array_info(location, _joined(path, level.path), level.path)
        if info is None:
            if not arrays:
                raise FormatError(f"level {level.path} is missing: there is no array")
            message = f"level {level.path} is missing: there is no array; left out"
            findings.append(warning("level-missing", message, level.path))
            continue
        if len(info.shape) != len(names):
            expected = f"{len(names)} axes ({''.join(names)}) expected"
            raise FormatError(f"level {level.path} has shape {info.shape}: {expected}")
        if info.dimension_names not in (None, names):
            message = f"dimension_names {info.dimension_names} are not the axes {names}; ignored"
            findings.append(warning("dimension-names", message, level.path))
        if arrays:
            _compare_levels(arrays[-1], info, findings)
        arrays.append(info)
    return tuple(arrays), findings


def _compare_levels(finer: ArrayInfo, info: ArrayInfo, findings: list[Finding]) -> None:
    if any(n > m for n, m in zip(info.shape, finer.shape, strict=True)):
        message = f"level {info.path} of shape {info.shape} is larger than {finer.path}"
        raise FormatError(f"{message} of shape {finer.shape}: falling sizes expected")
    if info.dtype != finer.dtype:
        message = f"{info.dtype} after {finer.dtype} of level {finer.path}"
        findings.append(warning("level-dtype", message, info.path))


def _matching(decoded: Decoded, arrays: tuple[ArrayInfo, ...]) -> Decoded:
    """``decoded`` with those levels only whose arrays are there."""
    there = {info.path for info in arrays}
    multiscale = decoded.multiscale
    levels = tuple(level for level in multiscale.levels if level.path in there)
    return replace(decoded, multiscale=replace(multiscale, levels=levels))


def _by_shape(decoded: Decoded, arrays: tuple[ArrayInfo, ...]) -> Decoded:
    """Factors of 0.1 to 0.3, which write none: ratios of shapes, samples in their windows' middle.

    (The specification says nothing; the middle is where block averages lie.)
    """
    multiscale = decoded.multiscale
    if len(arrays) < 2:
        return decoded
    order = decoded.order or tuple(range(len(multiscale.axes)))
    levels = []
    for level, info in zip(multiscale.levels, arrays, strict=True):
        stored = [order[i] for i in multiscale.space_axes]
        factors = tuple(float(max(1, round(arrays[0].shape[i] / info.shape[i]))) for i in stored)
        levels.append(Level(level.path, factors, tuple((f - 1) / 2 for f in factors)))
    found = note("level-factors", "the factors of coarser levels are taken from their shapes")
    return replace(
        decoded,
        multiscale=replace(multiscale, levels=tuple(levels)),
        findings=(*decoded.findings, found),
    )
