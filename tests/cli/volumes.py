"""Small NRRD files written by hand, so that no code of ours made the input of a test."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geometries import rotation_of

TYPES = {"i2": "int16", "u1": "uint8", "u2": "uint16", "f4": "float", "f8": "double", "i4": "int"}
OBLIQUE = tuple(map(tuple, rotation_of((0.9, 0.2, -0.3, 0.1)).tolist()))
"""Direction of the usual volume: turned about all three axes."""


@dataclass(frozen=True)
class Place:
    """Where a volume lies, in x, y, z order."""

    spacing: Sequence[float] = (0.5, 0.75, 2.5)
    origin: Sequence[float] = (-90.5, 12.25, 300.125)
    direction: Sequence[Sequence[float]] = OBLIQUE
    space: str | None = "left-posterior-superior"

    @property
    def affine(self) -> NDArray[np.float64]:
        """Index to physical, homogeneous."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(self.direction) * np.array(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix


PLACE = Place()


def small_volume(dtype: str = "int16", shape: Sequence[int] = (5, 7, 6)) -> NDArray[np.generic]:
    """Every voxel differs from its neighbours; one marker."""
    array = (np.arange(np.prod(shape)).reshape(shape) % 97).astype(dtype)
    array[(1,) * len(shape)] = 101
    return array


def write_nrrd(
    path: Path,
    array: NDArray[np.generic],
    place: Place = PLACE,
    *,
    encoding: str = "raw",
    lines: Sequence[str] = (),
    kinds: str = "domain domain domain",
) -> Path:
    """An attached NRRD of an array (z, y, x), with further header ``lines``."""
    header = [
        "NRRD0005",
        f"type: {TYPES[array.dtype.str[1:]]}",
        f"dimension: {array.ndim}",
        *([f"space: {place.space}"] if place.space else ["space dimension: 3"]),
        f"sizes: {' '.join(str(n) for n in reversed(array.shape))}",
        f"space directions: {' '.join(_steps(place))}",
        f"kinds: {kinds}",
        "endian: little",
        f"encoding: {encoding}",
        f"space origin: ({','.join(repr(float(v)) for v in place.origin)})",
        *lines,
    ]
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    data = gzip.compress(data, 1, mtime=0) if encoding == "gzip" else data
    path.write_bytes("\n".join(header).encode() + b"\n\n" + data)
    return path


def _steps(place: Place) -> list[str]:
    columns = (np.array(place.direction) * np.array(place.spacing)).T
    return [f"({','.join(repr(float(v)) for v in column)})" for column in columns]
