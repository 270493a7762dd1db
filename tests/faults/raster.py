"""Bad pictures: cases 46 and 51 to 56, and the other raster formats."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from faults.case import Case, Make, content, payload, read, refused

PLANE = np.arange(12, dtype="u1").reshape(3, 4)
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A chunk of PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    size: tuple[int, int] = (4, 3), data: bytes | None = None, depth: int = 8, extra: bytes = b""
) -> bytes:
    """A grey PNG; ``data`` is the compressed stream."""
    rows = b"".join(b"\0" + row.tobytes() for row in PLANE)
    head = chunk(b"IHDR", struct.pack(">2I5B", *size, depth, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows) if data is None else data)
    return SIGNATURE + head + extra + body + chunk(b"IEND")


def zeros(count: int) -> bytes:
    """A zlib stream of ``count`` zeros, made of the same bytes again and again."""
    packer = zlib.compressobj(9)
    piece = 1 << 20
    first = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = packer.compress(bytes(count % piece)) + packer.flush()
    # Adler-32 (RFC 1950) of zeros: the first sum stays 1, the second counts them.
    return (
        first + again * (count // piece - 1) + rest + struct.pack(">I", (count % 65521) << 16 | 1)
    )


def huge(folder: Path) -> Path:
    """30,000 x 30,000 real pixels in a megabyte."""
    return content("a.png", png((30_000, 30_000), zeros(30_000 * 30_001)))(folder)


def numbered(*numbers: int, last: bytes | None = None) -> Make:
    """slice_N.png for each number, and the pattern that stands for them."""

    def make(folder: Path) -> Path:
        for number in numbers:
            picture = png(extra=chunk(b"tEXt", b"n\0%d" % number))
            (folder / f"slice_{number}.png").write_bytes(picture)
        if last is not None:
            (folder / f"slice_{numbers[-1]}.png").write_bytes(last)
        return folder / "slice_%d.png"

    return make


WHOLE = png()
TEXT_BOMB = chunk(b"zTXt", b"Comment\0\0" + zeros(64 << 20))
SHORT = png(data=zlib.compress(bytes(5)))
BAD_CRC = bytearray(WHOLE)
BAD_CRC[WHOLE.index(b"IDAT") + 12] ^= 1

CASES: tuple[Case, ...] = (
    read(
        "46", "tif_is_png", content("a.tif", WHOLE), "suffix-lies", voxels=PLANE, promised="W or 3"
    ),
    refused(
        "51",
        "png_huge",
        content("a.png", png((2**31 - 1, 2**31 - 1))),
        "bytes|pixels",
        promised="3 (tables)",
    ),
    Case(
        "52",
        "png_bomb",
        "8 below --memory",
        huge,
        "--memory|MiB",
        8,
        0,
        convert_flags=("--memory", "64MiB"),
    ),
    refused("53", "png_trunc", content("a.png", WHOLE[:-20]), "is incomplete"),
    refused("53b", "png_trunc_in_header", content("a.png", WHOLE[:20]), ""),
    payload("53c", "png_short_stream", content("a.png", SHORT), ""),
    payload("54", "png_badcrc", content("a.png", bytes(BAD_CRC)), ""),
    read(
        "55",
        "png_text_bomb",
        content("a.png", png(extra=TEXT_BOMB)),
        voxels=PLANE,
        promised="ok or 3",
    ),
    read(
        "56",
        "png_stack_hole",
        numbered(2, 10, 4, 6),
        "slices-missing",
        "z-spacing-unknown",
        voxels=np.stack([PLANE] * 4),
    ),
    Case(
        "56b",
        "png_stack_hole_strict",
        "4 (tables)",
        numbered(2, 10, 4, 6),
        "slices are missing: number 8",
        4,
        0,
        convert_flags=("--strict", "--spacing", "1,1,2"),
        names="slice_2.png to slice_10.png",
    ),
    Case(
        "56c",
        "png_stack_other_size",
        "4",
        numbered(1, 2, 3, last=png((3, 4))),
        "slice_3.png does not fit",
        4,
        4,
        names="slice_3.png",
    ),
    refused("png-1", "png_zero_width", content("a.png", png((0, 3))), "0"),
    refused("png-2", "png_bits_weird", content("a.png", png(depth=7)), "7"),
    refused(
        "png-3",
        "png_idat_bomb",
        content("a.png", png(data=zeros(512 << 20))),
        "compressed bytes for 15 bytes",
    ),
)
