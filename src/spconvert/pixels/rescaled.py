"""Real values from stored ones, slope · v + intercept, while the pixels are read.

Shared by the formats that store small integers and a line to map them (NIfTI, DICOM).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from spconvert.model.finding import Report, ignore_finding
from spconvert.model.image import Access, PixelSource, SequentialSource
from spconvert.model.region import Region, Shape

Mode = Literal["auto", "apply", "keep"]

_PIECE = 1 << 16
"""Elements that are computed in float64 at a time: they stay in the cache."""

_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")


def rescaled_type(
    stored: np.dtype[Any], slope: float, intercept: float, mode: Mode
) -> np.dtype[Any] | None:
    """The type of the real values, or ``None`` where stored values are to be given.

    ``auto``: the narrowest integer type that holds every result, where slope and intercept are
    whole numbers and there is one, else floats; ``apply``: floats. Floats are float32 for integers
    of up to 16 bits, float64 for wider ones, whose digits float32 would lose, and the stored type
    where that is floating or complex already.
    """
    if mode == "keep" or (slope, intercept) == (1.0, 0.0):
        return None
    if stored.kind not in "iub":
        return stored.newbyteorder("=")
    if mode == "auto" and float(slope).is_integer() and float(intercept).is_integer():
        whole = _integer_type(stored, int(slope), int(intercept))
        if whole is not None:
            return whole
    return np.dtype(np.float32 if stored.itemsize <= 2 else np.float64)


def _integer_type(stored: np.dtype[Any], slope: int, intercept: int) -> np.dtype[Any] | None:
    low, high = (0, 1) if stored.kind == "b" else (np.iinfo(stored).min, np.iinfo(stored).max)
    ends = sorted((slope * int(low) + intercept, slope * int(high) + intercept))
    for name in _UNSIGNED if ends[0] >= 0 and stored.kind != "i" else _SIGNED:
        limits = np.iinfo(name)
        if limits.min <= ends[0] and ends[1] <= limits.max:
            return np.dtype(name)
    return None


@dataclass(frozen=True, slots=True)
class RescaledSource:
    """slope · v + intercept of every value of ``source``, as ``dtype`` (see ``rescaled_type``).

    Floats are computed in float64 and rounded once. Of complex values both parts are rescaled, as
    nifti1.h asks ("both the real and imaginary parts"). Access is that of the source; ``scan``
    works for every source. Raises ``ValueError`` for integers with a slope or intercept that is no
    whole number.
    """

    source: PixelSource
    slope: float
    intercept: float
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        whole = float(self.slope).is_integer() and float(self.intercept).is_integer()
        if self.dtype.kind in "iu" and not whole:
            raise ValueError(f"{self.slope} · v + {self.intercept} gives no {self.dtype.name}")

    @property
    def shape(self) -> Shape:
        """As the source."""
        return self.source.shape

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
        """The real values in ``region``; raises what the source raises."""
        return self._applied(self.source.read(region))

    def scan(
        self, regions: Iterable[Region], report: Report = ignore_finding
    ) -> Iterator[NDArray[Any]]:
        """The real values of each region in turn; raises what the source raises."""
        if self.source.access != "sequential":
            for region in regions:
                yield self.read(region)
            return
        for values in cast("SequentialSource", self.source).scan(regions, report):
            yield self._applied(values)

    def _applied(self, values: NDArray[Any]) -> NDArray[Any]:
        order = np.argsort([-abs(stride) for stride in values.strides], kind="stable")
        in_memory = np.ascontiguousarray(values.transpose(order))
        flat = in_memory.reshape(-1)
        real = self._integers(flat) if self.dtype.kind in "iu" else self._floats(flat)
        return real.reshape(in_memory.shape).transpose(np.argsort(order))

    def _integers(self, flat: NDArray[Any]) -> NDArray[Any]:
        """Modulo 2ⁿ all the way, so that only the result has to fit, no intermediate value."""
        bits = 8 * self.dtype.itemsize
        unsigned = np.dtype(f"u{self.dtype.itemsize}")
        result = flat.astype(unsigned)
        result *= unsigned.type(int(self.slope) % (1 << bits))
        result += unsigned.type(int(self.intercept) % (1 << bits))
        return result.view(self.dtype)

    def _floats(self, flat: NDArray[Any]) -> NDArray[Any]:
        if self.dtype.kind == "c":
            part = flat.real.dtype
            return self._lines(flat.view(part), part).view(self.dtype)
        return self._lines(flat, self.dtype)

    def _lines(self, flat: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        result = np.empty(flat.shape, dtype)
        with np.errstate(all="ignore"):  # beyond the type's range is infinite, NaN stays NaN
            for start in range(0, flat.size, _PIECE):
                piece = flat[start : start + _PIECE].astype(np.float64)
                piece *= self.slope
                piece += self.intercept
                result[start : start + _PIECE] = piece
        return result
