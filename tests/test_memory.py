"""Peak memory and bytes read of whole conversions, run as users run them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import pytest

MIB = 1 << 20
MEMORY = 256
ALLOWED = MEMORY + 150
"""ARCHITECTURE.md: any input under ``--memory`` + 150 MiB."""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/io").exists(), reason="peak memory and bytes read are read from /proc"
)

# Started from a small process of its own: Linux hands the peak of a process that starts another
# down to it, and pytest is large. The dead child is looked at before it is reaped.
MEASURE = """
import json, os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
io = dict(line.split(": ") for line in open(f"/proc/{child.pid}/io").read().splitlines())
_, status, usage = os.wait4(child.pid, 0)
peak = usage.ru_maxrss
print(json.dumps([os.waitstatus_to_exitcode(status), peak, int(io["rchar"])]))
"""


@dataclass(frozen=True)
class Measured:
    peak_mib: float
    read_bytes: int


def convert(source, target, *arguments):
    """Run the installed command and measure it; progress and findings are of no interest here."""
    command = [sys.executable, "-m", "spconvert", "-i", source, "-o", target, "-q", *arguments]
    if "--memory" not in arguments:
        command += ["--memory", f"{MEMORY}MiB"]
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, *map(str, command)],
        capture_output=True,
        text=True,
        check=True,
    )
    exit_code, peak_kib, read_bytes = json.loads(done.stdout)
    assert exit_code == 0, done.stderr
    return Measured(peak_kib / 1024, read_bytes)


def header(sizes, dtype="short", encoding="raw", *, colour=False):
    space = [f"({','.join('1' if i == j else '0' for i in range(3))})" for j in range(3)]
    directions = ["none", *space] if colour else space
    kinds = ["RGB-color", *["domain"] * 3] if colour else ["domain"] * 3
    lines = [
        "NRRD0004",
        f"type: {dtype}",
        f"dimension: {len(sizes)}",
        "space: left-posterior-superior",
        "sizes: " + " ".join(map(str, sizes)),
        "space directions: " + " ".join(directions),
        "kinds: " + " ".join(kinds),
        "endian: little",
        f"encoding: {encoding}",
        "space origin: (-90.5,12.25,300)",
    ]
    return ("\n".join(lines) + "\n\n").encode()


TILE = 4 * MIB


def tile(dtype):
    """Smooth values and some noise, 4 MiB of them."""
    count = TILE // np.dtype(dtype).itemsize
    rng = np.random.default_rng(1)
    smooth = 60 + 40 * np.sin(np.arange(count) / 500)
    return (smooth + rng.integers(0, 4, count)).astype(dtype).tobytes()


def volume(path, sizes, *, encoding="raw", dtype="short", colour=False, every=1):
    """A volume that repeats one tile; of a sparse one each ``every``-th tile holds data."""
    data = tile({"short": "<i2", "uchar": "u1"}[dtype])
    nbytes = prod(sizes) * (2 if dtype == "short" else 1)
    with path.open("wb") as file:
        file.write(header(sizes, dtype, encoding, colour=colour))
        if encoding == "raw":
            first = file.tell()
            for offset in range(0, nbytes, TILE * every):
                file.seek(first + offset)
                file.write(data[: nbytes - offset])
            file.truncate(first + nbytes)
        else:
            with gzip_writer(file) as packed:
                for offset in range(0, nbytes, TILE):
                    packed.write(data[: nbytes - offset])
    return path


def gzip_writer(file):
    try:
        from isal import igzip
    except ImportError:
        return gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1)
    return igzip.IGzipFile(fileobj=file, mode="wb", compresslevel=0)


def assert_bounded(measured):
    assert measured.peak_mib < ALLOWED, f"{measured.peak_mib:.0f} MiB, {ALLOWED} MiB allowed"


# -- memory --------------------------------------------------------------------------------------


def test_two_gibibytes_raw_stay_within_the_memory_given(tmp_path):
    source = volume(tmp_path / "large.nrrd", (1024, 1024, 1024), every=4)
    assert source.stat().st_size > 2 << 30
    measured = convert(source, tmp_path / "large.ome.zarr")
    assert_bounded(measured)
    assert measured.peak_mib < 210, "PERFORMANCE.md: raw input of any size"


@pytest.mark.parametrize("arguments", [(), ("--shards", "256"), ("--ome-zarr-version", "0.4")])
def test_gzip_stays_within_the_memory_given(tmp_path, arguments):
    source = volume(tmp_path / "packed.nrrd", (512, 512, 512), encoding="gzip")
    measured = convert(source, tmp_path / "packed.ome.zarr", *arguments)
    assert_bounded(measured)
    slab = 64 * 512 * 512 * 2 / MIB
    assert measured.peak_mib < 120 + 2.8 * slab


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_interleaved_colours_stay_within_the_memory_given(tmp_path, encoding):
    sizes = (3, 512, 512, 384)
    source = volume(tmp_path / "colour.nrrd", sizes, encoding=encoding, dtype="uchar", colour=True)
    assert_bounded(convert(source, tmp_path / "colour.ome.zarr"))


def test_shards_stay_within_the_memory_given(tmp_path):
    source = volume(tmp_path / "image.nrrd", (640, 640, 640))
    assert_bounded(convert(source, tmp_path / "image.ome.zarr", "--shards", "256"))


def test_compressed_planes_larger_than_the_memory_are_unpacked_first(tmp_path):
    source = volume(tmp_path / "planes.nrrd", (8192, 8192, 6), encoding="gzip", dtype="uchar")
    assert_bounded(convert(source, tmp_path / "planes.ome.zarr"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    source = volume(folder / "image.nrrd", (512, 512, 512))
    convert(source, folder / "image.ome.zarr")
    return folder / "image.ome.zarr"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("back.nrrd", ("--codec", "raw")),
        ("back.nrrd", ()),
        ("again.ome.zarr", ("--chunks", "96")),
        ("again.ome.zarr", ("--ome-zarr-version", "0.4", "--chunks", "128")),
    ],
)
def test_store_is_read_within_the_memory_given(store, tmp_path, name, arguments):
    assert_bounded(convert(store, tmp_path / name, *arguments))


# -- bytes read ----------------------------------------------------------------------------------

SMALL = (40, 40, 40)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("colour", [False, True])
def test_every_byte_of_the_source_is_read_once(tmp_path, encoding, colour):
    kind = {"encoding": encoding, "dtype": "uchar" if colour else "short", "colour": colour}
    lead = (3,) if colour else ()
    large = volume(tmp_path / "large.nrrd", (*lead, 512, 400, 384), **kind)
    small = volume(tmp_path / "small.nrrd", (*lead, *SMALL), **kind)
    arguments = ("--chunks", "32")  # small, for the sample that is reread for verification
    base = convert(small, tmp_path / "small.ome.zarr", *arguments).read_bytes
    read = convert(large, tmp_path / "large.ome.zarr", *arguments).read_bytes
    once = large.stat().st_size - small.stat().st_size
    assert 0.98 < (read - base) / once < 1.02
