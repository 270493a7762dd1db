"""What the multiscale documents of all versions share: names, methods, channels, header fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spconvert.errors import FormatError
from spconvert.model.axes import Axis
from spconvert.model.finding import Finding, note
from spconvert.model.geometry import Geometry
from spconvert.omezarr.attribute import KEY, Exact, encode_attribute
from spconvert.omezarr.axes import ReadAxes
from spconvert.omezarr.channels import decode_omero, encode_omero, unheld_channels
from spconvert.omezarr.fields import items, members, place, text
from spconvert.omezarr.levels import Sampling, decode_levels, has_scale
from spconvert.omezarr.multiscale import Decoded, Multiscale

UNKNOWN_METHOD = "unknown"

_METHODS = {
    "mean": "block mean",
    "median": "block median",
    "mode": "block mode",
    "min": "block minimum",
    "max": "block maximum",
    "gaussian": "centred gaussian",
    "nearest": "striding",
}


def encode_head(multiscale: Multiscale) -> dict[str, Any]:
    """``name``, ``type`` and ``metadata`` of a multiscale."""
    method = multiscale.method
    return {
        "name": multiscale.name,
        "type": method,
        "metadata": {"method": _METHODS.get(method, method)},
    }


def encode_beside(multiscale: Multiscale) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands beside the multiscale: the display block, and the ``spconvert`` attribute."""
    omero = encode_omero(multiscale)
    display = {} if omero is None else {"omero": omero}
    return display, {KEY: encode_attribute(multiscale, unheld_channels(multiscale))}


def first_multiscale(value: object, *where: str | int) -> tuple[Mapping[str, Any], list[Finding]]:
    """The first multiscale of a list; further ones are reported. Raises ``FormatError``."""
    entries = items(value, *where)
    if not entries:
        raise FormatError(f"{place(where)} is empty: one multiscale expected")
    findings = []
    if len(entries) > 1:
        message = f"{len(entries)} multiscales: the first is read"
        findings.append(note("multiscales-several", message, *where))
    return members(entries[0], *where, 0), findings


def dataset_path(entry: Mapping[str, Any], *where: str | int) -> str:
    """Path of a dataset's array. Raises ``FormatError`` for one that leaves the group."""
    path = text(entry.get("path"), *where, "path").removeprefix("./").rstrip("/")
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise FormatError(
            f"{place((*where, 'path'))} is {path!r}: a path inside the group expected"
        )
    return path


def sampled_axes(axes: ReadAxes, level0: Sampling, exact: Exact) -> tuple[Axis, ...]:
    """The axes with start and step of time from level 0, or from the attribute's exact ones."""
    result = []
    for i, axis in enumerate(axes.axes):
        if axis.kind == "time":
            timed = replace(axis, start=level0.translation[i], step=level0.scale[i])
            if exact.time is not None:
                exactly = replace(axis, start=exact.time[0], step=exact.time[1])
                if not has_scale(exactly) and timed.step == 1 and timed.start == exactly.start:
                    timed = exactly
            result.append(timed)
        else:
            result.append(axis)
    return tuple(result)


def assemble(
    document: Mapping[str, Any],
    axes: ReadAxes,
    samplings: Sequence[Sampling],
    geometry: Geometry,
    exact: Exact,
) -> Multiscale:
    """The multiscale without its channels. Raises ``FormatError`` for levels that do not fit."""
    name, method = document.get("name"), document.get("type")
    return Multiscale(
        axes=sampled_axes(axes, samplings[0], exact),
        geometry=geometry,
        levels=decode_levels(samplings, axes.space),
        name=name if isinstance(name, str) else "image",
        method=method if isinstance(method, str) else UNKNOWN_METHOD,
        extra=exact.header,
        provenance=exact.provenance,
    )


def finish(multiscale: Multiscale, omero: object, exact: Exact, decoded: Decoded) -> Decoded:
    """``decoded`` with the channels and windows of the display block."""
    channels, windows, found = decode_omero(omero, exact.channels)
    whole = replace(multiscale, channels=channels, windows=windows)
    return replace(decoded, multiscale=whole, findings=(*decoded.findings, *found))
