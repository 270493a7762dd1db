"""Header fields for ``extra["dicom"]``: how the image was acquired, and not of whom."""

from __future__ import annotations

import warnings
from math import isfinite
from typing import Any, Literal

from spconvert.errors import FormatError
from spconvert.formats.dicom.elements import Elements, parse_errors, tag_name
from spconvert.formats.dicom.instance import Instance, parse
from spconvert.formats.dicom.safe_fields import SAFE_NUMBERS, SAFE_TEXTS

_BINARY = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_LONGEST_TEXT = 4096
_MOST_ITEMS = 64
_DEPTH = 8


def kept_fields(instance: Instance, mode: Literal["all", "safe", "none"]) -> dict[str, Any]:
    """The fields of a file that are kept, as JSON values by keyword of PS3.6.

    ``all``: everything but pixels and other binary values. Raises as ``parse`` does.
    """
    if mode == "none":
        return {}
    if mode == "all":
        return _json(parse(instance.outer, everything=True).header.dataset, _DEPTH)
    fields: dict[str, Any] = {"TransferSyntax": _syntax_name(instance.syntax)}
    for name, tag in SAFE_TEXTS.items():
        if texts := [text[:64] for text in instance.header.texts(tag)]:
            fields[name] = texts[0] if len(texts) == 1 else texts
    for name, tag in SAFE_NUMBERS.items():
        if numbers := _finite(instance.header, tag):
            fields[name] = numbers[0] if len(numbers) == 1 else numbers
    return fields


def _syntax_name(uid: str) -> str:
    from pydicom.uid import UID

    return UID(uid).name


def _finite(header: Elements, tag: int) -> list[float]:
    try:
        found = header.numbers(tag)
    except FormatError:  # a field that only tells is no reason to refuse the image
        return []
    return [int(n) if n == int(n) and abs(n) < 2**53 else n for n in found if isfinite(n)]


def _json(dataset: Any, depth: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for tag in sorted(dataset.keys()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                element = dataset[tag]
                value = element.value
        except parse_errors():
            continue
        name = element.keyword or tag_name(int(tag))
        if element.VR == "SQ":
            if depth:
                fields[name] = [_json(item, depth - 1) for item in list(value)[:_MOST_ITEMS]]
        elif element.VR not in _BINARY and not isinstance(value, bytes):
            fields[name] = _plain(value)
    return fields


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        number = float(value)
        return number if abs(number) < float("inf") else str(number)
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return [_plain(part) for part in value]
    return str(value)[:_LONGEST_TEXT]
