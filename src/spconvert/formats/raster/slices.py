"""An image cut into pictures: what is checked before writing, file names, order of reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import LimitError, SourceError, TargetError, Unsupported
from spconvert.formats.plugin import Target, WriteOptions
from spconvert.formats.raster.picture import GRAY, GRAY_ALPHA, RGB, RGBA, Placed
from spconvert.formats.stack import NUMBER
from spconvert.model.finding import warning
from spconvert.model.geometry import Geometry
from spconvert.model.image import SequentialSource, SpatialImage
from spconvert.model.region import Region

_ROWS_BYTES = 4 << 20
"""Encoders work on copies of the rows; more at a time is not faster."""


@dataclass(frozen=True, slots=True)
class PictureKind:
    """What the pictures of a format can hold."""

    name: str
    """For messages: "PNG"."""
    dtypes: tuple[str, ...]
    samples: tuple[tuple[str, ...], ...] = (GRAY, GRAY_ALPHA, RGB, RGBA)
    largest: int = (1 << 31) - 1
    """Pixels along a side."""
    by_rows: bool = True
    """Whether rows can be encoded a few at a time; otherwise a picture is encoded whole."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One picture to write."""

    path: Path
    width: int
    height: int
    samples: tuple[str, ...]
    dtype: np.dtype[Any]
    placed: Placed
    """Where this slice is, as a volume of one slice where the image is a volume."""
    rows: Iterable[NDArray[Any]]
    """All rows from top to bottom, a few at a time: (rows, x) or (rows, x, sample)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(y, x) or (y, x, sample)."""
        many = len(self.samples) > 1
        return (self.height, self.width, *((len(self.samples),) if many else ()))

    def whole(self) -> NDArray[Any]:
        """All rows in one array."""
        out = np.empty(self.shape, self.dtype)
        done = 0
        for rows in self.rows:
            out[done : done + len(rows)] = rows
            done += len(rows)
        return out


EncodeSlice = Callable[[Slice, WriteOptions], None]
"""Writes the file ``Slice.path`` from all of its rows."""


def write_slices(
    image: SpatialImage,
    kind: PictureKind,
    target: Target,
    options: WriteOptions,
    encode: EncodeSlice,
) -> tuple[Path, ...]:
    """Write one file per slice, each whole before the next is begun; returns their paths in order.

    Raises ``Unsupported`` for axes, types and sizes that the pictures cannot hold and for a volume
    whose target name has no place for a number, ``LimitError`` for a source in another order or a
    picture that must be encoded whole and exceeds the budget, ``TargetError`` if the disk refuses.
    """
    image = _pictured(image, kind, options)
    paths = _paths(image, target)
    samples = _samples(image, kind, options)
    made = _Reader(image, kind, options)
    for number, path in enumerate(paths):
        *_, height, width = image.shape
        one = Slice(
            path, width, height, samples, image.dtype, _placed(image, number), made.rows(number)
        )
        try:
            encode(one, options)
        except OSError as error:
            raise TargetError(f"cannot write {path}: {error.strerror or error}") from error
    made.finish()
    return paths


def _pictured(image: SpatialImage, kind: PictureKind, options: WriteOptions) -> SpatialImage:
    if image.dtype.name not in kind.dtypes:
        raise Unsupported(
            f"{kind.name} holds {' and '.join(kind.dtypes)}, not {image.dtype.name}",
            hint="NRRD, NIfTI, TIFF and OME-Zarr hold more types",
        )
    if image.time is not None and image.shape[image.axis_names.index("t")] > 1:
        raise Unsupported(
            f"{kind.name} cannot hold {image.shape[image.axis_names.index('t')]} time points",
            hint="write OME-Zarr, TIFF, NRRD or NIfTI, or one time point",
        )
    *_, height, width = image.shape
    if max(height, width) > kind.largest:
        raise Unsupported(
            f"{kind.name} holds {kind.largest} pixels along a side, not {width} x {height}"
        )
    needed = Region.whole(image.shape).size * image.dtype.itemsize
    needed //= image.space_shape[0] if "z" in image.axis_names else 1
    if not kind.by_rows and 2 * needed > options.budget:
        raise LimitError(
            f"a {kind.name} of {width} x {height} pixels needs {2 * needed} bytes to encode, "
            f"{options.budget} are allowed",
            hint="allow more with --memory, or write PNG, which is written row by row",
        )
    return image


def _paths(image: SpatialImage, target: Target) -> tuple[Path, ...]:
    """One path, or one per slice: a number takes the place of ``%04d`` in the target's name."""
    count = image.space_shape[0] if "z" in image.axis_names else 1
    name = target.path.name
    places = list(NUMBER.finditer(name))
    if len(places) == 1:
        before, after = name[: places[0].start()], name[places[0].end() :]
        width = int(places[0][2] or 1)
        numbered = "z" in image.axis_names
        names = [f"{before}{number:0{width}d}{after}" for number in range(count)]
        return tuple(target.folder / n for n in (names if numbered else [name]))
    if count > 1:
        suffix = target.path.suffix
        raise Unsupported(
            f"{name} holds one picture, the image has {count} slices",
            hint=f"say where their number goes: {target.path.stem}_%04d{suffix}",
        )
    return (target.folder / name,)


def _samples(image: SpatialImage, kind: PictureKind, options: WriteOptions) -> tuple[str, ...]:
    """What the samples of a pixel will be taken for."""
    count = image.channel_count
    labels = tuple(channel.label.lower() for channel in image.channels)
    known = [samples for samples in kind.samples if len(samples) == count]
    if not known or (count == 2 and labels != GRAY_ALPHA):
        listed = ", ".join("+".join(samples) for samples in kind.samples)
        raise Unsupported(
            f"{kind.name} cannot hold {count} channels {', '.join(labels)}".rstrip(),
            hint=f"it holds {listed}; choose one channel, or write TIFF or OME-Zarr",
        )
    if count > 1 and any(labels) and labels != known[0]:
        text = f"channels {', '.join(labels)} are written as {', '.join(known[0])}"
        options.finding(warning("channels-renamed", text))
    return known[0]


def _placed(image: SpatialImage, number: int) -> Placed:
    """Where slice ``number`` is: its own origin, one slice thick."""
    axes = tuple(image.axes[a] for a in image.space_axes)
    geometry: Geometry = image.geometry
    if number:
        geometry = geometry.cropped((number, 0, 0))
    return Placed(axes, geometry)


class _Reader:
    """The rows of every slice in turn, in the order in which they are stored."""

    def __init__(self, image: SpatialImage, kind: PictureKind, options: WriteOptions) -> None:
        self._image = image
        self._options = options
        names, shape = image.axis_names, image.shape
        self._y = names.index("y")
        self._z = names.index("z") if "z" in names else None
        pixels = image.pixels
        row = Region.whole(shape).size * pixels.dtype.itemsize // max(1, shape[self._y])
        row //= 1 if self._z is None else shape[self._z]
        rows = max(1, min(_ROWS_BYTES, options.budget // 8) // row)
        hint = pixels.chunks[self._y]  # whole chunks, where they fit
        if rows < hint and hint * row * 4 <= options.budget:
            rows = hint
        rows = rows // hint * hint or rows
        if not kind.by_rows or pixels.access == "whole":
            rows = shape[self._y]
        self._rows = rows
        self._done = 0
        self._together = 1
        self._kept: tuple[int, NDArray[Any]] | None = None
        if self._z is not None and pixels.access in ("random", "chunked"):
            # A chunk that spans many slices is decoded once, not once a slice.
            fits = options.budget // 2 // (row * shape[self._y])
            self._together = max(1, min(pixels.chunks[self._z], fits, shape[self._z]))
        self._scan: Iterator[NDArray[Any]] | None = None
        if pixels.access == "sequential":
            self._check_order()
            slices = range(1 if self._z is None else shape[self._z])
            cuts = [cut for number in slices for cut in self._cuts(number)]
            self._scan = cast("SequentialSource", pixels).scan(cuts, options.finding)

    def _check_order(self) -> None:
        pixels, names = self._image.pixels, self._image.axis_names
        stored = [names[a] for a in pixels.storage_order if pixels.shape[a] > 1]
        wanted = [n for n in "tzyxc" if n in stored]
        if stored != wanted:
            raise LimitError(
                f"the source is stored in axis order {''.join(stored)} and can only be read in "
                f"it; pictures need {''.join(wanted)}",
                hint="write the image to OME-Zarr first",
            )

    def _cuts(self, number: int) -> Iterator[Region]:
        shape = self._image.shape
        for first in range(0, shape[self._y], self._rows):
            start, stop = [0] * len(shape), list(shape)
            start[self._y], stop[self._y] = first, min(first + self._rows, shape[self._y])
            if self._z is not None:
                start[self._z], stop[self._z] = number, number + 1
            yield Region(tuple(start), tuple(stop))

    def rows(self, number: int) -> Iterator[NDArray[Any]]:
        """The rows of one slice: (rows, x) or (rows, x, sample)."""
        names, pixels = self._image.axis_names, self._image.pixels
        for cut in self._cuts(number):
            if self._together > 1:
                found = self._from_together(number, cut)
            elif self._scan is None:
                found = pixels.read(cut)
            else:
                following = next(self._scan, None)
                if following is None:
                    raise SourceError("the source ended before its last slice")
                found = following
            drop = tuple(i for i, name in enumerate(names) if name in "tz")
            plane = found.squeeze(drop) if drop else found
            if "c" in names:
                plane = plane[0] if plane.shape[0] == 1 else np.moveaxis(plane, 0, -1)
            yield np.ascontiguousarray(plane)
            self._done += found.nbytes
            self._options.report(self._done)

    def _from_together(self, number: int, cut: Region) -> NDArray[Any]:
        """Part of a slice, out of a run of slices that is read at once."""
        assert self._z is not None
        shape, first = self._image.shape, number // self._together * self._together
        start, stop = [0] * len(shape), list(shape)
        start[self._z] = first
        stop[self._z] = min(first + self._together, shape[self._z])
        run = Region(tuple(start), tuple(stop))
        if self._kept is None or self._kept[0] != first:
            self._kept = None  # room for the next run before it is read
            self._kept = (first, self._image.pixels.read(run))
        return self._kept[1][cut.relative_to(run).slices]

    def finish(self) -> None:
        """Let a stream check what follows its last voxel."""
        if self._scan is not None:
            for _ in self._scan:
                pass
