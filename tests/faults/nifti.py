"""Bad NIfTI: cases 21 to 35."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

from faults.case import (
    VOXELS,
    Case,
    Make,
    content,
    contents,
    misplaced,
    payload,
    read,
    refused,
)
from faults.nrrd import bomb

DATA = VOXELS.tobytes()
_LAYOUT = "<i35xb8h14xhhh8f4fB3x4f80x24xhh3f3f12f16x4s"
"""The fields of nifti1.h that the cases set, in its order; 348 bytes."""


def header(**changed: Any) -> bytes:
    """348 bytes: a sound header of a single file, but for the changes."""
    values: dict[str, Any] = {
        "sizeof_hdr": 348,
        "dim": (3, 2, 3, 4, 1, 1, 1, 1),
        "datatype": 4,
        "bitpix": 16,
        "pixdim": (1, 0.5, 0.75, 2.5, 0, 0, 0, 0),
        "vox_offset": 352.0,
        "slope": (1.0, 0.0),
        "units": 2,
        "codes": (0, 1),
        "quatern": (0, 0, 0),
        "qoffset": (1, 2, 3),
        "srow": (0.5, 0, 0, 1, 0, 0.75, 0, 2, 0, 0, 2.5, 3),
        "magic": b"n+1\0",
        **changed,
    }
    assert set(changed) <= set(values)
    v = values
    packed = struct.pack(
        "<i36x8h14xhh2x8f", v["sizeof_hdr"], *v["dim"], v["datatype"], v["bitpix"], *v["pixdim"]
    )
    packed += struct.pack("<3f3xB", v["vox_offset"], *v["slope"], v["units"])
    packed = packed.ljust(252, b"\0")
    packed += struct.pack("<2h", *v["codes"])
    packed += struct.pack("<3f3f12f16x4s", *v["quatern"], *v["qoffset"], *v["srow"], v["magic"])
    assert len(packed) == 348
    return packed


def single(
    data: bytes = DATA, name: str = "a.nii", behind: bytes = bytes(4), **changed: Any
) -> Make:
    """Header, no extension, voxels."""
    whole = header(**changed) + behind + data
    return content(name, gzip.compress(whole, mtime=0) if name.endswith(".gz") else whole)


def swapped() -> bytes:
    """A header whose size is none that the standard knows."""
    return header(sizeof_hdr=349)


def nifti2(dim: tuple[int, ...]) -> bytes:
    """A header of NIfTI-2 with these sizes of 64 bits."""
    start = struct.pack("<i8s2h8q", 540, b"n+2\0\r\n\x1a\n", 4, 16, *dim)
    pixdim = struct.pack("<3d8dq", 0, 0, 0, 1, 0.5, 0.75, 2.5, 0, 0, 0, 0, 544)
    return (start + pixdim).ljust(544, b"\0")


def no_partner(folder: Path) -> Path:
    """A header of a pair without the other file."""
    return content("a.hdr", header(magic=b"ni1\0", vox_offset=0))(folder)


WHOLE = header() + bytes(4) + DATA
ZIPPED = gzip.compress(WHOLE, mtime=0)
NAN, INF = float("nan"), float("inf")
HUGE = (3, 32000, 32000, 32000, 1, 1, 1, 1)
SPACED = {"convert_flags": ("--spacing", "1,1,1"), "flags": ()}

CASES: tuple[Case, ...] = (
    refused("21", "nii_short", single(DATA[:40]), "has 40 of 48 bytes"),
    refused(
        "22", "nii_huge", single(dim=HUGE), "has 48 of 65536000000000 bytes", promised="3 (tables)"
    ),
    refused(
        "22b",
        "nii_huge_gz",
        single(name="a.nii.gz", dim=HUGE),
        "65536000000000 bytes",
        promised="3 (tables)",
    ),
    refused(
        "22c",
        "nii2_overflow",
        content("a.nii", nifti2((3, 2**62, 2**62, 2, 1, 1, 1, 1)) + DATA),
        "2\\^63",
    ),
    refused("23", "nii_negdim", single(dim=(3, 2, -3, 4, 1, 1, 1, 1)), "dim\\[2\\] is -3"),
    refused("24", "nii_dim0_9", single(dim=(9, 2, 3, 4, 1, 1, 1, 1)), "dim\\[0\\] is 9: 1 to 7"),
    refused("24b", "nii_dim0_0", single(dim=(0, 2, 3, 4, 1, 1, 1, 1)), "dim\\[0\\] is 0: 1 to 7"),
    refused("25", "nii_zero", single(dim=(3, 2, 0, 4, 1, 1, 1, 1)), "dim\\[2\\] is 0"),
    misplaced(
        "26", "nii_nan_pix", single(pixdim=(1, 0.5, NAN, 2, 0, 0, 0, 0)), "pixdim\\[2\\] is nan"
    ),
    misplaced(
        "26b", "nii_zero_pix", single(pixdim=(1, 0.5, 0, 2, 0, 0, 0, 0)), "pixdim\\[2\\] is 0"
    ),
    misplaced(
        "26c", "nii_inf_pix", single(pixdim=(1, 0.5, INF, 2, 0, 0, 0, 0)), "pixdim\\[2\\] is inf"
    ),
    Case(
        "26d",
        "nii_nan_pix_assigned",
        "read",
        single(pixdim=(1, 0.5, NAN, 2, 0, 0, 0, 0)),
        "pixdim",
        0,
        4,
        ("spacing-impossible",),
        (),
        ("--spacing", "1,1,1"),
        voxels=VOXELS,
    ),
    misplaced(
        "26e",
        "nii_nan_origin",
        single(srow=(0.5, 0, 0, NAN, 0, 0.75, 0, 2, 0, 0, 2.5, 3)),
        "origin",
    ),
    misplaced(
        "26f",
        "nii_singular_sform",
        single(codes=(0, 1), srow=(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0)),
        "sform",
    ),
    refused("27", "nii_voxoff_big", single(vox_offset=1e30), "vox_offset|of voxels"),
    refused("27b", "nii_voxoff_neg", single(vox_offset=-500), "vox_offset -500"),
    refused("27c", "nii_voxoff_nan", single(vox_offset=NAN), "vox_offset nan"),
    refused("28", "nii_dt_bad", single(datatype=5000), "datatype 5000"),
    read("29", "nii_slope_nan", single(slope=(NAN, 0)), "rescale-unusable", voxels=VOXELS),
    read("29b", "nii_slope_inf", single(slope=(INF, 0)), "rescale-unusable", voxels=VOXELS),
    read(
        "30",
        "nii_gz_bomb",
        content("a.nii.gz", bomb(WHOLE, 512 << 20)),
        "surplus-data",
        voxels=VOXELS,
    ),
    payload(
        "31", "nii_gz_trunc", content("a.nii.gz", ZIPPED[:-12]), "has \\d+ of 48|checksum|broken"
    ),
    payload(
        "31b", "nii_gz_badcrc", content("a.nii.gz", ZIPPED[:-8] + b"crc!" + ZIPPED[-4:]), "gzip"
    ),
    refused("31c", "nii_gz_trunc_in_header", content("a.nii.gz", ZIPPED[:60]), "not a nifti|bytes"),
    refused(
        "32", "nii_gz_not_gz", content("a.nii.gz", b"not gzip, and not NIfTI"), "not a nifti file"
    ),
    read(
        "32b",
        "nii_gz_plain",
        content("a.nii.gz", WHOLE),
        "suffix-lies",
        voxels=VOXELS,
        promised="3 or W",
    ),
    refused("33", "nii_empty", content("a.nii", b""), "not a nifti file: it is empty"),
    read(
        "34",
        "nii_forms_disagree",
        single(codes=(1, 1), srow=(0.5, 0, 0, 9, 0, 0.75, 0, 2, 0, 0, 2.5, 3)),
        "xform-disagree",
        voxels=VOXELS,
    ),
    refused("35", "hdr_without_img", no_partner, "a.img"),
    refused(
        "35b",
        "hdr_short_img",
        contents("a.hdr", a__hdr=header(magic=b"ni1\0", vox_offset=0), a__img=DATA[:40]),
        "has 40 of 48 bytes",
        names="a.img",
    ),
    refused(
        "nifti-1",
        "nii_bad_sizeof_hdr",
        content("a.nii", swapped() + bytes(4) + DATA),
        "sizeof_hdr|not a nifti",
    ),
    refused("nifti-2", "nii_bad_magic", single(magic=b"xyz\0"), "magic|not a nifti|NIfTI"),
    refused(
        "nifti-3",
        "nii_extension_overruns",
        single(behind=b"\1\0\0\0", vox_offset=352 + 48),
        "has 0 of 48|bytes",
    ),
    read("nifti-4", "nii_both_codes_0", single(codes=(0, 0)), voxels=VOXELS),
    read("nifti-5", "nii_slope_0", single(slope=(0, 5)), voxels=VOXELS),
    read(
        "nifti-6",
        "nii_voxoff_unaligned",
        single(b"\0" + DATA, vox_offset=353),
        "voxel-offset",
        voxels=VOXELS,
    ),
    read("nifti-7", "nii_extra_data", single(DATA + b"more"), "surplus-data", voxels=VOXELS),
)
