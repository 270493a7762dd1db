"""The bytes of one DICOM file: a file, a member of a zip file, or what inflates out of either.

Plain bytes are read where they are needed (``pread``). Deflated ones (PS3.5, A.5: Deflated
Explicit VR; zip members) are inflated front to back, never further than asked for, so that a bomb
costs no more than the pixels that the header promises.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Protocol, Self

from spconvert.errors import FormatError, SourceError
from spconvert.pixels.raw import open_input

_PIECE_BYTES = 256 << 10
_WINDOW_BYTES = 16 << 10
LARGEST_RATIO = 1032
"""By which deflate can shrink its input at most (RFC 1951): 258 bytes take two bits."""
_HEADER_BYTES = 256 << 20
"""More than any header has; inflated headers are held in memory."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """Where the bytes are and how they are packed."""

    path: Path
    start: int
    """First byte in the file."""
    nbytes: int
    """Bytes in the file, as they are stored."""
    inflations: tuple[int, ...] = ()
    """One per layer of raw deflate (RFC 1951), the outermost first: how many bytes of the stream
    so far lie before it. Offsets count from the first byte out of the last layer."""
    member: str = ""
    """Name within a zip file."""

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.path}:{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.member.rpartition("/")[2] or self.path.name

    def inflated(self, skip: int) -> Carrier:
        """What inflates behind the first ``skip`` bytes."""
        if not self.inflations:
            moved = replace(self, start=self.start + skip, nbytes=self.nbytes - skip)
            return replace(moved, inflations=(0,))
        return replace(self, inflations=(*self.inflations, skip))

    def reader(self) -> ByteReader:
        """Open it for one thread; to be used in a ``with`` statement.

        Raises ``SourceError`` if the file cannot be opened.
        """
        return _InflatingReader(self) if self.inflations else _PlainReader(self)


class ByteReader(Protocol):
    """The bytes of one carrier, for one thread."""

    size: int | None
    """How many there are, or ``None`` while that is not known."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def some(self, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``offset``; less only at the end."""
        ...

    def fill(self, view: memoryview, offset: int) -> None:
        """Fill ``view`` from ``offset``. Raises ``SourceError`` or ``FormatError`` if short."""
        ...


class _PlainReader:
    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._file = open_input(carrier.path)
        self.size: int | None = carrier.nbytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def some(self, offset: int, count: int) -> bytes:
        left = max(0, min(count, self._carrier.nbytes - offset))
        data = bytearray(left)
        if left:
            self.fill(memoryview(data), offset)
        return bytes(data)

    def fill(self, view: memoryview, offset: int) -> None:
        position = self._carrier.start + offset
        while view:
            try:
                count = _read_into(self._file, view, position)
            except OSError as error:
                raise SourceError(f"{self._carrier.label}: {error.strerror}") from error
            if count == 0:
                end = self._carrier.start + self._carrier.nbytes
                raise SourceError(
                    f"{self._carrier.label} has {position} of at least {end} bytes",
                    hint="the file became shorter while it was read",
                )
            view, position = view[count:], position + count


def _read_into(file: FileIO, view: memoryview, position: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(file.fileno(), [view], position)
    file.seek(position)
    return file.readinto(view) or 0


class _InflatingReader:
    """Forward only; a step back starts anew."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.size: int | None = None
        self._restart()

    def _restart(self) -> None:
        stream = _stored(self._carrier)
        for skip in self._carrier.inflations:
            stream = _inflating(_behind(stream, skip), self._carrier)
        self._stream = stream
        self._position = 0
        self._left = memoryview(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._left = memoryview(b"")
        self._stream = iter(())

    def some(self, offset: int, count: int) -> bytes:
        data = bytearray()
        if not self._advance(offset):
            return b""
        while count > len(data) and self._more():
            take = self._left[: count - len(data)]
            data += take
            self._drop(len(take))
        return bytes(data)

    def fill(self, view: memoryview, offset: int) -> None:
        there = self._advance(offset)
        while view:
            if not there or not self._more():
                raise FormatError(
                    f"{self._carrier.label} inflates to {self._position} of at least "
                    f"{offset + len(view)} bytes",
                    hint="the file is cut off",
                )
            take = self._left[: len(view)]
            view[: len(take)] = take
            view, offset = view[len(take) :], offset + len(take)
            self._drop(len(take))

    def _advance(self, offset: int) -> bool:
        if offset < self._position:
            self._restart()
        while self._position < offset and self._more():
            self._drop(min(len(self._left), offset - self._position))
        return self._position == offset

    def _more(self) -> bool:
        if not self._left:
            self._left = memoryview(next(self._stream, b""))
        return len(self._left) > 0

    def _drop(self, count: int) -> None:
        self._left = self._left[count:]
        self._position += count


def _stored(carrier: Carrier) -> Iterator[bytes]:
    plain = replace(carrier, inflations=())
    with _PlainReader(plain) as reader:
        for offset in range(0, plain.nbytes, _PIECE_BYTES):
            yield reader.some(offset, _PIECE_BYTES)


def _behind(stream: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for piece in stream:
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))


def _inflating(stream: Iterator[bytes], carrier: Carrier) -> Iterator[bytes]:
    decoder = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in stream:
            rest = piece
            while rest and not decoder.eof:
                inflated = decoder.decompress(rest, _PIECE_BYTES)
                rest = decoder.unconsumed_tail
                if inflated:
                    yield inflated
            if decoder.eof:
                return
        tail = decoder.flush()
    except zlib.error as error:
        raise FormatError(f"{carrier.label}: bad deflated data: {error}") from error
    if tail:
        yield tail


class HeaderFile:
    """The beginning of a carrier as the file object that a DICOM parser wants.

    A length that leads beyond the end, of an element or of a skip, is an error here, before
    anything is allocated for it.
    """

    def __init__(self, reader: ByteReader, label: str) -> None:
        self._reader = reader
        self._label = label
        self._base = 0
        self._buffer = b""
        self._position = 0

    def tell(self) -> int:
        """Offset from the first byte."""
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move. Raises ``FormatError`` beyond the end, ``ValueError`` for a move from the end."""
        if whence == 2:
            raise ValueError("the end is not known")
        position = offset + (self._position if whence == 1 else 0)
        if self._reader.size is not None and position > self._reader.size:
            raise self._cut_off(position)
        self._position = max(0, position)
        return self._position

    def read(self, count: int = -1) -> bytes:
        """The next ``count`` bytes; at the very end less than 12 may come short.

        Raises ``FormatError`` if a larger value is cut off.
        """
        if not 0 <= count <= _HEADER_BYTES:
            raise FormatError(f"{self._label}: an element of {count} bytes in the header")
        at = self._position - self._base
        if at < 0 or at + count > len(self._buffer):
            self._fetch(count)
            at = self._position - self._base
        found = self._buffer[at : at + count]
        if len(found) < count and count > 12:
            raise self._cut_off(self._position + count)
        self._position += len(found)
        return found

    def _fetch(self, count: int) -> None:
        if self._reader.size is not None:
            self._base = self._position
            self._buffer = self._reader.some(self._base, max(count, _WINDOW_BYTES))
            return
        # Inflated bytes cannot be had twice without starting anew: the header is kept whole.
        wanted = self._position + max(count, _WINDOW_BYTES) - len(self._buffer)
        if wanted + len(self._buffer) > _HEADER_BYTES:
            raise FormatError(f"{self._label}: a header of more than {_HEADER_BYTES >> 20} MiB")
        self._buffer += self._reader.some(len(self._buffer), max(0, wanted))

    def _cut_off(self, needed: int) -> FormatError:
        size = len(self._buffer) if self._reader.size is None else self._reader.size
        return FormatError(
            f"{self._label} has {size} of at least {needed} bytes",
            hint="the file is cut off, or a length in its header is wrong",
        )
