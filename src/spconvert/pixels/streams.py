"""Regions out of a stream that can only be decoded front to back.

A decoder turns bytes of a file into bytes of voxels; the functions here cut them into regions, in
memory bounded by the region.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from numpy.typing import NDArray

from spconvert.model.finding import Report
from spconvert.model.region import Region
from spconvert.pixels.layout import Layout

PIECE_BYTES = 256 << 10
"""Bytes read from a file, and bytes decoded, at a time."""


class DecodedStream(Protocol):
    """The decoded bytes of a source, from the first voxel on."""

    def fill(self, view: memoryview) -> None:
        """The next ``len(view)`` bytes.

        Raises ``FormatError`` if the stream is broken or ends before.
        """
        ...

    def finish(self, report: Report) -> None:
        """Check what follows the last voxel: checksums, surplus data.

        Raises ``FormatError`` for a bad checksum; surplus goes to ``report`` as a warning.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def scan_stream(
    stream: DecodedStream, layout: Layout, regions: Iterable[Region], report: Report
) -> Iterator[NDArray[Any]]:
    """The array of each region in turn, each a fresh one; then the rest of the file is checked.

    Every region must be one run of the file that begins where the one before ended or later (what
    lies between is skipped); otherwise ``ValueError``.
    """
    position = 0
    try:
        for region in regions:
            runs = list(_few(layout.runs(region)))
            if len(runs) != 1 or runs[0][0] < position:
                raise ValueError(f"{region} is no single run behind byte {position} of the file")
            offset, length = runs[0]
            _skip(stream, offset - position)
            data = layout.empty(region)
            stream.fill(data.data)
            position = offset + length
            yield layout.present(data, region)
        _skip(stream, layout.nbytes - position)
        stream.finish(report)
    finally:
        stream.close()


def read_stream(stream: DecodedStream, layout: Layout, region: Region) -> NDArray[Any]:
    """One region, at the cost of decoding everything before its end."""
    data = layout.empty(region)
    view = data.data
    position = done = 0
    try:
        for offset, length in layout.runs(region):
            _skip(stream, offset - position)
            stream.fill(view[done : done + length])
            position, done = offset + length, done + length
    finally:
        stream.close()
    return layout.present(data, region)


def _few(runs: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The first two of many, enough to tell one from several."""
    for _, run in zip(range(2), runs, strict=False):
        yield run


def _skip(stream: DecodedStream, count: int) -> None:
    scratch = memoryview(bytearray(min(count, PIECE_BYTES)))
    while count > 0:
        take = min(count, len(scratch))
        stream.fill(scratch[:take])
        count -= take
