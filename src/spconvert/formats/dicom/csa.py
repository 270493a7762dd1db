"""Siemens' CSA header (0029,1010), as far as mosaics need it: named values in a binary table.

Layout as described in nibabel's documentation, "Siemens format DICOM with CSA header": CSA2 begins
with ``SV10``, 4 bytes, the number of elements and 77; an element has a name of 64 bytes, its
multiplicity, a VR, a syngo type, a number of items and 77 or 205; an item has four numbers, of
which one is its length, and text padded to a multiple of 4.
"""

from __future__ import annotations

import struct
from math import isfinite

_MOST_ELEMENTS = 1024
_MOST_ITEMS = 4096


def csa_numbers(data: bytes, wanted: frozenset[str]) -> dict[str, tuple[float, ...]]:
    """The numbers of the wanted elements; what is broken or missing is left out."""
    try:
        return _numbers(data, wanted)
    except (struct.error, ValueError):
        return {}


def _numbers(data: bytes, wanted: frozenset[str]) -> dict[str, tuple[float, ...]]:
    second = data[:4] == b"SV10"
    position = 8 if second else 0
    count, _ = struct.unpack_from("<2L", data, position)
    position += 8
    found: dict[str, tuple[float, ...]] = {}
    base = 0
    for element in range(min(count, _MOST_ELEMENTS)):
        name, _, _, _, items, _ = struct.unpack_from("<64sl4sLLL", data, position)
        position += 84
        texts = []
        if items > _MOST_ITEMS:
            raise ValueError(f"{items} items")
        base = items if element == 0 else base
        for _ in range(items):
            lengths = struct.unpack_from("<4L", data, position)
            position += 16
            # CSA1 adds the number of items of the first element to every length.
            length = lengths[1] if second else lengths[0] - base
            if length < 0 and not second:
                break
            if position + length > len(data):
                raise ValueError(f"an item of {length} bytes")
            texts.append(data[position : position + length])
            position += -(-length // 4) * 4
        key = name.partition(b"\0")[0].decode("ascii", "replace")
        if key in wanted:
            found[key] = _floats(texts)
    return found


def _floats(texts: list[bytes]) -> tuple[float, ...]:
    numbers = []
    for text in texts:
        word = text.partition(b"\0")[0].strip()
        if word:
            numbers.append(float(word))
    return tuple(number for number in numbers if isfinite(number))
