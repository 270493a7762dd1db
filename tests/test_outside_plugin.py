"""The example package in ``examples``, installed beside spconvert, adds its format."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest

import decoded_by_hand

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "spconvert-npy"
ARRAY = (np.arange(2 * 5 * 7 * 6) % 251).reshape(2, 5, 7, 6).astype("int16")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package in it, made by pip from a copy of the example, without an index."""
    if not {"pip", "setuptools"} <= {d.name for d in distributions()}:
        pytest.skip("pip and setuptools install the example")
    if not EXAMPLE.is_dir():
        pytest.skip(f"{EXAMPLE} is not there")
    folder = tmp_path_factory.mktemp("outside")
    project = shutil.copytree(EXAMPLE, folder / "project")
    command = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--disable-pip-version-check", "--target", str(folder / "site"), str(project)]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, encoding="utf-8", check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture
def spconvert(installed, tmp_path):
    """The command, in a process that finds the package."""

    def call(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "spconvert", *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(installed)},
        )
        assert done.returncode == code, done.stderr
        return done

    return call


def test_the_format_is_listed(spconvert):
    (listed,) = [f for f in formats_of(spconvert("formats", "--json")) if f["name"] == "npy"]
    assert listed["suffixes"] == [".npy"]
    assert listed["reads"] is listed["writes"] is True
    assert any("npy" in line for line in spconvert("formats").stdout.splitlines())


def formats_of(done):
    found = json.loads(done.stdout)
    return found["formats"] if isinstance(found, dict) else found


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_becomes_a_store_and_comes_back(order, spconvert, tmp_path):
    np.save(tmp_path / "a.npy", np.asarray(ARRAY, order=order))
    spacing = ["--spacing", "0.5,0.75,2um"]
    spconvert("-i", "a.npy", "-o", "a.ome.zarr", *spacing)
    store = tmp_path / "a.ome.zarr"
    np.testing.assert_array_equal(decoded_by_hand.voxels(store), ARRAY)
    image = decoded_by_hand.multiscale(store)
    assert [axis["name"] for axis in decoded_by_hand.axes(image)] == ["t", "z", "y", "x"]
    np.testing.assert_array_equal(decoded_by_hand.affine(image), np.diag([0.5, 0.75, 2.0, 1.0]))
    done = spconvert("-i", "a.ome.zarr", "-o", "back.npy")
    assert "cannot hold the unit" in done.stderr
    back = np.load(tmp_path / "back.npy")
    assert back.dtype == ARRAY.dtype
    np.testing.assert_array_equal(back, ARRAY)


def test_dims_name_the_axes(spconvert, tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    spconvert("-i", "a.npy", "-o", "a.ome.zarr", "--dims", "czyx")
    image = decoded_by_hand.multiscale(tmp_path / "a.ome.zarr")
    assert [axis["name"] for axis in decoded_by_hand.axes(image)] == ["c", "z", "y", "x"]
    facts = json.loads(spconvert("inspect", "a.npy", "--json", "--dims", "czyx").stdout)
    assert facts["images"][0]["axes"] == ["c", "z", "y", "x"]
    np.testing.assert_array_equal(decoded_by_hand.voxels(tmp_path / "a.ome.zarr"), ARRAY)


def test_dims_that_do_not_fit_are_refused(spconvert, tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    for dims in ("zyx", "zzyx", "xyzt", "abcd", "tczyx"):
        done = spconvert("-i", "a.npy", "-o", "a.ome.zarr", "--dims", dims, code=2)
        assert done.stderr.startswith("error: "), dims
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "a.ome.zarr").exists()


def test_our_formats_do_not_need_it(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    command = [sys.executable, "-m", "spconvert", "inspect", str(tmp_path / "a.npy")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=tmp_path)
    assert done.returncode == 3
    assert "a.npy" in done.stderr
