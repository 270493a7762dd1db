"""A picture that a library decodes in one piece.

Access is ``whole``: the compression of these formats lets nobody find a row without decoding all
rows before it, and their libraries return the picture only when all of it is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.model.image import AXIS_ORDER, Access
from spconvert.model.region import Region, Shape

Decode = Callable[[Path], NDArray[Any]]
"""All samples of a file in file order; raises ``FormatError`` or ``SourceError``."""


@dataclass(frozen=True, slots=True)
class DecodedSource:
    """The samples that ``decode`` returns, as the header announced them."""

    path: Path
    decode: Decode
    """A function of a module, so that it pickles."""
    names: str
    """Axes in file order, "tyxc" without those that are not there."""
    extents: Shape
    """In file order."""
    stored: np.dtype[Any]
    """Native byte order."""

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return tuple(self.extents[a] for a in self._order)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values, native byte order."""
        return self.stored

    @property
    def chunks(self) -> Shape:
        """The whole picture."""
        return self.shape

    @property
    def access(self) -> Access:
        """Every region costs the whole picture."""
        return "whole"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest in the file."""
        return tuple(self._order.index(a) for a in range(len(self.names)))

    @property
    def _order(self) -> tuple[int, ...]:
        return tuple(self.names.index(name) for name in AXIS_ORDER if name in self.names)

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``: everything is decoded, the rest is dropped.

        Raises ``FormatError`` for a picture that is broken or not what its header announced,
        ``SourceError`` if the file cannot be read.
        """
        if 0 in region.shape:
            return np.empty(region.shape, self.stored)
        found = self.decode(self.path)
        if found.shape != self.extents or found.dtype != self.stored:
            raise FormatError(
                f"{self.path} decodes to {found.dtype} of {found.shape}: "
                f"its header announced {self.stored} of {self.extents}"
            )
        part = found.transpose(self._order)[region.slices]
        return part if part.size == found.size else part.copy()


def interleaved(
    path: Path, decode: Decode, size: tuple[int, int], samples: int, dtype: str
) -> DecodedSource:
    """The usual case: rows of pixels of ``samples`` samples; ``size`` is width, height."""
    width, height = size
    several = samples > 1
    extents = (height, width, samples) if several else (height, width)
    return DecodedSource(path, decode, "yxc" if several else "yx", extents, np.dtype(dtype))
