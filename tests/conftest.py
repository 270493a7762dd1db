"""What every test may ask for: the real images, their manifest, and Hypothesis profiles."""

from __future__ import annotations

import json
import locale
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from truth import images_folder, manifest_entries

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


@pytest.fixture(autouse=True)
def _locale_kept() -> Iterator[None]:
    """ITK's reader of VTK leaves the process in the locale "C": no test shall hand that on."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real images, read-only: the full set, or the shipped selection."""
    folder = images_folder()
    if not (folder / "manifest.json").is_file():
        pytest.skip("no test images: neither SPCONVERT_TESTDATA nor testdata/manifest.json")
    return folder


@pytest.fixture(scope="session")
def manifest(testdata: Path) -> list[dict[str, Any]]:
    """One entry per image of ``testdata``, with the ground truth under "expected"."""
    del testdata  # skips where there is none
    return manifest_entries()


@pytest.fixture(scope="session")
def is_full_set(manifest: list[dict[str, Any]]) -> bool:
    """Whether every image of the set is there, and not only the selection that is shipped."""
    shipped = Path(__file__).resolve().parents[1] / "testdata" / "manifest.json"
    return len(manifest) > len(json.loads(shipped.read_text(encoding="utf-8"))["entries"])


@pytest.fixture(scope="session")
def mr_head(testdata: Path) -> Path:
    """The real input of the main job: sagittal slices, so its direction is a permutation."""
    path = testdata / "nrrd" / "MR-head.nrrd"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path
