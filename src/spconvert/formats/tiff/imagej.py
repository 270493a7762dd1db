"""ImageJ's TIFF: a description of ``key=value`` lines, one or all of its planes in pages.

There is no specification; this follows ImageJ's own ``FileInfo``/``TiffDecoder`` as documented at
https://imagej.net/ij/developer and the files it writes: planes in the order channel, slice, frame,
values big endian, and for stacks beyond 4 GiB only the first page, all planes behind it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite, prod
from typing import Any

import numpy as np

from spconvert.errors import FormatError
from spconvert.formats.tiff.annotation import NAMESPACE, placement_of
from spconvert.formats.tiff.arrange import Outer, renamed, stacked
from spconvert.formats.tiff.found import Calibration, Found
from spconvert.formats.tiff.ifd import Ifd, Tiff
from spconvert.formats.tiff.ome import Quantity
from spconvert.formats.tiff.pages import checked_page
from spconvert.formats.tiff.plain import colours
from spconvert.formats.tiff.stack import RawBlock, Stack, check_alike
from spconvert.formats.tiff.units import imagej_unit
from spconvert.model.axes import unit_name
from spconvert.model.finding import Finding, note, warning

MAGIC = b"ImageJ="
_KEPT = ("mode", "min", "max", "loop", "fps", "ImageJ")


def parse_description(text: bytes) -> dict[str, str]:
    """The lines of the description."""
    lines = text.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value for key, found, value in pairs if found}


def imagej_image(tiff: Tiff, text: bytes, dims: str | None) -> Found:
    """The one image of the file.

    Raises ``FormatError`` where pages are missing or unlike, ``UsageError`` for bad ``dims``.
    """
    values = parse_description(text)
    sizes = {key: _count(values, key) for key in ("frames", "slices", "channels", "images")}
    page = checked_page(tiff, tiff.pages[0])
    channels = sizes["channels"]
    if page.layout.samples > 1 and channels in (1, page.layout.samples):
        channels = 1  # colours of a page, said to be channels
    wanted = sizes["frames"] * sizes["slices"] * channels
    letters, shape = "TZC", tuple[int, ...]((sizes["frames"], sizes["slices"], channels))
    if wanted == 1 and max(sizes["images"], len(tiff.pages)) > 1:
        wanted = sizes["images"] if len(tiff.pages) == 1 else len(tiff.pages)
        letters, shape = "I", (wanted,)
    findings: tuple[Finding, ...] = ()
    level: Stack | RawBlock
    if len(tiff.pages) == 1 and wanted > 1:
        if not page.layout.is_plain:
            raise FormatError(f"{tiff.path} promises {wanted} planes, it has one page")
        dtype = np.dtype(page.layout.dtype.newbyteorder(tiff.byteorder))
        inner = page.layout.names.upper()
        held = {
            "S": page.layout.samples,
            "Z": page.layout.depth,
            "Y": page.layout.height,
            "X": page.layout.width,
        }
        block = RawBlock(
            tiff.path,
            int(page.offsets[0]),
            dtype,
            letters + inner,
            (*shape, *(held[name] for name in inner)),
        )
        level = renamed(block, letters + inner, dims)
    else:
        if len(tiff.pages) < wanted:
            raise FormatError(
                f"{tiff.path} promises {wanted} planes, it has {len(tiff.pages)} pages",
                hint="the file is cut off",
            )
        pages = [checked_page(tiff, ifd) for ifd in tiff.pages[: prod(shape)]]
        check_alike(pages)
        index = np.arange(len(pages)).reshape(shape)
        level, findings = stacked(pages, Outer(letters, index), dims)
    calibration = calibration_of(values, tiff, tiff.pages[0], level)
    return Found(values.get("title") or "image", "imagej", (level,), calibration, findings)


def calibration_of(
    values: Mapping[str, str], tiff: Tiff, page: Ifd, level: Stack | RawBlock
) -> Calibration:
    """Spacing, origin and time step as ImageJ understands them.

    Where there is no unit, XResolution counts pixels per ResolutionUnit; where there is one, pixels
    per that unit. "spacing" is the distance of slices; origins are in pixels.
    """
    findings: list[Finding] = []
    name = tiff.path.name
    unit, words = imagej_unit(values.get("unit", "")), values.get("unit", "").strip()
    if unit is None and words.lower() not in ("", "pixel", "pixels", "px"):
        findings.append(warning("unknown-unit", f"{name}: unit {words[:40]!r} is not known"))
    if "unit" not in values:
        unit = {2: "inch", 3: "centimeter"}.get(page.first(296, 1))
    steps: dict[str, float | None] = {}
    for axis, tag in (("x", 282), ("y", 283)):
        per_unit = page.rational(tag)
        steps[axis] = None if per_unit is None else 1 / per_unit
    steps["z"] = _number(values, "spacing")
    if steps["z"] is not None and steps["z"] < 0:
        text = f"{name}: slices {steps['z']} apart: the sign is ImageJ's and says nothing"
        findings.append(note("negative-spacing", text, "spacing"))
        steps["z"] = -steps["z"]
    spacing = {
        axis: Quantity(step, unit) for axis, step in steps.items() if step is not None and step > 0
    }
    origin = {
        axis: Quantity(0.0 - value * spacing[axis].value, unit)
        for axis in spacing
        if (value := _number(values, f"{axis}origin"))
    }
    interval = _number(values, "finterval")
    step = None
    if interval:
        step = Quantity(interval, unit_name(values.get("tunit", "sec")) or "second")
    extra: dict[str, Any] = {"dialect": "imagej"}
    extra |= {key: values[key] for key in _KEPT if key in values}
    return Calibration(
        spacing,
        origin,
        step,
        None,
        colours(level) if isinstance(level, Stack) else (),
        _placement(values),
        extra,
        tuple(findings),
    )


def _placement(values: Mapping[str, str]) -> Any:
    text = values.get(NAMESPACE)
    if text is None:
        return None
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(held, dict):
        return None
    return placement_of({str(key): json.dumps(value) for key, value in held.items()})


def _count(values: Mapping[str, str], key: str) -> int:
    try:
        found = int(values.get(key, "1"))
    except ValueError:
        return 1
    return found if 1 <= found < 1 << 31 else 1


def _number(values: Mapping[str, str], key: str) -> float | None:
    try:
        found = float(values.get(key, ""))
    except ValueError:
        return None
    return found if isfinite(found) else None
