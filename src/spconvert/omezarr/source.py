"""Pixels of one array of a store: common arrays by our own decoder, all others by zarr-python.

zarr-python is imported when it is first needed. What our decoder does not expect, it reads too.
"""

from __future__ import annotations

import lzma
import os
import struct
import zlib
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, LimitError
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape
from spconvert.omezarr.arrays import ArrayInfo
from spconvert.stores.blosc_frames import BloscCheck
from spconvert.stores.bomb_check import CODECS, BombCheck
from spconvert.stores.location import Location, open_array
from spconvert.stores.zarr_direct import NotDirect, read_direct

_SLACK_BYTES = 1 << 20

_DAMAGE = (
    ValueError,
    TypeError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    OSError,
    EOFError,
    BufferError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""What codecs raise on bytes that are not theirs; each has its own habit."""


@dataclass(frozen=True, slots=True)
class ZarrSource:
    """An array below a location. Chunks that are not stored have the fill value.

    It pickles as where the array is; the array is opened once per process.
    """

    location: Location
    path: str
    """Of the array, below the location."""
    info: ArrayInfo
    order: tuple[int, ...]
    """Axis i of the source is stored axis ``order[i]``."""
    _arrays: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ZarrSource, (self.location, self.path, self.info, self.order))

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return tuple(self.info.shape[i] for i in self.order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, native byte order."""
        return self.info.dtype

    @property
    def chunks(self) -> Shape:
        """Extents of what is compressed as one."""
        return tuple(self.info.chunks[i] for i in self.order)

    @property
    def access(self) -> Access:
        """Any region costs the chunks that it touches."""
        return "chunked"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Axes in the order in which they are stored."""
        return tuple(self.order.index(i) for i in range(len(self.order)))

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``, native byte order.

        Raises ``FormatError`` naming the array if a chunk is damaged or its codec is not known,
        ``SourceError`` if it cannot be read, ``LimitError`` if memory does not suffice.
        """
        back = self.storage_order
        stored = Region(tuple(region.start[i] for i in back), tuple(region.stop[i] for i in back))
        try:
            return self._values(stored).astype(self.dtype, copy=False).transpose(self.order)
        except MemoryError as error:
            raise LimitError(f"{self._name}: no memory for {stored.shape}") from error
        except _DAMAGE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            message = f"{self._name}: the chunks in {stored.start} to {stored.stop} cannot be read"
            hint = "a chunk is damaged, cut off, or its codec is not installed"
            raise FormatError(f"{message}: {reason}", hint=hint) from error

    def _values(self, stored: Region) -> NDArray[Any]:
        """The values of a region in stored order."""
        if self.info.direct is not None:
            try:
                return read_direct(self.location, self.path, self.info.direct, stored)
            except NotDirect:
                pass  # zarr-python says what is wrong, or reads it after all
        values = np.asarray(self._array()[stored.slices])
        if values.shape != stored.shape:
            message = f"{self._name}: {values.shape} values read, {stored.shape} expected"
            raise FormatError(message)
        return values

    @property
    def _name(self) -> str:
        return f"{self.location.path}: array {self.path}"

    def _array(self) -> Any:
        """The array as zarr-python sees it; a process that was forked opens its own."""
        process = os.getpid()
        if process not in self._arrays:
            self._arrays[process] = open_array(
                self.location, self.path, self.info.zarr_format, _check_of(self.info)
            )
        return self._arrays[process]


def _check_of(info: ArrayInfo) -> BloscCheck | BombCheck | None:
    """A check of the bytes as they are stored, for codecs that do not make it themselves."""
    codecs = info.codecs.split("+")
    alone = prod(info.chunks) * info.dtype.itemsize if len(codecs) == 1 else None
    count = None
    if info.shards is not None:
        count = prod(s // c for s, c in zip(info.shards, info.chunks, strict=True))
    last = codecs[-1].partition(":")[0]
    if last == "blosc":
        return BloscCheck(alone, count, info.index_at_end)
    if last in CODECS:
        # Codecs before it may add to a chunk, but none of them doubles it.
        most = 2 * prod(info.chunks) * info.dtype.itemsize + _SLACK_BYTES
        return BombCheck(last, alone or most, count, info.index_at_end)
    return None
