"""Resolution levels as scale and translation per dataset, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spconvert.errors import FormatError, GeometryError
from spconvert.model.axes import Axis
from spconvert.model.geometry import reversed_vector
from spconvert.omezarr.multiscale import Level, Multiscale

_STEPS = 1024
_EPSILON = 2.0**-52


@dataclass(frozen=True, slots=True)
class Sampling:
    """Where the samples of one level lie: ``scale · i + translation``, per array axis."""

    path: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]


def encode_levels(multiscale: Multiscale) -> tuple[Sampling, ...]:
    """Scale ``f · S'`` and translation ``O' + c · S'`` of every level, per axis in array order.

    The direction never enters. A time axis has its step and start; a step that is not positive
    cannot be a scale and is written as 1 (the exact one is in the ``spconvert`` attribute).
    """
    spacing = reversed_vector(multiscale.geometry.spacing)
    origin = reversed_vector(multiscale.geometry.origin)
    result = []
    for level in multiscale.levels:
        grid = zip(spacing, origin, level.factors, level.offset, strict=True)
        scale, translation = [], []
        for axis in multiscale.axes:
            if axis.kind == "space":
                s, o, factor, offset = next(grid)
                scale.append(float(s * factor))
                translation.append(float(o + offset * s) if offset else o)
            else:
                scale.append(_scale_of(axis))
                translation.append(float(axis.start) if axis.kind == "time" else 0.0)
        result.append(Sampling(level.path, tuple(scale), tuple(translation)))
    return tuple(result)


def has_scale(axis: Axis) -> bool:
    """Whether the step of an axis can be written as a scale, which must be greater than 0."""
    return axis.kind != "time" or axis.step > 0


def _scale_of(axis: Axis) -> float:
    return float(axis.step) if axis.kind == "time" and has_scale(axis) else 1.0


def decode_levels(samplings: Sequence[Sampling], space: Sequence[int]) -> tuple[Level, ...]:
    """Factors and offsets of each level relative to the first, for the space axes ``space``.

    They are ratios of stored numbers; what lies within their rounding of a multiple of 1/1024 is
    taken as that multiple. Raises ``GeometryError`` for a scale of 0, ``FormatError`` for a level
    that runs the other way.
    """
    base = samplings[0]
    if any(base.scale[a] == 0 for a in space):
        raise GeometryError(f"level {base.path}: scale {base.scale}: no member may be 0")
    result = []
    for level in samplings:
        factors = tuple(_near(level.scale[a] / base.scale[a], 0.0) for a in space)
        if not all(0 < f < float("inf") for f in factors):
            message = f"level {level.path}: scale {level.scale} does not fit {base.scale}"
            raise FormatError(f"{message} of level {base.path}: factors greater than 0 expected")
        result.append(Level(level.path, factors, tuple(_offset(base, level, a) for a in space)))
    return tuple(result)


def _offset(base: Sampling, level: Sampling, axis: int) -> float:
    first, own, step = base.translation[axis], level.translation[axis], base.scale[axis]
    offset = (own - first) / step
    if abs(offset) == float("inf"):
        raise FormatError(f"level {level.path}: translation {own} for a scale of {step}")
    return _near(offset, 4 * _EPSILON * max(abs(first), abs(own)) / abs(step))


def _near(value: float, rounding: float) -> float:
    """The multiple of 1/1024 nearest to ``value`` if it is as near as 1e-9 or ``rounding``."""
    if abs(value) > 2.0**40:
        return value
    snapped = round(value * _STEPS) / _STEPS
    allowed = min(max(1e-9 * max(1.0, abs(value)), rounding), 0.25 / _STEPS)
    return snapped if abs(value - snapped) <= allowed else value
