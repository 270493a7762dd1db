"""The fields of an NRRD header: their names, what they may hold, and the checks of the basic ones.

Rules: http://teem.sourceforge.net/nrrd/format.html, sections 5 and 6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np

from spconvert.errors import FormatError

_LARGEST_DIMENSION = 16  # NRRD_DIM_MAX of teem

_BY_TYPE = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, "
    "int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
TYPES = {name: code for code, names in _BY_TYPE.items() for name in names.split(", ")}
"""Names of the standard to numpy type codes without byte order."""

ENCODINGS = {
    "raw": "raw",
    "txt": "ascii",
    "text": "ascii",
    "ascii": "ascii",
    "hex": "hex",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}

ALIASES = {
    "centers": "centerings",
    "lineskip": "line skip",
    "byteskip": "byte skip",
    "datafile": "data file",
    "axismins": "axis mins",
    "axismaxs": "axis maxs",
    "oldmin": "old min",
    "oldmax": "old max",
    "blocksize": "block size",
    "sampleunits": "sample units",
}
PER_AXIS = (
    "sizes",
    "spacings",
    "thicknesses",
    "axis mins",
    "axis maxs",
    "centerings",
    "labels",
    "units",
    "kinds",
    "space directions",
)
KNOWN = {
    *PER_AXIS,
    *ALIASES.values(),
    "dimension",
    "type",
    "encoding",
    "endian",
    "content",
    "min",
    "max",
    "number",
    "space",
    "space dimension",
    "space units",
    "space origin",
    "measurement frame",
}
VECTORS = ("space directions", "space origin", "measurement frame")
_REQUIRED = ("dimension", "type", "encoding", "sizes")


def check_fields(path: Path, texts: Mapping[str, str]) -> None:
    """Check the fields that every NRRD must have, before pynrrd or numpy see them.

    Raises ``FormatError`` for a missing field, an unknown type or encoding, a missing byte order,
    and sizes that are no positive numbers, not as many as ``dimension``, or beyond 2^63 bytes.
    """
    for name in _REQUIRED:
        if name not in texts:
            raise FormatError(f"{path}: header field {name!r} is missing")
    _check_sizes(path, texts)
    type_name, encoding = texts["type"].lower(), texts["encoding"].lower()
    if type_name == "block":
        raise FormatError(f"{path}: type 'block' is opaque: a number type expected")
    if type_name not in TYPES:
        raise FormatError(f"{path}: type {texts['type'][:40]!r} is not one of the standard")
    if encoding not in ENCODINGS:
        raise FormatError(
            f"{path}: encoding {texts['encoding'][:40]!r}: raw, ascii, hex, gzip or bzip2 expected"
        )
    itemsize = np.dtype(TYPES[type_name]).itemsize
    endian = texts.get("endian", "").lower()
    needs_order = itemsize > 1 and ENCODINGS[encoding] != "ascii"
    if endian not in ("little", "big") and (endian or needs_order):
        raise FormatError(
            f"{path}: endian {texts.get('endian', 'missing')!r} for type {texts['type']}: "
            "'little' or 'big' expected"
        )
    if prod(map(int, texts["sizes"].split())) * itemsize >= 2**63:
        raise FormatError(f"{path}: sizes {texts['sizes'][:80]} are more than 2^63 bytes")


def _check_sizes(path: Path, texts: Mapping[str, str]) -> None:
    dimension, sizes = texts["dimension"], texts["sizes"].split()
    if not re.fullmatch(r"\d{1,4}", dimension) or not 1 <= int(dimension) <= _LARGEST_DIMENSION:
        raise FormatError(
            f"{path}: dimension {dimension[:20]!r}: 1 to {_LARGEST_DIMENSION} expected"
        )
    if len(sizes) != int(dimension):
        raise FormatError(f"{path}: {len(sizes)} sizes for dimension {dimension}")
    for size in sizes:
        if not re.fullmatch(r"\+?[0-9]{1,19}", size) or int(size) == 0:
            raise FormatError(f"{path}: size {size[:30]!r}: a whole number above 0 expected")
