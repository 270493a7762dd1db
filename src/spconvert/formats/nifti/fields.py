"""The three headers byte by byte, and what the numbers in them stand for.

Sources: nifti1.h (2012) and nifti2.h (2015) of the NIfTI Data Format Working Group, and dbh.h of
Analyze 7.5 (Mayo Clinic). Offsets and codes are facts of these files; the groups of three or four
numbers (quaternion, offset, rows of the sform) are arrays here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

Version = Literal["analyze", "nifti1", "nifti2"]

_TEXTS_1 = [("data_type", "S10"), ("db_name", "S18"), ("extents", "i4"), ("session_error", "i2")]

_NIFTI1 = [
    ("sizeof_hdr", "i4"),
    *_TEXTS_1,
    ("regular", "S1"),
    ("dim_info", "u1"),
    ("dim", "i2", (8,)),
    ("intent_p", "f4", (3,)),
    ("intent_code", "i2"),
    ("datatype", "i2"),
    ("bitpix", "i2"),
    ("slice_start", "i2"),
    ("pixdim", "f4", (8,)),
    ("vox_offset", "f4"),
    ("scl_slope", "f4"),
    ("scl_inter", "f4"),
    ("slice_end", "i2"),
    ("slice_code", "u1"),
    ("xyzt_units", "u1"),
    ("cal_max", "f4"),
    ("cal_min", "f4"),
    ("slice_duration", "f4"),
    ("toffset", "f4"),
    ("glmax", "i4"),
    ("glmin", "i4"),
    ("descrip", "S80"),
    ("aux_file", "S24"),
    ("qform_code", "i2"),
    ("sform_code", "i2"),
    ("quatern", "f4", (3,)),
    ("qoffset", "f4", (3,)),
    ("srow", "f4", (3, 4)),
    ("intent_name", "S16"),
    ("magic", "S4"),
]

_NIFTI2 = [
    ("sizeof_hdr", "i4"),
    ("magic", "S8"),
    ("datatype", "i2"),
    ("bitpix", "i2"),
    ("dim", "i8", (8,)),
    ("intent_p", "f8", (3,)),
    ("pixdim", "f8", (8,)),
    ("vox_offset", "i8"),
    ("scl_slope", "f8"),
    ("scl_inter", "f8"),
    ("cal_max", "f8"),
    ("cal_min", "f8"),
    ("slice_duration", "f8"),
    ("toffset", "f8"),
    ("slice_start", "i8"),
    ("slice_end", "i8"),
    ("descrip", "S80"),
    ("aux_file", "S24"),
    ("qform_code", "i4"),
    ("sform_code", "i4"),
    ("quatern", "f8", (3,)),
    ("qoffset", "f8", (3,)),
    ("srow", "f8", (3, 4)),
    ("slice_code", "i4"),
    ("xyzt_units", "i4"),
    ("intent_code", "i4"),
    ("intent_name", "S16"),
    ("dim_info", "u1"),
    ("unused", "S15"),
]

_ANALYZE = [
    ("sizeof_hdr", "i4"),
    *_TEXTS_1,
    ("regular", "S1"),
    ("hkey_un0", "S1"),
    ("dim", "i2", (8,)),
    ("vox_units", "S4"),
    ("cal_units", "S8"),
    ("unused1", "i2"),
    ("datatype", "i2"),
    ("bitpix", "i2"),
    ("dim_un0", "i2"),
    ("pixdim", "f4", (8,)),
    ("vox_offset", "f4"),
    ("funused", "f4", (3,)),
    ("cal_max", "f4"),
    ("cal_min", "f4"),
    ("compressed", "i4"),
    ("verified", "i4"),
    ("glmax", "i4"),
    ("glmin", "i4"),
    ("descrip", "S80"),
    ("aux_file", "S24"),
    ("orient", "u1"),
    ("originator", "S10"),
    ("generated", "S10"),
    ("scannum", "S10"),
    ("patient_id", "S10"),
    ("exp_date", "S10"),
    ("exp_time", "S10"),
    ("hist_un0", "S3"),
    ("views", "i4"),
    ("vols_added", "i4"),
    ("start_field", "i4"),
    ("field_skip", "i4"),
    ("omax", "i4"),
    ("omin", "i4"),
    ("smax", "i4"),
    ("smin", "i4"),
]

STRUCTURES: dict[Version, np.dtype[Any]] = {
    "analyze": np.dtype(_ANALYZE),
    "nifti1": np.dtype(_NIFTI1),
    "nifti2": np.dtype(_NIFTI2),
}
"""The headers in little-endian byte order, without padding: 348, 348 and 540 bytes."""

MAGICS: dict[bytes, tuple[Version, bool]] = {
    b"n+1": ("nifti1", True),
    b"ni1": ("nifti1", False),
    b"n+2\0\r\n\x1a\n": ("nifti2", True),
    b"ni2\0\r\n\x1a\n": ("nifti2", False),
}
"""Per magic: the version, and whether the voxels are in the same file."""

_RGB = np.dtype((np.uint8, (3,)))
_RGBA = np.dtype((np.uint8, (4,)))

DATATYPES: dict[int, np.dtype[Any]] = {
    2: np.dtype("u1"),
    4: np.dtype("i2"),
    8: np.dtype("i4"),
    16: np.dtype("f4"),
    32: np.dtype("c8"),
    64: np.dtype("f8"),
    128: _RGB,
    256: np.dtype("i1"),
    512: np.dtype("u2"),
    768: np.dtype("u4"),
    1024: np.dtype("i8"),
    1280: np.dtype("u8"),
    1792: np.dtype("c16"),
    2304: _RGBA,
}
"""Codes of voxel types; the two of colours have 3 and 4 bytes a voxel."""

ANALYZE_DATATYPES = (2, 4, 8, 16, 32, 64, 128)

UNREADABLE_DATATYPES = {
    1: "1 bit a voxel",
    1536: "128-bit floats",
    2048: "256-bit complex numbers",
}
"""Types of the standard that no array library holds portably."""

RGB, RGBA = 128, 2304

SPACE_UNITS: dict[int, str] = {1: "meter", 2: "millimeter", 3: "micrometer"}
"""The low three bits of ``xyzt_units``; 0 is unknown."""

TIME_UNITS: dict[int, str] = {8: "second", 16: "millisecond", 24: "microsecond"}
"""The next three bits; 0 is unknown, 32, 40 and 48 (Hz, ppm, rad/s) are no times."""

XFORM_NAMES = {
    1: "scanner",
    2: "aligned",
    3: "Talairach",
    4: "MNI 152",
    5: "template",
}

INTENT_LABEL, INTENT_DISPLACEMENT, INTENT_VECTOR = 1002, 1006, 1007

_XYZ = ("x", "y", "z")

COMPONENT_NAMES: dict[int, tuple[tuple[str, ...], ...]] = {
    1004: (("xx", "xy", "yx", "yy"), ("xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz")),
    1005: (("xx", "yx", "yy"), ("xx", "yx", "yy", "zx", "zy", "zz")),
    1006: (_XYZ[:2], _XYZ),
    1007: (_XYZ[:2], _XYZ),
    1008: (_XYZ[:2], _XYZ),
    1010: (("w", "x", "y", "z"),),
    2003: (("red", "green", "blue"),),
    2004: (("red", "green", "blue", "alpha"),),
}
"""Names of the components along dim[5] per intent code, in the order that nifti1.h prescribes
(a symmetric matrix by the rows of its lower triangle)."""
