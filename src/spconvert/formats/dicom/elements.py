"""The elements of a parsed header, decoded one by one when they are asked for.

pydicom parses; values are decoded here from their bytes, so that a value that is no number is an
error that names the file and the element, and never a warning on somebody's terminal.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from spconvert.errors import FormatError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BINARY = {
    "US": "H",
    "SS": "h",
    "UL": "L",
    "SL": "l",
    "FL": "f",
    "FD": "d",
    "UV": "Q",
    "SV": "q",
    "US or SS": "H",
    "US or SS or OW": "H",
    "US or OW": "H",
    "AT": "H",
}
"""How numbers of each VR are laid out (PS3.5, 6.2), without byte order."""

_PARSE_ERRORS = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    NotImplementedError,
    EOFError,
    OverflowError,
    RecursionError,
    UnicodeError,
    AssertionError,
    OSError,
    struct.error,
)


def parse_errors() -> tuple[type[Exception], ...]:
    """What pydicom raises on bytes that make no sense."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (*_PARSE_ERRORS, BytesLengthException, InvalidDicomError)


@dataclass(frozen=True, slots=True)
class Elements:
    """A dataset: the whole header, or one item of a sequence in it."""

    dataset: Dataset
    label: str
    """The file, for messages."""

    def has(self, tag: int) -> bool:
        """Whether the element is there with a value."""
        return bool(self._raw(tag)[0])

    def text(self, tag: int) -> str:
        """The first value as text; empty where there is none."""
        found = self.texts(tag)
        return found[0] if found else ""

    def texts(self, tag: int) -> tuple[str, ...]:
        """All values as text."""
        value, _ = self._raw(tag)
        if not value:
            return ()
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        return tuple(_one_line(part) for part in text.split("\\"))

    def bytes_of(self, tag: int) -> bytes:
        """The value as it is stored."""
        return self._raw(tag)[0]

    def numbers(self, tag: int) -> tuple[float, ...]:
        """All values as numbers; empty where there is none.

        Raises ``FormatError`` if they are no numbers.
        """
        value, vr = self._raw(tag)
        if not value:
            return ()
        try:
            if vr in _BINARY:
                order = "<" if self._little(tag) else ">"
                code = _BINARY[vr]
                count = len(value) // struct.calcsize(order + code)
                return struct.unpack_from(f"{order}{count}{code}", value)
            text = value.decode("ascii").strip(" \0")
            if not text:
                return ()
            return tuple(float(part.strip(" \0")) for part in text.split("\\"))
        except (ValueError, struct.error) as error:
            raise FormatError(
                f"{self.label}: {tag_name(tag)} is {value[:40]!r}: numbers expected"
            ) from error

    def number(self, tag: int) -> float | None:
        """The first value as a number. Raises ``FormatError`` if it is none."""
        found = self.numbers(tag)
        return found[0] if found else None

    def integer(self, tag: int, default: int) -> int:
        """The first value as an integer. Raises ``FormatError`` if it is none."""
        found = self.number(tag)
        if found is None:
            return default
        if not isfinite(found) or abs(found) > 2**62 or found != int(found):
            raise FormatError(f"{self.label}: {tag_name(tag)} is {found}: an integer expected")
        return int(found)

    def items(self, tag: int) -> tuple[Elements, ...]:
        """The items of a sequence; empty where there is none.

        Raises ``FormatError`` if it cannot be parsed.
        """
        if tag not in self.dataset:
            return ()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sequence: Any = self.dataset[tag].value
            return tuple(Elements(item, self.label) for item in sequence or ())
        except parse_errors() as error:
            raise FormatError(
                f"{self.label}: {tag_name(tag)} cannot be parsed: {_reason(error)}"
            ) from error

    def first(self, tag: int) -> Elements | None:
        """The first item of a sequence, if there is one."""
        found = self.items(tag)
        return found[0] if found else None

    def _raw(self, tag: int) -> tuple[bytes, str]:
        """The bytes of a value, and its VR; of a sequence or a type that does not exist, none."""
        try:
            found: Any = self.dataset.get_item(tag)
        except parse_errors():
            return b"", ""
        value = getattr(found, "value", None)
        if not isinstance(value, bytes):
            return b"", ""
        vr = found.VR
        if vr in (None, "UN"):
            from pydicom.datadict import dictionary_VR

            try:
                vr = dictionary_VR(tag)
            except KeyError:
                vr = "UN"
        return value, vr

    def _little(self, tag: int) -> bool:
        found: Any = self.dataset.get_item(tag)
        return bool(getattr(found, "is_little_endian", True))


def tag_name(tag: int) -> str:
    """The element's keyword of PS3.6 and its number."""
    from pydicom.datadict import keyword_for_tag

    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return f"{keyword_for_tag(tag)} {number}".strip()


def _one_line(text: str) -> str:
    """Text that is fit for a message: no padding and no control characters."""
    return "".join(c if c.isprintable() else " " for c in text.strip(" \0\r\n\t"))


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".splitlines()[0][:200]
