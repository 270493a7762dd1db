"""Members of a zip file, as far as a Zarr store needs them: checked names, sizes, plain reads.

The standard library reads the directory; the members are read here, so that a stored member can
be read in part, several threads can read at once, and nothing inflates past its declared size.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spconvert.errors import FormatError, SourceError

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 1
_BOMB_BYTES = 256 << 20
_BOMB_RATIO = 100

_BROKEN = (
    zipfile.BadZipFile,
    NotImplementedError,
    UnicodeError,
    struct.error,
    ValueError,
    OverflowError,
    LookupError,
    EOFError,
)
"""What the standard library raises on directories that make no sense."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member lies and how it is packed."""

    offset: int
    """Of its local header."""
    packed: int
    size: int
    method: int
    crc: int


def scan_members(path: Path) -> dict[str, Member]:
    """The files in a zip file by name.

    Raises ``FormatError`` if it is no zip file, or has a name that leads out, the same name
    twice, an encrypted member, or a member that inflates beyond reason; ``OSError`` if it cannot
    be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except _BROKEN as error:
        raise FormatError(f"{path} is not a readable zip file: {error}") from error
    members: dict[str, Member] = {}
    for entry in entries:
        name = entry.orig_filename
        parts = name.removesuffix("/").split("/")
        if "\\" in name or "\0" in name or any(p in ("", ".", "..") for p in parts):
            raise FormatError(f"{path}: member {name!r} leads out of the store")
        if name.endswith("/"):
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise FormatError(f"{path}: member {name!r} is encrypted")
        if name in members:
            raise FormatError(f"{path}: two members are called {name!r}")
        if entry.file_size > max(_BOMB_BYTES, _BOMB_RATIO * entry.compress_size):
            sizes = f"{entry.compress_size} bytes that inflate to {entry.file_size}"
            raise FormatError(f"{path}: member {name!r} has {sizes}")
        members[name] = Member(
            entry.header_offset,
            entry.compress_size,
            entry.file_size,
            entry.compress_type,
            entry.CRC,
        )
    return members


def read_member(path: Path, name: str, member: Member, start: int, stop: int) -> bytes:
    """Bytes ``start`` to ``stop`` of a member, whose checksum is checked where it is read whole.

    Raises ``FormatError`` if it is damaged, ``SourceError`` if the file cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(member.offset)
            header = file.read(_LOCAL_HEADER.size)
            if len(header) != _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
                raise FormatError(f"{path}: member {name!r} has no header where it should be")
            *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
            data = member.offset + _LOCAL_HEADER.size + name_length + extra_length
            if member.method == _STORED:
                file.seek(data + start)
                found = _read(file.read, stop - start)
            else:
                file.seek(data)
                found = _inflated(path, name, member, _read(file.read, member.packed))[start:stop]
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    if len(found) != stop - start:
        message = f"has {len(found)} of {stop - start} bytes"
        raise FormatError(f"{path}: member {name!r} {message}")
    if len(found) == member.size and zlib.crc32(found) != member.crc:
        raise FormatError(f"{path}: member {name!r} has a wrong checksum")
    return found


def _read(read: Callable[[int], bytes | None], count: int) -> bytes:
    parts = []
    while count > 0:
        part = read(min(count, 1 << 30))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _inflated(path: Path, name: str, member: Member, packed: bytes) -> bytes:
    if member.method != _DEFLATED:
        message = f"is compressed by method {member.method}: stored or deflated expected"
        raise FormatError(f"{path}: member {name!r} {message}")
    try:
        found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.size + 1)
    except zlib.error as error:
        raise FormatError(f"{path}: member {name!r} is damaged: {error}") from error
    if len(found) != member.size:
        message = f"inflates to {len(found)} bytes or more: {member.size} expected"
        raise FormatError(f"{path}: member {name!r} {message}")
    return found
