"""Range and percentiles of an image's values, gathered while it is written, per channel."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.region import Region, Shape

MOST_SAMPLES = 1 << 20


@dataclass(frozen=True, slots=True)
class ValueRange:
    """Smallest and largest finite value, and two percentiles between them."""

    low: float
    high: float
    start: float
    """0.1th percentile of a regular lattice of samples."""
    end: float
    """99.9th percentile of the same samples."""


@dataclass(slots=True)
class RangeObserver:
    """Looks at level 0 of an image of real values; every voxel counts for low and high.

    The percentiles are taken from the voxels whose indices are multiples of a stride that leaves
    at most ``MOST_SAMPLES`` of them over all channels, so they do not depend on blocks, threads or
    their order.
    """

    shape: Shape
    channel_axis: int | None
    _low: dict[int, float] = field(init=False, default_factory=dict)
    _high: dict[int, float] = field(init=False, default_factory=dict)
    _samples: dict[int, list[NDArray[Any]]] = field(init=False, default_factory=dict)
    _stride: int = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        along = [n for axis, n in enumerate(self.shape) if axis != self.channel_axis]
        each = max(1, MOST_SAMPLES // (prod(self.shape) // prod(along)))
        self._stride = 1
        while prod(ceil(n / self._stride) for n in along) > each:
            self._stride += 1

    def observe(self, level: int, region: Region, pixels: NDArray[Any]) -> None:
        """Take in a block of level 0."""
        if level:
            return
        if self.channel_axis is None:
            self._take(0, region, pixels)
            return
        first = region.start[self.channel_axis]
        for k in range(region.shape[self.channel_axis]):
            part = np.take(pixels, [k], axis=self.channel_axis)
            self._take(first + k, region, part)

    def _take(self, channel: int, region: Region, pixels: NDArray[Any]) -> None:
        lattice = pixels[
            tuple(
                slice(None)
                if axis == self.channel_axis
                else slice(-a % self._stride, None, self._stride)
                for axis, a in enumerate(region.start)
            )
        ]
        samples = lattice.reshape(-1)
        low, high = float(pixels.min()), float(pixels.max())
        if not np.isfinite((low, high)).all():
            finite = pixels[np.isfinite(pixels)]
            if finite.size == 0:
                return
            low, high = float(finite.min()), float(finite.max())
            samples = samples[np.isfinite(samples)]
        with self._lock:
            self._low[channel] = min(low, self._low.get(channel, low))
            self._high[channel] = max(high, self._high.get(channel, high))
            kept = self._samples.setdefault(channel, [])
            if samples.size:
                kept.append(samples.copy())

    def ranges(self) -> tuple[ValueRange, ...]:
        """One range per channel, in order; (0, 1, 0, 1) for a channel without finite values."""
        count = 1 if self.channel_axis is None else self.shape[self.channel_axis]
        return tuple(self._range(channel) for channel in range(count))

    def _range(self, channel: int) -> ValueRange:
        if channel not in self._low:
            return ValueRange(0.0, 1.0, 0.0, 1.0)
        low, high = self._low[channel], self._high[channel]
        start, end = low, high
        if self._samples[channel]:
            samples = np.concatenate(self._samples[channel])
            ends = np.percentile(samples.astype(np.float64), (0.1, 99.9), method="nearest")
            start, end = (float(v) for v in ends)
        return (
            ValueRange(low, high, start, end) if end > start else ValueRange(low, high, low, high)
        )
