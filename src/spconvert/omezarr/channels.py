"""The ``omero`` block: label, colour and display window of each channel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spconvert.model.axes import ChannelInfo
from spconvert.model.finding import Finding, warning
from spconvert.omezarr.fields import is_number, shown
from spconvert.omezarr.multiscale import Multiscale, Window

_DEFAULT_COLOR = "FFFFFF"
_COLOR = re.compile(r"[0-9A-Fa-f]{6}")


def encode_omero(multiscale: Multiscale) -> dict[str, Any] | None:
    """The block, or ``None`` where no windows are known.

    Specification 0.4, "omero": each channel MUST have a colour and a window, so a block without
    windows would not be valid.
    """
    windows = multiscale.windows
    if not windows:
        return None
    channels = multiscale.channels or (ChannelInfo(),) * len(windows)
    shown_channels = [
        {
            "label": channel.label,
            "color": channel.color or _DEFAULT_COLOR,
            "active": True,
            "window": {
                "min": float(window.min),
                "max": float(window.max),
                "start": float(window.start),
                "end": float(window.end),
            },
        }
        for channel, window in zip(channels, windows, strict=False)
    ]
    model = "greyscale" if len(windows) == 1 else "color"
    return {"channels": shown_channels, "rdefs": {"model": model, "defaultT": 0}}


def unheld_channels(multiscale: Multiscale) -> tuple[ChannelInfo, ...] | None:
    """The channels, if the block would give back others."""
    if len(multiscale.windows) == len(multiscale.channels) and all(
        channel.color for channel in multiscale.channels
    ):
        return None
    return multiscale.channels


def decode_omero(
    value: object, exact: tuple[ChannelInfo, ...] | None
) -> tuple[tuple[ChannelInfo, ...], tuple[Window, ...], tuple[Finding, ...]]:
    """Channels and windows; ``exact`` are the channels of the ``spconvert`` attribute.

    The block only concerns display: what is wrong in it is reported and ignored.
    """
    if value is None:
        return exact or (), (), ()
    entries = value.get("channels") if isinstance(value, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(e, Mapping) for e in entries):
        message = f"the display block is {shown(value)}: an object with a list of channels expected"
        return exact or (), (), (warning("omero-unreadable", f"{message}; ignored", "omero"),)
    channels = tuple(_channel(entry) for entry in entries)
    windows = tuple(w for w in map(_window, entries) if w is not None)
    findings: tuple[Finding, ...] = ()
    if len(windows) != len(entries):
        message = f"{len(entries) - len(windows)} of {len(entries)} channels have no display window"
        findings = (warning("window-missing", message, "omero", "channels"),)
        windows = ()
    if exact is not None and _shown_as(exact, len(channels)) == channels:
        channels = exact
    return channels, windows, findings


def _channel(entry: Mapping[str, Any]) -> ChannelInfo:
    label, color = entry.get("label"), entry.get("color")
    valid = isinstance(color, str) and _COLOR.fullmatch(color)
    return ChannelInfo(label if isinstance(label, str) else "", str(color) if valid else "")


def _window(entry: Mapping[str, Any]) -> Window | None:
    window = entry.get("window")
    if not isinstance(window, Mapping):
        return None
    limits = [window.get(key) for key in ("min", "max", "start", "end")]
    if not all(is_number(limit) for limit in limits):
        return None
    return Window(*map(float, limits))  # type: ignore[arg-type]


def _shown_as(channels: Sequence[ChannelInfo], count: int) -> tuple[ChannelInfo, ...]:
    """What the block says of these channels (of ``count`` ones of which nothing is known)."""
    return tuple(
        ChannelInfo(c.label, c.color or _DEFAULT_COLOR)
        for c in (channels or (ChannelInfo(),) * count)
    )
