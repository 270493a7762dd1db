"""What every test may ask for: the real images, their manifest, and Hypothesis profiles."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the tests of the model's bare import run without it
    pass
else:
    _LENIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("desk", **_LENIENT)
    settings.register_profile("ci", derandomize=True, max_examples=60, **_LENIENT)
    settings.register_profile("fuzz", max_examples=5000, **_LENIENT)
    settings.load_profile("ci" if os.environ.get("CI") else "desk")

REPOSITORY = Path(__file__).resolve().parents[1]


def _testdata_folder() -> Path:
    """The full set where there is one, else the selection that is shipped."""
    named = os.environ.get("SPCONVERT_TESTDATA")
    candidates = [Path(named)] if named else [REPOSITORY.parent / "shared" / "testdata"]
    for folder in (*candidates, REPOSITORY / "testdata"):
        if (folder / "manifest.json").is_file():
            return folder
    return REPOSITORY / "testdata"


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real images, read-only: the full set, or the shipped selection."""
    folder = _testdata_folder()
    if not (folder / "manifest.json").is_file():
        pytest.skip("no test images: neither SPCONVERT_TESTDATA nor testdata/manifest.json")
    return folder


@pytest.fixture(scope="session")
def manifest(testdata: Path) -> list[dict[str, Any]]:
    """One entry per image of ``testdata``, with the ground truth under "expected"."""
    entries: list[dict[str, Any]] = json.loads((testdata / "manifest.json").read_text())["entries"]
    return entries


@pytest.fixture(scope="session")
def mr_head(testdata: Path) -> Path:
    """The real input of the main job: sagittal slices, so its direction is a permutation."""
    path = testdata / "nrrd" / "MR-head.nrrd"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path
