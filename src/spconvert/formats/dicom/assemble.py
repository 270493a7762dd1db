"""From the files of one series to an image: pixels, axes, geometry, kept fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spconvert.errors import FormatError, GeometryError, UsageError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.decoders import LOSSY
from spconvert.formats.dicom.frame import Frame
from spconvert.formats.dicom.frames import frames_of
from spconvert.formats.dicom.geometry import Lenience, Placed, placed
from spconvert.formats.dicom.instance import Instance
from spconvert.formats.dicom.metadata import kept_fields
from spconvert.formats.dicom.mosaic import Mosaic, MosaicSource, mosaic_of, placed_tiles
from spconvert.formats.dicom.pixel_file import PixelFile, pixel_file
from spconvert.formats.dicom.pixel_format import PixelFormat
from spconvert.formats.dicom.pixels import FrameSource
from spconvert.formats.dicom.rescaling import Rescaling, rescaling
from spconvert.formats.dicom.segmentation import (
    is_segmentation,
    segment_channels,
    segment_grid,
    segment_numbers,
)
from spconvert.formats.dicom.series import Series
from spconvert.formats.dicom.volumes import Volumes, time_axis, volumes_of
from spconvert.formats.plugin import Opened, Source
from spconvert.model.axes import Axis, ChannelInfo
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry
from spconvert.model.image import PixelSource, SpatialImage

RGB = (ChannelInfo("R", "FF0000"), ChannelInfo("G", "00FF00"), ChannelInfo("B", "0000FF"))


@dataclass(frozen=True, slots=True)
class _Grid:
    """Frames in order, and what the axes of the array are."""

    frames: Sequence[Frame | None]
    """t slowest, then c (of frames), then z."""
    counts: tuple[int, int, int]
    geometry: Geometry
    unit: str | None
    time: Axis | None = None
    channels: tuple[ChannelInfo, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def open_series(series: Series, source: Source) -> Opened:
    """The image of a series, lazily.

    Bytes are checked first, geometry second. Raises ``FormatError``, ``GeometryError``,
    ``Unsupported``, and ``UsageError`` for a level that is not there.
    """
    if source.level:
        raise UsageError(f"{source.path} holds one resolution level, number 0")
    instances = series.instances
    findings: list[Finding] = []
    files = tuple(pixel_file(instance, findings) for instance in instances)
    check_alike(files)
    mosaic = _common_mosaic(instances)
    frames = [
        frame for index, instance in enumerate(instances) for frame in frames_of(instance, index)
    ]
    grid = _grid(instances, frames, source)
    if mosaic is not None:
        grid = _unpacked(grid, mosaic, frames, files[0].form)
    scaling = rescaling(grid.frames, [file.form for file in files], source.options.rescale)
    findings += [*grid.findings, *scaling.findings, *pixel_findings(instances[0], files[0].form)]
    made = _pixels(files, grid, scaling, mosaic)
    image = SpatialImage(
        pixels=made,
        axes=_axes(grid, files[0].form),
        geometry=grid.geometry,
        channels=RGB if files[0].form.channels == 3 else grid.channels,
        name=series_name(series),
        extra=_extra(instances[0], grid, source, scaling),
    )
    return Opened(image, tuple(findings), rescale=scaling.stated)


def _unpacked(grid: _Grid, mosaic: Mosaic, frames: Sequence[Frame], form: PixelFormat) -> _Grid:
    """The grid of the slices that the sheets hold. Raises ``GeometryError`` and ``FormatError``."""
    label = frames[0].label
    if form.channels > 1:
        raise FormatError(f"{label}: a mosaic of {form.channels} samples per pixel")
    if grid.geometry.space != "LPS" or grid.counts[2] > 1:
        places = grid.counts[2] if grid.geometry.space == "LPS" else "no"
        raise GeometryError(f"{label}: mosaics at {places} positions: one for all expected")
    place = placed_tiles(mosaic, grid.geometry, frames[0].between, label)
    return replace(grid, geometry=place)


def check_alike(files: Sequence[PixelFile]) -> None:
    """Raise ``FormatError`` if files differ in the type of their pixels."""
    first = files[0]
    for file in files:
        a, b = file.form, first.form
        if (a.dtype, a.channels) != (b.dtype, b.channels):
            raise FormatError(
                f"{file.carrier.name} has {a.channels} x {a.dtype}, {first.carrier.name} has "
                f"{b.channels} x {b.dtype} per pixel",
                hint="name the files that belong together",
            )


def series_name(series: Series) -> str:
    """Modality and series number: nothing of the patient."""
    words = [series.modality, "series", series.number] if series.number else [series.modality]
    name = "-".join(word for word in words if word)
    clean = "".join(
        letter for letter in name if letter.isascii() and (letter.isalnum() or letter == "-")
    )
    return clean[:64] or "image"


def pixel_findings(instance: Instance, form: PixelFormat) -> list[Finding]:
    """What a user may want to know of the pixels of a file."""
    found = []
    if form.photometric == "MONOCHROME1":
        text = "MONOCHROME1: low values are meant to be shown bright; they are kept as they are"
        found.append(note("monochrome1", text, "PhotometricInterpretation"))
    if form.palette is not None:
        found.append(note("palette-expanded", "palette colours are read as RGB"))
    if form.photometric.startswith("YBR"):
        found.append(note("colour-converted", f"{form.photometric} is read as RGB"))
    if instance.syntax in LOSSY or instance.header.texts(tags.LOSSY_IMAGE_COMPRESSION) == ("01",):
        found.append(note("lossy-source", "the frames were compressed with losses before"))
    if instance.header.items(tags.MODALITY_LUT_SEQUENCE):
        text = f"{instance.name} has a modality lookup table: stored values are read, without it"
        found.append(warning("lookup-table-ignored", text, "ModalityLUTSequence"))
    return found


# -- axes ----------------------------------------------------------------------------------------


def _grid(instances: Sequence[Instance], frames: Sequence[Frame], source: Source) -> _Grid:
    options = source.options
    lenience = Lenience(uneven=options.on_uneven_slices == "warn", spacing=options.spacing_assigned)
    if is_segmentation(instances[0]):
        return _segments(instances, frames, source, replace(lenience, sparse=True))
    cine = _cine_axis(instances)
    if cine is not None:
        place = placed(frames[:1], lenience)
        return _grid_of(place, Volumes(tuple((frame,) for frame in frames)), cine)
    place = placed(frames, lenience)
    volumes = volumes_of(place.stack)
    several = len(volumes.frames) > 1
    return _grid_of(place, volumes, _time(instances, volumes) if several else None)


def _grid_of(place: Placed, volumes: Volumes, time: Axis | None) -> _Grid:
    ordered = [frame for volume in volumes.frames for frame in volume]
    counts = (len(volumes.frames), 1, len(volumes.frames[0]))
    extra: dict[str, Any] = {}
    if time is not None and volumes.meaning:
        extra["volumes"] = {
            name: [list(values[i]) for values in volumes.values]
            for i, name in enumerate(volumes.meaning)
        }
    findings = (*place.findings, *volumes.findings)
    return _Grid(ordered, counts, place.geometry, _unit(place), time, (), extra, findings)


def _segments(
    instances: Sequence[Instance], frames: Sequence[Frame], source: Source, lenience: Lenience
) -> _Grid:
    numbers = segment_numbers(instances, frames)
    place = placed(frames, lenience)
    if not numbers:
        ordered: list[Frame | None] = [f[0] if f else None for f in place.stack]
        volumes_of([f for f in place.stack if f])
        counts = (1, 1, len(ordered))
        return _Grid(ordered, counts, place.geometry, _unit(place), findings=place.findings)
    grid = segment_grid(place.stack, numbers)
    channels = segment_channels(instances[0], numbers, free_text=source.options.metadata == "all")
    counts = (1, len(numbers), len(place.stack))
    extra = {"segments": list(numbers)}
    return _Grid(grid, counts, place.geometry, _unit(place), None, channels, extra, place.findings)


def _unit(place: Placed) -> str | None:
    return "millimeter" if place.geometry.space == "LPS" or place.known else None


def _cine_axis(instances: Sequence[Instance]) -> Axis | None:
    """The t axis of a file whose frames follow one another in time (PS3.3 C.7.6.5, cine)."""
    header = instances[0].header
    pointers = [int(n) for n in header.numbers(tags.FRAME_INCREMENT_POINTER)]
    pointed = {
        group << 16 | element for group, element in zip(pointers[::2], pointers[1::2], strict=False)
    }
    timed = pointed & {tags.FRAME_TIME, tags.FRAME_TIME_VECTOR}
    if len(instances) > 1 or not timed or header.integer(tags.NUMBER_OF_FRAMES, 1) < 2:
        return None
    steps = header.numbers(tags.FRAME_TIME) or header.numbers(tags.FRAME_TIME_VECTOR)[1:]
    if steps and min(steps) == max(steps) > 0:
        return Axis("t", "time", "second", 0.0, steps[0] / 1000)
    return Axis.named("t")


def _time(instances: Sequence[Instance], volumes: Volumes) -> Axis:
    header = instances[0].header
    timing = None
    shared = header.first(tags.SHARED_GROUPS)
    if shared is not None:
        timing = shared.first(tags.MR_TIMING_SEQUENCE)
    repetition = header.number(tags.REPETITION_TIME)
    if repetition is None and timing is not None:
        repetition = timing.number(tags.REPETITION_TIME)
    return time_axis(volumes, header.number(tags.TEMPORAL_RESOLUTION), repetition)


def _axes(grid: _Grid, form: PixelFormat) -> tuple[Axis, ...]:
    lead = [] if grid.time is None else [grid.time]
    if form.channels > 1 or grid.counts[1] > 1:
        lead.append(Axis.named("c"))
    space = "zyx" if grid.geometry.ndim == 3 else "yx"
    return (*lead, *(Axis.named(name, grid.unit) for name in space))


# -- pixels --------------------------------------------------------------------------------------


def _pixels(
    files: tuple[PixelFile, ...], grid: _Grid, scaling: Rescaling, mosaic: Mosaic | None
) -> PixelSource:
    names = "".join(axis.name for axis in _axes(grid, files[0].form))
    source = FrameSource(
        files,
        tuple(None if frame is None else (frame.file, frame.number) for frame in grid.frames),
        grid.counts,
        names if mosaic is None else "tzyx",
        scaling.dtype,
        scaling.scales,
    )
    return source if mosaic is None else MosaicSource(source, mosaic, grid.time is not None)


def _common_mosaic(instances: Sequence[Instance]) -> Mosaic | None:
    """How all files are to be cut. Raises ``FormatError`` if they differ."""
    first = mosaic_of(instances[0])
    for instance in instances[1:]:
        found = mosaic_of(instance)
        if found != first:
            raise FormatError(
                f"{instance.label} is cut as {found}, {instances[0].label} as {first}",
                hint="name the files that belong together",
            )
    return first


def _extra(instance: Instance, grid: _Grid, source: Source, scaling: Rescaling) -> dict[str, Any]:
    if source.options.metadata == "none":
        return {}
    fields = kept_fields(instance, source.options.metadata) | grid.extra
    if scaling.stated is None:
        fields["rescale"] = [
            [1.0, 0.0] if frame is None else list(frame.rescale) for frame in grid.frames
        ]
    return {"dicom": fields}
