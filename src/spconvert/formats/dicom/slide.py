"""Whole-slide images: the frames are tiles of one plane (PS3.3 C.8.12.4).

The files of a series may be resolution levels of one slide; labels and overviews of the whole
glass are left aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, Unsupported, UsageError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.instance import Instance
from spconvert.formats.dicom.pixel_format import PixelFormat, frame_count
from spconvert.formats.plugin import LevelInfo
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import Access, PixelSource
from spconvert.model.region import Region, Shape


def is_slide(instance: Instance) -> bool:
    """Whether a file holds tiles of a plane."""
    return instance.header.has(tags.TOTAL_PIXEL_MATRIX_COLUMNS)


@dataclass(frozen=True, slots=True)
class TileSource:
    """A plane ``(c,) y, x`` out of tiles ``(c,) z, y, x``; random access, tile by tile."""

    tiles: PixelSource
    size: tuple[int, int]
    """Rows and columns of the plane."""
    grid: tuple[int | None, ...]
    """Per tile position, row by row: index of the frame, or ``None`` where it is missing."""

    @property
    def _tile(self) -> tuple[int, int]:
        return self.tiles.shape[-2], self.tiles.shape[-1]

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return (*self.tiles.shape[:-3], *self.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.tiles.dtype

    @property
    def chunks(self) -> Shape:
        """One tile."""
        tile = (min(t, n) for t, n in zip(self._tile, self.size, strict=True))
        return (*self.tiles.chunks[:-3], *tile)

    @property
    def access(self) -> Access:
        """As the tiles."""
        return self.tiles.access

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Samples fastest, if they are so in the tiles."""
        return (1, 2, 0) if len(self.shape) == 3 else (0, 1)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``; only the tiles that it touches are read.

        Missing tiles are 0. Raises as the tiles do.
        """
        out = np.zeros(region.shape, self.dtype)
        if not out.size:
            return out
        high, wide = self._tile
        across = ceil(self.size[1] / wide)
        (top, left), (bottom, right) = region.start[-2:], region.stop[-2:]
        for row in range(top // high, (bottom - 1) // high + 1):
            for column in range(left // wide, (right - 1) // wide + 1):
                frame = self.grid[row * across + column]
                if frame is not None:
                    corner = row * high, column * wide
                    self._paste(frame, corner, region, out)
        return out

    def _paste(
        self, frame: int, corner: tuple[int, int], region: Region, out: NDArray[Any]
    ) -> None:
        lead_start, lead_stop = region.start[:-2], region.stop[:-2]
        (top, left), (bottom, right) = region.start[-2:], region.stop[-2:]
        first = max(top, corner[0]), max(left, corner[1])
        last = min(bottom, corner[0] + self._tile[0]), min(right, corner[1] + self._tile[1])
        box = Region(
            (*lead_start, frame, first[0] - corner[0], first[1] - corner[1]),
            (*lead_stop, frame + 1, last[0] - corner[0], last[1] - corner[1]),
        )
        out[..., first[0] - top : last[0] - top, first[1] - left : last[1] - left] = (
            self.tiles.read(box)[..., 0, :, :]
        )


def slide_levels(instances: Sequence[Instance]) -> list[Instance]:
    """The resolution levels of a slide, the finest first; labels and overviews left out."""
    planes = [
        i
        for i in instances
        if is_slide(i) and not {"LABEL", "OVERVIEW"} & set(i.header.texts(tags.IMAGE_TYPE))
    ]
    return sorted(
        planes or instances, key=lambda i: -i.header.integer(tags.TOTAL_PIXEL_MATRIX_COLUMNS, 0)
    )


def slide_level(levels: Sequence[Instance], level: int, path: object) -> Instance:
    """One resolution level. Raises ``UsageError`` if there is none such."""
    if not 0 <= level < len(levels):
        raise UsageError(f"{path} has {len(levels)} levels, number {level} is not one of them")
    return levels[level]


def plane_size(instance: Instance) -> tuple[int, int]:
    """Rows and columns of the whole plane. Raises ``FormatError`` if they make no sense."""
    rows = instance.header.integer(tags.TOTAL_PIXEL_MATRIX_ROWS, 0)
    columns = instance.header.integer(tags.TOTAL_PIXEL_MATRIX_COLUMNS, 0)
    if min(rows, columns) < 1 or max(rows, columns) > 1 << 31:
        raise FormatError(f"{instance.label}: a total pixel matrix of {rows} x {columns}")
    return rows, columns


def tile_grid(instance: Instance, form: PixelFormat) -> tuple[int | None, ...]:
    """Which frame is at each tile position, row by row.

    Raises ``Unsupported`` for several focal planes or optical paths and for tiles off the grid,
    ``FormatError`` if the frames do not fit the plane.
    """
    header = instance.header
    rows, columns = plane_size(instance)
    down, across = ceil(rows / form.rows), ceil(columns / form.columns)
    frames = frame_count(instance)
    paths = header.integer(tags.NUMBER_OF_OPTICAL_PATHS, 1)
    planes = header.integer(tags.FOCAL_PLANES, 1)
    if paths > 1 or planes > 1:
        raise Unsupported(
            f"{instance.label}: {paths} optical paths, {planes} focal planes: one each is read"
        )
    groups = header.items(tags.PER_FRAME_GROUPS)
    if header.text(tags.DIMENSION_ORGANIZATION_TYPE) == "TILED_FULL" or not groups:
        if frames != down * across:
            raise FormatError(f"{instance.label}: {frames} tiles, {down} x {across} expected")
        return tuple(range(frames))
    if down * across > 1 << 26:
        raise FormatError(f"{instance.label}: {down} x {across} tiles for {frames} frames")
    grid: list[int | None] = [None] * (down * across)
    for number, group in enumerate(groups[:frames]):
        place = group.first(tags.PLANE_POSITION_SLIDE_SEQUENCE)
        top = place.integer(tags.ROW_POSITION, 0) - 1 if place else -1
        left = place.integer(tags.COLUMN_POSITION, 0) - 1 if place else -1
        row, column = top // form.rows, left // form.columns
        if min(top, left) < 0 or top % form.rows or left % form.columns:
            raise Unsupported(
                f"{instance.label}: tile {number + 1} at {top}, {left} is off the grid"
            )
        if row >= down or column >= across or grid[row * across + column] is not None:
            raise FormatError(
                f"{instance.label}: tile {number + 1} at {top}, {left} is outside, or there twice"
            )
        grid[row * across + column] = number
    return tuple(grid)


def slide_geometry(instance: Instance, spacing: tuple[float, float] | None) -> Geometry:
    """Origin and direction in the slide's own coordinates, where they lie in its plane.

    A slide has no anatomy. Directions are those of PS3.3 C.8.12.2.1.1, millimetres from the
    corner of the slide.
    """
    header = instance.header
    y, x = spacing or (1.0, 1.0)
    turn = header.numbers(tags.IMAGE_ORIENTATION_SLIDE)
    corner = header.first(tags.TOTAL_PIXEL_MATRIX_ORIGIN_SEQUENCE)
    origin = (0.0, 0.0)
    if corner is not None:
        origin = (
            corner.number(tags.X_OFFSET_IN_SLIDE) or 0.0,
            corner.number(tags.Y_OFFSET_IN_SLIDE) or 0.0,
        )
    direction = identity_matrix(2)
    if len(turn) == 6 and turn[2] == 0 == turn[5]:
        direction = ((turn[0], turn[3]), (turn[1], turn[4]))
    try:
        return Geometry(origin, (x, y), direction)
    except ValueError as error:
        raise FormatError(f"{instance.label}: {error}") from error


def level_infos(
    levels: Sequence[Instance], spacing: tuple[float, float] | None
) -> tuple[LevelInfo, ...]:
    """How each level is stored; the spacing follows from the sizes of the planes."""
    if len(levels) < 2:
        return ()
    finest = plane_size(levels[0])
    found = []
    for instance in levels:
        rows, columns = plane_size(instance)
        tile = (instance.header.integer(tags.ROWS, 1), instance.header.integer(tags.COLUMNS, 1))
        y, x = spacing or (1.0, 1.0)
        place = slide_geometry(instance, spacing)
        found.append(
            LevelInfo(
                instance.name,
                (rows, columns),
                tile,
                None,
                instance.syntax,
                (x * finest[1] / columns, y * finest[0] / rows),
                place.origin,
            )
        )
    return tuple(found)
