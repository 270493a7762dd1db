"""Coordinate systems of OME-Zarr 0.6 (RFC-5): their graph, and the one that places an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spconvert.errors import FormatError, GeometryError, Unsupported
from spconvert.model.finding import Finding, warning
from spconvert.model.geometry import Matrix, code_direction
from spconvert.omezarr.axes import ReadAxes, decode_axes
from spconvert.omezarr.fields import items, members, shown, text
from spconvert.omezarr.orientation import labelled_direction
from spconvert.omezarr.transforms import AffineMap, parse

_RAS = ("ras", "nifti:sform", "nifti:qform")
_ANATOMICAL_NAMES = ("lps", *_RAS)
"""Names that say a frame, in the order of preference."""


@dataclass(frozen=True, slots=True)
class System:
    """A named coordinate system."""

    name: str
    axis_names: tuple[str, ...]
    """In stored order."""
    axes: ReadAxes | None
    """``None`` where they are not t, c, z, y, x."""

    @property
    def to_lps(self) -> Matrix | None:
        """Rows that turn a point x, y, z of this system into LPS; ``None`` if it says no anatomy.

        Labels come before the name.
        """
        direction = None if self.axes is None else labelled_direction(self.axes.labels)
        if direction is not None:
            return direction
        if self.name.lower() in _RAS:
            return code_direction("RAS")
        return code_direction("LPS") if self.name.lower() == "lps" else None


@dataclass(frozen=True, slots=True)
class Edge:
    """A transformation between two systems, in stored axis order."""

    source: str
    target: str
    map: AffineMap


def decode_systems(document: Mapping[str, Any], *where: str | int) -> dict[str, System]:
    """The coordinate systems of a multiscale by name. Raises ``FormatError``."""
    systems: dict[str, System] = {}
    entries = items(document.get("coordinateSystems"), *where, "coordinateSystems")
    for i, value in enumerate(entries):
        spot = (*where, "coordinateSystems", i)
        entry = members(value, *spot)
        name = text(entry.get("name"), *spot, "name")
        if name in systems:
            raise FormatError(f"two coordinate systems are called {name!r}")
        written = items(entry.get("axes"), *spot, "axes")
        names = tuple(
            text(members(axis, *spot, "axes", j).get("name"), *spot, "axes", j, "name")
            for j, axis in enumerate(written)
        )
        try:
            axes = decode_axes(written, *spot, "axes")
        except (FormatError, GeometryError):
            axes = None  # may be a system that this image does not need
        systems[name] = System(name, names, axes)
    return systems


def reference(value: object) -> tuple[str | None, str | None]:
    """Name and path of an ``input`` or ``output``: an object, or (drafts) just a string."""
    if isinstance(value, str):
        return value, None
    if not isinstance(value, Mapping):
        return None, None
    name, path = value.get("name"), value.get("path")
    return (
        name if isinstance(name, str) else None,
        path if isinstance(path, str) and path else None,
    )


def decode_edges(
    document: Mapping[str, Any], systems: Mapping[str, System], *where: str | int
) -> tuple[tuple[Edge, ...], tuple[Finding, ...]]:
    """The transformations between the systems of a multiscale; what is no matrix is reported.

    Raises ``FormatError`` if one is malformed or leads from a system to itself.
    """
    written = document.get("coordinateTransformations")
    if written is None:
        return (), ()
    edges: list[Edge] = []
    findings: list[Finding] = []
    spot = (*where, "coordinateTransformations")
    for i, value in enumerate(items(written, *spot)):
        entry = members(value, *spot, i)
        source, source_path = reference(entry.get("input"))
        target, target_path = reference(entry.get("output"))
        ends = (systems.get(source or ""), systems.get(target or ""))
        if ends[0] is None or ends[1] is None or source_path or target_path:
            message = (
                f"leads from {shown(entry.get('input'))} to {shown(entry.get('output'))},"
                " which are not both systems of this image; not used"
            )
            findings.append(warning("transform-not-used", message, *spot, i))
            continue
        if ends[0] is ends[1]:
            raise FormatError(f"a transformation leads from system {source!r} to itself")
        try:
            known = parse(entry, ends[0].axis_names, ends[1].axis_names, (*spot, i))
        except Unsupported as error:
            findings.append(warning("transform-not-used", f"not used: {error}", *spot, i))
            continue
        edges.append(Edge(ends[0].name, ends[1].name, known))
    _refuse_cycles(edges)
    return tuple(edges), tuple(findings)


def _refuse_cycles(edges: Sequence[Edge]) -> None:
    """RFC-5: two ways between the same systems may contradict each other."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while name in parent:
            name = parent[name]
        return name

    for edge in edges:
        a, b = root(edge.source), root(edge.target)
        if a == b:
            message = f"the transformation from {edge.source!r} to {edge.target!r} closes a cycle"
            raise FormatError(f"{message} of coordinate systems: one way between two expected")
        parent[a] = b


def reachable(start: str, edges: Sequence[Edge]) -> tuple[dict[str, AffineMap], list[Finding]]:
    """The map from ``start`` to every system that can be reached, against the arrows as well."""
    ways: dict[str, AffineMap] = {}
    findings: list[Finding] = []
    queue: list[tuple[str, AffineMap | None]] = [(start, None)]
    seen = {start}
    while queue:
        here, way = queue.pop(0)
        for edge in edges:
            if here not in (edge.source, edge.target):
                continue
            forward = here == edge.source
            there = edge.target if forward else edge.source
            if there in seen:
                continue
            seen.add(there)
            try:
                step = edge.map if forward else edge.map.inverse()
            except GeometryError as error:
                findings.append(warning("transform-not-used", f"to {there!r}: {error}"))
                continue
            ways[there] = step if way is None else way.then(step)
            queue.append((there, ways[there]))
    return ways, findings


def choose_target(intrinsic: System, others: Sequence[System]) -> System | None:
    """The system that places the image in the world; ``None``: the intrinsic one does.

    First one whose space axes have orientation labels, then one named LPS, RAS, nifti:sform or
    nifti:qform, then one named world, then the intrinsic one if it is itself named LPS or RAS.
    """
    usable = [s for s in others if _comparable(intrinsic, s)]
    for system in usable:
        if system.axes is not None and labelled_direction(system.axes.labels) is not None:
            return system
    by_name = {system.name.lower(): system for system in usable}
    for name in (*_ANATOMICAL_NAMES, "world"):
        if name in by_name:
            return by_name[name]
    return intrinsic if intrinsic.name.lower() in _ANATOMICAL_NAMES else None


def _comparable(a: System, b: System) -> bool:
    """Whether two systems have the same axes, perhaps in another order."""
    if a.axes is None or b.axes is None:
        return False
    return [x.name for x in a.axes.axes] == [x.name for x in b.axes.axes]
