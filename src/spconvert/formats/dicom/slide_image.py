"""From the files of a whole-slide series to an image of one resolution level."""

from __future__ import annotations

from spconvert.formats.dicom.assemble import RGB, pixel_findings, series_name
from spconvert.formats.dicom.frames import frames_of
from spconvert.formats.dicom.metadata import kept_fields
from spconvert.formats.dicom.pixel_file import pixel_file
from spconvert.formats.dicom.pixels import FrameSource
from spconvert.formats.dicom.series import Series
from spconvert.formats.dicom.slide import (
    TileSource,
    level_infos,
    plane_size,
    slide_geometry,
    slide_level,
    slide_levels,
    tile_grid,
)
from spconvert.formats.plugin import Opened, Source
from spconvert.model.axes import axes_named
from spconvert.model.finding import Finding, note
from spconvert.model.image import SpatialImage


def open_slide(series: Series, source: Source) -> Opened:
    """One level of a slide as a plane, lazily.

    Raises ``FormatError``, ``GeometryError``, ``Unsupported``, and ``UsageError`` for a level that
    is not there.
    """
    levels = slide_levels(series.instances)
    instance = slide_level(levels, source.level, source.path)
    findings: list[Finding] = []
    left = len(series.instances) - len(levels)
    if left:
        findings.append(note("slide-parts-skipped", f"{left} labels and overviews are not read"))
    file = pixel_file(instance, findings)
    grid = tile_grid(instance, file.form)
    finest = frames_of(levels[0], 0)[0].spacing
    spacing = frames_of(instance, 0)[0].spacing
    missing = grid.count(None)
    if missing:
        findings.append(note("tiles-missing", f"{missing} of {len(grid)} tiles are not there: 0"))
    colour = file.form.channels > 1
    count = sum(1 for frame in grid if frame is not None)
    tiles = FrameSource(
        (file,),
        tuple((0, number) for number in range(count)),
        (1, 1, count),
        "czyx" if colour else "zyx",
        file.form.dtype,
    )
    image = SpatialImage(
        pixels=TileSource(tiles, plane_size(instance), grid),
        axes=axes_named("cyx" if colour else "yx", None if spacing is None else "millimeter"),
        geometry=slide_geometry(instance, spacing),
        channels=RGB if colour else (),
        name=series_name(series),
        extra=_extra(instance, source),
    )
    findings += pixel_findings(instance, file.form)
    return Opened(image, tuple(findings), level_infos(levels, finest))


def _extra(instance: object, source: Source) -> dict[str, object]:
    from spconvert.formats.dicom.instance import Instance

    assert isinstance(instance, Instance)
    if source.options.metadata == "none":
        return {}
    return {"dicom": kept_fields(instance, source.options.metadata)}
