"""OME-Zarr 0.4: Zarr v2, metadata in ``.zattrs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spconvert.omezarr.classic import decode_group, encode_multiscale
from spconvert.omezarr.image import encode_beside
from spconvert.omezarr.multiscale import Decoded, Multiscale

name: str = "0.4"
zarr_format: int = 2
shards: bool = False


def encode(multiscale: Multiscale) -> dict[str, Any]:
    """All attributes of the root group. Raises ``Unsupported`` for header fields without JSON."""
    display, own = encode_beside(multiscale)
    document = {**encode_multiscale(multiscale), "version": name}
    return {"multiscales": [document], **display, **own}


def decode(attributes: Mapping[str, Any], nifti: bytes | None = None) -> Decoded:
    """What the attributes of a group say. Raises ``FormatError`` or ``GeometryError``."""
    return decode_group(attributes, attributes, name, nifti)
