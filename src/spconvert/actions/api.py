"""``spconvert.convert``: one conversion by plain Python values."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spconvert.actions.assign import GeometryEdit, VectorEdit
from spconvert.actions.convert import Conversion
from spconvert.actions.convert import convert as carry_out
from spconvert.actions.open import open_image
from spconvert.actions.request import PerAxis, Request, StoreRequest
from spconvert.errors import UsageError
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.model.axes import unit_name
from spconvert.model.geometry import Matrix, Space
from spconvert.model.image import SpatialImage
from spconvert.pipeline.events import Listener, ignore

Sizes = SupportsIndex | Mapping[str, SupportsIndex]


def convert(  # noqa: PLR0913 - the flags of the command line, by keyword
    source: str | PathLike[str] | SpatialImage,
    target: str | PathLike[str],
    *,
    select: str | None = None,
    level: SupportsIndex = 0,
    read: ReadOptions | None = None,
    spacing: ArrayLike | None = None,
    origin: ArrayLike | None = None,
    direction: ArrayLike | None = None,
    affine: ArrayLike | None = None,
    unit: str | None = None,
    space: Space | None = None,
    like: str | PathLike[str] | SpatialImage | None = None,
    dtype: str | None = None,
    reorient: str | None = None,
    ome_zarr_version: str = "auto",
    chunks: Sizes | None = None,
    shards: Sizes | Literal["auto", "none"] = "auto",
    codec: str | None = None,
    levels: SupportsIndex | None = None,
    scale_factors: Sequence[Sizes] | None = None,
    method: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    strict: bool = False,
    memory: SupportsIndex | None = None,
    workers: SupportsIndex | None = None,
    listener: Listener = ignore,
) -> Conversion:
    """Convert a file, or an image in memory, to the format that the target's suffix names.

    ``spacing`` and ``origin`` (one number, or one per space axis), ``direction`` (rows, shape
    ``(n, n)``, or letters such as "RAS") and ``affine`` (homogeneous, ``(n + 1, n + 1)``, index
    to physical) are in x, y, z order and LPS, in the image's own unit; they are assigned, nothing
    is resampled; ``like`` is an image, or a file, whose geometry is taken first.
    ``read`` says how to read where a file leaves a choice. ``chunks``, ``shards`` and
    ``scale_factors`` are voxels per axis, one number or a mapping by axis name. ``memory`` is in
    bytes. ``listener`` is called with the events of ``spconvert.pipeline.events`` from the thread
    that called this function.
    Raises the errors of ``spconvert.errors``; nothing is left behind then.
    """
    edit = GeometryEdit(
        spacing=None if spacing is None else _vector("spacing", spacing),
        origin=None if origin is None else _vector("origin", origin),
        direction=direction
        if direction is None or isinstance(direction, str)
        else _rows("direction", direction),
        affine=None if affine is None else _rows("affine", affine),
        unit=_unit(unit),
        space=_space(space),
        like=_image(like),
    )
    store = StoreRequest(
        ome_zarr_version,
        None if chunks is None else _sizes("chunks", chunks),
        "auto" if shards == "auto" else "none" if shards == "none" else _sizes("shards", shards),
        codec,
        _integer("levels", levels),
        None if scale_factors is None else tuple(_sizes("scale_factors", f) for f in scale_factors),
        "mean" if method == "auto" else method,
    )
    assigned = edit.spacing is not None or edit.affine is not None or like is not None
    reading = replace(read or ReadOptions(), spacing_assigned=assigned)
    request = Request(
        source
        if isinstance(source, SpatialImage)
        else Source(_path("source", source), select, _integer("level", level) or 0, reading),
        _path("target", target),
        edit=edit,
        dtype=dtype,
        reorient=reorient,
        store=store,
        overwrite=overwrite,
        memory=_integer("memory", memory),
        workers=_integer("workers", workers),
        strict=strict,
        dry_run=dry_run,
    )
    return carry_out(request, listener)


def _path(what: str, path: str | PathLike[str]) -> Path:
    try:
        return Path(path)
    except TypeError as error:
        hint = "give an array a place in space with spconvert.from_array"
        text = f"{what} is of type {type(path).__name__}: a path expected"
        raise UsageError(text, hint=hint) from error


def _image(like: str | PathLike[str] | SpatialImage | None) -> SpatialImage | None:
    if like is None or isinstance(like, SpatialImage):
        return like
    return open_image(_path("like", like))


def _integer(what: str, number: SupportsIndex | None) -> int | None:
    try:
        return None if number is None else operator.index(number)
    except TypeError as error:
        raise UsageError(f"{what} {number!r}: an integer expected") from error


def _unit(unit: str | None) -> str | None:
    full = None if unit is None else unit_name(unit)
    if unit is not None and full is None:
        raise UsageError(f"unit {unit!r} is not known", hint="for example mm or micrometer")
    return full


def _space(space: Space | None) -> Space | None:
    if space not in {None, "LPS", "unknown"}:
        raise UsageError(f"space {space!r}: 'LPS' or 'unknown' expected")
    return space


def _vector(what: str, values: ArrayLike) -> VectorEdit:
    members = _numbers(what, values)
    if members.ndim > 1:
        raise UsageError(f"{what} of shape {members.shape}: a number, or one per axis, expected")
    return VectorEdit(tuple(members.reshape(-1).tolist()))


def _rows(what: str, matrix: ArrayLike) -> Matrix:
    rows = _numbers(what, matrix)
    if rows.ndim != 2 or rows.shape[0] != rows.shape[1]:
        raise UsageError(f"{what} of shape {rows.shape}: a square matrix expected")
    return tuple(tuple(row) for row in rows.tolist())


def _numbers(what: str, values: ArrayLike) -> NDArray[Any]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} {values!r}: numbers expected") from error


def _sizes(what: str, sizes: Sizes) -> PerAxis:
    try:
        if isinstance(sizes, Mapping):
            made = PerAxis(None, {name: size.__index__() for name, size in sizes.items()})
        else:
            made = PerAxis(sizes.__index__())
    except (AttributeError, TypeError) as error:
        text = f"{what} {sizes!r}: an integer, or a mapping from axis names, expected"
        raise UsageError(text) from error
    given = made.by_name.values() if made.default is None else (made.default,)
    if any(size < 1 for size in given):
        raise UsageError(f"{what} {sizes!r}: sizes start at 1")
    return made
