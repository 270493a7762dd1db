"""Write an image through a format plugin and verify what was written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from spconvert.actions.open import OpenedFile
from spconvert.actions.request import Request, default_memory
from spconvert.actions.write_store import spooled
from spconvert.errors import LimitError, TargetError, VerificationError
from spconvert.formats.plugin import Feature, FormatPlugin, Opened, Source, Target, WriteOptions
from spconvert.model.finding import Finding, note, warning
from spconvert.model.image import PixelSource, SequentialSource, SpatialImage
from spconvert.model.region import Region
from spconvert.pipeline.events import Advanced, Found, Listener, Started
from spconvert.pipeline.verify import check_geometry
from spconvert.pixels.watched import Digests, WatchedSource, values_digest
from spconvert.stores.publish import Workspace

SAMPLED_REGIONS = 8


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """What a plugin wrote into the workspace."""

    siblings: tuple[Path, ...]
    findings: tuple[Finding, ...]


def check_keeps(
    image: SpatialImage, plugin: FormatPlugin, opened: OpenedFile
) -> tuple[Finding, ...]:
    """What the target format cannot hold of this image, said before anything is written."""
    geometry = image.geometry
    has: dict[Feature, bool] = {
        "direction": not geometry.has_identity_direction,
        "shear": geometry.is_sheared,
        "origin": any(geometry.origin),
        "unit": image.unit is not None,
        "time": image.time is not None,
        "channels": "c" in image.axis_names,
        "volume": geometry.ndim == len("xyz"),
    }
    findings = [
        warning(f"{feature}-lost", f"{plugin.name} cannot hold the {feature} of this image")
        for feature, present in has.items()
        if present and feature not in plugin.can.keeps
    ]
    count = len(opened.opened.levels)
    if count > 1:
        text = f"level {opened.level} of {count} levels is written; --level N picks one"
        findings.append(note("levels-dropped", text))
    return tuple(findings)


def write_file(
    image: SpatialImage,
    plugin: FormatPlugin,
    request: Request,
    work: Workspace,
    listener: Listener,
) -> WrittenFile:
    """Write through the plugin into the workspace, read it back, compare.

    Raises what the plugin raises, and ``VerificationError``.
    """
    found: list[Finding] = []

    def listen(event: object) -> None:
        if isinstance(event, Found):
            found.append(event.finding)
        if isinstance(event, Started | Advanced | Found):
            listener(event)

    memory = request.memory or default_memory()
    options = WriteOptions(
        codec=request.store.codec,
        budget=min(memory // 4, 64 << 20),
        report=lambda done: listen(Advanced(done)),
        finding=lambda finding: listen(Found(finding)),
    )
    target = Target(request.target, work.folder)
    listen(Started("write", image.nbytes))
    try:
        files, digests = _written(image, plugin, target, options)
    except LimitError:
        if image.pixels.access != "sequential":
            raise
        # It comes in another order than the target needs: unpack it beside the output first.
        image = spooled(image, work, listen)
        listen(Started("write", image.nbytes))
        files, digests = _written(image, plugin, target, options)
    _check_siblings(files[1:], request)
    reread = plugin.read(Source(files[0]))
    check_geometry([image.geometry], [reread.image.geometry])
    listen(Found(_check_voxels(reread, digests)))
    return WrittenFile(files[1:], tuple(found))


def _check_siblings(files: Sequence[Path], request: Request) -> None:
    """A data file beside the target is replaced only along with the target it belongs to."""
    if request.overwrite and os.path.lexists(request.target):
        return
    for path in files:
        beside = request.target.parent / path.name
        if os.path.lexists(beside):
            text = f"{beside} exists, and {request.target.name} needs that name for its data"
            raise TargetError(text, hint="choose another -o, or remove it first")


def _written(
    image: SpatialImage, plugin: FormatPlugin, target: Target, options: WriteOptions
) -> tuple[tuple[Path, ...], Digests]:
    digests = Digests()
    watched = replace(image, pixels=WatchedSource(image.pixels, digests))
    try:
        return tuple(plugin.write(watched, target, options)), digests
    except OSError as error:
        hint = "choose another folder with -o, or free some space"
        text = f"cannot write {target.path}: {error.strerror or error}"
        raise TargetError(text, hint=hint) from error


def _check_voxels(reread: Opened, digests: Digests) -> Finding:
    """Compare digests: of a sample of regions where they can be read alone, else of all."""
    pixels = reread.image.pixels
    seen = digests.seen
    if pixels.access != "sequential":
        step = max(1, -(-len(seen) // SAMPLED_REGIONS))
        seen = seen[::step]
    for region, wanted, found in _compared(pixels, seen):
        if wanted != found:
            raise VerificationError(
                f"voxels from {region.start} to {region.stop} read back otherwise than written",
                hint="nothing was published; check the disk, and please report this",
            )
    return note("verified", f"{len(seen)} of {len(digests.seen)} slabs read back as written")


def _compared(
    pixels: PixelSource, seen: Sequence[tuple[Region, int]]
) -> list[tuple[Region, int, int]]:
    if pixels.access != "sequential":
        return [(r, wanted, values_digest(pixels.read(r))) for r, wanted in seen]
    scan = cast("SequentialSource", pixels).scan([region for region, _ in seen])
    return [
        (region, wanted, values_digest(slab))
        for (region, wanted), slab in zip(seen, scan, strict=True)
    ]
