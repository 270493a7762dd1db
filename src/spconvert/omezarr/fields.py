"""Typed access to the members of a JSON document: what is missing or of a wrong type is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from spconvert.errors import FormatError, GeometryError, Unsupported

MAX_DOCUMENT_BYTES = 64 << 20
"""No metadata document of a sane store is larger; a larger one is refused unread."""

_SHOWN = 60


def place(where: tuple[str | int, ...]) -> str:
    """A path of keys and indices as text: ``ome.multiscales[0].axes``."""
    text = "".join(f"[{w}]" if isinstance(w, int) else f".{w}" for w in where)
    return text.removeprefix(".") or "the metadata"


def shown(value: object) -> str:
    """A value on one short line, for a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def wrong(value: object, expected: str, *where: str | int) -> FormatError:
    """The error for a member that is not what the format says."""
    return FormatError(f"{place(where)} is {shown(value)}: {expected} expected")


def members(value: object, *where: str | int) -> Mapping[str, Any]:
    """``value`` if it is a JSON object. Raises ``FormatError``."""
    if not isinstance(value, Mapping):
        raise wrong(value, "an object", *where)
    return value


def items(value: object, *where: str | int) -> list[Any]:
    """``value`` if it is a JSON array. Raises ``FormatError``."""
    if not isinstance(value, list):
        raise wrong(value, "a list", *where)
    return value


def text(value: object, *where: str | int) -> str:
    """``value`` if it is a string. Raises ``FormatError``."""
    if not isinstance(value, str):
        raise wrong(value, "a string", *where)
    return value


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number (``true`` is not)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def number(value: object, *where: str | int) -> float:
    """``value`` if it is a finite number, as a float.

    Raises ``GeometryError`` for NaN and infinity, which JSON has no words for but writers write;
    ``FormatError`` for what is no number.
    """
    if isinstance(value, float) and not isfinite(value):
        raise GeometryError(f"{place(where)} is {value}: a finite number expected")
    if not is_number(value):
        raise wrong(value, "a finite number", *where)
    assert isinstance(value, int | float)
    return float(value)


def numbers(value: object, count: int, *where: str | int) -> tuple[float, ...]:
    """``value`` if it is a list of ``count`` finite numbers. Raises as ``number`` does."""
    values = items(value, *where)
    if len(values) != count:
        raise wrong(value, f"{count} numbers", *where)
    return tuple(number(v, *where, i) for i, v in enumerate(values))


def integers(value: object, count: int, *where: str | int) -> tuple[int, ...]:
    """``value`` if it is a list of ``count`` integers. Raises ``FormatError``."""
    values = items(value, *where)
    if len(values) != count or any(isinstance(v, bool) or not isinstance(v, int) for v in values):
        raise wrong(value, f"{count} integers", *where)
    return tuple(values)


def load(data: bytes, name: str) -> Mapping[str, Any]:
    """The JSON object in ``data``; ``name`` is the document's, for messages.

    Raises ``FormatError`` if it is too large, too deeply nested, not JSON or not an object.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise FormatError(f"{name} is larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise FormatError(f"{name} is nested too deeply to be metadata") from error
    except ValueError as error:
        raise FormatError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FormatError(f"{name} holds {shown(value)}: a JSON object expected")
    return value


def dump(value: Mapping[str, Any], name: str) -> bytes:
    """A JSON document, the same bytes for the same value; ASCII, as file names may be no UTF-8.

    Raises ``Unsupported`` for what JSON has no place for (NaN included).
    """
    try:
        return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise Unsupported(f"{name} cannot be written as JSON: {error}") from error


def plain(value: Any) -> Any:
    """A header value as JSON knows it.

    NumPy numbers and arrays become numbers and lists, tuples become lists, numbers that are not
    finite become the strings "nan", "inf" and "-inf". Raises ``Unsupported`` for other types.
    """
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise Unsupported(f"a header value of type {type(value).__name__} has no form in JSON")
