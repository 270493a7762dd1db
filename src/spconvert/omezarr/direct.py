"""Whether an array is one of those that ``stores.zarr_direct`` decodes, from its JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np

from spconvert.omezarr.arrays import ArrayInfo
from spconvert.stores.codecs import Codec, CodecName
from spconvert.stores.zarr_direct import DirectArray

_CODECS = ("blosc", "zstd", "gzip")
_V2_MEMBERS = {
    "zarr_format",
    "shape",
    "chunks",
    "dtype",
    "compressor",
    "fill_value",
    "order",
    "filters",
    "dimension_separator",
}
_V3_MEMBERS = {
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "dimension_names",
    "storage_transformers",
    "consolidated_metadata",
}
_INDEX_CODECS = (("bytes", "little"), ("crc32c", None))
_ENDIANS: dict[str | None, Literal["<", ">", "|"]] = {"little": "<", "big": ">", None: "|"}


def direct_v2(document: Mapping[str, Any], info: ArrayInfo) -> DirectArray | None:
    """The array of a ``.zarray`` document that ``info`` was read from; ``None``: zarr-python's."""
    compressor = document.get("compressor")
    name = "none" if compressor is None else compressor.get("id")
    separator = document.get("dimension_separator", ".")
    plain = (
        set(document) <= _V2_MEMBERS
        and (name == "none" or name in _CODECS)
        and document.get("order") == "C"
        and not document.get("filters")
        and separator in (".", "/")
    )
    if not plain:
        return None
    stored = np.dtype(document["dtype"])
    fill = _fill(info.fill_value, stored)
    return DirectArray("", separator, stored, info.shape, info.chunks, _codec(name), fill)


def direct_v3(document: Mapping[str, Any], info: ArrayInfo) -> DirectArray | None:
    """The array of a ``zarr.json`` document; ``None`` for zarr-python's."""
    keys = _keys(document.get("chunk_key_encoding"))
    chain = _chain(document["codecs"])
    if not set(document) <= _V3_MEMBERS or document.get("storage_transformers") or keys is None:
        return None
    if info.shards is not None:
        sharding = document["codecs"][0]
        settings = sharding.get("configuration", {}) if isinstance(sharding, Mapping) else {}
        index = _chain(settings.get("index_codecs"))
        alone = len(document["codecs"]) == 1 and sharding.get("name") == "sharding_indexed"
        known = settings.get("index_location", "end") in ("start", "end")
        if not (alone and known and index == _INDEX_CODECS):
            return None
        chain = _chain(settings.get("codecs"))
    if chain is None or not 1 <= len(chain) <= 2 or chain[0][0] != "bytes":
        return None
    name = chain[1][0] if len(chain) == 2 else "none"
    endian = chain[0][1]
    if (len(chain) == 2 and name not in _CODECS) or endian not in _ENDIANS:
        return None
    if endian is None and info.dtype.itemsize > 1:
        return None
    stored = info.dtype.newbyteorder(_ENDIANS[endian])
    return DirectArray(
        *keys,
        stored,
        info.shape,
        info.chunks,
        _codec(name),
        _fill(info.fill_value, stored),
        info.shards,
        info.index_at_end,
    )


def _chain(codecs: object) -> tuple[tuple[str, str | None], ...] | None:
    """Name of each codec, and the byte order where it states one."""
    if not isinstance(codecs, list):
        return None
    found = []
    for codec in codecs:
        if isinstance(codec, str):
            found.append((codec, None))
            continue
        settings = codec.get("configuration") if isinstance(codec, Mapping) else None
        name = codec.get("name") if isinstance(codec, Mapping) else None
        found.append((str(name), (settings or {}).get("endian")))
    return tuple(found)


def _keys(encoding: object) -> tuple[str, str] | None:
    """Prefix and separator of the keys of chunks (zarr-specs v3, "Chunk key encoding")."""
    if not isinstance(encoding, Mapping) or encoding.get("name") not in ("default", "v2"):
        return None
    settings = encoding.get("configuration") or {}
    default = encoding["name"] == "default"
    separator = settings.get("separator", "/" if default else ".")
    if separator not in (".", "/"):
        return None
    return f"c{separator}" if default else "", separator


def _codec(name: str) -> Codec:
    """Decoding does not depend on the other settings."""
    return Codec(cast("CodecName", name), 0 if name == "none" else 1)


def _fill(value: object, stored: np.dtype[Any]) -> int | float | bool | None:
    """A fill value that is written as a plain number, and that the type can hold."""
    if stored.kind == "b":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if stored.kind in "iu":
        limits = np.iinfo(stored)
        return int(value) if value == int(value) and limits.min <= value <= limits.max else None
    return value if stored.kind == "f" else None
