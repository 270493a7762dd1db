"""Pixels of a TIFF, region by region: only the strips or tiles that a region needs are decoded.

Their bytes come by positioned reads of a file that is opened for each call, their decoding is
tifffile's, whose description of a page is made once per process and page layout. So a source
carries paths and numbers only: it pickles, and is safe in many threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spconvert.formats.tiff.decode import Decoder, decoder_of, read_at
from spconvert.formats.tiff.pages import PageLayout
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape
from spconvert.pixels.raw import open_input

_MODEL = "tczyx"
_PARALLEL_BYTES = 1 << 20
"""Below this much to decode, one thread is faster."""
_THREADS = 4
_BATCH_BYTES = 256 << 10
"""Decoded in one go: handing over a strip of a few rows costs as much as decoding it."""


@dataclass(frozen=True, slots=True, eq=False)
class TiffSource:
    """The planes of a stack of pages. Satisfies ``model.image.PixelSource``, access random."""

    files: tuple[Path, ...]
    layout: PageLayout
    names: str
    """Axes of the image, a subset of "tczyx"."""
    grid: NDArray[np.int64]
    """Index of the page of each plane, shape (t, c, z)."""
    pages: NDArray[np.int64]
    """Per page: index of its file, index of the file of its decoder, and the decoder's offset."""
    offsets: NDArray[np.int64]
    """Per page and segment: first byte."""
    counts: NDArray[np.int64]
    """Per page and segment: bytes; 0 where a sparse file has none."""

    @property
    def _full(self) -> Shape:
        times, channels, depths = self.grid.shape
        page = self.layout
        return (times, channels * page.samples, depths * page.depth, page.height, page.width)

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self._of_model(self._full)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, native byte order."""
        return self.layout.dtype

    @property
    def chunks(self) -> Shape:
        """A strip or tile; one that spans several rows of tiles' width where the file has strips.

        A page that is one strip can only be decoded whole.
        """
        depth, height, width = self.layout.segment
        samples = 1 if self.layout.planar else self.layout.samples
        full = (1, samples, depth, height, width)
        return self._of_model(tuple(min(a, b) for a, b in zip(full, self._full, strict=True)))

    @property
    def access(self) -> Access:
        """Any region costs the segments that it touches."""
        return "chunked"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest: samples after y and x where they are interleaved."""
        contig = self.layout.samples > 1 and not self.layout.planar
        order = "tzyxc" if contig else "tczyx"
        return tuple(self.names.index(name) for name in order if name in self.names)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``.

        Raises ``SourceError`` if a file cannot be read, ``FormatError`` if a segment cannot be
        decoded, ``MissingDependency`` if its codec is not installed.
        """
        full = self._to_model(region)
        out = np.empty(full.shape, self.dtype)
        jobs = list(self._jobs(full))
        with ExitStack() as stack:
            files = {i: stack.enter_context(open_input(self.files[i])) for i in self._files(jobs)}

            decoders: dict[tuple[int, int], Decoder] = {}
            for page in {job.page for job in jobs}:
                _, owner, offset = self.pages[page].tolist()
                if (owner, offset) not in decoders:
                    decoders[owner, offset] = decoder_of(self.files[owner], offset)

            def run(some: list[_Job]) -> None:
                for job in some:
                    _, owner, offset = self.pages[job.page].tolist()
                    self._decode(job, decoders[owner, offset], files[job.file], out, full)

            heavy = len(jobs) * self.layout.segment_bytes
            if self.layout.compression == "none" or len(jobs) < 4 or heavy < _PARALLEL_BYTES:
                run(jobs)
            else:
                workers = min(_THREADS, os.cpu_count() or 1)
                step = max(1, min(_BATCH_BYTES // self.layout.segment_bytes, len(jobs) // workers))
                with ThreadPoolExecutor(workers, "tiff-decode") as pool:
                    batches = (jobs[i : i + step] for i in range(0, len(jobs), step))
                    for _ in pool.map(run, batches):
                        pass
        return out.reshape(region.shape)

    def _of_model(self, full: Shape) -> Shape:
        return tuple(n for name, n in zip(_MODEL, full, strict=True) if name in self.names)

    def _to_model(self, region: Region) -> Region:
        start, stop = iter(region.start), iter(region.stop)
        pairs = [(next(start), next(stop)) if name in self.names else (0, 1) for name in _MODEL]
        return Region(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))

    @staticmethod
    def _files(jobs: list[_Job]) -> set[int]:
        return {job.file for job in jobs}

    def _jobs(self, full: Region) -> Iterator[_Job]:
        """The segments that a region touches."""
        if 0 in full.shape:
            return
        page, (t0, c0, z0, y0, x0), (t1, c1, z1, y1, x1) = self.layout, full.start, full.stop
        depth, height, width = page.segment
        _, deep, high, wide = page.grid
        channels = range(c0 // page.samples, -(-c1 // page.samples))
        depths = range(z0 // page.depth, -(-z1 // page.depth))
        for t, c, z in itertools.product(range(t0, t1), channels, depths):
            at = int(self.grid[t, c, z])
            s0, s1 = max(c0 - c * page.samples, 0), min(c1 - c * page.samples, page.samples)
            d0, d1 = max(z0 - z * page.depth, 0), min(z1 - z * page.depth, page.depth)
            for s, d, h, w in itertools.product(
                range(s0, s1) if page.planar else (0,),
                range(d0 // depth, -(-d1 // depth)),
                range(y0 // height, -(-y1 // height)),
                range(x0 // width, -(-x1 // width)),
            ):
                index = ((s * deep + d) * high + h) * wide + w
                yield _Job(at, int(self.pages[at, 0]), index, (t, c * page.samples, z * page.depth))

    def _decode(
        self, job: _Job, decoder: Decoder, file: FileIO, out: NDArray[Any], full: Region
    ) -> None:
        data = None
        count = int(self.counts[job.page, job.segment])
        if count:
            data = read_at(
                file, self.files[job.file], int(self.offsets[job.page, job.segment]), count
            )
        values, (s, d, y, x, _), extent = decoder(data, job.segment, self.files[job.file])
        t, c, z = job.corner
        # In numbers, not as regions: there may be thousands of strips of a few rows.
        corner = (c + s, z + d, y, x)
        sizes = (extent[3], extent[0], extent[1], extent[2])
        target: list[slice] = []
        inside: list[slice] = []
        for k, n, a, b in zip(corner, sizes, full.start[1:], full.stop[1:], strict=True):
            first = max(k, a)
            last = max(first, min(k + n, b))
            target.append(slice(first - a, last - a))
            inside.append(slice(first - k, last - k))
        place = out[t - full.start[0]][tuple(target)]
        place[...] = (
            decoder.nodata if values is None else values.transpose(3, 0, 1, 2)[tuple(inside)]
        )


class _Job(NamedTuple):
    """One segment to decode."""

    page: int
    file: int
    segment: int
    corner: tuple[int, int, int]
    """t, c, z of the page's first value."""
