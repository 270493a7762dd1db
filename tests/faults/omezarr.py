"""Bad OME-Zarr: cases 74 to 87."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.case import SHAPE, VOXELS, Case, Make, misplaced, payload, read, refused
from faults.nrrd import bomb

DATA = VOXELS.tobytes()
Files = dict[str, bytes]
Change = Callable[[dict[str, Any]], None]

GROUP: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "group",
    "attributes": {
        "ome": {
            "version": "0.5",
            "multiscales": [
                {
                    "axes": [
                        {"name": n, "type": "space", "unit": "millimeter"} for n in ("z", "y", "x")
                    ],
                    "datasets": [
                        {
                            "path": "0",
                            "coordinateTransformations": [
                                {"type": "scale", "scale": [2.5, 0.75, 0.5]},
                                {"type": "translation", "translation": [3, 2, 1]},
                            ],
                        }
                    ],
                }
            ],
        }
    },
}
ARRAY: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": list(SHAPE),
    "data_type": "int16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(SHAPE)}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    "attributes": {},
}
GZIP = [*ARRAY["codecs"], {"name": "gzip", "configuration": {"level": 1}}]
CRC = [*ARRAY["codecs"], {"name": "crc32c"}]


def files(
    group: Change | None = None, array: Change | None = None, **chunks: bytes | None
) -> Files:
    """Keys and bytes of a sound store but for the changes; ``data`` is the only chunk."""
    documents = {"zarr.json": copy.deepcopy(GROUP), "0/zarr.json": copy.deepcopy(ARRAY)}
    for change, document in zip((group, array), documents.values(), strict=True):
        if change is not None:
            change(document)
    found = {name: json.dumps(document).encode() for name, document in documents.items()}
    data = chunks.get("data", DATA)
    return found if data is None else {**found, "0/c/0/0/0": data}


def folder(found: Files) -> Make:
    """The store as a folder."""

    def make(inside: Path) -> Path:
        for name, data in found.items():
            path = inside / "a.ome.zarr" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return inside / "a.ome.zarr"

    return make


def zipped(found: Files, *more: tuple[str, bytes]) -> bytes:
    """The store as a zip file, with further members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (*found.items(), *more):
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def ozx(data: bytes) -> Make:
    """A store in a file."""

    def make(inside: Path) -> Path:
        (inside / "a.ozx").write_bytes(data)
        return inside / "a.ozx"

    return make


def scaled(*scale: Any) -> Change:
    """Another scale in the only dataset."""

    def change(group: dict[str, Any]) -> None:
        entry = group["attributes"]["ome"]["multiscales"][0]["datasets"][0]
        entry["coordinateTransformations"][0]["scale"] = list(scale)

    return change


def ome(name: str, value: Any) -> Change:
    """Another member of "ome"; ``None`` takes it away."""

    def change(group: dict[str, Any]) -> None:
        if value is None:
            del group["attributes"]["ome"][name]
        else:
            group["attributes"]["ome"][name] = value

    return change


def field(name: str, value: Any) -> Change:
    """Another member of the array's metadata."""

    def change(array: dict[str, Any]) -> None:
        array[name] = value

    return change


def chunked(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Change:
    """Another size."""

    def change(array: dict[str, Any]) -> None:
        array["shape"] = list(shape)
        array["chunk_grid"]["configuration"]["chunk_shape"] = list(chunks)

    return change


def path_of(name: str) -> Change:
    """Another path of the only dataset."""

    def change(group: dict[str, Any]) -> None:
        group["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = name

    return change


def rising() -> Files:
    """Two levels of which the second is the larger."""

    def change(group: dict[str, Any]) -> None:
        datasets = group["attributes"]["ome"]["multiscales"][0]["datasets"]
        datasets.append({**copy.deepcopy(datasets[0]), "path": "1"})
        datasets[1]["coordinateTransformations"][0]["scale"] = [5, 1.5, 1]

    found = files(change)
    larger = files(array=chunked((8, 6, 4), (8, 6, 4)))["0/zarr.json"]
    return {**found, "1/zarr.json": larger}


def linked_out(inside: Path) -> Path:
    """A chunk that is a link to a file outside."""
    path = folder(files(data=None))(inside)
    (inside.parent / "beyond").write_bytes(DATA)
    (path / "0/c/0/0").mkdir(parents=True)
    (path / "0/c/0/0/0").symlink_to(inside.parent / "beyond")
    return path


def checksummed(flip: bool) -> Files:
    import google_crc32c

    data = bytearray(DATA + struct.pack("<I", google_crc32c.value(DATA)))
    data[7] ^= flip
    return files(array=field("codecs", CRC), data=bytes(data))


# zipfile would warn of the same name, so it is put in behind its back.
TWICE = zipped(files(), ("zarr.jsoN", b"{}")).replace(b"zarr.jsoN", b"zarr.json")
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
SOUND = files()
V2 = {".zattrs": b"{}", ".zgroup": b'{"zarr_format": 2}'}
NAN, INF = float("nan"), float("inf")
HUGE = files(array=chunked((10**6, 10**6, 10**6), (100, 100, 100)), data=None)
BOMB = files(array=field("codecs", GZIP), data=bomb(DATA, 1 << 30))

CASES: tuple[Case, ...] = (
    refused(
        "74",
        "ozx_slip",
        ozx(zipped(SOUND, ("../escaped", b"x"))),
        "leads out",
        promised="3 (tables)",
    ),
    refused("74b", "ozx_slip_absolute", ozx(zipped(SOUND, ("/escaped", b"x"))), "leads out"),
    refused("74c", "ozx_slip_backslash", ozx(zipped(SOUND, ("..\\escaped", b"x"))), "leads out"),
    payload("75", "ozx_bomb", ozx(zipped(BOMB)), "chunks|bytes"),
    refused("76", "ozx_trunc", ozx(zipped(SOUND)[:-40]), "zip"),
    refused("76b", "ozx_no_root", ozx(zipped({"a/b": b"x"})), "no zarr.json|not an OME-Zarr|not a"),
    refused("76c", "ozx_bad_json", ozx(zipped({**SOUND, "zarr.json": b"{"})), "JSON|json"),
    refused("76d", "ozx_deep_json", ozx(zipped({**SOUND, "zarr.json": DEEP})), "zarr.json"),
    refused("77", "ozx_dup", ozx(TWICE), "two members"),
    Case("78", "zarr_huge_shape", "8", folder(HUGE), "2000000000000000000 bytes of voxels", 8, 0),
    payload("79", "zarr_chunk_short", folder(files(data=DATA[:40])), "0"),
    payload(
        "79b",
        "zarr_gzip_chunk_cut",
        folder(files(array=field("codecs", GZIP), data=zlib.compress(DATA, wbits=31)[:20])),
        "0",
    ),
    refused("80", "zarr_path_escape", folder(files(path_of("../../0"))), "\\.\\./"),
    refused("80b", "zarr_path_absolute", folder(files(path_of("/etc"))), "etc"),
    read(
        "81",
        "zarr_missing_chunk",
        folder(files(data=None)),
        voxels=VOXELS * 0,
        promised="fill (tables)",
    ),
    payload("82", "zarr_flipped_byte", folder(checksummed(flip=True)), "0"),
    read("82b", "zarr_checksum_right", folder(checksummed(flip=False)), voxels=VOXELS),
    payload("83", "zarr_symlink_out", linked_out, "link", promised="3"),
    read("83b", "zarr_symlink_allowed", linked_out, flags=("--follow-symlinks",), voxels=VOXELS),
    refused("84", "zarr_version_0.9", folder(files(ome("version", "0.9"))), "0.9"),
    misplaced(
        "85", "zarr_nan_scale", folder(files(scaled(2.5, NAN, 0.5))), "", promised="4 (tables)"
    ),
    misplaced(
        "85b", "zarr_zero_scale", folder(files(scaled(2.5, 0, 0.5))), "", promised="4 (tables)"
    ),
    refused("85c", "zarr_scale_of_words", folder(files(scaled("2.5", 1, 1))), "scale"),
    refused("86", "zarr_levels_rise", folder(rising()), "falling sizes"),
    read("87", "zarr_v2_and_v3", folder({**SOUND, **V2}), "zarr-formats-mixed", voxels=VOXELS),
    refused("zarr-1", "no_metadata", folder({"0/c/0/0/0": DATA}), "not an OME-Zarr"),
    refused("zarr-2", "no_multiscales", folder(files(ome("multiscales", None))), "multiscales"),
    refused("zarr-3", "missing_level", folder({"zarr.json": SOUND["zarr.json"]}), "missing"),
    payload(
        "zarr-4",
        "unknown_codec",
        folder(files(array=field("codecs", [{"name": "sekrit"}]))),
        "sekrit",
    ),
    refused("zarr-5", "object_dtype", folder(files(array=field("data_type", "object"))), "object"),
    refused("zarr-6", "zero_chunk", folder(files(array=chunked(SHAPE, (0, 3, 2)))), "chunk|0"),
    refused(
        "zarr-7",
        "huge_chunk",
        folder(files(array=chunked(SHAPE, (2**40, 2**40, 2**40)))),
        "",
        convert=3,
    ),
    refused(
        "zarr-8",
        "overflow_shape",
        folder(files(array=chunked((2**62, 2**62, 2**62), (1, 1, 1)))),
        "2\\^63|shape",
    ),
)
