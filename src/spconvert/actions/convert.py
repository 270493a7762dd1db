"""Convert one image: open, assign geometry, write, verify, publish."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spconvert import __version__
from spconvert.actions.assign import assign, reorient, reorientation_needed, with_dtype
from spconvert.actions.load import check_fits, check_room, loaded
from spconvert.actions.losses import check_keeps
from spconvert.actions.open import OpenedFile, already_open, open_file
from spconvert.actions.request import Request, default_memory
from spconvert.actions.write_file import write_file
from spconvert.actions.write_store import (
    StorePlan,
    folder_size,
    plan_store,
    spooled,
    write_store,
)
from spconvert.errors import (
    FormatError,
    GeometryError,
    SpconvertError,
    Unsupported,
    UsageError,
)
from spconvert.formats.plugin import FormatPlugin, Source
from spconvert.formats.registry import plugin_for_writing, stem_of
from spconvert.model.finding import Finding, note
from spconvert.model.image import SpatialImage
from spconvert.pipeline.events import Found, Listener, Planned, ignore
from spconvert.pixels.spooled import unpacked
from spconvert.stores.publish import Workspace, check_apart, check_target, publish, workspace


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion did, or with ``dry_run`` would do."""

    target: Path
    format: str
    """Name of the target's format, with its version where it has one: "OME-Zarr 0.6"."""
    image: SpatialImage
    """What was written."""
    findings: tuple[Finding, ...]
    levels: int
    nbytes: int
    """Size of the output on disk; 0 after a dry run."""
    seconds: float
    plan: StorePlan | None = None
    """For OME-Zarr: how it was made."""


def convert(request: Request, listener: Listener = ignore) -> Conversion:
    """Carry out one conversion; what is not whole and verified is never seen under its name.

    Raises the errors of ``spconvert.errors``; nothing is left behind then.
    """
    begun = time.perf_counter()
    if isinstance(request.source, Source):
        for path in (request.source.path, *request.source.more_paths):
            check_apart(path, request.target)
    plugin = plugin_for_writing(request.target, request.target_format)
    if not plugin.can.writes:
        raise Unsupported(f"the {plugin.name} plugin does not write")
    opened = _opened(request)
    if not request.dry_run:
        check_target(request.target, overwrite=request.overwrite)
    image, assigned = assign(opened.image, request.edit)
    if request.dtype is not None:
        image, cast = with_dtype(image, request.dtype)
        assigned = (*assigned, *cast)
    if image.name == "image" and isinstance(request.source, Source):
        image = replace(image, name=stem_of(request.source.path))
    findings = [*opened.findings, *assigned]
    for finding in findings:
        listener(Found(finding))
    _check_strict(findings, request)
    job = _Job(request, plugin, opened, listener)
    if request.dry_run:
        done = job.planned(image)
    else:
        with workspace(request.target) as work:
            done = job.written(image, work)
    return replace(
        done,
        findings=(*findings, *done.findings),
        seconds=time.perf_counter() - begun,
    )


def _opened(request: Request) -> OpenedFile:
    if isinstance(request.source, Source):
        return open_file(request.source, request.source_format)
    return already_open(request.source)


@dataclass(frozen=True, slots=True)
class _Job:
    """One conversion under way."""

    request: Request
    plugin: FormatPlugin
    opened: OpenedFile
    listener: Listener

    held_bytes: int = 0
    """Voxels that are in memory already, because they could only be decoded whole."""

    @property
    def memory(self) -> int:
        return (self.request.memory or default_memory()) - self.held_bytes

    @property
    def _name(self) -> str:
        """What messages call the source."""
        source = self.opened.source
        return str(source.path) if source is not None else "the image"

    @property
    def to_store(self) -> bool:
        return self.plugin.name == "ome-zarr"

    def planned(self, image: SpatialImage) -> Conversion:
        """What would be done."""
        check_fits(image, self.memory, self._name)
        check_room(image, self.request.target, self._name)
        image, findings = self._as_if_reoriented(image)
        _check_strict(findings, self.request)
        done = self._planned(image)
        return replace(done, findings=(*findings, *done.findings))

    def _as_if_reoriented(self, image: SpatialImage) -> tuple[SpatialImage, tuple[Finding, ...]]:
        code = self.request.reorient
        if code is None:
            return image, ()
        found: tuple[Finding, ...] = ()
        if self._must_unpack(image, code):
            text = f"the source is unpacked beside the output first ({image.nbytes} bytes)"
            found = (note("unpacked", text),)
            image = replace(image, pixels=unpacked(image.pixels, Path("voxels")))
        image, findings = reorient(image, code)
        return image, (*found, *findings)

    def _planned(self, image: SpatialImage) -> Conversion:
        if not self.to_store:
            losses = check_keeps(image, self.plugin, self.opened)
            _check_strict(losses, self.request)
            return Conversion(self.request.target, self.plugin.name, image, losses, 1, 0, 0.0)
        losses = check_keeps(image, self.plugin, self.opened)
        plan = plan_store(image, self.request, self.memory)
        findings = (*losses, *plan.findings)
        _check_strict(findings, self.request)
        self.listener(Planned(plan.pyramid))
        return self._conversion(plan, findings, 0)

    def written(self, image: SpatialImage, work: Workspace) -> Conversion:
        """Write, verify, publish."""
        check_room(image, self.request.target, self._name)
        job = replace(self, held_bytes=image.nbytes if image.pixels.access == "whole" else 0)
        image = loaded(image, self.memory, self._name)
        image, findings = job._reoriented(image, work)  # noqa: SLF001 - another state of itself
        done = job._store(image, work) if self.to_store else job._file(image, work)  # noqa: SLF001
        return replace(done, findings=(*findings, *done.findings))

    def _reoriented(
        self, image: SpatialImage, work: Workspace
    ) -> tuple[SpatialImage, tuple[Finding, ...]]:
        code = self.request.reorient
        if code is None:
            return image, ()
        if self._must_unpack(image, code):
            image = spooled(image, work, self.listener)
        image, findings = reorient(image, code)
        for finding in findings:
            self.listener(Found(finding))
        _check_strict(findings, self.request)
        return image, findings

    @staticmethod
    def _must_unpack(image: SpatialImage, code: str) -> bool:
        """A source that is read front to back cannot be read in another order."""
        moves = reorientation_needed(image, code) is not None
        return moves and image.pixels.access == "sequential"

    def _store(self, image: SpatialImage, work: Workspace) -> Conversion:
        losses = check_keeps(image, self.plugin, self.opened)
        plan = plan_store(image, self.request, self.memory)
        before = (*losses, *plan.findings)
        for finding in before:
            self.listener(Found(finding))
        _check_strict(before, self.request)
        found = write_store(plan, work, self._provenance(), self.listener)
        _check_strict(found, self.request)
        size = folder_size(work.output)
        publish(work, (work.output,), overwrite=self.request.overwrite)
        return self._conversion(plan, (*before, *found), size)

    def _file(self, image: SpatialImage, work: Workspace) -> Conversion:
        losses = check_keeps(image, self.plugin, self.opened)
        for finding in losses:
            self.listener(Found(finding))
        _check_strict(losses, self.request)
        written = write_file(image, self.plugin, self.request, work, self.listener)
        _check_strict(written.findings, self.request)
        size = sum(folder_size(path) for path in written.files)
        publish(work, written.files, overwrite=self.request.overwrite)
        findings = (*losses, *written.findings)
        return Conversion(self.request.target, self.plugin.name, image, findings, 1, size, 0.0)

    def _conversion(
        self, plan: StorePlan, findings: tuple[Finding, ...], nbytes: int
    ) -> Conversion:
        name = f"OME-Zarr {plan.version.name}"
        levels = len(plan.pyramid.levels)
        target = self.request.target
        return Conversion(target, name, plan.image, findings, levels, nbytes, 0.0, plan)

    def _provenance(self) -> dict[str, Any]:
        return {"software": f"spconvert {__version__}", "source": self.opened.provenance}


_TARGET_CODES = frozenset({"space-assumed", "unit-assumed"})
_USAGE_CODES = frozenset({"like-size-differs"})
_GEOMETRY_CODES = frozenset(
    {
        "attribute-stale",
        "cell-angles-ignored",
        "direction-assumed",
        "direction-not-orthonormal",
        "direction-unknown",
        "direction-unusable",
        "geometry-conflict",
        "negative-spacing",
        "orientation-ignored",
        "orientation-unknown",
        "orientation-unusable",
        "origin-ambiguous",
        "position-unknown",
        "scale-disagrees",
        "slice-spacing-unknown",
        "slices-missing",
        "spacing-contradicted",
        "spacing-impossible",
        "spacing-unknown",
        "spacings-ignored",
        "stack-spacing",
        "system-not-used",
        "transform-not-used",
        "uneven-slices",
        "xform-code",
        "xform-disagree",
        "xform-disagreement",
        "xform-missing",
        "xform-unusable",
        "z-spacing-unknown",
    }
)


def _strict_error(code: str) -> type[SpconvertError]:
    """The error that a warning becomes: of the target, the request, the geometry, or the file."""
    if code.endswith(("-lost", "-not-standard", "-not-rotated")) or code in _TARGET_CODES:
        return Unsupported
    if code in _USAGE_CODES:
        return UsageError
    return GeometryError if code in _GEOMETRY_CODES else FormatError


def _check_strict(findings: tuple[Finding, ...] | list[Finding], request: Request) -> None:
    """With ``--strict`` the first warning ends the conversion, with ``--on-loss error`` a loss."""
    for finding in findings:
        lost = finding.code.endswith("-lost") or finding.code in _TARGET_CODES
        if finding.severity == "warning" and (request.strict or (lost and request.refuse_loss)):
            flag = "--strict" if request.strict else "--on-loss error"
            hint = f"{flag} turns this warning into an error"
            raise _strict_error(finding.code)(finding.message, hint=hint)
