"""How a chunk becomes bytes: the codecs that spconvert writes and reads without zarr-python.

Blosc runs with its own threads off: one context a call, the GIL released, so that chunks are
encoded side by side by our threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, UsageError

CodecName = Literal["blosc", "zstd", "gzip", "none"]
Shuffle = Literal["noshuffle", "shuffle", "bitshuffle", "auto"]

_SHUFFLES: dict[str, int] = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
_BLOSC_COMPRESSORS = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
_HIGHEST_LEVEL = {"blosc": 9, "zstd": 22, "gzip": 9, "none": 0}
_HINT = "codecs: blosc[:zstd|lz4|...[:LEVEL[:SHUFFLE]]], zstd[:LEVEL], gzip[:LEVEL], none"

BLOSC_BLOCK_BYTES = 1 << 20
"""A large Blosc block improves ratio and speed on image data: see docs, "Performance"."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One compressor with its settings. Raises ``UsageError`` for settings that do not exist."""

    name: CodecName = "blosc"
    level: int = 1
    compressor: str = "zstd"
    """Blosc only."""
    shuffle: Shuffle = "auto"
    """Blosc only. ``auto``: bitshuffle for integers, shuffle for floats, none for one byte."""

    def __post_init__(self) -> None:
        if not 0 <= self.level <= _HIGHEST_LEVEL[self.name]:
            found = f"codec level {self.level}"
            raise UsageError(
                f"{found}: {self.name} has 0 to {_HIGHEST_LEVEL[self.name]}", hint=_HINT
            )
        if self.compressor not in _BLOSC_COMPRESSORS:
            raise UsageError(f"codec blosc:{self.compressor} does not exist", hint=_HINT)

    def for_dtype(self, dtype: np.dtype[Any]) -> Codec:
        """The same codec with ``auto`` shuffle decided for values of this type."""
        if self.name != "blosc" or self.shuffle != "auto":
            return self
        if dtype.itemsize == 1:
            return replace(self, shuffle="noshuffle")
        return replace(self, shuffle="bitshuffle" if dtype.kind in "iu" else "shuffle")

    @property
    def label(self) -> str:
        """The codec as one word, as ``--codec`` takes it."""
        if self.name == "none":
            return "none"
        if self.name == "blosc":
            return f"blosc:{self.compressor}:{self.level}:{self.shuffle}"
        return f"{self.name}:{self.level}"


def parse_codec(text: str) -> Codec:
    """``blosc:zstd:1:shuffle``, ``zstd:3``, ``gzip``, ``none`` and so on.

    Raises ``UsageError`` for anything else.
    """
    name, *settings = text.lower().split(":")
    try:
        if name == "none" and not settings:
            return Codec("none", 0)
        if name == "zstd" and len(settings) <= 1:
            return Codec("zstd", int(settings[0]) if settings else 3)
        if name == "gzip" and len(settings) <= 1:
            return Codec("gzip", int(settings[0]) if settings else 1)
        if name == "blosc" and len(settings) <= len(("compressor", "level", "shuffle")):
            return _parse_blosc(settings)
    except ValueError:
        pass
    raise UsageError(f"codec {text!r} is not known", hint=_HINT)


def _parse_blosc(settings: Sequence[str]) -> Codec:
    compressor, level, shuffle = (*settings, *("zstd", "1", "auto")[len(settings) :])
    if shuffle not in {*_SHUFFLES, "auto"}:
        raise ValueError(shuffle)
    return Codec("blosc", int(level), compressor, shuffle)  # type: ignore[arg-type]


# -- bytes -----------------------------------------------------------------------------------


def encoder(codec: Codec, dtype: np.dtype[Any]) -> Callable[[NDArray[Any]], bytes]:
    """A function from a C-contiguous little-endian array to its encoded bytes.

    It may be called from many threads at once.
    """
    codec = codec.for_dtype(dtype)
    if codec.name == "none":
        return lambda array: array.tobytes()
    if codec.name == "blosc":
        from numcodecs import blosc

        blosc.use_threads = False
        settings = codec.compressor.encode(), codec.level, _SHUFFLES[codec.shuffle]
        return lambda array: blosc.compress(array.reshape(-1), *settings, BLOSC_BLOCK_BYTES)
    if codec.name == "zstd":
        from numcodecs import zstd

        return lambda array: bytes(zstd.compress(_octets(array), codec.level, False))
    from zlib import compressobj

    def gzip(array: NDArray[Any]) -> bytes:
        deflate = compressobj(codec.level, wbits=31)
        return deflate.compress(_octets(array)) + deflate.flush()

    return gzip


def _octets(array: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array of any type, without a copy."""
    return array.reshape(-1).view(np.uint8).data


def decode(codec: Codec, data: bytes, nbytes: int) -> bytes | memoryview:
    """The ``nbytes`` bytes that a chunk was encoded from.

    Raises ``FormatError`` if the data are damaged or do not have that length.
    """
    try:
        decoded = _DECODERS[codec.name](data, nbytes)
    except (RuntimeError, ValueError, OSError) as error:
        raise FormatError(f"a chunk cannot be decoded: {error}") from error
    if len(decoded) != nbytes:
        raise FormatError(f"a chunk has {len(decoded)} bytes, {nbytes} expected")
    return decoded


def _decode_blosc(data: bytes, nbytes: int) -> bytes:
    from numcodecs import blosc

    blosc.use_threads = False
    # A Blosc header states the decoded length at byte 4 and its own at byte 12. numcodecs decodes
    # a frame that was cut off to wrong values without a word, so both are checked first.
    if len(data) < 16 or int.from_bytes(data[4:8], "little") != nbytes:
        raise ValueError("its Blosc header states another length")
    if int.from_bytes(data[12:16], "little") != len(data):
        raise ValueError(f"it has {len(data)} bytes, its Blosc header states another number")
    return bytes(blosc.decompress(data))


def _decode_zstd(data: bytes, nbytes: int) -> memoryview:
    from numcodecs import zstd

    # A frame that holds less would leave the rest of the target as it happens to be.
    if zstd_content_bytes(data) != nbytes:
        raise ValueError("its zstd frame states another length")
    target = np.empty(nbytes, np.uint8)
    zstd.decompress(data, target)
    return target.data


def zstd_content_bytes(data: bytes) -> int | None:
    """Decoded length that a zstd frame states (RFC 8878, 3.1.1.1); ``None`` if it states none."""
    if len(data) < 5 or data[:4] != b"\x28\xb5\x2f\xfd":
        return None
    descriptor = data[4]
    flag, single_segment = descriptor >> 6, bool(descriptor & 32)
    if flag == 0 and not single_segment:
        return None
    start = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    size = (1, 2, 4, 8)[flag]
    # "When FCS_Field_Size is 2, the offset of 256 is added."
    return int.from_bytes(data[start : start + size], "little") + (256 if size == 2 else 0)


def _decode_gzip(data: bytes, nbytes: int) -> bytes:
    library = _inflater()
    inflate = library.decompressobj(wbits=31)
    try:
        decoded: bytes = inflate.decompress(data, nbytes + 1)
    except library.error as error:
        raise ValueError(str(error)) from error
    if len(decoded) <= nbytes and not inflate.eof:
        raise ValueError("its gzip data are cut off")
    return decoded


def _inflater() -> Any:
    """The fastest library with the interface of ``zlib``."""
    try:
        from isal import isal_zlib
    except ImportError:  # no wheel for this machine: half as fast
        import zlib

        return zlib
    return isal_zlib


_DECODERS: dict[str, Callable[[bytes, int], bytes | memoryview]] = {
    "none": lambda data, _nbytes: data,
    "blosc": _decode_blosc,
    "zstd": _decode_zstd,
    "gzip": _decode_gzip,
}


# -- metadata --------------------------------------------------------------------------------


def v2_compressor(codec: Codec, dtype: np.dtype[Any]) -> dict[str, Any] | None:
    """The ``compressor`` of a Zarr v2 array (zarr-specs v2, "Metadata")."""
    codec = codec.for_dtype(dtype)
    if codec.name == "none":
        return None
    if codec.name == "blosc":
        return {
            "id": "blosc",
            "cname": codec.compressor,
            "clevel": codec.level,
            "shuffle": _SHUFFLES[codec.shuffle],
            "blocksize": BLOSC_BLOCK_BYTES,
        }
    return {"id": codec.name, "level": codec.level}


def v3_codecs(codec: Codec, dtype: np.dtype[Any]) -> list[dict[str, Any]]:
    """The ``codecs`` of a Zarr v3 array or of a shard's inner chunks (zarr-specs v3, "Codecs")."""
    codec = codec.for_dtype(dtype)
    endian = {"configuration": {"endian": "little"}} if dtype.itemsize > 1 else {}
    chain: list[dict[str, Any]] = [{"name": "bytes", **endian}]
    if codec.name == "blosc":
        configuration = {
            "cname": codec.compressor,
            "clevel": codec.level,
            "shuffle": codec.shuffle,
            "typesize": dtype.itemsize,
            "blocksize": BLOSC_BLOCK_BYTES,
        }
        chain.append({"name": "blosc", "configuration": configuration})
    elif codec.name == "zstd":
        configuration = {"level": codec.level, "checksum": False}
        chain.append({"name": "zstd", "configuration": configuration})
    elif codec.name == "gzip":
        chain.append({"name": "gzip", "configuration": {"level": codec.level}})
    return chain
