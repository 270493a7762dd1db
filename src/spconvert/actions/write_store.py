"""Write an image as a multiscale OME-Zarr store: plan, stream, verify, publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from spconvert.actions.request import Request, StoreRequest
from spconvert.errors import LimitError, TargetError, UsageError
from spconvert.model.finding import Finding, note
from spconvert.model.image import SpatialImage
from spconvert.model.region import Shape
from spconvert.omezarr.group import open_store, root_documents
from spconvert.omezarr.multiscale import Level, Multiscale, Version, Window
from spconvert.omezarr.versions import choose_version
from spconvert.pipeline.events import Advanced, Found, Listener, Planned, Started
from spconvert.pipeline.executors import available_workers, open_executor
from spconvert.pipeline.plan import (
    RESERVED_BYTES,
    PyramidOptions,
    PyramidPlan,
    Shards,
    default_chunks,
    plan_pyramid,
)
from spconvert.pipeline.run import Observer, PyramidSink, run_plan
from spconvert.pipeline.statistics import RangeObserver
from spconvert.pipeline.verify import Witness, check_geometry
from spconvert.pixels.reduced import Reducer, reducer
from spconvert.pixels.spooled import spool, unpacked
from spconvert.stores.codecs import Codec, parse_codec
from spconvert.stores.location import open_location
from spconvert.stores.lock import refused
from spconvert.stores.publish import Workspace
from spconvert.stores.zarr_array import ArraySpec
from spconvert.stores.zarr_reader import ArrayReader
from spconvert.stores.zarr_writer import ArrayWriter


@dataclass(frozen=True, slots=True)
class StorePlan:
    """Everything decided before a voxel is read."""

    image: SpatialImage
    version: Version
    reducer: Reducer
    codec: Codec
    pyramid: PyramidPlan
    spool: bool
    """Whether a compressed source must be unpacked beside the output first."""
    findings: tuple[Finding, ...]

    @property
    def levels(self) -> tuple[Level, ...]:
        """Paths, factors and offsets of the levels, for the metadata."""
        space = self.image.space_axes
        made = []
        for level in self.pyramid.levels:
            factors = tuple(float(level.factors[a]) for a in space)
            centred = self.reducer.anchor == "center"
            offset = tuple((f - 1) / 2 if centred else 0.0 for f in factors)
            made.append(Level(level.path, factors, offset))
        return tuple(made)


def plan_store(image: SpatialImage, request: Request, memory: int) -> StorePlan:
    """Decide version, levels, chunks, codec, memory. Pure.

    Raises ``UsageError``, ``Unsupported``, and ``LimitError`` if ``memory`` bytes are too few.
    """
    wanted = request.store
    version, finding = choose_version(image.geometry, wanted.version)
    method = reducer(wanted.method)
    codec = (parse_codec(wanted.codec) if wanted.codec else Codec()).for_dtype(image.dtype)
    options = _options(image, wanted, version)
    workers = request.workers or available_workers()
    spool = False
    try:
        pyramid = plan_pyramid(image, options, memory, workers)
    except LimitError:
        if not _can_unpack(image, memory):
            raise
        spool = True
        random = replace(image, pixels=unpacked(image.pixels, Path("voxels")))
        pyramid = plan_pyramid(random, options, memory, workers)
    return StorePlan(image, version, method, codec, pyramid, spool, (finding,))


def _can_unpack(image: SpatialImage, memory: int) -> bool:
    """Whether a source that does not fit as it is can be decoded once into a scratch file."""
    pixels = image.pixels
    if pixels.access == "chunked":
        return 2 * prod(pixels.chunks) * image.dtype.itemsize <= memory - RESERVED_BYTES
    return pixels.access == "sequential"


def write_store(
    plan: StorePlan, work: Workspace, provenance: Mapping[str, Any], listener: Listener
) -> tuple[Finding, ...]:
    """Write and verify the store at ``work.output``; the group's metadata come last.

    Raises whatever reading, writing or verifying raises.
    """
    found: list[Finding] = []

    def listen(event: Any) -> None:
        if isinstance(event, Found):
            found.append(event.finding)
        listener(event)

    listen(Planned(plan.pyramid))
    image = spooled(plan.image, work, listen) if plan.spool else plan.image
    root = work.output
    specs = _specs(plan)
    _make_folder(root)
    for spec in specs:
        _write_documents(root, spec.documents())
    writers = [ArrayWriter(root, spec) for spec in specs]
    witness = Witness(plan.pyramid)
    ranges = _range_observer(image)
    watchers: list[Observer] = [witness, *([ranges] if ranges else [])]
    sink = PyramidSink(writers, plan.reducer.reduce, watchers)
    with open_executor(plan.pyramid.workers) as executor:
        run_plan(plan.pyramid, image.pixels, sink, executor, listen)
    stored = {spec.path: writer.stored_objects for spec, writer in zip(specs, writers, strict=True)}
    multiscale = Multiscale(
        image.axes,
        image.geometry,
        plan.levels,
        image.name,
        plan.reducer.name,
        image.channels,
        _windows(ranges),
        image.extra,
        {**provenance, "objects": stored},
    )
    attributes = plan.version.encode(multiscale)
    _write_documents(root, root_documents(plan.version, attributes))
    listen(Found(_verified(plan, multiscale, root, specs, witness)))
    return tuple(found)


def spooled(image: SpatialImage, work: Workspace, listener: Listener) -> SpatialImage:
    """The image with its front-to-back source unpacked into the workspace."""
    work.scratch.mkdir(mode=0o700, exist_ok=True)
    listener(Started("unpack", image.nbytes))
    source = spool(
        image.pixels,
        work.scratch / "voxels",
        lambda finding: listener(Found(finding)),
        lambda done: listener(Advanced(done)),
    )
    text = f"the source was unpacked beside the output first ({image.nbytes} bytes)"
    listener(Found(note("unpacked", text)))
    return replace(image, pixels=source)


def _options(image: SpatialImage, wanted: StoreRequest, version: Version) -> PyramidOptions:
    names = image.axis_names
    chunks = default_chunks(image)
    if wanted.chunks is not None:
        chunks = wanted.chunks.resolved(names, chunks, only="zyx")
    factors = None
    if wanted.scale_factors is not None:
        # A number for all axes cannot be meant for one that has a single sample.
        long = "".join(n for n, size in zip(names, image.shape, strict=True) if size > 1)
        only = "".join(n for n in "zyx" if n in long)
        ones = (1,) * len(names)
        factors = tuple(f.resolved(names, ones, only=only) for f in wanted.scale_factors)
    if wanted.levels is not None and wanted.levels < 1:
        raise UsageError(f"--levels {wanted.levels}: at least 1 is needed")
    if wanted.levels is not None and factors is not None:
        raise UsageError("--levels and --scale-factors contradict each other", hint="give one")
    shards = _shards(wanted, version, names, chunks)
    return PyramidOptions(chunks, shards, wanted.levels, factors)


def _shards(wanted: StoreRequest, version: Version, names: str, chunks: Shape) -> Shards:
    if not isinstance(wanted.shards, str):
        if not version.shards:
            raise UsageError(
                f"OME-Zarr {version.name} has no shards",
                hint="leave --shards out, or choose --ome-zarr-version 0.5 or 0.6",
            )
        return wanted.shards.resolved(names, chunks, only="zyx")
    return wanted.shards if version.shards else "none"


def _specs(plan: StorePlan) -> list[ArraySpec]:
    names = tuple(plan.image.axis_names)
    return [
        ArraySpec(
            level.path,
            level.shape,
            plan.image.dtype,
            level.chunks,
            plan.codec,
            2 if plan.version.zarr_format == 2 else 3,
            names,
            level.shards,
        )
        for level in plan.pyramid.levels
    ]


def _range_observer(image: SpatialImage) -> RangeObserver | None:
    """Who finds the display windows: for real values with a handful of channels."""
    if image.dtype.kind not in "biuf" or image.channel_count > len("RGBA") * 4:
        return None
    names = image.axis_names
    return RangeObserver(image.shape, names.index("c") if "c" in names else None)


def _windows(ranges: RangeObserver | None) -> tuple[Window, ...]:
    if ranges is None:
        return ()
    return tuple(Window(r.low, r.high, r.start, r.end) for r in ranges.ranges())


def _verified(
    plan: StorePlan,
    meant: Multiscale,
    root: Path,
    specs: Sequence[ArraySpec],
    witness: Witness,
) -> Finding:
    """Open the store as a stranger would and compare geometry and a sample of the voxels."""
    reread = open_store(open_location(root)).decoded.multiscale
    count = len(plan.pyramid.levels)
    check_geometry(
        [meant.level_geometry(n) for n in range(count)],
        [reread.level_geometry(n) for n in range(len(reread.levels))],
    )
    return witness.check([ArrayReader(root, spec) for spec in specs])


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refused(path, error) from error


def _write_documents(root: Path, documents: Mapping[str, bytes]) -> None:
    for key, data in documents.items():
        path = root / key
        _make_folder(path.parent)
        try:
            path.write_bytes(data)
        except OSError as error:
            raise refused(path, error) from error


def folder_size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder. Raises ``TargetError`` if it is gone."""
    if path.is_file():
        return path.stat().st_size
    if not path.is_dir():
        raise TargetError(f"{path} is gone", hint="something removed it while spconvert worked")
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
