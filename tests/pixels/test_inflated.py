"""Compressed sources: streams made by the standard library, read back whole or broken."""

from __future__ import annotations

import bz2
import gzip
import subprocess
import sys
import zlib

import numpy as np
import pytest

from spconvert.errors import FormatError
from spconvert.model.region import Region, slabs
from spconvert.pixels import inflated
from spconvert.pixels.inflated import CompressedPart, InflatedSource, check_plausible
from spconvert.pixels.layout import Layout
from spconvert.testing.pixel_source import PixelSourceContract

SHAPE = (2, 5, 7, 11)
ORDER = (1, 2, 3, 0)  # c fastest
PACK = {"gzip": gzip.compress, "bzip2": bz2.compress, "zlib": zlib.compress}


def noise(shape=SHAPE, dtype="int16"):
    return np.random.default_rng(5).integers(-99, 99, shape).astype(dtype)


def stored_bytes(array, stored):
    return np.ascontiguousarray(array.transpose(ORDER)).astype(stored).tobytes()


@pytest.fixture(params=["isal", "zlib"])
def library(request, monkeypatch):
    """With the fast library, and as on a machine that has none."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    return request.param


@pytest.mark.parametrize(
    ("codec", "stored", "skip"),
    [("gzip", "<i2", 0), ("gzip", ">i2", 5), ("bzip2", "<i2", 3), ("zlib", ">f4", 0)],
)
class TestInflatedSource(PixelSourceContract):
    @pytest.fixture
    def expected(self, stored):
        return noise(dtype=np.dtype(stored).newbyteorder("="))

    @pytest.fixture
    def source(self, expected, codec, stored, skip, tmp_path, library):  # noqa: ARG002 (set up only)
        data = bytes(skip) + stored_bytes(expected, stored)
        path = tmp_path / "data"
        path.write_bytes(b"lead" + PACK[codec](data))
        part = CompressedPart(path, 4, expected.nbytes, skip)
        return InflatedSource((part,), codec, Layout(SHAPE, np.dtype(stored), ORDER))


class TestInflatedFromSeveralFiles(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return noise()

    @pytest.fixture
    def source(self, expected, tmp_path):
        data = stored_bytes(expected, "<i2")
        parts = []
        for number in range(5):
            share = data[number * len(data) // 5 : (number + 1) * len(data) // 5]
            path = tmp_path / f"{number}.gz"
            path.write_bytes(gzip.compress(share))
            parts.append(CompressedPart(path, 0, len(share)))
        return InflatedSource(tuple(parts), "gzip", Layout(SHAPE, np.dtype("<i2"), ORDER))


def scanned(path, nbytes, codec="gzip"):
    layout = Layout((nbytes,), np.dtype("u1"), (0,))
    source = InflatedSource((CompressedPart(path, 0, nbytes),), codec, layout)
    findings = []
    arrays = list(source.scan(slabs((nbytes,), 1, 4000), findings.append))
    return np.concatenate(arrays).tobytes(), [finding.code for finding in findings]


@pytest.fixture
def data():
    return np.random.default_rng(3).integers(0, 9, 100_000).astype("u1").tobytes()


@pytest.mark.usefixtures("library")
class TestWholeAndBroken:
    @pytest.mark.parametrize("codec", ["gzip", "bzip2"])
    def test_several_members_are_one_stream(self, data, codec, tmp_path):
        path = tmp_path / "x"
        pack = PACK[codec]
        path.write_bytes(pack(data[:7]) + pack(data[7:60_000]) + pack(b"") + pack(data[60_000:]))
        assert scanned(path, len(data), codec) == (data, [])

    @pytest.mark.parametrize("codec", PACK)
    def test_garbage_behind_the_stream_is_reported(self, data, codec, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(PACK[codec](data) + b"garbage")
        assert scanned(path, len(data), codec) == (data, ["trailing-data"])

    def test_zeros_behind_gzip_are_padding(self, data, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(gzip.compress(data) + bytes(512))
        assert scanned(path, len(data)) == (data, [])

    @pytest.mark.parametrize("codec", PACK)
    def test_more_data_than_promised_is_reported(self, data, codec, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(PACK[codec](data))
        assert scanned(path, 99_000, codec) == (data[:99_000], ["surplus-data"])

    @pytest.mark.parametrize("codec", PACK)
    def test_less_data_than_promised_is_refused_with_both_numbers(self, data, codec, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(PACK[codec](data))
        with pytest.raises(FormatError, match="has 100000 of 100007 bytes"):
            scanned(path, 100_007, codec)

    @pytest.mark.parametrize("codec", PACK)
    @pytest.mark.parametrize("keep", [0, 1, 9, 0.5, -1])
    def test_cut_off_stream_is_refused(self, data, codec, keep, tmp_path):
        path = tmp_path / "x"
        whole = PACK[codec](data)
        path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
        with pytest.raises(FormatError, match=r"of 100000 bytes|checksum"):
            scanned(path, len(data), codec)

    @pytest.mark.parametrize("place", [-8, -4])
    def test_wrong_checksum_or_length_is_refused(self, data, place, tmp_path):
        path = tmp_path / "x"
        whole = bytearray(gzip.compress(data))
        whole[place] ^= 1
        path.write_bytes(whole)
        with pytest.raises(FormatError, match="broken gzip data"):
            scanned(path, len(data))

    @pytest.mark.parametrize("codec", PACK)
    def test_other_bytes_are_refused(self, codec, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"this is no compressed data at all")
        with pytest.raises(FormatError, match=f"broken {codec} data"):
            scanned(path, 1000, codec)


def test_scan_refuses_regions_that_are_no_run_of_the_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(bytes(60)))
    layout = Layout((3, 4, 5), np.dtype("u1"), (0, 1, 2))
    source = InflatedSource((CompressedPart(path, 0, 60),), "gzip", layout)
    with pytest.raises(ValueError, match="no single run"):
        list(source.scan([Region((0, 0, 0), (2, 2, 5))]))
    with pytest.raises(ValueError, match="no single run"):
        list(source.scan([Region((1, 0, 0), (2, 4, 5)), Region((0, 0, 0), (1, 4, 5))]))


def test_promise_beyond_the_largest_ratio_is_refused_unread(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(bytes(1000)))
    check_plausible(CompressedPart(path, 0, 1000), "gzip")
    with pytest.raises(FormatError, match="compressed bytes"):
        check_plausible(CompressedPart(path, 0, 10**12), "gzip")


@pytest.mark.parametrize("codec", PACK)
def test_best_possible_compression_stays_below_the_largest_ratio(codec):
    packed = PACK[codec](bytes(64 << 20))
    assert (64 << 20) / len(packed) < inflated._LARGEST_RATIO[codec]


BOMB = """
import resource, sys
from pathlib import Path
import numpy as np
from spconvert.model.region import slabs
from spconvert.pixels.inflated import CompressedPart, InflatedSource
from spconvert.pixels.layout import Layout
shape = (int(sys.argv[2]), 1 << 20)
layout = Layout(shape, np.dtype("u1"), (0, 1))
source = InflatedSource((CompressedPart(Path(sys.argv[1]), 0, layout.nbytes),), "gzip", layout)
next(source.scan(slabs(shape, 1, 1 << 20)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = []
for array in source.scan(slabs(shape, 1, 1 << 20), found.append):
    assert not array.any()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024, [finding.code for finding in found])
"""


@pytest.mark.parametrize(("declared", "said"), [(256, []), (2, ["surplus-data"])])
def test_memory_is_bounded_by_the_slab(declared, said, tmp_path):
    path = tmp_path / "zeros.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(256):
            file.write(bytes(1 << 20))
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(path), str(declared)],
        capture_output=True,
        check=True,
        text=True,
    )
    grown, codes = done.stdout.split(" ", 1)
    assert int(grown) < 12  # MiB
    assert codes.strip() == str(said)
