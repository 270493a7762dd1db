"""The images of an OME-TIFF: which page of which file holds which plane, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path

import numpy as np

from spconvert.errors import FormatError, SourceError
from spconvert.formats.tiff.annotation import placement_of
from spconvert.formats.tiff.arrange import Outer, stacked
from spconvert.formats.tiff.found import Calibration, Found
from spconvert.formats.tiff.ifd import Ifd, Tiff, walk
from spconvert.formats.tiff.ome import OmeDocument, OmeImage, Quantity, TiffData
from spconvert.formats.tiff.pages import Page, checked_page
from spconvert.formats.tiff.plain import colours
from spconvert.formats.tiff.stack import Stack, check_alike, like
from spconvert.model.axes import ChannelInfo, unit_factor
from spconvert.model.finding import Finding, note, warning

_At = tuple[int, int, int]
_Place = tuple[Tiff, Ifd]


class OmeSet:
    """The files of a set, each walked when it is first named."""

    def __init__(self, tiff: Tiff, document: OmeDocument, *, allow_external: bool) -> None:
        self.main = tiff
        self._document = document
        self._allow_external = allow_external
        self._walked: dict[str, Tiff] = {}
        names = {d.file for image in document.images for d in image.tiff_data}
        self._is_single = len(names) == 1

    def file(self, data: TiffData) -> Tiff:
        """The file that a TiffData means.

        Raises ``SourceError`` if it is missing or lies outside the folder of the main file.
        """
        name = data.file
        if name is None or name == self.main.path.name or name in self._walked:
            return self._walked.get(name or "", self.main)
        if data.uuid and data.uuid == self._document.uuid:
            return self.main  # the file was renamed
        path = beside(self.main.path, name, allow_external=self._allow_external)
        if not path.exists():
            if self._is_single:
                return self.main  # renamed, by a program that writes no UUID
            raise SourceError(
                f"{self.main.path}: its OME-XML names the file {name[:200]!r}, which is not there",
                hint="keep the files of a set in one folder, under their own names",
            )
        self._walked[name] = walk(path)
        return self._walked[name]


def beside(main: Path, name: str, *, allow_external: bool) -> Path:
    """The path of a file named in the metadata of ``main``.

    Raises ``SourceError`` for one outside its folder, unless that is allowed.
    """
    if "://" in name or "\0" in name or not name.strip():
        raise SourceError(
            f"{main}: its OME-XML names the file {name[:80]!r}: a local file expected"
        )
    path = main.parent / name.replace("\\", "/")
    try:
        inside = path.resolve().is_relative_to(main.parent.resolve())
    except (OSError, RuntimeError) as error:
        raise SourceError(f"{path}: {error}") from error
    if not (inside or allow_external):
        raise SourceError(
            f"{main}: its OME-XML names the file {name[:200]!r}, which is outside its folder",
            hint="--allow-external-data reads it",
        )
    return path


def ome_images(files: OmeSet, document: OmeDocument, dims: str | None) -> tuple[Found, ...]:
    """Every image of the document, in its order.

    Raises ``FormatError`` if planes are missing or unlike, ``SourceError`` for missing files.
    """
    return tuple(_image(files, image, dims) for image in document.images)


def _image(files: OmeSet, image: OmeImage, dims: str | None) -> Found:
    planes, samples = _planes(files, image)
    table: dict[tuple[Path, int], int] = {}
    pages: list[Page] = []
    ifds: list[Ifd] = []
    index = np.empty([max(at[i] for at in planes) + 1 for i in range(3)], np.int64)
    for at, (tiff, ifd) in planes.items():
        key = (tiff.path, ifd.offset)
        if key not in table:
            table[key] = len(pages)
            pages.append(checked_page(tiff, ifd))
            ifds.append(ifd)
        index[at] = table[key]
    check_alike(pages)
    outer = Outer("TCZ", index)
    stack, findings = stacked(pages, outer, dims)
    levels = (stack, *_levels(files, pages, ifds, outer, dims))
    findings = (*findings, *_disagreements(image, pages[0], samples, files.main.path.name))
    return Found(image.name, "ome", levels, _calibration(image, stack, files.main), findings)


def _planes(files: OmeSet, image: OmeImage) -> tuple[dict[_At, _Place], int]:
    """File and directory of each plane (t, c, z), all of them, and samples per page."""
    main = files.main
    samples = image.samples[0] if len(set(image.samples)) == 1 else 1
    if not image.samples:
        samples = main.pages[0].first(277, 1)
    channels = image.sizes["C"] // samples if image.sizes["C"] % samples == 0 else image.sizes["C"]
    extents = {"t": image.sizes["T"], "c": max(1, channels), "z": image.sizes["Z"]}
    total = extents["t"] * extents["c"] * extents["z"]
    runs = image.tiff_data or (TiffData(0, {"z": 0, "c": 0, "t": 0}, None, None, None),)
    held = sum(len(files.file(data).pages) for data in runs[:1]) if len(runs) == 1 else total
    if len(runs) == 1 and held < total:
        raise FormatError(
            f"{main.path}: its OME-XML promises {total} planes, the file has {held} pages",
            hint="the file is cut off, or parts of a set are missing",
        )
    planes: dict[_At, _Place] = {}
    for data in runs:
        tiff = files.file(data)
        count = len(tiff.pages) - data.ifd if data.count is None else data.count
        for step in range(min(count, total)):
            at = _advanced(data.first, step, image.order.lower(), extents)
            if at is None:
                break
            if data.ifd + step >= len(tiff.pages):
                raise FormatError(
                    f"{main.path}: its OME-XML names page {data.ifd + step + 1} of "
                    f"{tiff.path.name}, which has {len(tiff.pages)}"
                )
            planes[at] = (tiff, tiff.pages[data.ifd + step])
    if len(planes) < total:
        raise FormatError(
            f"{main.path}: its OME-XML promises {total} planes and names {len(planes)}"
        )
    return planes, samples


def _advanced(
    first: Mapping[str, int], step: int, order: str, extents: Mapping[str, int]
) -> _At | None:
    """The place (t, c, z) of the plane ``step`` behind ``first``; ``None`` beyond the last."""
    number, stride = step, 1
    for name in order:
        number += first[name] * stride
        stride *= extents[name]
    place = {}
    for name in order:
        number, place[name] = divmod(number, extents[name])
    return (place["t"], place["c"], place["z"]) if number == 0 else None


def _levels(
    files: OmeSet, pages: Sequence[Page], ifds: Sequence[Ifd], outer: Outer, dims: str | None
) -> tuple[Stack, ...]:
    """Sub-resolutions: directory n below each page, each smaller than the one before."""
    levels: list[Stack] = []
    by_path = {files.main.path: files.main}
    before = pages[0].layout
    for n in range(min(len(ifd.subs) for ifd in ifds)):
        lower = []
        for page, ifd in zip(pages, ifds, strict=True):
            tiff = by_path.setdefault(page.path, files.main)
            if tiff.path != page.path:
                tiff = by_path[page.path] = walk(page.path)
            lower.append(checked_page(tiff, ifd.subs[n]))
        layout = lower[0].layout
        alike = len({like(page) for page in lower}) == 1 and layout.samples == before.samples
        if not alike or layout.dtype != before.dtype or layout.height > before.height:
            break
        levels.append(stacked(lower, outer, dims)[0])
        before = layout
    return tuple(levels)


def _disagreements(image: OmeImage, page: Page, samples: int, name: str) -> tuple[Finding, ...]:
    layout = page.layout
    found = [warning("ome-value", f"{name}: {text}", "OME-XML") for text in image.unusable]
    said = (image.sizes["X"], image.sizes["Y"])
    if said != (layout.width, layout.height):
        text = f"{name}: OME-XML says {said[0]} x {said[1]}, the pages are {layout.width} x "
        found.append(warning("ome-disagrees", f"{text}{layout.height}: read as the pages are"))
    if samples != layout.samples:
        text = f"{name}: OME-XML says {samples} samples per pixel, the pages have {layout.samples}"
        found.append(warning("ome-disagrees", f"{text}: read as the pages are"))
    return tuple(found)


def _calibration(image: OmeImage, stack: Stack, tiff: Tiff) -> Calibration:
    count = stack.full_shape[1]
    channels: tuple[ChannelInfo, ...] = ()
    named = any(c.label or c.color for c in image.channels)
    if len(image.channels) == count and named:
        channels = image.channels
    elif count == stack.pages[0].layout.samples:
        channels = colours(stack)
    origin, findings = _origin(image, tiff.path.name)
    spacing = dict(image.physical)
    start = image.positions.get((0, 0, 0), {}).get("t")
    return Calibration(
        spacing,
        origin,
        image.increment,
        start if image.increment is not None else None,
        channels,
        placement_of(image.annotation) if image.annotation is not None else None,
        {"dialect": "ome"},
        findings,
    )


def _origin(image: OmeImage, name: str) -> tuple[dict[str, Quantity], tuple[Finding, ...]]:
    """Plane positions as the origin, where all planes agree on one.

    X and Y must be the same on every plane; Z must grow by PhysicalSizeZ from plane to plane.
    """
    first = image.positions.get((0, 0, 0), {})
    found: dict[str, Quantity] = {}
    for axis in "xyz":
        start = first.get(axis)
        if start is None:
            continue
        step = image.physical.get("z") if axis == "z" else None
        if start.unit is None:
            continue
        if _agree(image, axis, start, step):
            found[axis] = start
    unused = [axis for axis in "xyz" if axis in first and axis not in found]
    if not unused:
        return found, ()
    text = (
        f"{name}: the planes' positions along {', '.join(unused)} have no unit of length or do "
        "not agree with the spacing: not used as origin"
    )
    return found, (note("plane-positions", text, "OME-XML"),)


def _agree(image: OmeImage, axis: str, start: Quantity, step: Quantity | None) -> bool:
    """Whether the positions of all planes follow from the first."""
    for (_, _, z), held in image.positions.items():
        position = held.get(axis)
        if position is None or position.unit != start.unit:
            return False
        if axis != "z" or image.sizes["Z"] == 1:
            wanted = start.value
        elif step is None or step.unit is None or start.unit is None:
            return False
        else:
            wanted = start.value + z * step.value * unit_factor(step.unit, start.unit)
        scale = abs(start.value)
        if step is not None and step.unit is not None and start.unit is not None:
            scale = step.value * unit_factor(step.unit, start.unit)
        if not isclose(position.value, wanted, rel_tol=1e-9, abs_tol=1e-3 * scale):
            return False
    return True
