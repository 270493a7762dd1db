"""Metadata of a Zarr array, v2 and v3, read from its JSON document without any library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from spconvert.errors import FormatError
from spconvert.omezarr.fields import integers, items, members, place, shown, text, wrong
from spconvert.stores.zarr_direct import DirectArray

_V2_DTYPE_KINDS = "biufc"
_V3_DTYPES = {
    "bool": "?",
    **{f"{kind}int{bits}": f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"float{bits}" for bits in (16, 32, 64)},
    **{f"complex{bits}": f"complex{bits}" for bits in (64, 128)},
}
_MAX_BYTES = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """How an array is stored."""

    path: str
    """Below the group of the image."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """In native byte order."""
    chunks: tuple[int, ...]
    """What is compressed as one: inner chunks where there are shards."""
    shards: tuple[int, ...] | None
    codecs: str
    """Codecs after the plain bytes, "+" between them: "blosc:zstd:1:bitshuffle", "zstd:3+crc32c",
    "none"."""
    dimension_names: tuple[str | None, ...] | None
    fill_value: Any
    """As in the document."""
    zarr_format: int
    index_at_end: bool = True
    """Where a shard has its index."""
    direct: DirectArray | None = None
    """How to decode its chunks without zarr-python, where that is possible."""


def decode_v2(document: Mapping[str, Any], path: str) -> ArrayInfo:
    """From a ``.zarray`` document.

    Raises ``FormatError`` if it is malformed, and for values that are no numbers.
    """
    name = f"{path}/.zarray"
    if document.get("zarr_format") != 2:
        raise wrong(document.get("zarr_format"), "2", name, "zarr_format")
    shape, chunks = _extents(document.get("shape"), document.get("chunks"), name)
    codecs = [document.get("compressor"), *_listed(document.get("filters"), name)]
    labels = [_v2_codec(codec, name) for codec in codecs if codec is not None]
    info = ArrayInfo(
        path=path,
        shape=shape,
        dtype=_v2_dtype(document.get("dtype"), name),
        chunks=chunks,
        shards=None,
        codecs="+".join(reversed(labels)) or "none",
        dimension_names=None,
        fill_value=document.get("fill_value"),
        zarr_format=2,
    )
    return _checked(info, name)


def decode_v3(document: Mapping[str, Any], path: str) -> ArrayInfo:
    """From the ``zarr.json`` document of an array.

    Raises ``FormatError`` if it is malformed, and for values that are no numbers or a grid that is
    not regular.
    """
    name = f"{path}/zarr.json"
    if document.get("zarr_format") != 3 or document.get("node_type") != "array":
        raise wrong(document.get("node_type"), "'array' of Zarr format 3", name, "node_type")
    grid = members(document.get("chunk_grid"), name, "chunk_grid")
    if grid.get("name") != "regular":
        raise FormatError(f"{name}: chunk grid {shown(grid.get('name'))}: 'regular' expected")
    settings = members(grid.get("configuration"), name, "chunk_grid", "configuration")
    shape, outer = _extents(document.get("shape"), settings.get("chunk_shape"), name)
    codecs = [_v3_codec(c, name) for c in items(document.get("codecs"), name, "codecs")]
    shards = None
    at_end = True
    chunks = outer
    for codec, configuration in codecs:
        if codec == "sharding_indexed":
            shards = outer
            at_end = configuration.get("index_location", "end") != "start"
            inner = configuration.get("chunk_shape")
            _, chunks = _extents(list(outer), inner, name)
            if any(s % c for s, c in zip(shards, chunks, strict=True)):
                raise wrong(inner, f"divisors of the shard's extents {shards}", name, "chunk_shape")
            inner_codecs = items(configuration.get("codecs"), name, "codecs")
            codecs = [_v3_codec(c, name) for c in inner_codecs]
            break
    labels = [_codec_label(codec, settings) for codec, settings in codecs if codec != "bytes"]
    dtype = document.get("data_type")
    if not isinstance(dtype, str) or dtype not in _V3_DTYPES:
        raise FormatError(f"{name}: values of type {shown(dtype)}: numbers expected")
    info = ArrayInfo(
        path=path,
        shape=shape,
        dtype=np.dtype(_V3_DTYPES[dtype]),
        chunks=chunks,
        shards=shards,
        codecs="+".join(labels) or "none",
        dimension_names=_dimension_names(document.get("dimension_names"), len(shape), name),
        fill_value=document.get("fill_value"),
        zarr_format=3,
        index_at_end=at_end,
    )
    return _checked(info, name)


def _checked(info: ArrayInfo, name: str) -> ArrayInfo:
    for extents in (info.shape, info.shards or info.chunks):
        if prod(extents) * info.dtype.itemsize > _MAX_BYTES:
            raise FormatError(f"{name}: extents {extents} overflow 2^63 bytes")
    return info


def _extents(shape: object, chunks: object, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sizes = items(shape, name, "shape")
    found = integers(sizes, len(sizes), name, "shape")
    parts = integers(chunks, len(sizes), name, "chunks")
    if not sizes or any(n < 1 for n in (*found, *parts)):
        message = f"{name}: shape {found} in chunks of {parts}: extents of at least 1 expected"
        raise FormatError(message)
    return found, parts


def _listed(value: object, name: str) -> list[Any]:
    return [] if value is None else items(value, name, "filters")


def _v2_dtype(value: object, name: str) -> np.dtype[Any]:
    """Only types written as "<i2" are read: no structures, and no objects, which hold pickles."""
    try:
        dtype = np.dtype(value) if isinstance(value, str) and len(value) <= 4 else None
    except (TypeError, ValueError) as error:
        raise FormatError(f"{name}: type {shown(value)} is not known") from error
    if dtype is None or dtype.kind not in _V2_DTYPE_KINDS or dtype.itemsize > 16:
        raise FormatError(f"{name}: values of type {shown(value)}: numbers expected")
    return dtype.newbyteorder("=")


def _v2_codec(value: object, name: str) -> str:
    codec = members(value, name, "compressor")
    kind = text(codec.get("id"), name, "compressor", "id")
    if kind == "blosc":
        shuffle = {-1: "auto", 0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}.get(
            codec.get("shuffle", 1), "?"
        )
        return f"blosc:{codec.get('cname', '?')}:{codec.get('clevel', '?')}:{shuffle}"
    return _codec_label(kind, codec)


def _v3_codec(value: object, name: str) -> tuple[str, Mapping[str, Any]]:
    if isinstance(value, str):  # the short form of a codec without configuration
        return value, {}
    codec = members(value, name, "codecs")
    configuration = codec.get("configuration")
    settings = {} if configuration is None else members(configuration, name, "codecs")
    return text(codec.get("name"), name, "codecs", "name"), settings


def _codec_label(kind: str, settings: Mapping[str, Any]) -> str:
    if kind == "blosc":
        parts = [settings.get(key, "?") for key in ("cname", "clevel", "shuffle")]
        return ":".join(["blosc", *map(str, parts)])
    level = settings.get("level")
    return kind if level is None else f"{kind}:{level}"


def _dimension_names(value: object, count: int, name: str) -> tuple[str | None, ...] | None:
    if value is None:
        return None
    names = items(value, name, "dimension_names")
    if len(names) != count or not all(n is None or isinstance(n, str) for n in names):
        where = place((name, "dimension_names"))
        raise FormatError(f"{where} are {shown(names)}: {count} names expected")
    return tuple(names)
