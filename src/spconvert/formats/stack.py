"""Many files as one volume: which files a name stands for, their order, and their place.

Files are taken in the natural order of their names (2 before 10); nothing in a raster file says
where a slice lies, so the distance between slices is unknown unless every slice states its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise, takewhile
from math import gcd
from pathlib import Path

import numpy as np

from spconvert.errors import FormatError, GeometryError, SourceError, UsageError
from spconvert.formats.plugin import FormatPlugin, Opened, Source
from spconvert.model.axes import Axis
from spconvert.model.finding import Finding, warning
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import PixelSource, SpatialImage
from spconvert.pixels.stacked import SliceSource, StackedSource

NUMBER = re.compile(r"%(0([1-9]\d?))?d")
"""Where the number goes in a name: ``%d`` or ``%04d``."""

_GLOB = re.compile(r"[*?\[]")
_DIGITS = re.compile(r"([0-9]+)")
_NAMED = 8
"""How many numbers or files a message lists."""
_EVEN = 1e-3
"""Largest difference between slice distances, relative to the first, that still counts as even."""


def is_stack(source: Source) -> bool:
    """Whether several files are meant: further paths, or a name that is a pattern and no file."""
    return bool(source.more_paths) or is_pattern(source.path)


def is_pattern(path: Path) -> bool:
    """Whether a name stands for several files: it has ``%d``, ``%04d``, ``*``, ``?`` or ``[``."""
    if NUMBER.search(path.name) is None and _GLOB.search(path.name) is None:
        return False
    return not os.path.lexists(path)


def stack_paths(source: Source) -> tuple[Path, ...]:
    """The files of a stack in natural order.

    A pattern is looked up in its own folder only. Raises ``SourceError`` if nothing fits it,
    ``UsageError`` for a pattern with two numbers or for a file named twice.
    """
    found = [*_matching(source.path)] if is_pattern(source.path) else [source.path]
    for path in source.more_paths:
        found.extend(_matching(path) if is_pattern(path) else [path])
    if len(set(found)) != len(found):
        twice = next(path for path in found if found.count(path) > 1)
        raise UsageError(f"{twice} is given twice")
    return tuple(sorted(found, key=natural_key))


def natural_key(path: Path) -> tuple[tuple[str | int, ...], str]:
    """Sorts names by their texts and numbers in turn: slice2 before slice10."""
    parts = _DIGITS.split(str(path))
    return tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), str(path)


def _matching(pattern: Path) -> list[Path]:
    name = pattern.name
    numbers = list(NUMBER.finditer(name))
    if len(numbers) > 1 or (numbers and _GLOB.search(name)):
        raise UsageError(f"{name!r} is no pattern for slices: one number such as %04d, or *")
    try:
        with os.scandir(pattern.parent) as entries:
            names = [entry.name for entry in entries if entry.is_file()]
    except OSError as error:
        raise SourceError(f"{pattern.parent}: {error.strerror}") from error
    if numbers:
        before, after = name[: numbers[0].start()], name[numbers[0].end() :]
        width = int(numbers[0][2] or 1)
        # As printf writes it: at least so many digits, longer numbers without leading zeros.
        digits = rf"(?:[0-9]{{{width}}}|[1-9][0-9]{{{width},}})"
        wanted = re.compile(re.escape(before) + digits + re.escape(after))
        names = [n for n in names if wanted.fullmatch(n)]
    else:
        names = [n for n in names if fnmatchcase(n, name)]
    if not names:
        raise SourceError(f"no file in {pattern.parent} is called {name}")
    return [pattern.parent / n for n in names]


def read_stack(plugin: FormatPlugin, source: Source) -> Opened:
    """Read the headers of all files of a stack with one plugin and put them together.

    Raises as ``stack_paths``, ``stack`` and the plugin do.
    """
    paths = stack_paths(source)
    images, findings = [], []
    for path in paths:
        opened = plugin.read(replace(source, path=path, more_paths=()))
        images.append(opened.image)
        findings.append(opened.findings)
    image, noticed = stack(images, [path.name for path in paths])
    if source.options.spacing_assigned:
        # The caller says what the files do not.
        noticed = tuple(
            replace(f, severity="note") if f.code == "z-spacing-unknown" else f for f in noticed
        )
    return Opened(image, (*_merged(findings), *noticed))


def stack(
    images: Sequence[SpatialImage], names: Sequence[str]
) -> tuple[SpatialImage, tuple[Finding, ...]]:
    """Pictures of one size and type as a volume, in the order given; ``names`` are their files.

    2-D pictures get a distance of 1 without a unit, and a warning that says so. Volumes of one
    slice that lie one behind the other keep their place in space.
    Raises ``GeometryError`` that names the first file which differs from the others, or whose
    position does not continue the series; ``FormatError`` for files that hold volumes themselves.
    """
    first = images[0]
    for image, name in zip(images, names, strict=True):
        _check_same(image, name, first, names[0])
    if "z" in first.axis_names:
        geometry, findings = _continued(images, names)
        axes = first.axes
        planes = [_slice_of(image) for image in images]
    else:
        geometry, findings = _flat(images, names)
        at = first.axis_names.index("y")
        axes = (*first.axes[:at], Axis("z"), *first.axes[at:])
        planes = [image.pixels for image in images]
    try:
        pixels: PixelSource = StackedSource(tuple(planes), [a.name for a in axes].index("z"))
    except ValueError as error:
        raise FormatError(f"{names[0]}: {error}") from error
    volume = replace(first, pixels=pixels, axes=axes, geometry=geometry, name=_name(names))
    return volume, (*findings, *numbering_findings(names))


def _slice_of(image: SpatialImage) -> PixelSource:
    """The plane of a volume of one slice."""
    at, pixels = image.axis_names.index("z"), image.pixels
    if isinstance(pixels, StackedSource) and pixels.axis == at:
        return pixels.planes[0]  # else each slice of the stack would keep a decoded plane
    return SliceSource(pixels, at)


def _check_same(image: SpatialImage, name: str, first: SpatialImage, first_name: str) -> None:
    if "z" in image.axis_names and image.shape[image.axis_names.index("z")] != 1:
        raise FormatError(f"{name} holds a volume of shape {image.shape}: one slice expected")
    for what, found, expected in (
        ("axes", image.axis_names, first.axis_names),
        ("shape", image.shape, first.shape),
        ("type", image.dtype.name, first.dtype.name),
        ("channels", [c.label for c in image.channels], [c.label for c in first.channels]),
    ):
        if found != expected:
            raise GeometryError(
                f"{name} does not fit the stack: {what} {found}, and {expected} in {first_name}",
                hint="slices of one volume have one size and type: name only those that belong",
            )


def _flat(
    images: Sequence[SpatialImage], names: Sequence[str]
) -> tuple[Geometry, tuple[Finding, ...]]:
    """The grid of 2-D pictures: x and y as the first one says, z counted."""
    plane = images[0].geometry
    findings = [
        warning(
            "z-spacing-unknown",
            f"nothing says how far the {len(images)} slices {names[0]} to {names[-1]} are apart: "
            "spacing 1 along z; "
            "--spacing z=... assigns it",
        )
    ]
    for image, name in zip(images, names, strict=True):
        if image.geometry != plane or image.unit != images[0].unit:
            text = f"{name} has spacing {image.geometry.spacing}, {names[0]} {plane.spacing}"
            findings.append(warning("stack-spacing", f"{text}: the first is taken", name))
            break
    rows = (*((*row, 0.0) for row in plane.direction), identity_matrix(3)[2])
    geometry = Geometry((*plane.origin, 0.0), (*plane.spacing, 1.0), rows, plane.space)
    return geometry, tuple(findings)


def _continued(
    images: Sequence[SpatialImage], names: Sequence[str]
) -> tuple[Geometry, tuple[Finding, ...]]:
    """The grid of slices that each state their place, which must be one behind the other."""
    geometry = images[0].geometry
    step = geometry.linear[:, 2]
    tolerance = _EVEN * float(np.linalg.norm(step))
    for number, (image, name) in enumerate(zip(images, names, strict=True)):
        here = image.geometry
        expected = np.array(geometry.origin) + number * step
        off = float(np.abs(np.array(here.origin) - expected).max())
        turned = float(np.abs(here.linear - geometry.linear).max())
        if off > tolerance or turned > tolerance or here.space != geometry.space:
            raise GeometryError(
                f"{name} lies at {here.origin}, and slice {number} after {names[0]} "
                f"is expected at {tuple(expected.tolist())}",
                hint="the slices are not one volume in the order of their names, or one is missing",
            )
    return geometry, ()


def numbering_findings(names: Sequence[str]) -> tuple[Finding, ...]:
    """Gaps in the numbers of a series of names, and names that differ otherwise."""
    split = [_DIGITS.split(name) for name in names]
    if len({tuple(parts[::2]) for parts in split}) > 1:
        text = "the names differ in more than a number: slices are in the order of their names"
        return (warning("stack-names", f"{text}, {names[0]} to {names[-1]}"),)
    columns = [[int(p) for p in column] for column in list(zip(*split, strict=True))[1::2]]
    varying = [column for column in columns if len(set(column)) > 1]
    if not varying:
        return ()
    if len(varying) > 1:
        text = f"{len(varying)} numbers vary in the names {names[0]} to {names[-1]}"
        return (warning("stack-names", f"{text}: all files are taken as slices along z"),)
    numbers = sorted(set(varying[0]))
    distances = [b - a for a, b in pairwise(numbers)]
    each = gcd(*distances)
    count = (numbers[-1] - numbers[0]) // each + 1 - len(numbers)
    if count == 0:
        return ()
    missing: list[int] = []
    for start, distance in zip(numbers, distances, strict=False):
        missing.extend(range(start + each, start + distance, each)[: _NAMED - len(missing)])
    listed = ", ".join(map(str, missing)) + (", ..." if count > len(missing) else "")
    text = f"{count} of {count + len(numbers)} slices are missing: number {listed}"
    text = f"{text}; the others, {names[0]} to {names[-1]}, follow each other without a gap"
    return (warning("slices-missing", text),)


def _merged(findings: Sequence[Sequence[Finding]]) -> tuple[Finding, ...]:
    """Each kind of finding once, with the number of files that have it."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in (f for per_file in findings for f in per_file):
        kinds.setdefault((finding.severity, finding.code), []).append(finding)
    return tuple(
        replace(same[0], message=f"{same[0].message} (and {len(same) - 1} more files)")
        if len(same) > 1
        else same[0]
        for same in kinds.values()
    )


def _name(names: Sequence[str]) -> str:
    """What the names begin with, without the number."""
    letters = zip(*(name.rpartition(".")[0] or name for name in names), strict=False)
    start = "".join(same[0] for same in takewhile(lambda column: len(set(column)) == 1, letters))
    return start.rstrip("0123456789").rstrip(" _-.") or Path(names[0]).stem
