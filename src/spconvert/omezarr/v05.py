"""OME-Zarr 0.5: Zarr v3, the metadata of 0.4 under ``ome``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spconvert.omezarr.classic import decode_group, encode_multiscale
from spconvert.omezarr.fields import members
from spconvert.omezarr.image import encode_beside
from spconvert.omezarr.multiscale import Decoded, Multiscale

name: str = "0.5"
zarr_format: int = 3
shards: bool = True


def encode(multiscale: Multiscale) -> dict[str, Any]:
    """All attributes of the root group. Raises ``Unsupported`` for header fields without JSON."""
    display, own = encode_beside(multiscale)
    ome = {"version": name, "multiscales": [encode_multiscale(multiscale)], **display}
    return {"ome": ome, **own}


def decode(attributes: Mapping[str, Any], nifti: bytes | None = None) -> Decoded:
    """What the attributes of a group say. Raises ``FormatError`` or ``GeometryError``."""
    ome = members(attributes.get("ome"), "ome")
    written = ome.get("version")
    version = written if isinstance(written, str) else name
    return decode_group(ome, attributes, version, nifti, ("ome",))
