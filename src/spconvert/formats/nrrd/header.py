"""The header of an NRRD: read within bounds, checked, then parsed by pynrrd.

Rules: http://teem.sourceforge.net/nrrd/format.html. pynrrd is the parser of field values; what it
would accept without a word (zero sizes, missing byte order, lines without end) is checked here
before it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from spconvert.errors import FormatError, SourceError
from spconvert.formats.nrrd.fields import (
    ALIASES,
    ENCODINGS,
    KNOWN,
    PER_AXIS,
    TYPES,
    VECTORS,
    check_fields,
)
from spconvert.model.finding import Finding, note, warning
from spconvert.pixels.raw import open_input

LARGEST_HEADER = 1 << 20
"""Bytes. teem itself writes headers of a few kilobytes."""

_MOST_FINDINGS = 50
"""A file of another kind may have a hundred thousand odd lines."""

_MAGIC = re.compile(rb"NRRD000[1-5]$")


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says, checked: sizes, type, encoding and byte order fit together."""

    path: Path
    magic: str
    texts: Mapping[str, str]
    """Field values as written, under the standard's lower-case names."""
    values: Mapping[str, Any]
    """The same, parsed by pynrrd; numbers as Python lists."""
    key_values: Mapping[str, str] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    data_list: tuple[str, ...] = ()
    """File names behind "data file: LIST"."""
    data_offset: int | None = None
    """First byte behind the blank line, or ``None`` if the header ends with the file."""
    findings: tuple[Finding, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Extents in file order, fastest axis first."""
        return tuple(self.values["sizes"])

    @property
    def encoding(self) -> str:
        """One of raw, ascii, hex, gzip, bzip2."""
        return ENCODINGS[self.texts["encoding"].lower()]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one sample in the file, byte order included."""
        code = TYPES[self.texts["type"].lower()]
        return np.dtype((">" if self.texts.get("endian", "").lower() == "big" else "<") + code)

    @property
    def nbytes(self) -> int:
        """Bytes of all samples, decoded."""
        return prod(self.sizes) * self.dtype.itemsize

    def per_axis(self, name: str) -> list[Any] | None:
        """The value of a per-axis field, fastest axis first, or ``None`` if it is not there."""
        value = self.values.get(name)
        return None if value is None else list(value)


def read_header(path: Path) -> Header:
    """Read and check the header of a file; no voxel is read.

    Raises ``SourceError`` if the file cannot be read, ``FormatError`` if it is no NRRD or if its
    fields are missing, wrong or contradictory.
    """
    head, offset = _head_bytes(path)
    lines = [line.rstrip(b"\r \t") for line in head.split(b"\n")]
    if not _MAGIC.match(lines[0]):
        raise FormatError(
            f"{path} is not an NRRD file: it begins with {lines[0][:12]!r}, NRRD0001 to NRRD0005 "
            "expected"
        )
    parsed = _Lines(path)
    for line in lines[1:]:
        parsed.take(line)
    texts = parsed.texts
    check_fields(path, texts)
    values = parse_values(texts, path)
    return Header(
        path=path,
        magic=lines[0].decode("ascii"),
        texts=texts,
        values=values,
        key_values=parsed.key_values,
        comments=tuple(parsed.comments),
        data_list=tuple(parsed.data_list),
        data_offset=offset,
        findings=tuple(parsed.findings),
    )


def parse_values(texts: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Field values parsed by pynrrd, arrays as lists.

    Raises ``FormatError`` if pynrrd does or if a per-axis field has another number of members.
    """
    import nrrd

    lines = ["NRRD0005\n", *(f"{name}: {_tidy(name, text)}\n" for name, text in texts.items())]
    try:
        parsed = nrrd.read_header(lines)
    except (nrrd.NRRDError, ValueError, IndexError, OverflowError) as error:
        raise FormatError(f"{path}: a header field cannot be parsed ({error})") from error
    values = {name: _plain(value) for name, value in parsed.items()}
    for name in PER_AXIS:
        if name in values and len(values[name]) != values["dimension"]:
            raise FormatError(
                f"{path}: {len(values[name])} {name} for dimension {values['dimension']}"
            )
    return values


class _Lines:
    """The lines of a header, sorted into fields, key/value pairs, comments and file names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.texts: dict[str, str] = {}
        self.key_values: dict[str, str] = {}
        self.comments: list[str] = []
        self.data_list: list[str] = []
        self.findings: list[Finding] = []

    def take(self, raw: bytes) -> None:
        line = self._decoded(raw)
        if re.match(r"LIST(\s|$)", self.texts.get("data file", "")):  # names to the end
            if line:
                self.data_list.append(line)
            return
        if not line:
            return
        if line.startswith("#"):
            self.comments.append(line[1:].strip())
            return
        name, colon, value = line.partition(":")
        field_name = ALIASES.get(name.strip().lower(), name.strip().lower())
        if colon and not value.startswith("=") and field_name in KNOWN:
            self._field(field_name, value.strip())
        elif ":=" in line:
            key, _, value = line.partition(":=")
            if key in self.key_values:
                self._say("duplicate-key", f"key {key!r} is given twice: the last one counts")
            self.key_values[unescaped(key)] = unescaped(value)
        elif colon:
            self._say("unknown-field", f"header field {name.strip()[:60]!r} is not of the standard")
        else:
            raise FormatError(
                f"{self.path}: header line {line[:60]!r} is neither field, key/value nor comment"
            )

    def _field(self, name: str, value: str) -> None:
        if name in self.texts:
            raise FormatError(f"{self.path}: header field {name!r} is given twice")
        if "\0" in value:
            raise FormatError(f"{self.path}: header field {name!r} holds a NUL byte")
        self.texts[name] = value

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
            self._say("header-encoding", f"header line {text[:40]!r} is not UTF-8: read as Latin-1")
            return text

    def _say(self, code: str, message: str) -> None:
        if len(self.findings) >= _MOST_FINDINGS:
            return
        made = note if code == "header-encoding" else warning
        self.findings.append(made(code, f"{self.path.name}: {message}", "header"))


def _head_bytes(path: Path) -> tuple[bytes, int | None]:
    """The header up to its blank line, and where the data behind it begin."""
    head = b""
    with open_input(path) as file:
        while len(head) < LARGEST_HEADER:
            try:
                # Most headers end within the first page; no voxel need be read for the others.
                piece = file.read(min(1 << 16 if head else 1 << 12, LARGEST_HEADER - len(head)))
            except OSError as error:
                raise SourceError(f"{path}: {error.strerror}") from error
            if not piece:
                break
            head += piece
            if not head.startswith(b"NRRD"):
                break  # the caller says so
            end = re.search(rb"\n\r?\n", head)
            if end:
                return head[: end.start()], end.end()
    if len(head) >= LARGEST_HEADER:
        raise FormatError(
            f"{path}: no blank line ends the header within {LARGEST_HEADER} bytes",
            hint="the file is damaged, or no NRRD",
        )
    return head, None


def _tidy(name: str, text: str) -> str:
    """Vectors without the white space that the standard allows and pynrrd splits at."""
    return tidy_vectors(text) if name in VECTORS else text


def tidy_vectors(text: str) -> str:
    """Vectors such that white space is only between them; "none" in lower case."""
    text = re.sub(r"\(\s+|\s*,\s*|\s+\)", lambda m: m.group().strip(), text)
    return re.sub("none", "none", text, flags=re.IGNORECASE)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value


def unescaped(text: str) -> str:
    r"""A key or value as it is meant: ``\n`` is a newline, ``\\`` a backslash."""
    return re.sub(r"\\([\\n])", lambda m: "\n" if m.group(1) == "n" else "\\", text)


def escaped(text: str) -> str:
    r"""A key or value as it is written: the inverse of ``unescaped``."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")
