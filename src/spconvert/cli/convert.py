"""The main job: flags to a request, the request to an action, its outcome to words."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from spconvert.cli import values
from spconvert.cli.interrupts import patient
from spconvert.cli.messages import printable, say, say_finding, show
from spconvert.cli.options import ConvertOptions
from spconvert.cli.progress import progress
from spconvert.cli.sources import source_of
from spconvert.cli.tables import extents, size, symbol, vector
from spconvert.errors import UsageError

if TYPE_CHECKING:
    from spconvert.actions.assign import GeometryEdit
    from spconvert.actions.convert import Conversion
    from spconvert.actions.request import Request, StoreRequest
    from spconvert.model.finding import Finding
    from spconvert.pipeline.events import Event, Listener, Planned
    from spconvert.pipeline.plan import PyramidPlan


def convert_one(inputs: list[Path], output: Path, options: ConvertOptions) -> None:
    """Convert and say what was done. Raises the errors of ``spconvert.errors``."""
    if options.skip_existing and os.path.lexists(output):
        if not options.quiet:
            say(f"{output}: exists, skipped")
        return
    _check_given(options)
    from spconvert.actions.convert import convert

    request = _request(inputs, output, options)
    how = "none" if options.quiet else options.progress
    with patient() as check, progress(how, printable(output.name)) as show_progress:
        done = convert(request, _listener(request, options, (check, show_progress)))
    if options.dry_run:
        for line in _dry_lines(done):
            show(line)
    elif not options.quiet:
        say(_summary(done))


def _check_given(options: ConvertOptions) -> None:
    """A script whose variable is empty means something else than a flag that was left out."""
    for field in fields(options):
        if getattr(options, field.name) == "":
            raise UsageError(f"--{field.name.replace('_', '-')} has an empty value")


def _listener(
    request: Request, options: ConvertOptions, others: tuple[Callable[[], None], Listener]
) -> Listener:
    """Says findings and, with ``-v``, the plan; then calls ``others`` at every event.

    These are one that may stop the run and one that shows how far it is.
    """
    check, show_progress = others
    from spconvert.pipeline.events import Found, Planned

    def listen(event: Event) -> None:
        if isinstance(event, Found) and not options.quiet:
            if options.verbose or _always(event.finding):
                say_finding(event.finding)
        elif isinstance(event, Planned) and options.verbose:
            for line in _plan_lines(event, request):
                say(line)
        check()
        show_progress(event)

    return listen


def _always(finding: Finding) -> bool:
    """Warnings, and the reason for the choice of a version, are said without being asked."""
    return finding.severity != "note" or finding.code == "version"


def _request(inputs: list[Path], target: Path, options: ConvertOptions) -> Request:
    from spconvert.actions.request import Request

    if options.on_loss not in {"warn", "error"}:
        raise UsageError(f"--on-loss {options.on_loss!r}: warn or error expected")
    assigned = bool(options.spacing or options.affine or options.like)
    return Request(
        source_of(inputs, options, spacing_assigned=assigned),
        target,
        options.format,
        None,
        _edit(options),
        options.reorient.upper() if options.reorient else None,
        _store(options),
        dtype=options.dtype,
        overwrite=options.overwrite,
        memory=values.parse_bytes(options.memory) if options.memory else None,
        workers=options.workers,
        strict=options.strict,
        refuse_loss=options.on_loss == "error",
        dry_run=options.dry_run,
    )


def _edit(options: ConvertOptions) -> GeometryEdit:
    from spconvert.actions.assign import GeometryEdit
    from spconvert.actions.open import open_image

    if options.space not in {None, "LPS", "unknown"}:
        raise UsageError(f"--space {options.space!r}: LPS or unknown expected")
    vector_of = values.parse_vector
    return GeometryEdit(
        spacing=vector_of("--spacing", options.spacing) if options.spacing else None,
        origin=vector_of("--origin", options.origin) if options.origin else None,
        direction=values.parse_direction(options.direction) if options.direction else None,
        affine=values.parse_affine(options.affine) if options.affine else None,
        unit=values.parse_unit(options.unit) if options.unit else None,
        space=options.space,  # type: ignore[arg-type]
        like=open_image(options.like) if options.like else None,
        time_step=values.parse_time_step(options.time_step) if options.time_step else None,
    )


def _store(options: ConvertOptions) -> StoreRequest:
    from spconvert.actions.request import StoreRequest

    if options.no_shards and options.shards:
        raise UsageError("--shards and --no-shards contradict each other", hint="give one")
    shards = "none" if options.no_shards else options.shards or "auto"
    return StoreRequest(
        options.ome_zarr_version,
        values.parse_sizes("--chunks", options.chunks) if options.chunks else None,
        "none" if shards == "none" else values.parse_shards(shards),
        options.codec,
        values.parse_levels(options.levels),
        values.parse_scale_factors(options.scale_factors) if options.scale_factors else None,
        "mean" if options.method == "auto" else options.method,
    )


def _summary(done: Conversion) -> str:
    """Path, format, size, spacing, origin, orientation, levels, bytes, seconds."""
    image = done.image
    geometry = image.geometry
    unit = symbol(image.unit)
    facts = [
        done.format,
        f"{extents(image.shape)} {image.dtype.name}",
        f"spacing {vector(geometry.spacing)} {unit}".rstrip(),
        f"origin {vector(geometry.origin)}",
        f"orientation {geometry.code}+" if geometry.code else "no anatomy",
        f"{done.levels} levels" if done.levels > 1 else "1 level",
        size(done.nbytes),
        f"{done.seconds:.2f} s",
    ]
    lost = [f.code.removesuffix("-lost") for f in done.findings if f.code.endswith("-lost")]
    if lost:
        facts.append(f"lost: {', '.join(lost)}")
    return f"{done.target}: {'; '.join(facts)}"


def _plan_lines(event: Planned, request: Request) -> list[str]:
    from spconvert.actions.request import default_memory

    plan = event.plan
    memory = request.memory or default_memory()
    return [
        *(f"level {line}" for line in _level_lines(plan)),
        f"memory: {size(plan.peak_bytes)} of voxels at most, budget {size(memory)}",
        f"workers: {plan.workers}",
    ]


def _level_lines(plan: PyramidPlan) -> list[str]:
    """One line per level, sizes and factors in x, y, z order."""
    lines = []
    for level in plan.levels:
        shards = f", shards {extents(level.shards)}" if level.shards else ""
        factors = ",".join(str(f) for f in reversed(level.factors))
        lines.append(
            f"{level.path}: {extents(level.shape)}, factors {factors}, "
            f"chunks {extents(level.chunks)}{shards}"
        )
    return lines


def _dry_lines(done: Conversion) -> list[str]:
    """The plan, one fact a line."""
    lines = [f"would write {done.target}: {done.format}"]
    lines += [f"  {f.severity}: {f.message}" for f in done.findings]
    if done.plan is None:
        return lines
    pyramid = done.plan.pyramid
    lines += [f"  {line}" for line in _level_lines(pyramid)]
    itemsize = done.image.dtype.itemsize
    lines.append(f"  method {done.plan.reducer.name}, codec {done.plan.codec.label}")
    lines.append(f"  voxels {size(pyramid.voxels * itemsize)} uncompressed")
    lines.append(
        f"  memory {size(pyramid.peak_bytes)} of voxels at most, {pyramid.workers} workers"
    )
    if done.plan.spool:
        lines.append(f"  the source is unpacked beside the output first: {size(done.image.nbytes)}")
    return lines
