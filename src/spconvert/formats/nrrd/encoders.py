"""The encodings of an NRRD's samples, written piece by piece; the same bytes on every run."""

from __future__ import annotations

import binascii
import bz2
import re
from dataclasses import dataclass
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import UsageError
from spconvert.pixels.deflating import Compressor, deflater

_SUFFIXES = {
    "gzip": ".raw.gz",
    "raw": ".raw",
    "bzip2": ".raw.bz2",
    "ascii": ".txt",
    "hex": ".hex",
}
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Coding:
    """An encoding and its level."""

    name: str
    """As the header calls it."""
    level: int

    @property
    def suffix(self) -> str:
        """Of a data file beside its header."""
        return _SUFFIXES[self.name]


def coding_named(codec: str | None) -> Coding:
    """``gzip``, ``gzip:N``, ``raw``, ``bzip2``, ``bzip2:N``, ``ascii`` or ``hex``.

    ``None`` is gzip at its fastest. Raises ``UsageError`` for anything else.
    """
    found = re.fullmatch(r"(gzip|bzip2):([1-9])|(gzip|raw|bzip2|ascii|hex|none)", codec or "gzip")
    if found is None:
        raise UsageError(
            f"codec {codec!r} is not one of NRRD",
            hint="gzip, gzip:1 to gzip:9, raw, bzip2, bzip2:1 to bzip2:9, ascii or hex",
        )
    name = found[1] or found[3].replace("none", "raw")
    return Coding(name, int(found[2] or (9 if name == "bzip2" else 1)))


class Encoder(Protocol):
    """Takes the samples in file order."""

    def write(self, values: NDArray[Any]) -> None:
        """Encode a contiguous array in native byte order."""
        ...

    def close(self) -> None:
        """Write what is left; the file stays open."""
        ...


def encoder(coding: Coding, file: IO[bytes], dtype: np.dtype[Any]) -> Encoder:
    """The encoder of ``coding`` into ``file``."""
    if coding.name == "raw":
        return _Raw(file)
    if coding.name == "ascii":
        return _Ascii(file, dtype)
    if coding.name == "hex":
        return _Hex(file)
    packed = bz2.BZ2Compressor(coding.level) if coding.name == "bzip2" else None
    return _Packed(file, packed or deflater("gzip", coding.level))


def _little(values: NDArray[Any]) -> memoryview:
    return (
        np.ascontiguousarray(values, values.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
    )


class _Raw:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, values: NDArray[Any]) -> None:
        self._file.write(_little(values))

    def close(self) -> None:
        pass


class _Packed:
    def __init__(self, file: IO[bytes], compressor: Compressor) -> None:
        self._file = file
        self._compressor = compressor

    def write(self, values: NDArray[Any]) -> None:
        data = _little(values)
        for start in range(0, len(data), _PIECE):
            self._file.write(self._compressor.compress(data[start : start + _PIECE]))

    def close(self) -> None:
        self._file.write(self._compressor.flush())


class _Hex:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, values: NDArray[Any]) -> None:
        data = _little(values)
        for start in range(0, len(data), 35):  # lines of 70 digits, as teem writes them
            self._file.write(binascii.hexlify(data[start : start + 35]) + b"\n")

    def close(self) -> None:
        pass


class _Ascii:
    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self._file = file
        part = dtype.type(0).real.dtype if dtype.kind == "c" else dtype
        self._part = np.dtype(np.uint8) if dtype.kind == "b" else part

    def write(self, values: NDArray[Any]) -> None:
        # str() of a numpy float has the shortest digits that read back as the same number.
        for start in range(0, values.size, _PIECE // 16):
            some = values.reshape(-1)[start : start + _PIECE // 16].view(self._part)
            words = some.astype(str) if some.dtype.kind == "f" else map(str, some.tolist())
            self._file.write("\n".join(words).encode() + b"\n")

    def close(self) -> None:
        pass
