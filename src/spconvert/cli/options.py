"""The flags of a conversion, written down once and used by both ways to ask for one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

_GEOMETRY = "Geometry (assigned, never resampled; x,y,z; LPS)"
_STORE = "Pyramid and store"
_RUN = "Run"
_READ = "Input"


def _flag(names: str, text: str, panel: str, metavar: str | None = None) -> Any:
    return typer.Option(*names.split(), help=text, rich_help_panel=panel, metavar=metavar)


@dataclass(frozen=True, slots=True)
class ReadFlags:
    """How to read an input; a field is a flag, of a conversion and of ``inspect``."""

    format: Annotated[
        str | None,
        _flag("-f --format", "Format of the input, whatever its name says", _READ, "NAME"),
    ] = None
    select: Annotated[
        str | None,
        _flag("--select --series", "Which image or series, if there are several", _READ, "NAME"),
    ] = None
    level: Annotated[
        int, _flag("--level", "Which level of a multiscale input to read", _READ, "N")
    ] = 0
    dims: Annotated[
        str | None, _flag("--dims", "Axes of a TIFF or a bare array, e.g. tczyx", _READ, "AXES")
    ] = None
    nifti_xform: Annotated[
        str, _flag("--nifti-xform", "Which transform: auto, sform or qform", _READ, "WHICH")
    ] = "auto"
    rescale: Annotated[
        str, _flag("--rescale", "Slope and intercept: auto, apply or keep", _READ, "HOW")
    ] = "auto"
    on_uneven_slices: Annotated[
        str, _flag("--on-uneven-slices", "error or warn", _READ, "WHAT")
    ] = "error"
    metadata: Annotated[
        str, _flag("--metadata", "Header fields to keep: all, safe or none", _READ, "WHICH")
    ] = "safe"
    allow_external_data: Annotated[
        bool,
        _flag("--allow-external-data", "Let a header name data files outside its folder", _READ),
    ] = False
    follow_symlinks: Annotated[
        bool, _flag("--follow-symlinks", "Let links in a store lead out of it", _READ)
    ] = False


@dataclass(frozen=True, slots=True)
class ConvertOptions(ReadFlags):
    """Every flag of a conversion; a field is a flag."""

    spacing: Annotated[
        str | None,
        _flag("--spacing", "Voxel spacing, e.g. 0.8,0.9,2.5mm", _GEOMETRY, "X,Y,Z[UNIT]"),
    ] = None
    origin: Annotated[
        str | None, _flag("--origin", "Centre of the first voxel", _GEOMETRY, "X,Y,Z[UNIT]")
    ] = None
    direction: Annotated[
        str | None,
        _flag(
            "--direction",
            "Rows of the direction matrix, or LPS, RAS, ...",
            _GEOMETRY,
            "D11,..,D33|CODE",
        ),
    ] = None
    affine: Annotated[
        str | None,
        _flag(
            "--affine",
            "Index to LPS, all in one, 16 numbers or a file of them",
            _GEOMETRY,
            "MATRIX",
        ),
    ] = None
    unit: Annotated[
        str | None, _flag("--unit", "Unit of length; no number changes", _GEOMETRY, "UNIT")
    ] = None
    space: Annotated[
        str | None,
        _flag("--space", "Whether the coordinates are a patient's", _GEOMETRY, "LPS|unknown"),
    ] = None
    like: Annotated[
        Path | None, _flag("--like", "Take the geometry of this file first", _GEOMETRY, "REF")
    ] = None
    time_step: Annotated[
        str | None,
        _flag("--time-step", "Time between two time points, e.g. 1.5s", _GEOMETRY, "T[UNIT]"),
    ] = None
    reorient: Annotated[
        str | None,
        _flag("--reorient", "Flip and permute voxels closest to LPS, RAS, ...", _GEOMETRY, "CODE"),
    ] = None
    ome_zarr_version: Annotated[
        str, _flag("--ome-zarr-version", "auto, 0.4, 0.5 or 0.6", _STORE, "VERSION")
    ] = "auto"
    chunks: Annotated[
        str | None, _flag("--chunks", "Voxels per chunk, 64 or z=32,y=128,x=128", _STORE, "SIZES")
    ] = None
    shards: Annotated[
        str | None,
        _flag("--shards", "Voxels per shard, or auto (the default)", _STORE, "SIZES|auto"),
    ] = None
    no_shards: Annotated[bool, _flag("--no-shards", "Every chunk is a file", _STORE)] = False
    codec: Annotated[
        str | None,
        _flag("--codec", "blosc:zstd:1:shuffle, zstd:3, gzip, none", _STORE, "CODEC"),
    ] = None
    levels: Annotated[str, _flag("--levels", "How many resolution levels", _STORE, "auto|N")] = (
        "auto"
    )
    scale_factors: Annotated[
        str | None,
        _flag(
            "--scale-factors", "2,4 or z=1,y=2,x=2;z=2,y=4,x=4, relative to level 0", _STORE, "LIST"
        ),
    ] = None
    method: Annotated[
        str, _flag("--method", "How levels are reduced: auto, mean, nearest", _STORE, "METHOD")
    ] = "auto"
    dtype: Annotated[
        str | None,
        _flag(
            "--dtype",
            "Convert values: uint8, int16, float32, ...; refused if they do not fit",
            _RUN,
            "TYPE",
        ),
    ] = None
    overwrite: Annotated[bool, _flag("--overwrite", "Replace an existing output", _RUN)] = False
    skip_existing: Annotated[
        bool, _flag("--skip-existing", "Do nothing if the output exists", _RUN)
    ] = False
    memory: Annotated[str | None, _flag("--memory", "Memory budget, e.g. 2GiB", _RUN, "SIZE")] = (
        None
    )
    workers: Annotated[
        int | None, _flag("-j --workers", "Threads; as many as processors by default", _RUN, "N")
    ] = None
    dry_run: Annotated[bool, _flag("--dry-run", "Print the plan, write nothing", _RUN)] = False
    on_loss: Annotated[
        str, _flag("--on-loss", "What the target cannot hold: warn or error", _RUN, "WHAT")
    ] = "warn"
    strict: Annotated[bool, _flag("--strict", "Turn every warning into an error", _RUN)] = False
    progress: Annotated[str, _flag("--progress", "auto, bar, plain or none", _RUN, "HOW")] = "auto"
    quiet: Annotated[bool, _flag("-q --quiet", "Errors only", _RUN)] = False
    verbose: Annotated[bool, _flag("-v --verbose", "Say more: memory, plan, notes", _RUN)] = False
    debug: Annotated[bool, _flag("--debug", "Show tracebacks", _RUN)] = False


def takes_options(kind: type[ReadFlags]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the flags of ``kind`` in place of its parameter ``options``."""
    hints = get_type_hints(kind, include_extras=True)
    flags = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]

    def decorated(function: Callable[..., None]) -> Callable[..., None]:
        own_hints = get_type_hints(function, include_extras=True)
        own = [
            p.replace(annotation=own_hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for p in inspect.signature(function).parameters.values()
            if p.name != "options"
        ]

        @functools.wraps(function)
        def command(**values: Any) -> None:
            chosen = {flag.name: values.pop(flag.name) for flag in flags}
            function(**values, options=kind(**chosen))

        parameters = [*own, *flags]
        signature = inspect.Signature(parameters)
        command.__signature__ = signature  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        del command.__wrapped__
        return command

    return decorated
