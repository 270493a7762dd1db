"""The structure of a TIFF file: header, directories (IFDs) and the tags that matter, in bounds.

TIFF 6.0 (Adobe, 1992), section 2, and BigTIFF. Every offset is held against the size of the file
before it is followed, no directory is visited twice, and the numbers of directories, tags and
segments are limited, so that no other code needs to fear the file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, LimitError, SourceError, Unsupported
from spconvert.pixels.raw import open_input, regular_size

MAX_PAGES = 200_000
"""Directories of one file, sub-directories included."""
MAX_TAGS = 4096
MAX_SEGMENTS = 1 << 25
"""Strips and tiles of one file."""
MAX_TEXT = 64 << 20
"""Bytes of a description."""

_TYPES = {
    1: "u1",
    2: "S1",
    3: "u2",
    4: "u4",
    5: "u4,u4",
    6: "i1",
    7: "V1",
    8: "i2",
    9: "i4",
    10: "i4,i4",
    11: "f4",
    12: "f8",
    13: "u4",
    16: "u8",
    17: "i8",
    18: "u8",
}
"""Field types of TIFF 6.0 and BigTIFF as NumPy types."""
_SIZES = {code: np.dtype(name).itemsize for code, name in _TYPES.items()}
_NAMES = ["u1", "S1", "V1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"]
_CHARS = dict(zip(_NAMES, "BBBHIQbhiq", strict=True))
_LETTERS = {
    code: "".join(_CHARS[part] for part in name.split(","))
    for code, name in _TYPES.items()
    if name not in ("f4", "f8")
}
"""The integers among them as ``struct`` knows them: for the few values of most tags it is faster
than an array."""
_LARGEST_OFFSET = 2**63 - 1

_TEXTS = frozenset({270, 271, 305})
_SEGMENTS = frozenset({273, 279, 324, 325})
_NUMBERS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 296, 317, 320, 322, 323}
    | {330, 338, 339, 347, 513, 514, 530, 32997, 32998, 65420, 65426}
)
SUB_IFDS = 330


class Entry(NamedTuple):
    """One tag as it stands in a directory."""

    type: int
    length: int
    """How many values."""
    position: int
    """Of the first byte of the value in the file."""


@dataclass(frozen=True, slots=True)
class Ifd:
    """One directory: a page, or a reduced version of one."""

    offset: int
    number: int
    """Counted from 1 in the chain; that of its page for a sub-directory."""
    entries: Mapping[int, Entry]
    values: Mapping[int, tuple[int, ...]]
    """Integers of the tags that describe pixels; rationals as numerator, denominator, ..."""
    offsets: NDArray[np.int64]
    """Where each strip or tile begins."""
    counts: NDArray[np.int64]
    """How many bytes each has; empty if the file does not say."""
    subs: tuple[Ifd, ...] = ()

    def first(self, tag: int, default: int) -> int:
        """First value of a tag."""
        found = self.values.get(tag)
        return found[0] if found else default

    def rational(self, tag: int) -> float | None:
        """A rational, or ``None`` if it is missing or has a zero in it."""
        found = self.values.get(tag)
        if found is None or len(found) < 2 or 0 in found[:2]:
            return None
        return found[0] / found[1]


ByteOrder = Literal["<", ">"]
"""Little or big endian."""


@dataclass(frozen=True, slots=True)
class Tiff:
    """A walked file."""

    path: Path
    nbytes: int
    byteorder: ByteOrder
    pages: tuple[Ifd, ...]

    def text(self, page: Ifd, tag: int) -> bytes:
        """The bytes of a text tag without its trailing zeros, empty if there is none.

        Raises ``SourceError``, and ``LimitError`` for a text of more than 64 MiB.
        """
        entry = page.entries.get(tag)
        if entry is None or entry.type not in (1, 2, 7):
            return b""
        if entry.length > MAX_TEXT:
            raise LimitError(f"{self.path}: tag {tag} has {entry.length} bytes of text")
        with open_input(self.path) as file:
            data = _read(file, self.path, entry.position, entry.length)
        return data.rstrip(b"\0")


def walk(path: Path) -> Tiff:
    """Read every directory of a TIFF.

    Raises ``SourceError`` if the file cannot be read, ``FormatError`` if it is no TIFF, cut off,
    runs in a circle or points outside itself, ``LimitError`` for too many directories.
    """
    nbytes = regular_size(path)
    with open_input(path) as file:
        return _Walk(file, path, nbytes).run()


class _Walk:
    """One pass over the directories of an open file."""

    def __init__(self, file: FileIO, path: Path, nbytes: int) -> None:
        self._file = file
        self._path = path
        self._nbytes = nbytes
        self._windows: list[tuple[int, bytes]] = []
        self._seen: set[int] = set()
        self._segments = 0
        self._order, self._big, self._first = self._header()

    def run(self) -> Tiff:
        pages: list[Ifd] = []
        offset = self._first
        while offset:
            page, offset = self._directory(offset, len(pages) + 1, depth=0)
            if page is not None:
                pages.append(page)
        if not pages:
            raise FormatError(f"{self._path} has no page: at least one expected")
        return Tiff(self._path, self._nbytes, self._order, tuple(pages))

    def _header(self) -> tuple[ByteOrder, bool, int]:
        head = self._at(0, min(16, self._nbytes))
        order: ByteOrder = ">" if head[:2] == b"MM" else "<"
        known = head[:2] in (b"II", b"MM", b"EP") and len(head) >= 8
        version = struct.unpack(f"{order}H", head[2:4])[0] if known else 0
        if version == 42:
            return order, False, int(struct.unpack(f"{order}I", head[4:8])[0])
        if version == 43 and len(head) == 16 and head[4:8] == struct.pack(f"{order}HH", 8, 0):
            return order, True, int(struct.unpack(f"{order}Q", head[8:16])[0])
        raise FormatError(
            f"{self._path} is not a TIFF file: it has {self._nbytes} bytes and begins with "
            f"{head[:8]!r}"
        )

    def _directory(self, offset: int, number: int, depth: int) -> tuple[Ifd | None, int]:
        """The directory at ``offset`` and the offset of the next one (0: none)."""
        where = f"{self._path}: page {number}"
        if offset in self._seen:
            raise FormatError(f"{where} is at byte {offset}, where another page is: a circle")
        self._seen.add(offset)
        if len(self._seen) > MAX_PAGES:
            raise LimitError(f"{self._path} has more than {MAX_PAGES} pages")
        counter, width, link = ("Q", 20, "Q") if self._big else ("H", 12, "I")
        at = offset + struct.calcsize(counter)
        count = self._number(counter, offset, where)
        if count > MAX_TAGS or at + count * width + struct.calcsize(link) > self._nbytes:
            raise FormatError(
                f"{where} has {count} tags at byte {offset} of {self._nbytes}: they do not fit",
                hint="the file is cut off or damaged",
            )
        entries = self._entries(at, count, width)
        following = self._number(link, at + count * width, where)
        if not count:
            return None, following
        if 65420 in entries and self._nbytes >= 1 << 32:
            raise Unsupported(f"{self._path}: NDPI files of 4 GiB or more are not read")
        return self._page(entries, offset, number, depth), following

    def _entries(self, at: int, count: int, width: int) -> dict[int, Entry]:
        table = self._at(at, count * width)
        form, room = ("HHQQ", 8) if self._big else ("HHII", 4)
        found: dict[int, Entry] = {}
        for i, (tag, kind, n, value) in enumerate(struct.iter_unpack(self._order + form, table)):
            size = _SIZES.get(kind, 0) * n
            place = at + i * width + width - room if size <= room else value
            if size and tag not in found:  # the first of two counts, as in libtiff
                found[tag] = Entry(kind, n, place)
        return found

    def _page(self, entries: dict[int, Entry], offset: int, number: int, depth: int) -> Ifd:
        values = {}
        for tag in _NUMBERS & entries.keys():
            values[tag] = self._integers(tag, entries[tag], number)
        for tag in _TEXTS & entries.keys():
            self._check_inside(tag, entries[tag], number)
        offsets = self._segment_table(entries, (324, 273, 513), number)
        counts = self._segment_table(entries, (325, 279, 514), number)
        subs: list[Ifd] = []
        for place in values.get(SUB_IFDS, ()) if depth == 0 else ():
            sub, _ = self._directory(place, number, depth + 1) if place else (None, 0)
            if sub is not None:
                subs.append(sub)
        return Ifd(offset, number, entries, values, offsets, counts, tuple(subs))

    def _segment_table(
        self, entries: Mapping[int, Entry], tags: tuple[int, ...], number: int
    ) -> NDArray[np.int64]:
        tag = next((t for t in tags if t in entries), None)
        if tag is None:
            return np.empty(0, np.int64)
        self._check_inside(tag, entries[tag], number)
        self._segments += entries[tag].length
        if self._segments > 2 * MAX_SEGMENTS:
            raise LimitError(f"{self._path} has more than {MAX_SEGMENTS} strips and tiles")
        if entries[tag].length <= 16:
            few = self._integers(tag, entries[tag], number)
            if few and (max(few) > _LARGEST_OFFSET or min(few) < 0):
                raise FormatError(f"{self._path}: page {number} has data at byte {max(few)}")
            return np.array(few, np.int64)
        found = self._array(tag, entries[tag], number)
        if found.size and (int(found.max()) > _LARGEST_OFFSET or int(found.min()) < 0):
            raise FormatError(f"{self._path}: page {number} has data at byte {int(found.max())}")
        return found.astype(np.int64)

    def _integers(self, tag: int, entry: Entry, number: int) -> tuple[int, ...]:
        """The numbers of a tag; rationals flattened."""
        letters = _LETTERS.get(entry.type, "")
        if entry.length > 16 or not letters:
            return tuple(self._array(tag, entry, number).tolist())
        self._check_inside(tag, entry, number)
        data = self._at(entry.position, entry.length * _SIZES[entry.type])
        return struct.unpack(self._order + letters * entry.length, data)

    def _array(self, tag: int, entry: Entry, number: int) -> NDArray[Any]:
        """The numbers of a tag; rationals flattened."""
        if tag not in _SEGMENTS and entry.length > 1 << 20:
            raise FormatError(f"{self._path}: page {number}, tag {tag} has {entry.length} values")
        self._check_inside(tag, entry, number)
        code = _TYPES[entry.type]
        if code in ("S1", "V1"):
            code = "u1"
        if code in ("f4", "f8"):
            return np.zeros(0, np.int64)  # none of these tags may be a float
        plain = np.dtype(self._order + code.split(",")[0])
        data = self._at(entry.position, entry.length * _SIZES[entry.type])
        return np.frombuffer(data, plain)

    def _check_inside(self, tag: int, entry: Entry, number: int) -> None:
        end = entry.position + entry.length * _SIZES[entry.type]
        if end > self._nbytes:
            raise FormatError(
                f"{self._path}: page {number}, tag {tag} ends at byte {end} of {self._nbytes}",
                hint="the file is cut off or damaged",
            )

    def _number(self, form: str, position: int, where: str) -> int:
        size = struct.calcsize(form)
        if position + size > self._nbytes:
            raise FormatError(
                f"{where} is at byte {position} of {self._nbytes}",
                hint="the file is cut off or damaged",
            )
        return int(struct.unpack(self._order + form, self._at(position, size))[0])

    def _at(self, position: int, count: int) -> bytes:
        """Bytes of the file, out of the windows of 8 KiB that were used last.

        Directories are small and lie together; values that all of them share lie elsewhere.
        """
        windows = self._windows
        for start, held in windows:
            if start <= position and position + count <= start + len(held):
                return held[position - start : position - start + count]
        held = _read(self._file, self._path, position, count, ahead=8192)
        self._windows = [*windows[-3:], (position, held)]
        return held[:count]


def _read(file: FileIO, path: Path, position: int, count: int, ahead: int = 0) -> bytes:
    """``count`` bytes, or some more up to ``ahead``."""
    wanted = max(count, ahead)
    pieces: list[bytes] = []
    have = 0
    try:
        file.seek(position)
        while have < wanted:
            piece = file.read(wanted - have)
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror} at byte {position}") from error
    if have < count:
        raise FormatError(f"{path} has {position + have} of {position + count} bytes")
    return b"".join(pieces)
