"""Streams unpacked into a scratch file: the same values, random access, nobody else's to read."""

from __future__ import annotations

import gzip
import stat

import numpy as np
import pytest

from spconvert.errors import FormatError, TargetError
from spconvert.pixels.inflated import CompressedPart, InflatedSource
from spconvert.pixels.layout import Layout
from spconvert.pixels.spooled import spool, unpacked
from spconvert.testing.pixel_source import PixelSourceContract

SHAPE = (3, 5, 7, 11)
ORDERS = [(0, 1, 2, 3), (1, 2, 3, 0), (3, 2, 1, 0)]


def stream(folder, array, order=(0, 1, 2, 3), stored=None, *, cut=0):
    data = array.transpose(order).astype(stored or array.dtype).tobytes()
    packed = gzip.compress(data)
    path = folder / "data.gz"
    path.write_bytes(packed[: len(packed) - cut])
    layout = Layout(array.shape, np.dtype(stored or array.dtype), order)
    return InflatedSource((CompressedPart(path, 0, array.nbytes),), "gzip", layout)


def noise(dtype="i2"):
    return np.random.default_rng(4).integers(-99, 99, SHAPE).astype(dtype)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("stored", ["<i2", ">i2", "|u1", ">f8", "<c8"])
class TestSpooledSource(PixelSourceContract):
    @pytest.fixture
    def expected(self, stored):
        return noise().astype(np.dtype(stored).newbyteorder("="))

    @pytest.fixture
    def source(self, expected, order, stored, tmp_path):
        packed = stream(tmp_path, expected, order, stored)
        return spool(packed, tmp_path / "voxels")

    def test_access_is_random_in_the_same_storage_order(self, source, order):
        assert source.access == "random"
        assert source.storage_order == order


def test_plan_of_the_unpacked_source_needs_no_file(tmp_path):
    packed = stream(tmp_path, noise(), ORDERS[1])
    planned = unpacked(packed, tmp_path / "not yet there")
    assert (planned.shape, planned.dtype, planned.storage_order, planned.access) == (
        SHAPE,
        np.dtype("i2"),
        ORDERS[1],
        "random",
    )
    assert spool(packed, tmp_path / "voxels").layout == planned.layout


def test_progress_ends_at_the_size_of_the_voxels(tmp_path):
    array = noise()
    done = []
    spool(stream(tmp_path, array), tmp_path / "voxels", advanced=done.append)
    assert done == sorted(done)
    assert done[-1] == array.nbytes


def test_what_the_stream_finds_is_reported(tmp_path):
    packed = stream(tmp_path, noise())
    with packed.parts[0].path.open("ab") as file:
        file.write(b"tail")
    found = []
    spool(packed, tmp_path / "voxels", found.append)
    assert [finding.code for finding in found] == ["trailing-data"]


def test_scratch_file_is_the_owners_alone(tmp_path):
    spool(stream(tmp_path, noise()), tmp_path / "voxels")
    assert stat.S_IMODE((tmp_path / "voxels").stat().st_mode) == 0o600


def test_broken_stream_is_a_format_error(tmp_path):
    with pytest.raises(FormatError, match=r"has \d+ of 2310 bytes"):
        spool(stream(tmp_path, noise(), cut=99), tmp_path / "voxels")


def test_existing_file_and_missing_folder_are_target_errors(tmp_path):
    packed = stream(tmp_path, noise())
    (tmp_path / "there").write_bytes(b"mine")
    with pytest.raises(TargetError, match="there: File exists"):
        spool(packed, tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"mine"
    with pytest.raises(TargetError, match="No such file") as error:
        spool(packed, tmp_path / "nowhere" / "voxels")
    assert "free some space" in error.value.hint


def test_link_in_place_of_the_scratch_file_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "voxels").symlink_to(victim)
    with pytest.raises(TargetError, match="File exists"):
        spool(stream(tmp_path, noise()), tmp_path / "voxels")
    assert victim.read_bytes() == b"mine"
