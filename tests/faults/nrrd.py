"""Bad NRRD: cases 1 to 20."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

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

DATA = VOXELS.tobytes()
FIELDS = {
    "type": "int16",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "2 3 4",
    "space directions": "(0.5,0,0) (0,0.75,0) (0,0,2.5)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(-90.5,12.25,300.125)",
}


def header(end: str = "\n", **changed: str | None) -> bytes:
    """A sound header but for the changes; ``_`` in a name stands for a space."""
    fields: dict[str, str | None] = {**FIELDS}
    fields |= {name.replace("_", " "): value for name, value in changed.items()}
    lines = [f"{name}: {value}\n" for name, value in fields.items() if value is not None]
    return ("NRRD0004\n" + "".join(lines) + end).encode()


def attached(data: bytes = DATA, **changed: str | None) -> Make:
    """Header and data in one file."""
    return content("a.nrrd", header(**changed) + data)


def detached(data_file: str, **changed: str | None) -> Make:
    """A header that names its data file."""
    return content("a.nhdr", header("", **changed) + f"data file: {data_file}\n".encode())


def bomb(declared: bytes, zeros: int, wbits: int = 31) -> bytes:
    """A deflate stream that goes on with zeros; every part of its middle is the same bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    start = packer.compress(declared) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + piece + again * ((zeros >> 20) - 1) + packer.flush()


def linked_out(folder: Path) -> Path:
    """A header whose data file is a link that leads out of its folder."""
    beyond = folder.parent / "beyond.raw"
    beyond.write_bytes(DATA)
    (folder / "a.raw").symlink_to(beyond)
    return detached("a.raw")(folder)


def traversing(folder: Path) -> Path:
    """A header that names a file one folder up, which is there."""
    (folder.parent / "beyond.raw").write_bytes(DATA)
    return detached("../beyond.raw")(folder)


ZIPPED = gzip.compress(DATA, mtime=0)
BAD_CRC = ZIPPED[:-8] + bytes([ZIPPED[-8] ^ 1]) + ZIPPED[-7:]
BAD_LENGTH = ZIPPED[:-4] + b"\x31\0\0\0"
LEAVE = "outside|--allow-external-data"
TWO_MEMBERS = gzip.compress(DATA[:20], mtime=0) + gzip.compress(DATA[20:], mtime=0)

CASES: tuple[Case, ...] = (
    refused("1", "nrrd_short_data", attached(DATA[:40]), "has 40 of 48 bytes"),
    refused(
        "2",
        "nrrd_huge_sizes",
        attached(sizes="100000 100000 100"),
        "has 48 of 2000000000000 bytes",
    ),
    refused(
        "2b",
        "nrrd_huge_sizes_gzip",
        attached(ZIPPED, sizes="100000 100000 100", encoding="gzip"),
        "bytes",
    ),
    refused("3", "nrrd_overflow_sizes", attached(sizes="9999999999 9999999999 9"), "2\\^63"),
    refused("4", "nrrd_negative_size", attached(sizes="2 -3 4"), "'-3': a whole number"),
    refused("5", "nrrd_zero_size", attached(sizes="2 0 4"), "'0': a whole number"),
    refused("5b", "nrrd_nan_size", attached(sizes="2 nan 4"), "'nan': a whole number"),
    refused("6", "nrrd_dim_mismatch", attached(sizes="2 3"), "2 sizes for dimension 3"),
    read("7", "nrrd_extra_data", attached(DATA + b"more"), "surplus-data", voxels=VOXELS),
    misplaced(
        "8",
        "nrrd_nan_dirs",
        attached(space_directions="(nan,0,0) (0,1,0) (0,0,1)"),
        "nan.*finite numbers expected",
        promised="4 (tables)",
    ),
    misplaced(
        "9",
        "nrrd_singular_dirs",
        attached(space_directions="(1,0,0) (1,0,0) (0,0,1)"),
        "singular",
        promised="4 (tables)",
    ),
    misplaced(
        "10",
        "nrrd_zero_dirs",
        attached(space_directions="(0,0,0) (0,1,0) (0,0,1)"),
        "a length above 0 expected",
        promised="4 (tables)",
    ),
    misplaced("10b", "nrrd_inf_origin", attached(space_origin="(inf,0,0)"), "origin"),
    read(
        "11",
        "nrrd_gzip_bomb",
        attached(bomb(DATA, 512 << 20), encoding="gzip"),
        "surplus-data",
        voxels=VOXELS,
        promised="W/3",
    ),
    payload("12", "nrrd_gzip_trunc", attached(ZIPPED[:30], encoding="gzip"), "has \\d+ of 48"),
    payload("13", "nrrd_gzip_badcrc", attached(BAD_CRC, encoding="gzip"), "gzip"),
    payload("13b", "nrrd_gzip_badlength", attached(BAD_LENGTH, encoding="gzip"), "gzip"),
    read("13c", "nrrd_gzip_members", attached(TWO_MEMBERS, encoding="gzip"), voxels=VOXELS),
    read(
        "13d",
        "nrrd_gzip_garbage",
        attached(ZIPPED + b"garbage", encoding="gzip"),
        "trailing-data",
        voxels=VOXELS,
    ),
    refused("14", "nhdr_traversal", traversing, LEAVE),
    read(
        "14b",
        "nhdr_traversal_allowed",
        traversing,
        voxels=VOXELS,
        flags=("--allow-external-data",),
    ),
    refused("15", "nhdr_abs", detached("/etc/passwd"), LEAVE),
    refused("15b", "nhdr_symlink_out", linked_out, "outside|link"),
    refused(
        "15c",
        "nhdr_device",
        detached("/dev/zero"),
        "device",
        flags=("--allow-external-data",),
        names="/dev/zero",
    ),
    refused("15d", "nhdr_url", detached("http://127.0.0.1:9/a.raw"), "http:"),
    refused("15e", "nhdr_itself", detached("a.nhdr", sizes="200 300 400"), "itself"),
    refused("16", "nhdr_missing", detached("gone.raw"), "gone.raw", names="gone.raw"),
    refused("17", "nhdr_list_huge", detached("s%d.raw 1 999999999 1"), "999999999 data files"),
    refused(
        "17b",
        "nhdr_one_of_several_short",
        contents(
            "a.nhdr",
            a__nhdr=header("") + b"data file: s%d.raw 1 4 1\n",
            s1__raw=DATA[:12],
            s2__raw=DATA[12:24],
            s3__raw=DATA[24:30],
            s4__raw=DATA[36:],
        ),
        "has 6 of 12 bytes",
        names="s3.raw",
    ),
    refused("18", "nrrd_type_block", attached(type="block"), "'block'"),
    refused("18b", "nrrd_unknown_encoding", attached(encoding="zip"), "'zip'"),
    refused("18c", "nrrd_no_endian", attached(endian=None), "endian"),
    refused("18d", "nrrd_unknown_space", attached(space="somewhere"), "'somewhere'"),
    read(
        "18e",
        "nrrd_space_and_spacings",
        attached(spacings="1 2 3"),
        "spacings-ignored",
        voxels=VOXELS,
    ),
    refused("19", "nrrd_no_blank", content("a.nrrd", header("")), "blank line"),
    refused("20", "nrrd_long_line", attached(content="x" * (2 << 20)), "header|line"),
    refused(
        "20b",
        "nrrd_million_fields",
        content("a.nrrd", header("") + b"key:=value\n" * 1_000_000 + b"\n" + DATA),
        "header",
    ),
    refused("20c", "nrrd_nul", attached(content="a\0b"), "NUL"),
)
