"""Siemens mosaics: all slices of a volume side by side on one large frame, unpacked again.

A sheet has n x n tiles for the smallest n whose square holds all slices; they run row by row. The
image position is that of a frame of the sheet's size around the centre of the first slice, which
is no place in the patient; it is moved to the first tile (as nibabel's documentation, "DICOM mosaic
format", derives).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, GeometryError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.csa import csa_numbers
from spconvert.formats.dicom.instance import Instance
from spconvert.model.geometry import Geometry
from spconvert.model.image import Access, PixelSource
from spconvert.model.region import Region, Shape

_WANTED = frozenset({"NumberOfImagesInMosaic", "SliceNormalVector"})


@dataclass(frozen=True, slots=True)
class Mosaic:
    """How the sheets of a series are cut."""

    slices: int
    rows: int
    columns: int
    """Of one tile."""
    across: int
    """Tiles in a row of the sheet."""
    backwards: bool
    """Whether the slices run against the normal of the image plane."""


def mosaic_of(instance: Instance) -> Mosaic | None:
    """How a file is to be cut, or ``None`` if it is no mosaic.

    Raises ``FormatError`` if it says to be one and the number of slices is missing or impossible.
    """
    header = instance.header
    if "MOSAIC" not in header.texts(tags.IMAGE_TYPE):
        return None
    csa = csa_numbers(header.bytes_of(tags.CSA_IMAGE_HEADER), _WANTED)
    count = csa.get("NumberOfImagesInMosaic") or header.numbers(tags.SIEMENS_IMAGES_IN_MOSAIC)
    if not count or not 1 <= count[0] <= 1 << 16:
        raise FormatError(
            f"{instance.label} is a mosaic, but says the number of its slices nowhere",
            hint="its CSA header (0029,1010) was removed, perhaps by anonymisation",
        )
    slices = int(count[0])
    across = ceil(sqrt(slices))
    rows, columns = header.integer(tags.ROWS, 0), header.integer(tags.COLUMNS, 0)
    if rows % across or columns % across or rows < across or columns < across:
        raise FormatError(
            f"{instance.label}: a mosaic of {slices} slices has {across} x {across} tiles, which "
            f"do not divide {columns} x {rows} pixels"
        )
    turn = header.numbers(tags.IMAGE_ORIENTATION_PATIENT)
    normal = csa.get("SliceNormalVector", ())
    backwards = False
    if len(normal) == 3 and len(turn) == 6:
        backwards = float(np.dot(np.cross(turn[:3], turn[3:]), normal)) < 0
    return Mosaic(slices, rows // across, columns // across, across, backwards)


def placed_tiles(mosaic: Mosaic, sheet: Geometry, between: float | None, label: str) -> Geometry:
    """The geometry of the volume, from that of the sheet as a single slice.

    The distance between slices is the stated one: the slices have no positions of their own.
    Raises ``GeometryError`` if none is stated.
    """
    if between is None and mosaic.slices > 1:
        raise GeometryError(f"{label}: a mosaic that does not state the distance between slices")
    lead = (mosaic.across - 1) / 2
    origin = sheet.physical((lead * mosaic.columns, lead * mosaic.rows, 0.0))
    sign = -1.0 if mosaic.backwards else 1.0
    direction = tuple((*row[:2], sign * row[2] + 0.0) for row in sheet.direction)
    spacing = (*sheet.spacing[:2], between or sheet.spacing[2])
    place = tuple(float(value) for value in origin)
    return replace(sheet, origin=place, spacing=spacing, direction=direction)


@dataclass(frozen=True, slots=True)
class MosaicSource:
    """Volumes ``(t,) z, y, x`` cut from sheets ``t, 1, rows, columns``; random access."""

    sheets: PixelSource
    mosaic: Mosaic
    has_time: bool

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        volume = (self.mosaic.slices, self.mosaic.rows, self.mosaic.columns)
        return (self.sheets.shape[0], *volume) if self.has_time else volume

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.sheets.dtype

    @property
    def chunks(self) -> Shape:
        """One volume: the slices of a sheet lie interleaved, row by row."""
        return (1, *self.shape[1:]) if self.has_time else self.shape

    @property
    def access(self) -> Access:
        """As the sheets."""
        return self.sheets.access

    @property
    def storage_order(self) -> tuple[int, ...]:
        """In the order of the axes, sheet by sheet."""
        return tuple(range(len(self.shape)))

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``; of each sheet only the rows of the tiles that it touches.

        Raises as the sheets do.
        """
        box = region if self.has_time else Region((0, *region.start), (1, *region.stop))
        out = np.empty(box.shape, self.dtype)
        if out.size:
            for t in range(box.start[0], box.stop[0]):
                self._cut(t, box, out[t - box.start[0]])
        return out.reshape(region.shape)

    def _cut(self, t: int, box: Region, out: NDArray[Any]) -> None:
        mosaic = self.mosaic
        first, last = box.start[1], box.stop[1]
        for line in range(first // mosaic.across, (last - 1) // mosaic.across + 1):
            top = line * mosaic.rows
            rows = (top + box.start[2], top + box.stop[2])
            strip = self.sheets.read(
                Region((t, 0, rows[0], 0), (t + 1, 1, rows[1], self.sheets.shape[3]))
            )[0, 0]
            start = max(first, line * mosaic.across)
            stop = min(last, (line + 1) * mosaic.across)
            for z in range(start, stop):
                left = (z % mosaic.across) * mosaic.columns
                out[z - first] = strip[:, left + box.start[3] : left + box.stop[3]]
