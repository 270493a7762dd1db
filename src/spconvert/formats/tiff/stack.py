"""Pages put together: which page holds which plane, and how that becomes a pixel source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.formats.tiff.pages import Page
from spconvert.formats.tiff.palette_source import PaletteSource
from spconvert.formats.tiff.source import TiffSource
from spconvert.model.image import PixelSource
from spconvert.model.region import Shape
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource, regular_size

ORDER = "tczyx"


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Pages of one layout in a grid of times, channels and depths."""

    pages: tuple[Page, ...]
    grid: NDArray[np.int64]
    """Index of the page of each plane, shape (t, c, z). A page of several samples or depths
    counts once; its samples run fastest within c, its depths within z."""
    names: str
    """Which axes the image has, in model order."""
    palette: NDArray[Any] | None = None
    """Colours, shape (3, entries), where the values are indices that a viewer would resolve."""

    @property
    def full_shape(self) -> Shape:
        """Extents of t, c, z, y, x, without a palette."""
        layout = self.pages[0].layout
        times, channels, depths = self.grid.shape
        return (
            times,
            channels * layout.samples,
            depths * layout.depth,
            layout.height,
            layout.width,
        )

    def pixels(self) -> PixelSource:
        """The lazy values. Raises ``FormatError`` for strips that are too short."""
        stored = self.names if self.palette is None else self.names.replace("c", "")
        layout = self.pages[0].layout
        raw = None
        if all(page.layout.is_plain for page in self.pages):
            raw = _raw(self, stored)
        source = raw or TiffSource(
            files=tuple(dict.fromkeys(page.path for page in self.pages)),
            layout=layout,
            names=stored,
            grid=self.grid,
            pages=_page_table(self.pages),
            offsets=np.stack([page.offsets for page in self.pages]),
            counts=np.stack([page.counts for page in self.pages]),
        )
        if self.palette is None:
            return source
        return PaletteSource(source, self.palette, self.names.index("c"))


@dataclass(frozen=True, slots=True)
class RawBlock:
    """Uncompressed values in one run of a file: ImageJ's stacks beyond 4 GiB, STK, tifffile's."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    """Byte order included."""
    file_names: str
    """Axes from slowest to fastest in the file, a subset of "tczyx"."""
    sizes: Shape

    @property
    def names(self) -> str:
        """Axes in model order."""
        return "".join(name for name in ORDER if name in self.file_names)

    def pixels(self) -> PixelSource:
        """The lazy values. Raises ``FormatError`` if the file is too short."""
        nbytes = prod(self.sizes) * self.dtype.itemsize
        held = regular_size(self.path) - self.offset
        if held < nbytes:
            raise FormatError(
                f"{self.path} has {max(0, held)} of {nbytes} bytes of pixels",
                hint="the file is cut off, or its description states wrong sizes",
            )
        shape = tuple(self.sizes[self.file_names.index(name)] for name in self.names)
        order = tuple(self.names.index(name) for name in self.file_names)
        part = FilePart(self.path, self.offset, nbytes)
        return RawSource((part,), Layout(shape, self.dtype, order))


def check_alike(pages: Sequence[Page]) -> None:
    """Whether pages can be planes of one image. Raises ``FormatError`` naming the first other."""
    first = pages[0]
    for page in pages[1:]:
        if like(page) != like(first):
            raise FormatError(
                f"{page.path}: page {page.number} is {_described(page)}, page {first.number} is "
                f"{_described(first)}: pages of one shape and type expected",
                hint="choose pages of one shape with --series, see 'spconvert inspect'",
            )


def like(page: Page) -> tuple[object, ...]:
    """What two planes of one image have in common."""
    layout = page.layout
    return (
        layout.depth,
        layout.height,
        layout.width,
        layout.samples,
        layout.planar,
        layout.dtype,
        layout.tiled,
        layout.segment,
        layout.bits,
        layout.photometric,
        layout.compression == "none",
    )


def _described(page: Page) -> str:
    layout = page.layout
    return f"{layout.width} x {layout.height} x {layout.samples} {layout.dtype.name}"


def _page_table(pages: Sequence[Page]) -> NDArray[np.int64]:
    """Per page: its file, and the directory of a page that is decoded in the same way."""
    files = {path: i for i, path in enumerate(dict.fromkeys(page.path for page in pages))}
    keys: dict[tuple[object, ...], tuple[int, int]] = {}
    rows = []
    for page in pages:
        one = (page.layout, page.byteorder, page.number if "jpeg" in page.layout.compression else 0)
        here = (files[page.path], page.offset)
        rows.append((here[0], *keys.setdefault(one, here)))
    return np.array(rows, np.int64)


def _raw(stack: Stack, names: str) -> RawSource | None:
    """The same values without a decoder; ``None`` where one is needed after all."""
    layout = stack.pages[0].layout
    _, channels, depths = stack.grid.shape
    orders = {page.byteorder for page in stack.pages}
    split = (channels > 1 and layout.samples > 1) or (depths > 1 and layout.depth > 1)
    if split or len(orders) > 1:  # two axes of the file make one of the image, or mixed files
        return None
    order = _storage_names(stack)
    parts: list[tuple[Path, int, int]] = []
    for page in _in_order(stack, order):
        runs = _runs(page)
        if runs is None:
            return None
        for offset, nbytes in runs:
            before = parts[-1] if parts else (page.path, -1, 0)
            if before[1] + before[2] == offset and before[0] == page.path:
                parts[-1] = (page.path, before[1], before[2] + nbytes)
            else:
                parts.append((page.path, offset, nbytes))
    extents = dict(zip(ORDER, stack.full_shape, strict=True))
    shape = tuple(extents[name] for name in names)
    kept = tuple(names.index(name) for name in order if name in names)
    dtype = np.dtype(layout.dtype.newbyteorder(orders.pop()))
    return RawSource(tuple(FilePart(*part) for part in parts), Layout(shape, dtype, kept))


def _storage_names(stack: Stack) -> str:
    """Axes from slowest to fastest: the grid's by their distance in the file, then the page's."""
    layout = stack.pages[0].layout
    grid = stack.grid
    inner = layout.names.replace("s", "c")
    here = [page.path for page in stack.pages]
    steps = {}
    for axis, name in enumerate("tcz"):
        if name in inner:
            continue
        step = 0
        if grid.shape[axis] > 1:
            one = grid[(0,) * axis + (1,) + (0,) * (2 - axis)]
            zero = grid[0, 0, 0]
            step = int(stack.pages[one].offsets[0] - stack.pages[zero].offsets[0])
            if here[one] != here[zero]:
                step = 1 << 62
        steps[name] = step
    outer = sorted(steps, key=lambda name: (-steps[name], "tcz".index(name)))
    return "".join(outer) + inner


def _in_order(stack: Stack, order: str) -> Iterator[Page]:
    outer = [name for name in order if name in "tcz"]
    axes = ["tcz".index(name) for name in dict.fromkeys((*outer, *"tcz"))]
    for index in stack.grid.transpose(axes).ravel().tolist():
        yield stack.pages[index]


def _runs(page: Page) -> list[tuple[int, int]] | None:
    """(offset, bytes) of each strip, those that follow each other as one.

    ``None`` if the file leaves one out. Raises ``FormatError`` for one that is too short.
    """
    layout = page.layout
    planes, deep, high, _ = layout.grid
    row = layout.width * (1 if layout.planar else layout.samples) * layout.dtype.itemsize
    wanted = np.full((planes * deep, high), layout.segment[1] * row, np.int64)
    wanted[:, -1] = (layout.height - layout.segment[1] * (high - 1)) * row
    needed = wanted.ravel()
    short = (page.counts < needed) & (page.counts > 0)
    if short.any():
        i = int(short.argmax())
        raise FormatError(
            f"{page.path}: page {page.number}, strip {i + 1} of {planes * deep * high} has "
            f"{page.counts[i]} of {needed[i]} bytes"
        )
    if not (page.counts.all() and page.offsets.all()):
        return None
    firsts = np.flatnonzero(page.offsets[1:] != page.offsets[:-1] + needed[:-1]) + 1
    starts = np.concatenate(([0], firsts))
    lengths = np.add.reduceat(needed, starts)
    return list(zip(page.offsets[starts].tolist(), lengths.tolist(), strict=True))
