"""Found images put in physical space: spacing, origin, unit, levels; our own annotation first."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from pathlib import Path

from spconvert.errors import FormatError, GeometryError
from spconvert.formats.plugin import LevelInfo
from spconvert.formats.tiff.annotation import Placement
from spconvert.formats.tiff.found import Calibration, Found
from spconvert.formats.tiff.ome import Quantity
from spconvert.formats.tiff.stack import RawBlock, Stack
from spconvert.model.axes import Axis, unit_factor
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import SpatialImage
from spconvert.model.region import Shape


def trusted(found: Found, name: str) -> tuple[Placement | None, tuple[Finding, ...]]:
    """Our own annotation, if it still agrees with what everybody else reads in the file."""
    placement = found.calibration.placement
    if placement is None:
        return None, ()
    first = found.levels[0]
    names = "".join(axis.name for axis in placement.axes)
    shape = shape_of(first)
    squeezed = {n: k for n, k in zip("tczyx", shape, strict=True) if n in names or k > 1}
    agrees = set(squeezed) == set(names) and len(placement.geometry.spacing) == len(
        set(names) & set("xyz")
    )
    for i, axis in enumerate("xyz"[: len(placement.geometry.spacing)]):
        said = found.calibration.spacing.get(axis)
        stored = placement.geometry.spacing[i]
        if said is not None and abs(said.value - stored) > 1e-6 * stored:
            agrees = False
    if placement.channels and len(placement.channels) != shape[1]:
        agrees = False
    if agrees:
        return placement, ()
    text = f"{name}: spconvert's annotation no longer agrees with the file and is not used"
    return None, (warning("annotation-outdated", text),)


def shape_of(level: Stack | RawBlock) -> Shape:
    """Extents of t, c, z, y, x."""
    if isinstance(level, Stack):
        full = level.full_shape
        return full if level.palette is None else (full[0], 3, *full[2:])
    held = dict(zip(level.file_names, level.sizes, strict=True))
    return tuple(held.get(name, 1) for name in "tczyx")


def placed_image(
    found: Found, placement: Placement | None, path: Path
) -> tuple[SpatialImage, tuple[Finding, ...]]:
    """The finest level as an image, placed by our annotation where it is trusted.

    Raises ``FormatError`` if pixels and axes do not fit each other, ``GeometryError`` for spacing
    or origin that are no finite numbers.
    """
    first = found.levels[0]
    calibration = found.calibration
    findings: list[Finding] = []
    if placement is not None:
        names = "".join(axis.name for axis in placement.axes)
        axes, geometry, channels = placement.axes, placement.geometry, placement.channels
        first = _with_names(first, names)
        extra = {**placement.extra}
    else:
        names = first.names
        geometry, unit = _geometry(calibration, names, path, findings)
        axes = tuple(_axis(name, unit, calibration) for name in names)
        channels = tuple(calibration.channels)
        extra = {}
    if len(channels) != shape_of(first)[1]:
        channels = ()
    try:
        image = SpatialImage(
            first.pixels(),
            axes,
            geometry,
            channels,
            _name(found, path),
            {**extra, "tiff": dict(calibration.extra) or {"dialect": found.dialect}},
        )
    except ValueError as error:
        raise FormatError(f"{path}: {error}") from error
    return image, tuple(findings)


def _name(found: Found, path: Path) -> str:
    if found.dialect in ("ome", "svs", "ndpi", "scn", "qpi") and found.name:
        return found.name
    name = path.name
    for suffix in (".ome.tiff", ".ome.tif", ".ome.btf"):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return path.stem


def _with_names(level: Stack | RawBlock, names: str) -> Stack | RawBlock:
    """The same pixels with axes of extent 1 that only our annotation knows of."""
    if isinstance(level, Stack):
        return replace(level, names=names)
    missing = "".join(name for name in names if name not in level.file_names)
    sizes = (*(1 for _ in missing), *level.sizes)
    return replace(level, file_names=missing + level.file_names, sizes=sizes)


def _axis(name: str, unit: str | None, calibration: Calibration) -> Axis:
    if name != "t":
        return Axis.named(name, unit if name in "xyz" else None)
    step, start = calibration.step, calibration.start
    if step is None:
        return Axis("t", "time")
    begun = 0.0
    if start is not None and start.unit is not None and step.unit is not None:
        begun = start.value * unit_factor(start.unit, step.unit)
    return Axis("t", "time", step.unit, begun, step.value)


def _geometry(
    calibration: Calibration, names: str, path: Path, findings: list[Finding]
) -> tuple[Geometry, str | None]:
    """Spacing and origin in one unit: that of x, or of the first axis that has one."""
    space = [name for name in "xyz" if name in names]
    said = calibration.spacing
    known = [said[name].unit for name in space if name in said and said[name].unit]
    unit = known[0] if known else None
    spacing, origin = [], []
    for name in space:
        step = said.get(name)
        if step is None and said:
            text = f"{path.name}: the spacing along {name} is not known: 1 assumed"
            findings.append(note("spacing-unknown", text, name))
        spacing.append(1.0 if step is None else _converted(step, unit))
        place = calibration.origin.get(name)
        usable = place is not None and (place.unit == unit or (place.unit and unit))
        origin.append(_converted(place, unit) if place is not None and usable else 0.0)
    if any(origin):
        text = f"{path.name}: origin {origin} from the positions that the file states"
        findings.append(note("origin-from-positions", text))
    if not all(map(isfinite, (*spacing, *origin))) or min(spacing) <= 0:
        raise GeometryError(f"{path}: spacing {spacing}, origin {origin}: finite numbers expected")
    return Geometry(tuple(origin), tuple(spacing), identity_matrix(len(space))), unit


def _converted(quantity: Quantity, unit: str | None) -> float:
    if unit is None or quantity.unit is None or quantity.unit == unit:
        return quantity.value
    return quantity.value * unit_factor(quantity.unit, unit)


def _level_geometry(found: Found, base: SpatialImage, level: int) -> Geometry:
    """Of a coarser level: its samples are the means of whole windows of the finest."""
    fine = dict(zip("tczyx", shape_of(found.levels[0]), strict=True))
    coarse = dict(zip("tczyx", shape_of(found.levels[level]), strict=True))
    geometry = base.geometry
    factors = [_factor(fine[name], coarse[name]) for name in "xyz"[: geometry.ndim]]
    offset = [(f - 1) / 2 for f in factors]
    spacing = tuple(s * f for s, f in zip(geometry.spacing, factors, strict=True))
    return replace(
        geometry,
        spacing=spacing,
        origin=tuple(float(v) for v in geometry.physical(offset))
        if any(offset)
        else geometry.origin,
    )


def _factor(fine: int, coarse: int) -> float:
    """A whole number where the sizes allow one, else their quotient."""
    whole = max(1, round(fine / coarse))
    if coarse in (fine // whole, -(-fine // whole)):
        return float(whole)
    return fine / coarse


def at_level(found: Found, base: SpatialImage, level: int) -> SpatialImage:
    """A coarser level as an image of its own. Raises as ``Stack.pixels`` does."""
    chosen = _with_names(found.levels[level], base.axis_names)
    return replace(base, pixels=chosen.pixels(), geometry=_level_geometry(found, base, level))


def level_infos(found: Found, base: SpatialImage) -> tuple[LevelInfo, ...]:
    """How each level is stored, and where it lies."""
    infos = []
    for i, level in enumerate(found.levels):
        pixels = _with_names(level, base.axis_names).pixels() if i else base.pixels
        geometry = _level_geometry(found, base, i)
        codec = level.pages[0].layout.compression if isinstance(level, Stack) else "none"
        infos.append(
            LevelInfo(
                str(i), pixels.shape, pixels.chunks, None, codec, geometry.spacing, geometry.origin
            )
        )
    return tuple(infos)
