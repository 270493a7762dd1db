"""Dialects of instruments and programs, whose series tifffile knows how to find in the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from spconvert.errors import FormatError
from spconvert.formats.tiff.arrange import Outer, renamed, stacked
from spconvert.formats.tiff.decode import BROKEN
from spconvert.formats.tiff.found import Calibration, Found
from spconvert.formats.tiff.ifd import Ifd, Tiff
from spconvert.formats.tiff.library import opened
from spconvert.formats.tiff.ome import Quantity
from spconvert.formats.tiff.pages import Page, checked_page
from spconvert.formats.tiff.plain import colours
from spconvert.formats.tiff.resolution import resolution_of
from spconvert.formats.tiff.stack import RawBlock, Stack, check_alike
from spconvert.model.axes import ChannelInfo
from spconvert.model.finding import Finding, warning

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

KINDS = (
    "shaped",
    "lsm",
    "fluoview",
    "stk",
    "sis",
    "svs",
    "scn",
    "qpi",
    "ndpi",
    "bif",
    "avs",
    "philips",
    "scanimage",
    "nih",
)
"""What tifffile calls them."""


def vendor_images(tiff: Tiff, dims: str | None) -> tuple[Found, ...]:
    """The series of a file in one of the dialects; empty if it is in none.

    Raises ``FormatError`` if the series cannot be made of the pages.
    """
    if not _may_be_one(tiff):
        return ()
    with _guarded(tiff), opened(tiff.path) as file:
        kind = next((k for k in KINDS if getattr(file, f"is_{k}", False)), None)
        if kind is None:
            return ()
        series = list(file.series)
        facts = _facts(file, kind)
        images = tuple(_image(tiff, one, kind, facts, dims) for one in series)
    return tuple(image for image in images if image is not None)


def _may_be_one(tiff: Tiff) -> bool:
    """Whether it is worth asking tifffile, whose import takes longer than reading a plain file.

    Every dialect is known by a description, XMP, a private tag or the name of its program.
    """
    first = tiff.pages[0]
    tags = first.entries.keys()
    described = 270 in tags or 700 in tags or any(tag >= 32768 for tag in tags)
    return described or tiff.text(first, 305) not in (b"", b"tifffile.py")


@contextmanager
def _guarded(tiff: Tiff) -> Iterator[None]:
    from tifffile import TiffFileError

    try:
        yield
    except (TiffFileError, *BROKEN) as error:
        text = " ".join(str(error).split())[:200]
        raise FormatError(f"{tiff.path}: its series cannot be read ({text})") from error


def _image(
    tiff: Tiff, series: TiffPageSeries, kind: str, facts: Calibration, dims: str | None
) -> Found | None:
    ifds = {ifd.offset: ifd for page in tiff.pages for ifd in (page, *page.subs)}
    levels: list[Stack | RawBlock] = []
    findings: tuple[Finding, ...] = ()
    for level in series.levels:
        made = _level(tiff, level, ifds, dims)
        if made is None:
            break
        levels.append(made[0])
        findings = findings or made[1]
    if not levels:
        return None
    first = levels[0]
    head = ifds.get(int(series.keyframe.offset), tiff.pages[0])
    calibration = facts
    if isinstance(first, Stack) and not calibration.channels:
        calibration = replace(calibration, channels=colours(first))
    if kind == "svs":
        calibration = replace(calibration, spacing=_aperio(tiff, head))
    if not calibration.spacing:
        spacing, said = resolution_of(head, tiff.path.name)
        calibration = replace(calibration, spacing=spacing, findings=said)
    return Found(series.name or f"page {head.number}", kind, tuple(levels), calibration, findings)


def _level(
    tiff: Tiff, series: TiffPageSeries, ifds: Mapping[int, Ifd], dims: str | None
) -> tuple[Stack | RawBlock, tuple[Finding, ...]] | None:
    letters, shape = series.axes, tuple(int(n) for n in series.shape)
    keyframe = series.keyframe
    inner = len(keyframe.axes)
    pages = [page for page in series if page is not None]
    if len(pages) < len(series):
        raise FormatError(f"{tiff.path}: {len(pages)} of {len(series)} planes are there")
    head = ifds.get(int(keyframe.offset))
    if head is None:
        return None
    first = _page(tiff, head, keyframe)
    fits = letters[-inner:] == keyframe.axes and shape[-inner:] == tuple(keyframe.shape)
    if fits and len(pages) == prod(shape[:-inner]) and all(p.offset in ifds for p in pages):
        rest = [_page(tiff, ifds[int(p.offset)], p) for p in pages[1:]]
        check_alike([first, *rest])
        index = np.arange(len(pages)).reshape(shape[:-inner])
        return stacked([first, *rest], Outer(letters[:-inner], index), dims)
    if series.dataoffset is not None and first.layout.is_plain:
        dtype = np.dtype(first.layout.dtype.newbyteorder(tiff.byteorder))
        block = RawBlock(tiff.path, int(series.dataoffset), dtype, letters.lower(), shape)
        text = f"{tiff.path.name}: {letters} {shape} in one run behind page {first.number}"
        return renamed(block, letters, dims), (warning("pages-in-one-run", text),)
    index = np.arange(len(pages))
    rest = [_page(tiff, ifds[int(p.offset)], p) for p in pages[1:]]
    check_alike([first, *rest])
    return stacked([first, *rest], Outer("I", index), dims)


def _page(tiff: Tiff, ifd: Ifd, known: Any) -> Page:
    """The checked page; NDPI's restart marks make tiles of a single JPEG."""
    page = checked_page(tiff, ifd)
    if getattr(known, "jpegheader", None) is None:
        return page
    layout = replace(page.layout, tiled=True, segment=(1, known.tilelength, known.tilewidth))
    offsets = np.array(known.dataoffsets, np.int64)
    counts = np.array(known.databytecounts, np.int64)
    if offsets.size < prod(layout.grid) or int((offsets + counts).max()) > tiff.nbytes:
        raise FormatError(f"{tiff.path}: page {ifd.number} has {offsets.size} restart marks")
    return replace(page, layout=layout, offsets=offsets, counts=counts)


def _aperio(tiff: Tiff, page: Ifd) -> dict[str, Quantity]:
    """``MPP = 0.499`` in the description: micrometres per pixel of the slide.

    A thumbnail repeats the line of its slide, and says ``2220x2967 -> 574x768`` before it.
    """
    text = tiff.text(page, 270).decode("latin-1")
    found = re.search(r"\bMPP\s*=\s*([0-9.]+(?:[eE][-+]?\d+)?)", text)
    try:
        value = float(found[1]) if found else 0.0
    except ValueError:
        value = 0.0
    if value <= 0:
        return {}
    shrunk = re.search(r"\b(\d{1,9})x(\d{1,9}) -> (\d{1,9})x(\d{1,9})\b", text.partition(";")[0])
    sizes = [int(n) for n in shrunk.groups()] if shrunk else [1, 1, 1, 1]
    if min(sizes) < 1:
        return {}
    return {
        axis: Quantity(value * whole / here, "micrometer")
        for axis, whole, here in zip("xy", sizes[:2], sizes[2:], strict=True)
    }


def _facts(file: TiffFile, kind: str) -> Calibration:
    """What the dialect says of the whole file."""
    extra = {"dialect": kind}
    if kind != "lsm" or not isinstance(file.lsm_metadata, Mapping):
        return Calibration(extra=extra)
    said = file.lsm_metadata
    spacing = {
        axis: Quantity(size * 1e6, "micrometer")
        for axis in "xyz"
        if (size := _positive(said.get(f"VoxelSize{axis.upper()}")))
    }
    interval = _positive(said.get("TimeIntervall"))
    step = Quantity(interval, "second") if interval else None
    named = said.get("ChannelColors")
    channels: tuple[ChannelInfo, ...] = ()
    if isinstance(named, Mapping) and named.get("ColorNames"):
        colors = [bytes(c[:3]).hex().upper() for c in named.get("Colors", ())]
        names = [str(name) for name in named["ColorNames"]]
        colors += [""] * (len(names) - len(colors))
        channels = tuple(map(ChannelInfo, names, colors))
    return Calibration(spacing, step=step, channels=channels, extra=extra)


def _positive(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0
