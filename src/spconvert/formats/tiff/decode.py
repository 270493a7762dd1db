"""How the strips and tiles of a page are decoded: tifffile's decoder, made once per process.

A decoder is known by its file (name, time, size) and the place of its page, so that copies of a
source in other threads share it, and a file that was written anew gets a new one.
"""

from __future__ import annotations

import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from spconvert.errors import FormatError, MissingDependency, SourceError
from spconvert.formats.tiff.library import opened

BROKEN = (
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,  # NotImplementedError, and every error of imagecodecs
    ArithmeticError,
    AttributeError,
    AssertionError,
    SyntaxError,  # what xml.etree raises
    EOFError,
    struct.error,
    OSError,
    MemoryError,
)
"""What tifffile and imagecodecs raise for bad files, beside ``TiffFileError``."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """How the segments of a page are decoded."""

    path: Path
    decode: Callable[..., Any]
    tables: bytes | None
    header: bytes | None
    nodata: float

    def __call__(self, data: bytes | None, index: int, path: Path) -> Any:
        """(values or ``None``, position, shape), as tifffile gives them.

        Raises ``FormatError`` and ``MissingDependency``.
        """
        from tifffile import TiffFileError

        try:
            return self.decode(data, index, jpegtables=self.tables, jpegheader=self.header)
        except ImportError as error:
            raise MissingDependency(f"{path}: {error}", hint="install imagecodecs") from error
        except (TiffFileError, *BROKEN) as error:
            text = " ".join(str(error).split())[:200]
            raise FormatError(f"{path}: strip or tile {index + 1} is broken ({text})") from error


_CACHE: OrderedDict[tuple[str, int, int, int], Decoder] = OrderedDict()
_CACHE_LOCK = threading.Lock()
_CACHED = 256


def decoder_of(path: Path, offset: int) -> Decoder:
    """The decoder of the page whose directory is at ``offset``; made once per process.

    Raises ``SourceError`` and ``FormatError``.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from error
    key = (str(path), found.st_mtime_ns, found.st_size, offset)
    with _CACHE_LOCK:
        if key in _CACHE:
            _CACHE.move_to_end(key)
            return _CACHE[key]
        made = _make_decoder(path, offset)
        _CACHE[key] = made
        while len(_CACHE) > _CACHED:
            _CACHE.popitem(last=False)
        return made


def _make_decoder(path: Path, offset: int) -> Decoder:
    from tifffile import TiffFileError, TiffPage

    try:
        with opened(path) as tiff:
            page = tiff.pages.first
            if page.offset != offset:
                tiff.filehandle.seek(offset)
                page = TiffPage(tiff, index=(0, 0))
            return Decoder(path, page.decode, page.jpegtables, page.jpegheader, page.nodata)
    except (TiffFileError, *BROKEN) as error:
        raise FormatError(f"{path}: the page at byte {offset} cannot be read ({error})") from error


def read_at(file: FileIO, path: Path, offset: int, count: int) -> bytes:
    """``count`` bytes from ``offset``, in any thread. Raises ``SourceError``."""
    try:
        data = _positioned(file, offset, count)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror} at byte {offset}") from error
    if len(data) < count:
        raise SourceError(
            f"{path} has {offset + len(data)} of {offset + count} bytes",
            hint="the file became shorter while it was read",
        )
    return data


_SEEK_LOCK = threading.Lock()


def _positioned(file: FileIO, offset: int, count: int) -> bytes:
    if hasattr(os, "pread"):
        data = os.pread(file.fileno(), count, offset)
        while len(data) < count:  # a signal, or more than 2 GiB at a time
            more = os.pread(file.fileno(), count - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data
    with _SEEK_LOCK:
        file.seek(offset)
        return file.read(count)
