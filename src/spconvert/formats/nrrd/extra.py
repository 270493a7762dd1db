"""The header fields that the model has no place for: kept as JSON, and given back.

``extra["nrrd"]`` is ``{"magic", "axes", "sizes", "fields", "keyvalues", "comments"}``: the role of
each axis of the file ("x", "y", "z", "t", "c"), fastest first, and their sizes; fields as text, so
that numbers keep their digits and NaN is no problem for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from spconvert.errors import SpconvertError
from spconvert.formats.nrrd.axes import FileAxes, World, file_axes, world_of
from spconvert.formats.nrrd.geometry import placed
from spconvert.formats.nrrd.header import Header, parse_values
from spconvert.formats.nrrd.units import Fields
from spconvert.model.image import SpatialImage

_ABOUT_THE_FILE = frozenset({"dimension", "type", "sizes", "data file", "line skip", "byte skip"})
GEOMETRIC = (
    "space",
    "space dimension",
    "space directions",
    "space origin",
    "space units",
    "spacings",
    "axis mins",
    "axis maxs",
    "centerings",
    "units",
)
"""Fields that place the samples; written back together or not at all."""


@dataclass(frozen=True, slots=True)
class Original:
    """The header that an image came from, as far as it still fits the image."""

    texts: Mapping[str, str]
    key_values: Mapping[str, str]
    comments: tuple[str, ...]
    axes: FileAxes | None
    """The axes of the file, with the image's sizes, or ``None`` if they differ from the image's."""
    world: World | None
    """The space of the file, for vectors that have to be written anew."""
    same_place: bool
    """Whether the old fields give exactly the geometry, units and times of the image."""


def extra_of(header: Header, axes: FileAxes) -> dict[str, Any]:
    """What to keep of a header, as JSON values."""
    spatial = iter("xyz")
    roles = [{"time": "t", "component": "c"}.get(r) or next(spatial) for r in axes.roles]
    return {
        "magic": header.magic,
        "axes": roles,
        "sizes": list(axes.sizes),
        "fields": {k: v for k, v in header.texts.items() if k not in _ABOUT_THE_FILE},
        "keyvalues": dict(header.key_values),
        "comments": list(header.comments),
    }


def original_of(image: SpatialImage) -> Original:
    """What the image remembers of an NRRD; empty where it does not, or not any more."""
    kept = image.extra.get("nrrd")
    if not isinstance(kept, Mapping):
        return Original({}, {}, (), None, None, same_place=False)
    texts = {k: v for k, v in _texts(kept.get("fields")).items() if v.isprintable()}
    key_values = {k: v for k, v in _texts(kept.get("keyvalues")).items() if _is_key(k)}
    comments = tuple(str(line) for line in kept.get("comments") or () if str(line).isprintable())
    sizes = _sizes_now(image, kept)
    if sizes is None:
        return Original(texts, key_values, comments, None, None, same_place=False)
    try:
        values = parse_values(
            {
                **{k: v for k, v in texts.items() if k not in ("type", "encoding")},
                "dimension": str(len(sizes)),
                "sizes": " ".join(map(str, sizes)),
            },
            Path(image.name),
        )
        world = world_of(values, texts, Path(image.name))
        axes, _ = file_axes(values, world, Path(image.name))
        place = placed(Fields(values, axes, world, Path(image.name)))
    except (SpconvertError, KeyError, TypeError):  # edited by hand, or of another version
        return Original({}, key_values, comments, None, None, same_place=False)
    if axes.shape != image.shape or axes.names != image.axis_names:
        return Original(texts, key_values, comments, None, world, same_place=False)
    same = place.geometry == image.geometry and place.axes == image.axes
    return Original(texts, key_values, comments, axes, world, same_place=same)


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(k): str(v) for k, v in value.items()}


def _is_key(text: str) -> bool:
    """Whether the line would be read as a key/value pair again."""
    return bool(text.strip()) and not text.startswith("#") and ": " not in text and ":=" not in text


def _sizes_now(image: SpatialImage, kept: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Sizes of the file's axes with the image's present extents, or ``None`` if they do not fit."""
    roles, sizes = kept.get("axes"), kept.get("sizes")
    if not isinstance(roles, list) or not isinstance(sizes, list) or len(roles) != len(sizes):
        return None
    extents = dict(zip(image.axis_names, image.shape, strict=True))
    missing = set(extents) - set(roles)
    if not set(roles) <= set(extents) or (missing and (missing != {"z"} or extents["z"] != 1)):
        return None
    old = [n for role, n in zip(roles, sizes, strict=True) if role == "c"]
    if old and (not all(isinstance(n, int) for n in old) or prod(old) != extents["c"]):
        return None
    return tuple(n if role == "c" else extents[role] for role, n in zip(roles, sizes, strict=True))
