"""Readers in a child process: regions, limits, crashes, deadlines."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import SimpleITK as sitk

from spconvert.errors import FormatError, SourceError
from spconvert.formats.isolated import IsolatedReader, IsolatedSource, Request, isolated_layout
from spconvert.formats.itk import PLUGIN
from spconvert.formats.plugin import Source
from spconvert.model.region import Region
from spconvert.testing.pixel_source import PixelSourceContract

ARRAY = np.random.default_rng(5).integers(-900, 900, (5, 7, 6, 3)).astype("i2")


@pytest.fixture
def hdf5(tmp_path):
    path = tmp_path / "a b.h5"
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY, isVector=True), str(path), useCompression=True)
    return path


@pytest.fixture
def biorad(tmp_path):
    path = tmp_path / "a.pic"
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY[..., 0].astype("u1")), str(path))
    return path


class TestHdf5(PixelSourceContract):
    regions = 2

    @pytest.fixture
    def expected(self):
        return np.moveaxis(ARRAY, -1, 0)

    @pytest.fixture
    def source(self, hdf5):
        return PLUGIN.read(Source(hdf5)).image.pixels


class TestItk(PixelSourceContract):
    regions = 2

    @pytest.fixture
    def expected(self):
        return ARRAY[..., 0].astype("u1")

    @pytest.fixture
    def source(self, biorad):
        return PLUGIN.read(Source(biorad)).image.pixels


BEFORE: set[int] = set()
"""Processes that other tests of the same worker keep alive."""


@pytest.fixture(autouse=True)
def others():
    BEFORE.clear()
    BEFORE.update(child.pid for child in psutil.Process().children())


def children():
    return [child for child in psutil.Process().children() if child.pid not in BEFORE]


def test_crash_is_one_error_and_leaves_no_process(hdf5):
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL):
        with IsolatedReader(Request("itk-hdf5", hdf5)) as reader:
            os.kill(reader._child.pid, number)
            with pytest.raises(
                FormatError, match=rf"a b\.h5: reader crashed \(exit code -{number}"
            ):
                reader.fill(memoryview(bytearray(36)), (0, 0, 0, 0), (1, 1, 6, 3))
    assert children() == []


def test_hanging_reader_is_ended_at_its_deadline(hdf5):
    with IsolatedReader(Request("itk-hdf5", hdf5, seconds=3.0)) as reader:
        os.kill(reader._child.pid, signal.SIGSTOP)
        with pytest.raises(FormatError, match="reader timed out after 3 s"):
            reader.fill(memoryview(bytearray(36)), (0, 0, 0, 0), (1, 1, 6, 3))
    with pytest.raises(FormatError, match=r"reader timed out after 0\.001 s"):
        IsolatedReader(Request("itk", hdf5, seconds=0.001))
    assert children() == []


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads /proc")
def test_child_has_bounded_memory_no_core_and_an_empty_error_stream(hdf5):
    with IsolatedReader(Request("itk-hdf5", hdf5)) as reader:
        limits = Path(f"/proc/{reader._child.pid}/limits").read_text().splitlines()
        soft = {line[:26].strip(): line[26:46].strip() for line in limits}
        assert int(soft["Max address space"]) < 6 << 30
        assert soft["Max core file size"] == "0"
    assert children() == []


def test_abandoned_scan_leaves_no_process(hdf5):
    source = PLUGIN.read(Source(hdf5)).image.pixels
    scan = source.scan([Region((0, 0, 0, 0), (3, 1, 7, 6)), Region((0, 1, 0, 0), (3, 2, 7, 6))])
    next(scan)
    assert len(children()) == 1
    scan.close()
    assert children() == []


def test_child_ends_with_its_parent(hdf5):
    code = (
        "import sys, os; from pathlib import Path\n"
        "from spconvert.formats.isolated import IsolatedReader, Request\n"
        "reader = IsolatedReader(Request('itk-hdf5', Path(sys.argv[1])))\n"
        "print(reader._child.pid, flush=True); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(hdf5)], capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_files_of_the_users_folder_are_not_imported(hdf5, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit(7)")
    (tmp_path / "h5py.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    assert PLUGIN.read(Source(hdf5)).image.shape == (3, 5, 7, 6)


def test_file_that_changed_is_refused(hdf5):
    source = PLUGIN.read(Source(hdf5)).image.pixels
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY[:4], isVector=True), str(hdf5))
    with pytest.raises(SourceError, match="changed while it was read"):
        source.read(Region.whole(source.shape))
    hdf5.unlink()
    with pytest.raises(FormatError):
        source.read(Region.whole(source.shape))


def test_sizes_that_no_file_could_hold_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(b"x" * 100)
    for shape in ([1000, 1000, 1000], [0, 2, 3], [-1, 2, 3]):
        with pytest.raises(FormatError, match="cannot hold"):
            isolated_layout({"shape": shape, "dtype": "<i2"}, path, (0, 1, 2))
    layout = isolated_layout({"shape": [2, 3, 4], "dtype": "<i2"}, path, (2, 0, 1))
    assert layout.shape == (3, 4, 2)
    assert IsolatedSource(Request("itk", path), layout).chunks == (3, 4, 1)
