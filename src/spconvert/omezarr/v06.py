"""OME-Zarr 0.6: Zarr v3, coordinate systems and transformations (RFC-5), which hold a direction.

The datasets map to the system "physical" by scale and translation. One transformation leads from
there to "LPS" (or "world", where no anatomy is known): the direction, about voxel 0, so that a
reader of scale and translation alone still finds spacing and origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spconvert.errors import FormatError, GeometryError, Unsupported
from spconvert.model.axes import Axis
from spconvert.model.finding import Finding, warning
from spconvert.model.geometry import Geometry, Space, Vector, reversed_matrix, reversed_vector
from spconvert.omezarr.attribute import Exact, decode_attribute
from spconvert.omezarr.axes import ReadAxes, encode_axes
from spconvert.omezarr.classic import clues_of, sampling_of
from spconvert.omezarr.fields import items, members, place
from spconvert.omezarr.image import (
    assemble,
    dataset_path,
    encode_beside,
    encode_head,
    finish,
    first_multiscale,
)
from spconvert.omezarr.levels import Sampling, encode_levels
from spconvert.omezarr.multiscale import Decoded, Multiscale
from spconvert.omezarr.orientation import array_words
from spconvert.omezarr.placement import Clues, place_image, same_place, stale
from spconvert.omezarr.systems import (
    System,
    choose_target,
    decode_edges,
    decode_systems,
    reachable,
    reference,
)
from spconvert.omezarr.transforms import AffineMap, parse

name: str = "0.6"
zarr_format: int = 3
shards: bool = True

_INTRINSIC = "physical"
_LPS_WORDS = ("inferior-to-superior", "anterior-to-posterior", "right-to-left")
_UNIT_TOLERANCE = 1e-6
_SEPARATE = 1e-12


def encode(multiscale: Multiscale) -> dict[str, Any]:
    """All attributes of the root group. Raises ``Unsupported`` for header fields without JSON."""
    display, own = encode_beside(multiscale)
    ome = {"version": name, "multiscales": [_document(multiscale)], **display}
    return {"ome": ome, **own}


def _document(multiscale: Multiscale) -> dict[str, Any]:
    geometry = multiscale.geometry
    labels = array_words(geometry)
    systems = [_system(_INTRINSIC, multiscale.axes, labels)]
    document = {**encode_head(multiscale), "coordinateSystems": systems}
    document["datasets"] = [_dataset(level) for level in encode_levels(multiscale)]
    if not geometry.has_identity_direction:
        world = "LPS" if geometry.space == "LPS" else "world"
        systems.append(_system(world, multiscale.axes, _LPS_WORDS if labels else ()))
        document["coordinateTransformations"] = [
            {
                "type": "sequence" if geometry.is_rotation else "affine",
                "name": "direction",
                "input": {"name": _INTRINSIC},
                "output": {"name": world},
                **_direction(multiscale),
            }
        ]
    return document


def _system(system: str, axes: Sequence[Axis], labels: Sequence[str]) -> dict[str, Any]:
    return {"name": system, "axes": encode_axes(axes, labels, discrete=True)}


def _dataset(level: Sampling) -> dict[str, Any]:
    transformation = {
        "type": "sequence",
        "input": {"path": level.path},
        "output": {"name": _INTRINSIC},
        "transformations": [
            {"type": "scale", "scale": list(level.scale)},
            {"type": "translation", "translation": list(level.translation)},
        ],
    }
    return {"path": level.path, "coordinateTransformations": [transformation]}


def _direction(multiscale: Multiscale) -> dict[str, Any]:
    """The turn about voxel 0: ``O' + D' (p − O')`` in array order; t and c stay as they are.

    A rotation in the strict sense as three steps without rounding, else one affine.
    """
    geometry, space = multiscale.geometry, list(multiscale.space_axes)
    ndim = len(multiscale.axes)
    matrix = np.eye(ndim)
    matrix[np.ix_(space, space)] = reversed_matrix(geometry.direction)
    origin = np.zeros(ndim)
    origin[space] = reversed_vector(geometry.origin)
    if not geometry.is_rotation:
        offset = origin - matrix @ origin
        return {"affine": np.concatenate([matrix, offset[:, None]], axis=1).tolist()}
    return {
        "transformations": [
            {"type": "translation", "translation": (0.0 - origin).tolist()},
            {"type": "rotation", "rotation": matrix.tolist()},
            {"type": "translation", "translation": origin.tolist()},
        ]
    }


def decode(attributes: Mapping[str, Any], nifti: bytes | None = None) -> Decoded:
    """What the attributes of a group say, in the spellings of 0.6 and of its drafts.

    Raises ``FormatError``, ``GeometryError`` or ``Unsupported``.
    """
    ome = members(attributes.get("ome"), "ome")
    where = ("ome", "multiscales", 0)
    document, findings = first_multiscale(ome.get("multiscales"), *where[:2])
    systems = decode_systems(document, *where)
    intrinsic, axes, samplings = _datasets(document, systems, where)
    exact, found = decode_attribute(attributes)
    findings += [*axes.findings, *found]
    edges, unused = decode_edges(document, systems, *where)
    ways, unreached = reachable(intrinsic.name, edges)
    findings += [*unused, *unreached]
    target = choose_target(intrinsic, [systems[n] for n in ways])
    placed = None
    if target is not None:
        way = ways.get(target.name, AffineMap.of(np.eye(len(axes.axes))))
        placed = _placed(target, way, axes, samplings[0], findings)
    findings += _not_used(ways, target if placed is not None else None)
    if placed is not None:
        axes, level0 = replace(axes, axes=placed.axes), placed.level0
        samplings = (level0, *samplings[1:])
        geometry, more = _exactly(placed.geometry, exact)
    else:
        clues = clues_of(axes, samplings[0])
        geometry, more = place_image(
            Clues(**clues, exact=exact, multiscale=document, attributes=attributes, nifti=nifti)
        )
    multiscale = assemble(document, axes, samplings, geometry, exact)
    written = ome.get("version")
    version = written if isinstance(written, str) else name
    decoded = Decoded(multiscale, version, (*findings, *more), axes.order)
    return finish(multiscale, ome.get("omero"), exact, decoded)


def _datasets(
    document: Mapping[str, Any], systems: Mapping[str, System], where: tuple[str | int, ...]
) -> tuple[System, ReadAxes, tuple[Sampling, ...]]:
    """The system that all datasets map to, its axes, and how they do."""
    datasets = items(document.get("datasets"), *where, "datasets")
    if not datasets:
        raise FormatError(f"{place(where)}.datasets is empty: one dataset at least expected")
    intrinsic: System | None = None
    samplings = []
    for i, value in enumerate(datasets):
        spot = (*where, "datasets", i)
        entry = members(value, *spot)
        written = items(entry.get("coordinateTransformations"), *spot, "coordinateTransformations")
        spot = (*spot, "coordinateTransformations")
        if len(written) != 1:
            raise FormatError(f"{place(spot)} has {len(written)} members: exactly one expected")
        transformation = members(written[0], *spot, 0)
        system = _output(transformation, systems, (*spot, 0))
        if intrinsic is not None and system is not intrinsic:
            raise FormatError(f"datasets map to {intrinsic.name!r} and to {system.name!r}")
        intrinsic = system
        if system.axes is None:
            raise FormatError(
                f"axes {', '.join(system.axis_names)} of system {system.name!r}: one each of"
                " t, c, z, y, x at most, with y and x, expected"
            )
        try:
            whole = parse(transformation, system.axis_names, system.axis_names, (*spot, 0))
        except Unsupported as error:
            raise FormatError(str(error)) from error
        path = dataset_path(entry, *where, "datasets", i)
        samplings.append(sampling_of(path, whole, system.axes, (*spot, 0)))
    assert intrinsic is not None
    assert intrinsic.axes is not None
    return intrinsic, intrinsic.axes, tuple(samplings)


def _output(
    transformation: Mapping[str, Any],
    systems: Mapping[str, System],
    where: tuple[str | int, ...],
) -> System:
    output, _ = reference(transformation.get("output"))
    if output is None and "output" not in transformation and len(systems) == 1:
        return next(iter(systems.values()))
    if output is None or output not in systems:
        known = ", ".join(systems) or "none is defined"
        raise FormatError(f"{place(where)}.output is {output!r}: a coordinate system ({known})")
    return systems[output]


@dataclass(frozen=True, slots=True)
class _Placed:
    """Level 0 in a system of the world."""

    geometry: Geometry
    axes: tuple[Axis, ...]
    level0: Sampling


def _placed(
    target: System, way: AffineMap, axes: ReadAxes, level0: Sampling, findings: list[Finding]
) -> _Placed | None:
    """The geometry of level 0 in ``target``, or ``None`` (reported) if it has none there."""
    assert target.axes is not None
    turn = way.arranged(axes.order, target.axes.order)
    space = list(axes.space)
    rest = [i for i in range(len(axes.axes)) if i not in space]
    linear = turn.linear
    mixed = [*linear[np.ix_(space, rest)].flat, *linear[np.ix_(rest, space)].flat]
    steps = linear[np.ix_(rest, rest)]
    if max(map(abs, mixed), default=0.0) > _SEPARATE or np.count_nonzero(
        steps - np.diag(steps.diagonal())
    ):
        message = f"the way to {target.name!r} mixes space with other axes; not used"
        findings.append(warning("transform-not-used", message))
        return None
    try:
        geometry = _geometry(target, turn, space, level0)
    except (ValueError, GeometryError) as error:
        raise GeometryError(f"the way to system {target.name!r}: {error}") from error
    moved = level0
    for i in rest:
        scale = level0.scale[i] * float(linear[i, i])
        start = level0.translation[i] * float(linear[i, i]) + float(turn.offset[i])
        moved = _with(moved, i, scale, start)
    units = zip(axes.axes, target.axes.axes, strict=True)
    return _Placed(geometry, tuple(replace(a, unit=b.unit) for a, b in units), moved)


def _with(level: Sampling, axis: int, scale: float, start: float) -> Sampling:
    scales, starts = list(level.scale), list(level.translation)
    scales[axis], starts[axis] = scale, start
    return Sampling(level.path, tuple(scales), tuple(starts))


def _geometry(target: System, turn: AffineMap, space: list[int], level0: Sampling) -> Geometry:
    """In x, y, z order; from the stored numbers, uncomposed, where these are S, O and a unit D.

    Raises ``ValueError`` as ``Geometry`` does.
    """
    matrix = np.array(reversed_matrix(turn.linear[np.ix_(space, space)].tolist()))
    offset = np.array(reversed_vector(turn.offset[space].tolist()))
    spacing = np.array(reversed_vector([level0.scale[i] for i in space]))
    start = np.array(reversed_vector([level0.translation[i] for i in space]))
    with np.errstate(all="ignore"):  # what overflows is refused by Geometry
        origin = matrix @ start + offset
        steps = matrix * spacing
        lengths = np.linalg.norm(matrix, axis=0)
        nearly = _UNIT_TOLERANCE * max(float(np.abs(start).max()), float(np.abs(spacing).min()))
        if np.abs(origin - start).max() <= nearly * 1e-3:
            origin = start
    to_lps = target.to_lps if len(space) == 3 else None
    anatomical = to_lps is not None or target.name.lower() == "lps"
    if to_lps is not None and (np.array(to_lps) != np.eye(3)).any():
        frame = np.array(to_lps)
        origin, steps, matrix = (frame @ v + 0.0 for v in (origin, steps, matrix))
    kind: Space = "LPS" if anatomical else "unknown"
    if (spacing > 0).all() and np.abs(lengths - 1).max() <= _UNIT_TOLERANCE:
        rows = tuple(map(tuple, matrix.tolist()))
        return Geometry(_floats(origin), _floats(spacing), rows, kind)
    return Geometry.from_columns(steps.T.tolist(), origin.tolist(), kind)


def _floats(values: Any) -> Vector:
    return tuple(float(v) for v in values)


def _exactly(geometry: Geometry, exact: Exact) -> tuple[Geometry, tuple[Finding, ...]]:
    """The attribute's geometry where it is the same one, free of rounding."""
    if exact.geometry is None:
        return geometry, ()
    if same_place(geometry, exact.geometry):
        return exact.geometry, ()
    standard = f"spacing {geometry.spacing} and origin {geometry.origin}"
    return geometry, (stale(exact.geometry, standard),)


def _not_used(ways: Mapping[str, AffineMap], target: System | None) -> list[Finding]:
    used = None if target is None else target.name
    return [
        warning("system-not-used", f"coordinate system {other!r} is not used")
        for other in ways
        if other != used
    ]
