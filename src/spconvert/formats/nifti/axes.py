"""What the dimensions of a NIfTI or Analyze header stand for: axes, time, channels.

nifti1.h: dim[1] to dim[3] are x, y, z, dim[4] is time, dim[5] and above hold components; colours
lie together in each voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, prod

from spconvert.errors import Unsupported
from spconvert.formats.nifti.fields import (
    COMPONENT_NAMES,
    INTENT_DISPLACEMENT,
    INTENT_LABEL,
    TIME_UNITS,
)
from spconvert.formats.nifti.geometry import space_unit
from spconvert.formats.nifti.header import Header
from spconvert.model.axes import LENGTH_UNITS, Axis, ChannelInfo, unit_name
from spconvert.model.finding import Finding, note, warning
from spconvert.model.region import Shape
from spconvert.pixels.layout import Layout

_COLORS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}
_NO_TIMES = {32: "Hz", 40: "ppm", 48: "rad/s"}


@dataclass(frozen=True, slots=True)
class FileAxes:
    """The axes of a file that the model keeps, and how many voxels each has."""

    names: str
    """In array order: t, c, z, y, x; those left out have one voxel."""
    extents: tuple[tuple[str, int], ...]
    """Per name; see ``size``."""
    interleaved: bool
    """Whether the components of a voxel lie together."""

    def size(self, name: str) -> int:
        """Voxels along an axis of the file, 1 for one that is not kept."""
        return dict(self.extents)[name]

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return tuple(self.size(name) for name in self.names)

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest in the file."""
        order = "tzyxc" if self.interleaved else "ctzyx"
        return tuple(self.names.index(name) for name in order if name in self.names)

    def layout(self, header: Header) -> Layout:
        """How the voxels lie in the file."""
        return Layout(self.shape, header.dtype, self.storage_order)


def file_axes(header: Header, *, stated: str | None = None) -> FileAxes:
    """The axes of a file.

    A slice that has a place in space counts as a volume of one. ``stated`` names the axes where the
    file itself does (see ``supplement``); what does not fit is ignored.
    Raises ``Unsupported`` for colours that are components at the same time.
    """
    x, y, z, t, *rest = header.sizes
    components = prod(rest)
    if header.colors > 1 and components > 1:
        raise Unsupported(
            f"{header.path}: {components} components of {header.colors} colours in each voxel: "
            "one or the other expected"
        )
    extents = {"t": t, "c": components * header.colors, "z": z, "y": y, "x": x}
    names = "t" if header.ndim > 3 else ""
    names += "c" if extents["c"] > 1 else ""
    names += "zyx" if header.ndim > 2 or header.is_placed else "yx"
    if stated is not None and all(extents[name] == 1 for name in set("tczyx") - set(stated)):
        names = stated
    return FileAxes(names, tuple(extents.items()), header.colors > 1)


def axes_of(header: Header, names: str, findings: list[Finding]) -> tuple[Axis, ...]:
    """The model's axes with their units and times."""
    if header.version == "analyze":
        unit = unit_name(header.fields["vox_units"].decode("latin-1").strip("\0 "))
        unit = unit if unit in LENGTH_UNITS else None
    else:
        unit = space_unit(header)
        code = int(header.fields["xyzt_units"])
        if unit is None and code & 7:
            text = f"{header.path.name}: unit of length {code & 7} is not one of the standard"
            findings.append(warning("unknown-unit", text, "xyzt_units"))
    made = []
    for name in names:
        if name == "t":
            made.append(_time_axis(header, findings))
        else:
            made.append(Axis.named(name, unit if name != "c" else None))
    return tuple(made)


def _time_axis(header: Header, findings: list[Finding]) -> Axis:
    """pixdim[4] and toffset. A step of 0 says nothing, and then the unit says nothing either."""
    step = float(header.fields["pixdim"][4])
    start = float(header.fields.get("toffset", 0.0))
    code = int(header.fields.get("xyzt_units", 0)) & 0x38
    unit = TIME_UNITS.get(code)
    if code and unit is None:
        what = _NO_TIMES.get(code, "not one of the standard")
        text = f"{header.path.name}: unit of the fourth axis {code} ({what}): no unit of time"
        findings.append(warning("unknown-unit", text, "xyzt_units"))
    if not isfinite(step) or step <= 0:
        text = f"{header.path.name}: time step {step}: 1 assumed"
        findings.append(note("time-step-unknown", text, "pixdim[4]"))
        step, unit = 1.0, None
    if not isfinite(start):
        text = f"{header.path.name}: toffset {start}: 0 assumed"
        findings.append(warning("time-start-unknown", text, "toffset"))
        start = 0.0
    return Axis("t", "time", unit, start, step)


def channels_of(header: Header, count: int, findings: list[Finding]) -> tuple[ChannelInfo, ...]:
    """Names and colours of the components; empty where the header gives none.

    Components of vectors stay as they are stored, along the RAS axes of the header.
    """
    intent = int(header.fields.get("intent_code", 0))
    if intent == INTENT_LABEL:
        text = f"{header.path.name}: the values are labels (intent 1002)"
        findings.append(note("label-image", text, "intent_code"))
    if intent == INTENT_DISPLACEMENT:
        text = f"{header.path.name}: displacements stay as stored, along the file's RAS axes"
        findings.append(note("vector-frame", text, "intent_code"))
    if header.colors > 1:
        names = ("red", "green", "blue", "alpha")[: header.colors]
    else:
        known = COMPONENT_NAMES.get(intent, ())
        names = next((n for n in known if len(n) == count), ())
    return tuple(ChannelInfo(name, _COLORS.get(name, "")) for name in names)
