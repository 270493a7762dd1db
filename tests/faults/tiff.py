"""Bad TIFF: cases 36 to 50."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from faults import case
from faults.case import Case, Make, content, payload, refused
from faults.nrrd import bomb

SHORT, LONG, DOUBLE_TEXT = 3, 4, 2
PIXELS = bytes(range(12))
PLANE = np.arange(12, dtype="u1").reshape(3, 4)
TAGS = {
    "width": 256,
    "height": 257,
    "bits": 258,
    "codec": 259,
    "photo": 262,
    "text": 270,
    "offset": 273,
    "samples": 277,
    "rows": 278,
    "count": 279,
    "tile_width": 322,
    "tile_height": 323,
    "tile_offset": 324,
    "tile_count": 325,
}

Page = Mapping[str, int | None]


def page(**changed: int | None) -> Page:
    """A page of 4 x 3 bytes that begin at byte 8."""
    sound: dict[str, int | None] = {
        "width": 4,
        "height": 3,
        "bits": 8,
        "codec": 1,
        "photo": 1,
        "offset": 8,
        "samples": 1,
        "rows": 3,
        "count": 12,
    }
    return {**sound, **changed}


def tiff(*pages: Page, data: bytes = PIXELS, text: bytes = b"", following: int = 0) -> bytes:
    """A classic little-endian TIFF; ``text`` is the description of the first page."""
    data += bytes(len(data) % 2)
    texts = len(data) + 8
    start = texts + len(text) + len(text) % 2
    body = b""
    for number, values in enumerate(pages):
        entries = {TAGS[name]: value for name, value in values.items() if value is not None}
        packed = {tag: struct.pack("<HHII", tag, LONG, 1, value) for tag, value in entries.items()}
        if text and number == 0:
            packed[270] = struct.pack("<HHII", 270, 2, len(text), texts)
        block = b"".join(packed[tag] for tag in sorted(packed))
        size = len(block) + 6
        last = number == len(pages) - 1
        behind = following if last else start + len(body) + size
        body += struct.pack("<H", len(packed)) + block + struct.pack("<I", behind)
    return b"II*\0" + struct.pack("<I", start) + data + text.ljust(start - texts, b"\0") + body


def one(data: bytes = PIXELS, name: str = "a.tif", **changed: int | None) -> Make:
    """A file of one page."""
    return content(name, tiff(page(**{"count": len(data), **changed}), data=data))


OME = """<?xml version="1.0"?>{doctype}<OME
xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0"
DimensionOrder="XYZCT" Type="uint8" SizeX="4" SizeY="3" SizeZ="{z}" SizeC="1" SizeT="1"
{more}><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>"""
LAUGHS = "<!DOCTYPE OME [<!ENTITY x0 'lol'>{}]>".format(
    "".join(f"<!ENTITY x{n + 1} '{f'&x{n};' * 10}'>" for n in range(9))
)
OUTSIDE = '<TiffData IFD="0"><UUID FileName="/etc/passwd">urn:uuid:1</UUID></TiffData>'


def ome(
    z: int = 1, doctype: str = "", more: str = "", data: str = "<TiffData/>", pages: int = 1
) -> Make:
    """An OME-TIFF with this description."""
    text = OME.format(z=z, doctype=doctype, more=more, data=data).encode() + b"\0"
    return content("a.ome.tif", tiff(*[page()] * pages, text=text))


def physical(value: str) -> str:
    """Attributes of Pixels that give the spacing along x."""
    return f'PhysicalSizeX="{value}" PhysicalSizeXUnit="µm" PhysicalSizeY="0.5"'


def three_thousand(folder: Path) -> Path:
    """Pages that all are the same; more than any series needs."""
    return content("a.tif", tiff(*[page()] * 3_000))(folder)


def read(number: str, name: str, make: Make, *warns: str, **more: Any) -> Case:
    """A file whose one plane is read."""
    return case.read(number, name, make, *warns, **{"voxels": PLANE, **more})


ZIPPED = zlib.compress(PIXELS)
BROKEN = ZIPPED[:4] + b"\xff\xff\xff" + ZIPPED[7:]
# Rows of four numbers of 13 bits each, the first bit of a number first.
PACKED = b"".join(
    int("".join(f"{v:013b}" for v in row).ljust(56, "0"), 2).to_bytes(7) for row in PLANE.tolist()
)
SHAPES = tiff(page(), page(width=3, count=9))
SELF = struct.pack("<I", 20)

CASES: tuple[Case, ...] = (
    refused(
        "36",
        "tif_huge_dims",
        one(width=10**6, height=10**6, rows=10**6),
        "bytes|byte",
        promised="3 (tables)",
    ),
    refused("37", "tif_trunc", one(count=12_000), "12000|byte"),
    refused("37b", "tif_trunc_in_directory", content("a.tif", tiff(page())[:-30]), "page 1|tags"),
    refused(
        "38", "tif_loop_ifd", content("a.tif", tiff(page())[:-4] + SELF), "page 2 is at byte 20"
    ),
    refused(
        "39",
        "tif_offset_beyond",
        content("a.tif", b"II*\0\xff\xff\xff\x7f" + bytes(50)),
        "2147483647",
    ),
    refused(
        "39b", "tif_next_beyond", content("a.tif", tiff(page(), following=1 << 30)), "1073741824"
    ),
    refused("40", "tif_zero_dim", one(width=0), "0 x 3"),
    payload("41", "tif_deflate_bad", one(BROKEN, codec=8), "strip or tile 1 is broken"),
    payload(
        "42", "tif_deflate_bomb", one(bomb(PIXELS, 512 << 20, 15), codec=8), "strip or tile 1|more"
    ),
    refused(
        "43",
        "tif_manytags",
        content("a.tif", tiff(page())[:20] + b"\xff\xff" + tiff(page())[22:]),
        "65535 tags",
    ),
    refused("44", "tif_bits_weird", one(PIXELS * 20, bits=77), "77"),
    read("44b", "tif_13_bits", one(PACKED, bits=13), promised="read"),
    refused(
        "45", "tif_header_only", content("a.tif", b"II*\0\x08\0\0\0"), "not a TIFF|no page|page 1"
    ),
    refused("45b", "tif_no_pages", content("a.tif", b"II*\0\0\0\0\0"), "not a TIFF|no page"),
    read(
        "47",
        "tif_ome_sizes_lie",
        ome(z=3_000_000_000),
        "ome-unreadable",
        voxels=PLANE,
        promised="3/W",
    ),
    refused("47b", "tif_ome_missing_file", ome(data=OUTSIDE), "passwd", promised="3/W", names=""),
    read("48", "tif_ome_billion_laughs", ome(doctype=LAUGHS), promised="ok"),
    read(
        "48b",
        "tif_ome_external_entity",
        ome(doctype="<!DOCTYPE OME [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>", more='Name="&e;"'),
        promised="ok or 3",
    ),
    read(
        "48c",
        "tif_ome_broken_xml",
        content(
            "a.ome.tif",
            tiff(
                page(),
                text=b"<?xml version='1.0'?><OME xmlns='http://www.openmicroscopy.org/Schemas/OME/2016-06'><Image>\0",
            ),
        ),
        "ome-unreadable",
    ),
    read("49", "tif_ome_spacing_0", ome(more=physical("0")), "ome-value"),
    read("49b", "tif_ome_spacing_negative", ome(more=physical("-1")), "ome-value"),
    read("49c", "tif_ome_spacing_nan", ome(more=physical("NaN")), "ome-value"),
    payload("50", "tif_pages_unlike", content("a.tif", SHAPES), "page 2 is 3 x 3"),
    refused("tiff-1", "tif_no_counts", one(count=None, codec=5), "strip"),
    refused("tiff-2", "tif_unknown_compression", one(codec=31_999), "31999"),
    refused(
        "tiff-3",
        "tif_wrong_tile_size",
        one(
            offset=None,
            count=None,
            rows=None,
            tile_width=0,
            tile_height=16,
            tile_offset=8,
            tile_count=12,
        ),
        "tile",
    ),
    read("tiff-4", "tif_3000_pages", three_thousand, voxels=np.stack([PLANE] * 3_000)),
)
