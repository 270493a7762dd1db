"""``spconvert.convert``: one conversion by plain Python values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from spconvert.actions.assign import GeometryEdit, VectorEdit
from spconvert.actions.convert import Conversion
from spconvert.actions.convert import convert as carry_out
from spconvert.actions.request import PerAxis, Request, StoreRequest
from spconvert.errors import UsageError
from spconvert.formats.plugin import Source
from spconvert.model.axes import unit_name
from spconvert.model.geometry import Space
from spconvert.model.image import SpatialImage
from spconvert.pipeline.events import Listener, ignore

Numbers = float | Sequence[float]
Sizes = int | Mapping[str, int]


def convert(  # noqa: PLR0913 - the flags of the command line, by keyword
    source: str | Path | SpatialImage,
    target: str | Path,
    *,
    level: int = 0,
    spacing: Numbers | None = None,
    origin: Numbers | None = None,
    direction: Sequence[Sequence[float]] | str | None = None,
    unit: str | None = None,
    space: Space | None = None,
    like: SpatialImage | None = None,
    reorient: str | None = None,
    ome_zarr_version: str = "auto",
    chunks: Sizes | None = None,
    shards: Sizes | Literal["auto", "none"] = "auto",
    codec: str | None = None,
    levels: int | None = None,
    scale_factors: Sequence[Sizes] | None = None,
    method: str = "mean",
    overwrite: bool = False,
    strict: bool = False,
    memory: int | None = None,
    workers: int | None = None,
    listener: Listener = ignore,
) -> Conversion:
    """Convert a file, or an image in memory, to the format that the target's suffix names.

    ``spacing``, ``origin`` and ``direction`` (rows, or letters such as "RAS") are in x, y, z order
    and LPS, in the image's own unit; they are assigned, nothing is resampled. ``chunks``,
    ``shards`` and ``scale_factors`` are voxels per axis, one number or a mapping by axis name.
    ``memory`` is in bytes. Raises the errors of ``spconvert.errors``; nothing is left behind then.
    """
    full_unit = unit_name(unit) if unit is not None else None
    if unit is not None and full_unit is None:
        raise UsageError(f"unit {unit!r} is not known", hint="for example mm or micrometer")
    edit = GeometryEdit(
        spacing=_vector(spacing),
        origin=_vector(origin),
        direction=direction
        if direction is None or isinstance(direction, str)
        else _rows(direction),
        unit=full_unit,
        space=space,
        like=like,
    )
    store = StoreRequest(
        ome_zarr_version,
        _sizes(chunks) if chunks is not None else None,
        shards if isinstance(shards, str) else _sizes(shards),
        codec,
        levels,
        tuple(_sizes(f) for f in scale_factors) if scale_factors is not None else None,
        method,
    )
    request = Request(
        source if isinstance(source, SpatialImage) else Source(Path(source), level=level),
        Path(target),
        edit=edit,
        reorient=reorient,
        store=store,
        overwrite=overwrite,
        memory=memory,
        workers=workers,
        strict=strict,
    )
    return carry_out(request, listener)


def _vector(values: Numbers | None) -> VectorEdit | None:
    if values is None:
        return None
    if isinstance(values, int | float):
        return VectorEdit((float(values),))
    return VectorEdit(tuple(float(v) for v in values))


def _rows(matrix: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in matrix)


def _sizes(sizes: Sizes) -> PerAxis:
    return PerAxis(sizes) if isinstance(sizes, int) else PerAxis(None, dict(sizes))
