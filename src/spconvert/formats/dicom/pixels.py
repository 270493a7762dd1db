"""The pixels of a series: frames of many files as one array, read row by row where they are raw.

Raw frames cost the bytes of the rows that a region touches; a compressed frame is decoded once for
each read that touches it. Files are opened for each read, so the source pickles and is safe in
many threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spconvert.formats.dicom.carrier import ByteReader
from spconvert.formats.dicom.pixel_file import PixelFile
from spconvert.formats.dicom.pixel_format import PixelFormat, true_bits
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape

Scale = tuple[float, float]
"""(slope, intercept)."""

Place = tuple[int, int] | None
"""(file, frame), or ``None`` where no frame was stored: zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameSource:
    """Frames as an array of the axes ``names``, a subsequence of t c z y x.

    Satisfies ``model.image.PixelSource`` with random access. The channels are the samples of a
    frame, or as many frames (the segments of a segmentation).
    """

    files: tuple[PixelFile, ...]
    grid: tuple[Place, ...]
    """Where each frame is, t slowest, then c (of frames), then z."""
    counts: tuple[int, int, int]
    """Extents of the grid: t, c, z."""
    names: str
    dtype: np.dtype[Any]
    """Type of the values as they are read."""
    scales: tuple[Scale, ...] | None = None
    """Slope and intercept per frame of the grid, or ``None`` for stored values."""

    @property
    def _form(self) -> PixelFormat:
        return self.files[0].form

    @property
    def _five(self) -> Shape:
        times, parts, slices = self.counts
        form = self._form
        return times, max(parts, form.channels), slices, form.rows, form.columns

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self._named(self._five)

    def _named(self, five: Shape) -> Shape:
        return tuple(five["tczyx".index(name)] for name in self.names)

    @property
    def chunks(self) -> Shape:
        """One frame."""
        _, _, _, rows, columns = self._five
        return self._named((1, self._form.channels, 1, rows, columns))

    @property
    def access(self) -> Access:
        """Raw frames cost the rows that a region touches, compressed ones are decoded whole."""
        return "chunked" if self.files[0].fragments else "random"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Samples of a pixel lie side by side, or plane by plane; segments frame by frame."""
        order = "tczyx"
        if self._form.channels > 1:
            order = "tzcyx" if self._form.planar else "tzyxc"
        return tuple(self.names.index(name) for name in order if name in self.names)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``, shape ``region.shape``, native byte order.

        Raises ``SourceError`` if a file cannot be read, ``FormatError`` if a frame is damaged.
        """
        box = self._box(region)
        out = np.zeros(box.shape, self.dtype)
        if out.size:
            by_samples = self._form.channels > 1
            with _Opened(self.files) as opened:
                for (t, c, z), index in self._frames(box, by_samples=by_samples):
                    target = out[t, :, z] if by_samples else out[t, c : c + 1, z]
                    self._put(opened, index, target, box, by_samples=by_samples)
        return out.reshape(region.shape)

    def _box(self, region: Region) -> Region:
        at = {name: i for i, name in enumerate(self.names)}
        five = self._five
        return Region(
            tuple(region.start[at[name]] if name in at else 0 for name in "tczyx"),
            tuple(
                region.stop[at[name]] if name in at else five[i] for i, name in enumerate("tczyx")
            ),
        )

    def _frames(
        self, box: Region, *, by_samples: bool
    ) -> Iterator[tuple[tuple[int, int, int], int]]:
        """(index in the box, index in the grid) of each frame, in the order of files and frames."""
        _, parts, slices = self.counts
        wanted = []
        for t in range(box.start[0], box.stop[0]):
            for c in range(1) if by_samples else range(box.start[1], box.stop[1]):
                for z in range(box.start[2], box.stop[2]):
                    index = (t * parts + c) * slices + z
                    place = self.grid[index]
                    if place is not None:
                        lead = 0 if by_samples else c - box.start[1]
                        wanted.append((place, (t - box.start[0], lead, z - box.start[2]), index))
        for _, at, index in sorted(wanted):
            yield at, index

    def _put(
        self, opened: _Opened, index: int, target: NDArray[Any], box: Region, *, by_samples: bool
    ) -> None:
        place = self.grid[index]
        assert place is not None
        file = self.files[place[0]]
        rows, columns = (slice(a, b) for a, b in zip(box.start[3:], box.stop[3:], strict=True))
        reader = opened.reader(place[0])
        if self._direct(file, target, columns):
            start = file.offset + place[1] * file.form.frame_bits // 8
            start += rows.start * file.form.columns * file.form.stored.itemsize
            file.fill(reader, target, start)
            if not file.form.stored.isnative:
                target.byteswap(inplace=True)
            true_bits(target, file.form)
            return
        block = file.block(reader, place[1], rows, columns)
        if by_samples:
            block = block[box.start[1] : box.stop[1]]
        if self.scales is None:
            target[...] = block
            return
        slope, intercept = self.scales[index]
        target[...] = _scaled(block, slope, intercept, self.dtype)

    def _direct(self, file: PixelFile, target: NDArray[Any], columns: slice) -> bool:
        """Whether whole rows can be read straight into the result."""
        form = file.form
        return (
            self.scales is None
            and not file.fragments
            and form.samples == form.channels == 1
            and form.bits_allocated > 1
            and columns == slice(0, form.columns)
            and target.flags.c_contiguous
        )


def _scaled(
    block: NDArray[Any], slope: float, intercept: float, dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Slope · stored + intercept; integers stay exact, floats are computed as float64."""
    if dtype.kind in "iu":
        return (block.astype(np.int64) * int(slope) + int(intercept)).astype(dtype)
    return (block.astype(np.float64) * slope + intercept).astype(dtype)


class _Opened:
    """The files of one read, one open at a time: frames come in the order of files."""

    def __init__(self, files: tuple[PixelFile, ...]) -> None:
        self._files = files
        self._stack = ExitStack()
        self._index = -1
        self._reader: ByteReader | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def reader(self, index: int) -> ByteReader:
        if index != self._index or self._reader is None:
            self._stack.close()
            self._reader = self._stack.enter_context(self._files[index].carrier.reader())
            self._index = index
        return self._reader
