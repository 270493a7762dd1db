"""From the axes of an NRRD to the axes of the model: which are x, y, z, which time and channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, prod
from pathlib import Path
from typing import Any

from spconvert.errors import FormatError, Unsupported
from spconvert.formats.nrrd.header import tidy_vectors
from spconvert.formats.nrrd.kinds import AxisKind, Role, axis_kind, kind_size
from spconvert.model.axes import TIME_UNITS, unit_name
from spconvert.model.finding import Finding, warning
from spconvert.model.region import Shape

SPACES: dict[str, tuple[str | None, int]] = {
    "right-anterior-superior": ("RAS", 3),
    "left-anterior-superior": ("LAS", 3),
    "left-posterior-superior": ("LPS", 3),
    "right-anterior-superior-time": ("RAS", 4),
    "left-anterior-superior-time": ("LAS", 4),
    "left-posterior-superior-time": ("LPS", 4),
    "scanner-xyz": (None, 3),
    "scanner-xyz-time": (None, 4),
    "3d-right-handed": (None, 3),
    "3d-left-handed": (None, 3),
    "3d-right-handed-time": (None, 4),
    "3d-left-handed-time": (None, 4),
}
"""Per name of the standard, in lower case: where x, y, z point (``None``: no anatomy), and how
many coordinates a point has."""

_SHORT = {
    "ras": "right-anterior-superior",
    "las": "left-anterior-superior",
    "lps": "left-posterior-superior",
    "rast": "right-anterior-superior-time",
    "last": "left-anterior-superior-time",
    "lpst": "left-posterior-superior-time",
}


@dataclass(frozen=True, slots=True)
class World:
    """The coordinates in which the file gives origin and directions."""

    name: str | None
    """Full lower-case name of the space, or ``None``."""
    positive: str | None
    """Where x, y, z point ("RAS"), or ``None`` where the file states no anatomy."""
    dimension: int | None
    """Coordinates of a point, or ``None`` without a space."""
    directions: tuple[tuple[float, ...] | None, ...] | None
    """Per file axis: its vector, or ``None``."""


@dataclass(frozen=True, slots=True)
class FileAxes:
    """The role of each axis of the file, fastest first, and how they make a model's array."""

    roles: tuple[Role, ...]
    kinds: tuple[str, ...]
    sizes: tuple[int, ...]
    slice_in_volume: bool = False
    """Two space axes with 3-D vectors: a volume with z = 1."""

    def of(self, role: Role) -> tuple[int, ...]:
        """File axes with this role, fastest first."""
        return tuple(i for i, r in enumerate(self.roles) if r == role)

    @property
    def names(self) -> str:
        """Names of the model's axes in array order."""
        time = "t" if self.of("time") else ""
        channel = "c" if self.of("component") else ""
        deep = len(self.of("space")) == 3 or self.slice_in_volume
        return f"{time}{channel}{'z' if deep else ''}yx"

    @property
    def shape(self) -> Shape:
        """Extents of the model's array."""
        space = [self.sizes[i] for i in reversed(self.of("space"))]
        if self.slice_in_volume:
            space = [1, *space]
        parts = prod(self.sizes[i] for i in self.of("component"))
        lead = [self.sizes[i] for i in self.of("time")]
        return (*lead, *([parts] if self.of("component") else []), *space)

    @property
    def storage_order(self) -> tuple[int, ...]:
        """The model's axes from slowest to fastest in the file."""
        names = [*"xyz"]
        fast: list[str] = []
        for role in self.roles:
            name = {"time": "t", "component": "c"}.get(role) or names.pop(0)
            if name != "c" or "c" not in fast:
                fast.append(name)
        if self.slice_in_volume:
            fast.append("z")
        return tuple(self.names.index(name) for name in reversed(fast))


def world_of(values: Mapping[str, Any], texts: Mapping[str, str], path: Path) -> World:
    """Read ``space``, ``space dimension`` and ``space directions``.

    Raises ``FormatError`` for an unknown space, contradictory dimensions, and vectors that are no
    numbers or of another length.
    """
    name = texts.get("space", "").strip('" ').lower() or None
    name = _SHORT.get(name or "", name)
    if name is not None and name not in SPACES:
        raise FormatError(f"{path}: space {texts['space'][:60]!r} is not one of the standard")
    positive, dimension = SPACES[name] if name else (None, values.get("space dimension"))
    stated = values.get("space dimension", dimension)
    if stated != dimension:
        raise FormatError(f"{path}: space dimension {stated} for space {name} ({dimension})")
    if "space directions" not in values:
        return World(name, positive, dimension, None)
    words = tidy_vectors(texts["space directions"]).split()
    vectors = tuple(
        None if word == "none" else tuple(map(float, vector))
        for word, vector in zip(words, values["space directions"], strict=True)
    )
    if dimension is None:
        raise FormatError(f"{path}: space directions without space or space dimension")
    for vector in vectors:
        if vector is not None and len(vector) != dimension:
            raise FormatError(f"{path}: space direction {vector}: {dimension} numbers expected")
    return World(name, positive, dimension, vectors)


def file_axes(
    values: Mapping[str, Any], world: World, path: Path
) -> tuple[FileAxes, tuple[Finding, ...]]:
    """What each axis of the file stands for.

    A vector in ``space directions`` makes an axis a domain, ``kinds`` say which one is time. Where
    neither says anything, the fastest three open axes are x, y, z and a fourth is time; an open
    axis of more than three whose spacing is NaN holds components, one whose unit is one of time, or
    whose label is "t", is time.

    Raises ``Unsupported`` for less than two or more than three space axes, two times, or component
    axes that are apart; ``FormatError`` for a size that its kind forbids.
    """
    sizes = tuple(values["sizes"])
    said = [axis_kind(text) for text in values.get("kinds") or ["???"] * len(sizes)]
    findings = [
        warning("unknown-kind", f"{path.name}: kind {kind.kind!r} is not of the standard", "kinds")
        for kind in said
        if not kind.known
    ]
    for kind, size in zip(said, sizes, strict=True):
        wanted = kind_size(kind.kind)
        if wanted is not None and wanted != size:
            raise FormatError(f"{path}: {size} samples of kind {kind.kind}: {wanted} expected")
    roles = [
        kind.role or _role_by_fields(values, world, i, len(sizes)) for i, kind in enumerate(said)
    ]
    if world.directions is not None:
        roles = [
            _role_by_vector(role, vector, world)
            for role, vector in zip(roles, world.directions, strict=True)
        ]
    decided = _assume(roles, world)
    if decided != roles and (None in roles or roles.count("space") > 3) and len(roles) > 3:
        meaning = " ".join(str(role) for role in decided)
        findings.append(
            warning("axis-kind-assumed", f"{path.name}: axes taken as {meaning}", "kinds")
        )
    axes = FileAxes(tuple(decided), tuple(_kind_names(said, decided)), sizes)
    return _checked(axes, world, path), tuple(findings)


def _role_by_vector(
    role: Role | None, vector: tuple[float, ...] | None, world: World
) -> Role | None:
    if vector is None:
        return role if role in ("time", "component") else "component"
    if world.name is not None and [i for i, part in enumerate(vector) if part != 0] == [3]:
        return "time"
    return "time" if role == "time" else "space"


def _role_by_fields(values: Mapping[str, Any], world: World, axis: int, count: int) -> Role | None:
    """What spacing, unit and label say of an axis without a kind."""
    if world.directions is not None:
        return None
    units, labels = values.get("units"), values.get("labels")
    if units and unit_name(units[axis]) in TIME_UNITS:
        return "time"
    if labels and labels[axis].strip().lower() in ("t", "time"):
        return "time"
    spacings = values.get("spacings")
    if spacings and isnan(spacings[axis]) and not all(map(isnan, spacings)) and count > 3:
        return "component"
    return None


def _assume(roles: Sequence[Role | None], world: World) -> list[Role]:
    """Roles for the axes that are still open, and time for a fourth domain."""
    decided: list[Role] = []
    room = 3
    for role in roles:
        taken = role or ("space" if decided.count("space") < room else "time")
        if taken == "space" and decided.count("space") == room and "time" not in roles:
            taken = "time"
        decided.append(taken)
    # With three space axes in a world of four coordinates nothing is left to decide; the vectors
    # are checked where the geometry is made.
    if world.dimension == 4 and decided.count("space") == 4:
        decided[-1] = "time"
    return decided


def _kind_names(said: Sequence[AxisKind], decided: Sequence[Role]) -> list[str]:
    standard = {"space": "domain", "time": "time", "component": "list"}
    return [
        kind.kind if kind.role == role else standard[role]
        for kind, role in zip(said, decided, strict=True)
    ]


def _checked(axes: FileAxes, world: World, path: Path) -> FileAxes:
    space, time, parts = axes.of("space"), axes.of("time"), axes.of("component")
    if len(space) not in (2, 3) or len(time) > 1:
        raise Unsupported(
            f"{path}: {len(space)} space and {len(time)} time axes (sizes "
            f"{' '.join(map(str, axes.sizes))}): 2 or 3 space axes and at most one time expected"
        )
    if parts and parts[-1] - parts[0] >= len(parts):
        raise Unsupported(f"{path}: component axes {parts} are apart: neighbours expected")
    coordinates = (world.dimension or 0) - (1 if _has_time_coordinate(axes, world) else 0)
    deep = world.directions is not None and len(space) == 2 and coordinates == 3
    return FileAxes(axes.roles, axes.kinds, axes.sizes, slice_in_volume=deep)


def _has_time_coordinate(axes: FileAxes, world: World) -> bool:
    if world.name is not None:
        return world.dimension == 4
    times = axes.of("time")
    return bool(times) and world.directions is not None and world.directions[times[0]] is not None
