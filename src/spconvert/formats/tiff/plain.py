"""TIFF without a dialect: pages of one shape are a stack, smaller copies are its levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spconvert.errors import UsageError
from spconvert.formats.tiff.arrange import Outer, stacked
from spconvert.formats.tiff.found import Calibration, Found
from spconvert.formats.tiff.ifd import Ifd, Tiff
from spconvert.formats.tiff.pages import Page, checked_page
from spconvert.formats.tiff.palette import with_palette
from spconvert.formats.tiff.resolution import resolution_of
from spconvert.formats.tiff.stack import Stack, like
from spconvert.model.axes import ChannelInfo
from spconvert.model.finding import Finding, note

_REDUCED = 1
_MASK = 4


def plain_images(tiff: Tiff, dims: str | None) -> tuple[Found, ...]:
    """Group the pages by shape and type; groups that halve the one before are its levels.

    Raises ``FormatError`` as ``checked_page`` does.
    """
    groups: dict[tuple[object, ...], list[tuple[Page, Ifd]]] = {}
    for ifd in tiff.pages:
        if ifd.first(254, 0) & _MASK:
            continue
        page = checked_page(tiff, ifd)
        groups.setdefault(like(page), []).append((page, ifd))
    images: list[Found] = []
    for group in groups.values():
        held = [page for page, _ in group]
        head = group[0][1]
        stack, findings = stacked(held, Outer("I", np.arange(len(held))), _fitting(dims, held))
        if images and _is_level(images[-1], stack):
            images[-1] = _with_level(images[-1], stack, head)
            continue
        stack = with_palette(stack, tiff, head)
        levels = (stack, *_sub_levels(tiff, group, dims))
        spacing, said = resolution_of(head, tiff.path.name)
        calibration = Calibration(spacing, channels=colours(stack), findings=said)
        name = f"page {held[0].number}"
        images.append(Found(name, "plain", levels, calibration, findings))
    return tuple(images)


def _fitting(dims: str | None, pages: Sequence[Page]) -> str | None:
    """The names for this group: a user who names stacks may also have single pages."""
    if dims is None:
        return None
    inner = pages[0].layout.names.replace("s", "c")
    if len(pages) == 1 and dims.endswith(inner) and len(dims) == len(inner) + 1:
        return inner
    if dims.endswith(inner) or len(dims) < 2:
        return dims
    if "s" in pages[0].layout.names and "c" not in dims:
        raise UsageError(
            f"--dims {dims}: the pages of {pages[0].path.name} have {inner}, colours included"
        )
    return dims


def _sub_levels(tiff: Tiff, group: list[tuple[Page, Ifd]], dims: str | None) -> tuple[Stack, ...]:
    """Reduced versions in sub-directories, where every page has them."""
    count = min(len(ifd.subs) for _, ifd in group)
    levels = []
    before = group[0][0].layout
    for n in range(count):
        pages = [checked_page(tiff, ifd.subs[n]) for _, ifd in group]
        layout = pages[0].layout
        alike = len({like(page) for page in pages}) == 1 and layout.samples == before.samples
        if not alike or layout.height >= before.height or layout.dtype != before.dtype:
            break
        levels.append(stacked(pages, Outer("I", np.arange(len(pages))), _fitting(dims, pages))[0])
        before = layout
    return tuple(levels)


def _is_level(found: Found, stack: Stack) -> bool:
    """Whether a stack is the next coarser version: the same planes, half (third, quarter) size."""
    finest = found.levels[0]
    last = found.levels[-1]
    if not (isinstance(finest, Stack) and isinstance(last, Stack)):
        return False
    a, b = last.pages[0].layout, stack.pages[0].layout
    same = a.samples == b.samples and a.dtype == b.dtype and a.photometric == b.photometric
    if not same or finest.grid.shape != stack.grid.shape or b.height >= a.height:
        return False
    return any(
        abs(a.height / f - b.height) < 1 and abs(a.width / f - b.width) < 1 for f in (2, 3, 4)
    )


def _with_level(found: Found, stack: Stack, head: Ifd) -> Found:
    findings = found.findings
    if not head.first(254, 0) & _REDUCED and not any(f.code == "pages-as-levels" for f in findings):
        layout = stack.pages[0].layout
        text = (
            f"page {stack.pages[0].number} ({layout.width} x {layout.height}) is read as a coarser "
            "level of the first page, because of its size; no tag says so"
        )
        findings = (*findings, note("pages-as-levels", text))
    return replace(found, levels=(*found.levels, stack), findings=findings)


_COLOURS = (
    ChannelInfo("red", "FF0000"),
    ChannelInfo("green", "00FF00"),
    ChannelInfo("blue", "0000FF"),
)
_INKS = tuple(ChannelInfo(name) for name in ("cyan", "magenta", "yellow", "black"))
_RGB, _SEPARATED, _YCBCR = 2, 5, 6


def colours(stack: Stack) -> tuple[ChannelInfo, ...]:
    """Names of the samples of a page, where its PhotometricInterpretation gives some."""
    layout = stack.pages[0].layout
    if stack.palette is not None:
        return _COLOURS
    if stack.grid.shape[1] > 1:
        return ()
    if layout.photometric == _SEPARATED and layout.samples == 4:
        return _INKS
    if layout.photometric in (_RGB, _YCBCR) and layout.samples in (3, 4):
        return (*_COLOURS, ChannelInfo("alpha"))[: layout.samples]
    return ()


def page_findings(page: Ifd, name: str) -> tuple[Finding, ...]:
    """What a viewer would do to the values of a page, and we do not."""
    findings = []
    turned = page.first(274, 1)
    if turned != 1:
        text = f"{name}: Orientation {turned}: a viewer turns the image, the pixels are as stored"
        findings.append(note("orientation-tag", text, "Orientation"))
    if page.first(262, 1) == 0:
        text = f"{name}: 0 is white (PhotometricInterpretation 0): the values are as stored"
        findings.append(note("white-is-zero", text, "PhotometricInterpretation"))
    return tuple(findings)
