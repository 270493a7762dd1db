"""The order in which a TIFF wants the pixels of an image, and the pieces in which they are read."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import LimitError
from spconvert.formats.plugin import WriteOptions
from spconvert.model.image import PixelSource, SequentialSource, SpatialImage
from spconvert.model.region import Region, Shape, slabs

TILE = 512
"""Rows and columns of a tile. A page of at most this size is one strip."""
_SLAB_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class PageOrder:
    """How the axes of an image become pages."""

    outer: tuple[int, ...]
    """Axes of the image before those of the page, slowest first."""
    inner: tuple[int, ...]
    """Axes of a page: y, x and perhaps the samples."""
    shape: Shape
    """Of the image."""

    @property
    def axes(self) -> tuple[int, ...]:
        """All axes from slowest to fastest in the file."""
        return (*self.outer, *self.inner)

    @property
    def pages(self) -> int:
        """How many."""
        return prod(self.shape[a] for a in self.outer)

    @property
    def page_shape(self) -> Shape:
        """y, x and perhaps samples."""
        return tuple(self.shape[a] for a in self.inner)

    @property
    def samples(self) -> int:
        """Per pixel."""
        return self.page_shape[2] if len(self.inner) == 3 else 1

    @property
    def is_tiled(self) -> bool:
        """Whether a page is larger than one tile."""
        return max(self.page_shape[:2]) > TILE


def page_order(image: SpatialImage, outer_names: str) -> PageOrder:
    """Pages for an image. ``outer_names``: t, c, z from slowest to fastest.

    Red, green and blue (and alpha) of 8 or 16 bits become the samples of a pixel; every other
    channel has pages of its own.
    """
    names = image.axis_names
    colours = _is_colour(image) and not _is_planar_stream(image)
    inner = ["y", "x", *("c" if colours else "")]
    outer = [name for name in outer_names if name in names and name not in inner]
    return PageOrder(
        tuple(names.index(n) for n in outer), tuple(names.index(n) for n in inner), image.shape
    )


def _is_colour(image: SpatialImage) -> bool:
    labels = tuple(channel.label.lower() for channel in image.channels)
    wanted = (("red", "green", "blue"), ("red", "green", "blue", "alpha"))
    return labels in wanted and image.dtype.name in ("uint8", "uint16")


def _is_planar_stream(image: SpatialImage) -> bool:
    """Whether the colours come one after the other and cannot be had together."""
    axis = image.axis_names.index("c")
    pixels = image.pixels
    return pixels.access == "sequential" and pixels.storage_order[-1] != axis


def check_order(pixels: PixelSource, order: PageOrder) -> None:
    """Refuse a stream that comes in another order. Raises ``LimitError``."""
    if pixels.access != "sequential":
        return
    wanted = [axis for axis in order.axes if pixels.shape[axis] > 1]
    if wanted != [axis for axis in pixels.storage_order if pixels.shape[axis] > 1]:
        raise LimitError(
            f"the source is stored in axis order {pixels.storage_order} and can only be read in "
            f"it; this TIFF needs {order.axes}",
            hint="write the image to OME-Zarr first",
        )


def page_pieces(
    image: SpatialImage, order: PageOrder, options: WriteOptions
) -> Iterator[NDArray[Any]]:
    """Tiles of every page in turn (cut off at the edges), or whole pages where they are small.

    Memory: the slab that is read and a copy of one piece. Reports bytes and findings.
    """
    done = 0
    cuts = _cuts(image, order, max(1, options.budget // 2))
    for slab in _read(image.pixels, cuts, options):
        in_file = slab.transpose(order.axes)
        for index in itertools.product(*(range(n) for n in in_file.shape[: len(order.outer)])):
            page = in_file[index]
            if order.is_tiled:
                yield from _tiles(page)
            else:
                yield np.ascontiguousarray(page)
        done += slab.nbytes
        options.report(done)


def _read(
    pixels: PixelSource, cuts: Iterable[Region], options: WriteOptions
) -> Iterator[NDArray[Any]]:
    if pixels.access == "sequential":
        return cast("SequentialSource", pixels).scan(cuts, options.finding)
    return (pixels.read(cut) for cut in cuts)


def _tiles(page: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for y in range(0, page.shape[0], TILE):
        for x in range(0, page.shape[1], TILE):
            yield np.ascontiguousarray(page[y : y + TILE, x : x + TILE])


def _cuts(image: SpatialImage, order: PageOrder, share: int) -> Iterator[Region]:
    """Whole pages where they fit, else rows of tiles, else runs of tiles within a row."""
    item = image.dtype.itemsize
    page_bytes = prod(order.page_shape) * item
    if page_bytes <= share or not order.is_tiled:
        budget = max(page_bytes, min(share, max(_SLAB_BYTES, _chunk_bytes(image, order))))
        return slabs(image.shape, item, budget, order=order.axes, align=image.pixels.chunks)
    return _bands(image, order, share)


def _chunk_bytes(image: SpatialImage, order: PageOrder) -> int:
    """Of as many pages as a chunk of the source is deep: less would decode it several times."""
    moving = next((a for a in reversed(order.outer) if image.shape[a] > 1), None)
    deep = 1 if moving is None else image.pixels.chunks[moving]
    return deep * prod(order.page_shape) * image.dtype.itemsize


def _bands(image: SpatialImage, order: PageOrder, share: int) -> Iterator[Region]:
    y, x = order.inner[:2]
    height, width = order.page_shape[:2]
    row = width * order.samples * image.dtype.itemsize
    rows = max(1, share // (row * TILE)) * TILE
    columns = width
    if row * TILE > share and image.pixels.access != "sequential":
        rows = TILE
        pixel = TILE * TILE * order.samples * image.dtype.itemsize
        columns = max(1, share // pixel) * TILE
    elif row * TILE > share:
        raise LimitError(
            f"{TILE} rows of this image take {row * TILE} bytes, more than the {share} allowed",
            hint="allow more with --memory",
        )
    for index in itertools.product(*(range(image.shape[a]) for a in order.outer)):
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                start, stop = [0] * len(image.shape), list(image.shape)
                for axis, i in zip(order.outer, index, strict=True):
                    start[axis], stop[axis] = i, i + 1
                start[y], stop[y] = top, min(top + rows, height)
                start[x], stop[x] = left, min(left + columns, width)
                yield Region(tuple(start), tuple(stop))
