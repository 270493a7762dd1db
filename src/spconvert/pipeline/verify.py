"""Reread what was written and compare it with what was meant, before it is published."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import VerificationError
from spconvert.model.finding import Finding, note
from spconvert.model.geometry import Geometry
from spconvert.model.region import Region, Shape, block_region, grid_shape
from spconvert.pipeline.plan import PyramidPlan
from spconvert.pixels.watched import values_digest

SAMPLED_CHUNKS = 8
"""How many chunks per level are compared."""

GEOMETRY_TOLERANCE = 1e-9
"""Largest difference between the geometry meant and reread, in units of the smallest spacing."""


class Reread(Protocol):
    """Something that reads a region back from where it was stored."""

    def read(self, region: Region) -> NDArray[Any]:
        """The stored values."""
        ...


@dataclass(slots=True)
class Witness:
    """Remembers a digest of some chunks of every level as they were before they were encoded."""

    plan: PyramidPlan
    _digests: list[dict[Shape, int]] = field(init=False)
    _wanted: list[frozenset[Shape]] = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._digests = [{} for _ in self.plan.levels]
        self._wanted = [
            frozenset(sampled_chunks(level.shape, level.chunks)) for level in self.plan.levels
        ]

    def observe(self, level: int, region: Region, pixels: NDArray[Any]) -> None:
        """Remember the sampled chunks that lie in this block."""
        planned = self.plan.levels[level]
        for index in self._wanted[level]:
            chunk = block_region(planned.shape, planned.chunks, index)
            if region.contains(chunk):
                found = values_digest(pixels[chunk.relative_to(region).slices])
                with self._lock:
                    self._digests[level][index] = found

    def check(self, arrays: Sequence[Reread]) -> Finding:
        """Compare the remembered chunks with what the stored arrays return.

        Raises ``VerificationError`` naming the first chunk that differs or was never seen.
        """
        compared = 0
        for planned, digests, wanted, array in zip(
            self.plan.levels, self._digests, self._wanted, arrays, strict=True
        ):
            for index in sorted(wanted):
                chunk = block_region(planned.shape, planned.chunks, index)
                if digests.get(index) != values_digest(array.read(chunk)):
                    raise VerificationError(
                        f"chunk {index} of level {planned.path} reads back otherwise than written",
                        hint="nothing was published; check the disk, and please report this",
                    )
                compared += 1
        return note("verified", f"{compared} chunks of {len(arrays)} levels read back as written")


def sampled_chunks(shape: Shape, chunks: Shape) -> list[Shape]:
    """Grid indices of up to ``SAMPLED_CHUNKS`` chunks, evenly spread, first and last included."""
    counts = grid_shape(shape, chunks)
    total = int(np.prod(counts, dtype=np.int64))
    places = np.unique(np.linspace(0, total - 1, min(total, SAMPLED_CHUNKS)).astype(np.int64))
    return [tuple(int(i) for i in np.unravel_index(place, counts)) for place in places]


def check_geometry(
    meant: Sequence[Geometry], reread: Sequence[Geometry], tolerance: float = GEOMETRY_TOLERANCE
) -> None:
    """Compare the geometry of each level. Raises ``VerificationError`` if one differs."""
    if len(meant) != len(reread):
        raise VerificationError(f"{len(reread)} levels read back, {len(meant)} were written")
    for n, (wanted, found) in enumerate(zip(meant, reread, strict=True)):
        deviation = wanted.deviation_from(found)
        if not deviation <= tolerance:
            raise VerificationError(
                f"level {n}: the geometry reads back {deviation:.3g} voxels off",
                hint="nothing was published; please report this",
            )
