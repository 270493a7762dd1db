"""Write an image through a format plugin and verify what was written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spconvert.actions.open import read_source
from spconvert.actions.request import Request, default_memory
from spconvert.actions.reread import check_reread, check_voxels
from spconvert.actions.write_store import spooled
from spconvert.errors import LimitError, TargetError
from spconvert.formats.plugin import FormatPlugin, ReadOptions, Source, Target, WriteOptions
from spconvert.model.finding import Finding
from spconvert.model.image import SpatialImage
from spconvert.pipeline.events import Advanced, Found, Listener, Started
from spconvert.pixels.watched import Digests, WatchedSource
from spconvert.stores.lock import refused
from spconvert.stores.publish import Workspace


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """What a plugin wrote into the workspace."""

    files: tuple[Path, ...]
    """In the order of publishing: data files first, what names them last."""
    findings: tuple[Finding, ...]


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
    files = _main_last(files, work)
    _check_siblings(files[:-1], request)
    written = read_source(plugin, _source_of(work, files))
    codes = [f.code for f in found]
    for finding in check_reread(image, written.image, plugin.can.keeps, codes):
        listen(Found(finding))
    listen(Found(check_voxels(image, written.image, digests, codes)))
    return WrittenFile(files, tuple(found))


def _main_last(files: Sequence[Path], work: Workspace) -> tuple[Path, ...]:
    """The files in the order in which they are published: data first, what names them last."""
    main = work.output if work.output in files else files[0]
    return (*(path for path in files if path != main), main)


def _source_of(work: Workspace, files: Sequence[Path]) -> Source:
    """How to read back what was written: stored values, whatever slope the header states."""
    options = ReadOptions(rescale="keep", metadata="all")
    if work.output in files:
        return Source(work.output, options=options)
    first, *others = files
    return Source(first, options=options, more_paths=tuple(others))


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
        raise refused(target.path, error) from error
