"""What a command imports: start-up is what a user waits for, and most of it is imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "dask",
    "distributed",
    "itk",
    "nibabel",
    "nrrd",
    "numpy",
    "pydantic",
    "pydicom",
    "rich",
    "SimpleITK",
    "tifffile",
    "zarr",
}

IMPORT_LINE = re.compile(r"import time:\s+\d+ \|\s+\d+ \|\s+(\w+)")


def loaded_by(*arguments: str | Path) -> set[str]:
    """Top-level modules that a successful run of the command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "spconvert", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    names = set(IMPORT_LINE.findall(done.stderr))
    words = "\n".join(line for line in done.stderr.splitlines() if "import time:" not in line)
    assert done.returncode == 0, words
    assert "encodings" in names
    return names


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_a_question_about_the_command_itself_loads_nothing_heavy(flag):
    assert loaded_by(flag) & HEAVY == set()


def test_the_version_alone_does_not_even_load_the_command_line():
    assert "typer" not in loaded_by("--version")


@pytest.mark.parametrize("version", ["auto", "0.4"])
def test_converting_a_nrrd_loads_no_array_library_but_numpy(version, mr_head, tmp_path):
    """zarr alone would cost as much as the conversion of this file does."""
    loaded = loaded_by(
        *("-i", mr_head, "-o", tmp_path / "head.ome.zarr"),
        *("--ome-zarr-version", version, "--progress", "none"),
    )
    assert loaded & (HEAVY - {"numpy", "nrrd"}) == set()
    assert "numpy" in loaded


def test_inspecting_a_nrrd_loads_no_library_of_another_format(mr_head):
    loaded = loaded_by("inspect", mr_head, "--json")
    assert loaded & (HEAVY - {"numpy", "nrrd"}) == set()
