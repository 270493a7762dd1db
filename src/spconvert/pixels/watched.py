"""A source that remembers a digest of everything that is read from it."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.model.finding import Report, ignore_finding
from spconvert.model.image import Access, PixelSource, SequentialSource
from spconvert.model.region import Region, Shape


@dataclass(slots=True)
class Digests:
    """Regions and the CRC-32 of their values, in the order in which they were read."""

    seen: list[tuple[Region, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, region: Region, pixels: NDArray[Any]) -> None:
        """Remember a region; called from many threads."""
        found = values_digest(pixels)
        with self._lock:
            self.seen.append((region, found))


@dataclass(frozen=True, slots=True)
class WatchedSource:
    """Everything that is read from ``source`` leaves its digest in ``digests``."""

    source: PixelSource
    digests: Digests

    @property
    def shape(self) -> Shape:
        """As the source."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """As the source."""
        return self.source.dtype

    @property
    def chunks(self) -> Shape:
        """As the source."""
        return self.source.chunks

    @property
    def access(self) -> Access:
        """As the source."""
        return self.source.access

    @property
    def storage_order(self) -> tuple[int, ...]:
        """As the source."""
        return self.source.storage_order

    def read(self, region: Region) -> NDArray[Any]:
        """As the source; raises what it raises."""
        pixels = self.source.read(region)
        self.digests.add(region, pixels)
        return pixels

    def scan(
        self, regions: Iterable[Region], report: Report = ignore_finding
    ) -> Iterator[NDArray[Any]]:
        """As the source, which must be sequential; raises what it raises."""
        wanted = list(regions)
        scan = cast("SequentialSource", self.source).scan(wanted, report)
        for region, pixels in zip(wanted, scan, strict=True):
            self.digests.add(region, pixels)
            yield pixels


def values_digest(pixels: NDArray[Any]) -> int:
    """CRC-32 of the values as little-endian bytes in C order."""
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return zlib.crc32(little.reshape(-1).view(np.uint8).data)
