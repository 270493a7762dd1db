"""Values as another type: exactly where that is possible, never silently wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import Unsupported
from spconvert.model.finding import Report, ignore_finding
from spconvert.model.image import Access, PixelSource, SequentialSource
from spconvert.model.region import Region, Shape


@dataclass(frozen=True, slots=True)
class CastSource:
    """A source whose values become ``wanted``; see ``converted``."""

    source: PixelSource
    wanted: np.dtype[Any]

    @property
    def shape(self) -> Shape:
        """As the source."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that was wanted."""
        return self.wanted

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
        """The converted values in ``region``; raises what the source and ``converted`` raise."""
        return converted(self.source.read(region), self.wanted)

    def scan(
        self, regions: Iterable[Region], report: Report = ignore_finding
    ) -> Iterator[NDArray[Any]]:
        """The converted values of each region in turn; raises as ``read`` does."""
        if self.source.access == "sequential":
            scan = cast("SequentialSource", self.source).scan(regions, report)
        else:
            scan = (self.source.read(region) for region in regions)
        for pixels in scan:
            yield converted(pixels, self.wanted)


def converted(pixels: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    """``pixels`` as ``wanted``: integers exactly, floats rounded to the nearest (ties to even).

    Raises ``Unsupported`` for a value that does not fit: out of an integer's range, NaN or
    infinity as an integer, a finite number that a narrower float would make infinite, or a complex
    number as a real one.
    """
    if pixels.dtype == wanted or pixels.size == 0:
        return pixels.astype(wanted)
    if pixels.dtype.kind == "c" and wanted.kind != "c":
        raise Unsupported(f"complex numbers do not become {wanted.name}")
    if wanted.kind in "iu":
        return _as_integers(pixels, wanted)
    with np.errstate(over="ignore"):
        result = pixels.astype(wanted)
    if wanted.kind == "f" and not np.array_equal(np.isfinite(pixels), np.isfinite(result)):
        raise Unsupported(f"there are values too large for {wanted.name}", hint=_hint(pixels))
    return result


def _as_integers(pixels: NDArray[Any], wanted: np.dtype[Any]) -> NDArray[Any]:
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all():
            raise Unsupported(f"NaN and infinity do not become {wanted.name}")
        pixels = np.rint(pixels)
    limits = np.iinfo(wanted)
    # Compared as Python numbers: int64 against uint64 has no common type in NumPy.
    low, high = pixels.min().item(), pixels.max().item()
    if low < limits.min or high > limits.max:
        found = f"values from {low} to {high}"
        raise Unsupported(
            f"{found} do not fit {wanted.name} ({limits.min} to {limits.max})", hint=_hint(pixels)
        )
    return pixels.astype(wanted)


def _hint(pixels: NDArray[Any]) -> str:
    return f"choose a wider --dtype, or keep {pixels.dtype.name}"
