"""The header of a MetaImage: text of "Name = value" lines, read within bounds and checked.

Rules: the MetaIO documentation of ITK (https://itk.org/Wiki/MetaIO/Documentation); where it is
silent, what ITK's reader does. ``ElementDataFile`` ends the header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from spconvert.errors import FormatError, SourceError, Unsupported
from spconvert.formats.metaimage.fields import BYTE_ORDERS, KNOWN, TYPES
from spconvert.model.finding import Finding, note, warning
from spconvert.pixels.raw import open_input

LARGEST_HEADER = 1 << 20
"""Bytes. ITK itself gives up on lines of 22,000."""

_MOST_FINDINGS = 50
"""A file of another kind may have a hundred thousand odd lines."""

_LINE = re.compile(r"\s*([^=:]*?)\s*[=:](.*)")
_END = re.compile(rb"(?:^|\n)[ \t]*ElementDataFile[ \t]*[=:][^\n]*(\n|$)", re.IGNORECASE)
_START = re.compile(rb"\s*([A-Za-z]+)[ \t]*[=:]")


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says, checked: dimension, sizes, type and channels fit together."""

    path: Path
    texts: Mapping[str, str]
    """Values as written, under MetaIO's names; unknown fields under their own."""
    sizes: tuple[int, ...]
    """Extents without channels, fastest axis first."""
    dtype: np.dtype[Any]
    """Of one channel of one element in the file, byte order included."""
    channels: int
    data_list: tuple[str, ...] = ()
    """Lines behind "ElementDataFile = LIST"."""
    data_offset: int = 0
    """First byte behind the header."""
    findings: tuple[Finding, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all samples, decoded."""
        return prod(self.sizes) * self.channels * self.dtype.itemsize

    def flag(self, name: str, default: bool) -> bool:  # noqa: FBT001 (what an absent field means)
        """A yes/no field. MetaIO looks at the first letter only."""
        text = self.texts.get(name)
        return default if text is None else text[:1] in ("T", "t", "1")

    def first_of(self, names: tuple[str, ...]) -> str | None:
        """Which of several names of one field the header uses."""
        return next((name for name in names if name in self.texts), None)

    def numbers(self, name: str, count: int) -> tuple[float, ...] | None:
        """The numbers of a field, or ``None`` where it is not there.

        Raises ``FormatError`` for another count or for what is no number.
        """
        if name not in self.texts:
            return None
        words = self.texts[name].split()
        try:
            values = tuple(map(float, words))
        except ValueError as error:
            raise FormatError(f"{self.path}: {name} {self.texts[name][:60]!r}: {error}") from error
        if len(values) != count:
            raise FormatError(f"{self.path}: {name} of {len(values)} numbers: {count} expected")
        return values


def begins_like_a_header(head: bytes) -> bool:
    """Whether the first line is a field of a MetaImage, as far as ``head`` shows."""
    found = _START.match(head)
    if found is None or found[1].decode("ascii").lower() not in KNOWN:
        return False
    if kind := re.search(rb"(?:^|\n)[ \t]*ObjectType[ \t]*[=:][ \t]*(\w*)", head):
        return kind[1] == b"Image"
    return re.search(rb"(?:^|\n)[ \t]*(NDims|DimSize)[ \t]*[=:]", head) is not None


def read_header(path: Path) -> Header:
    """Read and check the header of a file; no voxel is read.

    Raises ``SourceError`` if the file cannot be read, ``FormatError`` if it is no MetaImage or if
    its fields are missing, wrong or contradictory, ``Unsupported`` for dimensions but 2 to 4.
    """
    head, offset, rest = _head_bytes(path)
    lines = _Lines(path)
    for raw in head.split(b"\n"):
        lines.take(raw)
    texts = lines.texts
    kind = texts.get("ObjectType", "Image")
    if kind != "Image":
        raise FormatError(f"{path} is a MetaIO {kind[:40]!r}: an Image expected")
    sizes = _sizes(path, texts)
    channels = _whole_number(path, texts.get("ElementNumberOfChannels", "1"), "channels")
    dtype, findings = _dtype(path, texts)
    if prod(sizes) * channels * dtype.itemsize >= 2**63:
        raise FormatError(f"{path}: sizes {sizes} are more than 2^63 bytes")
    names = [line.strip().decode("utf-8", "surrogateescape") for line in rest.split(b"\n")]
    return Header(
        path=path,
        texts=texts,
        sizes=sizes,
        dtype=dtype,
        channels=channels,
        data_list=tuple(name for name in names if name),
        data_offset=offset,
        findings=(*lines.findings, *findings),
    )


def _head_bytes(path: Path) -> tuple[bytes, int, bytes]:
    """The header with its last line, where the data behind it begin, and the names of a LIST."""
    head = b""
    with open_input(path) as file:
        while len(head) < LARGEST_HEADER:
            try:
                # Most headers end within the first page; no voxel need be read for the others.
                piece = file.read(min(1 << 16 if head else 1 << 12, LARGEST_HEADER - len(head)))
            except OSError as error:
                raise SourceError(f"{path}: {error.strerror}") from error
            head += piece
            start = _START.match(head)
            if start is None or start[1].decode("ascii").lower() not in KNOWN:
                raise FormatError(
                    f"{path} is not a MetaImage file: it begins with {head[:12]!r}, a field such "
                    "as ObjectType or NDims expected"
                )
            end = _END.search(head)
            if end and (end[1] or not piece):
                text = head[: end.end()]
                listed = re.search(rb"[=:][ \t]*LIST(\s|$)", end.group()) is not None
                return text, end.end(), _rest(file, head[end.end() :], path) if listed else b""
            if not piece:
                raise FormatError(
                    f"{path}: no ElementDataFile ends the header", hint="the file is cut off"
                )
    raise FormatError(
        f"{path}: no ElementDataFile ends the header within {LARGEST_HEADER} bytes",
        hint="the file is damaged, or no MetaImage",
    )


def _rest(file: Any, head: bytes, path: Path) -> bytes:
    """The names of a LIST, up to the end of the file."""
    while len(head) < LARGEST_HEADER:
        try:
            piece = file.read(LARGEST_HEADER - len(head))
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        if not piece:
            return head
        head += piece
    raise FormatError(f"{path}: the list of data files is longer than {LARGEST_HEADER} bytes")


class _Lines:
    """The lines of a header, sorted into fields and findings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.texts: dict[str, str] = {}
        self.findings: list[Finding] = []

    def take(self, raw: bytes) -> None:
        line = self._decoded(raw).strip()
        if not line:
            return
        if line.startswith(("#", "//")):
            self._say("odd-line", f"header line {line[:60]!r} is not read")
            return
        found = _LINE.fullmatch(line)
        if found is None or not found[1]:
            raise FormatError(f"{self.path}: header line {line[:60]!r}: 'Name = value' expected")
        name = KNOWN.get(found[1].lower(), found[1])
        value = found[2].strip()
        if "\0" in line:
            raise FormatError(f"{self.path}: header field {name[:60]!r} holds a NUL byte")
        if name in self.texts:
            if name in KNOWN.values() and name != "Comment":
                raise FormatError(f"{self.path}: header field {name!r} is given twice")
            self._say("duplicate-key", f"field {name[:60]!r} is given twice: the last one counts")
        self.texts[name] = value

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            if _END.match(raw):  # a file name: its bytes count
                return raw.decode("utf-8", "surrogateescape")
            text = raw.decode("latin-1")
            self._say("header-encoding", f"header line {text[:40]!r} is not UTF-8: read as Latin-1")
            return text

    def _say(self, code: str, message: str) -> None:
        if len(self.findings) >= _MOST_FINDINGS:
            return
        made = note if code == "header-encoding" else warning
        self.findings.append(made(code, f"{self.path.name}: {message}", "header"))


def _sizes(path: Path, texts: Mapping[str, str]) -> tuple[int, ...]:
    for name in ("NDims", "DimSize", "ElementType"):
        if name not in texts:
            raise FormatError(f"{path}: header field {name!r} is missing")
    dimension = _whole_number(path, texts["NDims"], "dimensions")
    words = texts["DimSize"].split()
    if len(words) != dimension:
        raise FormatError(f"{path}: {len(words)} sizes for dimension {dimension}")
    sizes = tuple(_whole_number(path, word, "samples along an axis") for word in words)
    if not 2 <= dimension <= 4:
        raise Unsupported(f"{path}: MetaImage of dimension {dimension}: 2 to 4 expected")
    return sizes


def _whole_number(path: Path, text: str, what: str) -> int:
    if not re.fullmatch(r"\+?[0-9]{1,19}", text) or int(text) == 0:
        raise FormatError(f"{path}: {text[:30]!r} {what}: a whole number above 0 expected")
    return int(text)


def _dtype(path: Path, texts: Mapping[str, str]) -> tuple[np.dtype[Any], tuple[Finding, ...]]:
    """Type and byte order; little where a header says nothing, as on today's machines."""
    name = texts["ElementType"]
    code = TYPES.get(name.removesuffix("_ARRAY"))
    if code is None:
        raise FormatError(
            f"{path}: ElementType {name[:40]!r} is not one of MetaImage",
            hint=f"known: {', '.join(TYPES)}",
        )
    orders = {texts[key][:1] in ("T", "t", "1") for key in BYTE_ORDERS if key in texts}
    if len(orders) > 1:
        raise FormatError(f"{path}: {BYTE_ORDERS[0]} and {BYTE_ORDERS[1]} contradict each other")
    binary = texts.get("BinaryData", "True")[:1] in ("T", "t", "1")
    findings: tuple[Finding, ...] = ()
    if not orders and binary and np.dtype(code).itemsize > 1:
        text = f"{path.name}: no byte order for {name}: least significant byte first assumed"
        findings = (warning("byte-order-assumed", text, BYTE_ORDERS[0]),)
    return np.dtype((">" if True in orders else "<") + code), findings
