"""What the axes of an NRRD stand for: space, time or components, and the names of components.

Rules and sizes of the kinds: http://teem.sourceforge.net/nrrd/format.html, section 6, "kinds".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spconvert.model.axes import ChannelInfo

Role = Literal["space", "time", "component"]

_XYZ = ("x", "y", "z")
_MATRIX_2D = ("xx", "xy", "yx", "yy")
_MATRIX_3D = ("xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz")
_SYMMETRIC_2D = ("xx", "xy", "yy")
_SYMMETRIC_3D = ("xx", "xy", "xz", "yy", "yz", "zz")
_RGB = ("red", "green", "blue")

COMPONENT_KINDS: dict[str, tuple[str, ...]] = {
    "list": (),
    "point": (),
    "vector": (),
    "covariant-vector": (),
    "normal": (),
    "stub": ("",),
    "scalar": ("",),
    "complex": ("real", "imaginary"),
    "2-vector": _XYZ[:2],
    "3-color": ("", "", ""),
    "RGB-color": _RGB,
    "HSV-color": ("hue", "saturation", "value"),
    "XYZ-color": ("X", "Y", "Z"),
    "4-color": ("", "", "", ""),
    "RGBA-color": (*_RGB, "alpha"),
    "3-vector": _XYZ,
    "3-gradient": _XYZ,
    "3-normal": _XYZ,
    "4-vector": ("x", "y", "z", "w"),
    "quaternion": ("w", "x", "y", "z"),
    "2D-symmetric-matrix": _SYMMETRIC_2D,
    "2D-masked-symmetric-matrix": ("mask", *_SYMMETRIC_2D),
    "2D-matrix": _MATRIX_2D,
    "2D-masked-matrix": ("mask", *_MATRIX_2D),
    "3D-symmetric-matrix": _SYMMETRIC_3D,
    "3D-masked-symmetric-matrix": ("mask", *_SYMMETRIC_3D),
    "3D-matrix": _MATRIX_3D,
    "3D-masked-matrix": ("mask", *_MATRIX_3D),
}
"""Kinds of axes that are no domain: a name per component, or none where any size is legal."""

_CANONICAL = {kind.lower(): kind for kind in COMPONENT_KINDS}
_SPATIAL_VECTORS = frozenset({"point", "vector", "covariant-vector", "normal"})
_COLORS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}
_UNSTATED = frozenset({"", "???", "none"})


@dataclass(frozen=True, slots=True)
class AxisKind:
    """What one axis of the file stands for."""

    role: Role | None
    """``None`` where the header leaves it open."""
    kind: str
    """The kind in the standard's spelling; as written if the standard does not know it."""
    known: bool = True
    """Whether the standard knows the kind."""


def axis_kind(text: str) -> AxisKind:
    """Read one member of ``kinds``; upper and lower case are the same."""
    word = text.strip().lower()
    if word in ("domain", "space"):
        return AxisKind("space", word)
    if word == "time":
        return AxisKind("time", word)
    if word in _CANONICAL:
        return AxisKind("component", _CANONICAL[word])
    return AxisKind(None, text.strip(), word in _UNSTATED)


def kind_size(kind: str) -> int | None:
    """How many samples the kind prescribes, or ``None`` for any number."""
    return len(COMPONENT_KINDS.get(kind, ())) or None


def channels_of(kinds: Sequence[str], sizes: Sequence[int]) -> tuple[ChannelInfo, ...]:
    """Names and colours of the c axis that component axes form together, slowest first.

    Empty if the kinds give none.
    """
    if len(kinds) != 1:
        return ()
    names = COMPONENT_KINDS.get(kinds[0], ())
    if kinds[0] in _SPATIAL_VECTORS and sizes[0] in (2, 3):
        names = _XYZ[: sizes[0]]
    if len(names) != sizes[0] or not any(names):
        return ()
    return tuple(ChannelInfo(name, _COLORS.get(name, "")) for name in names)


def default_kind(channels: Sequence[ChannelInfo], count: int) -> str:
    """The kind to write for a c axis: a colour or complex where the names say so, else a vector.

    More than four components are a list.
    """
    names = tuple(channel.label.lower() for channel in channels)
    for kind in ("RGB-color", "RGBA-color", "complex"):
        if names == COMPONENT_KINDS[kind]:
            return kind
    return "vector" if count <= 4 else "list"
