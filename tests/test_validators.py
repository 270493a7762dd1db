"""The validators that the other tests lean on accept what is right and reject what is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from validators import VERSIONS, validators_accept, verdict

CASES = [(tool, version) for tool, versions in VERSIONS.items() for version in versions]
SCALE, TRANSLATION = [2.0, 0.75, 0.5], [300.0, 12.25, -90.5]


def document(version: str) -> dict[str, Any]:
    """Metadata of a one-level image, written off the specification."""
    axes = [{"name": n, "type": "space", "unit": "millimeter"} for n in "zyx"]
    steps = [
        {"type": "scale", "scale": SCALE},
        {"type": "translation", "translation": TRANSLATION},
    ]
    if version == "0.6":
        sequence = {
            "type": "sequence",
            "input": {"path": "s0"},
            "output": {"name": "physical"},
            "transformations": steps,
        }
        systems = [{"name": "physical", "axes": axes}]
        multiscale = {"name": "image", "coordinateSystems": systems}
        datasets = [{"path": "s0", "coordinateTransformations": [sequence]}]
    else:
        multiscale = {"name": "image", "axes": axes}
        datasets = [{"path": "s0", "coordinateTransformations": steps}]
    multiscale["datasets"] = datasets
    if version == "0.4":
        return {"multiscales": [multiscale | {"version": "0.4"}]}
    return {"ome": {"version": version, "multiscales": [multiscale]}}


def write(store: Path, version: str, attributes: dict[str, Any]) -> Path:
    zarr_format = 2 if version == "0.4" else 3
    group = zarr.create_group(store, zarr_format=zarr_format, attributes=attributes)
    names = {} if zarr_format == 2 else {"dimension_names": list("zyx")}
    separator = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if zarr_format == 2 else {}
    group.create_array("s0", data=np.arange(24, dtype="i2").reshape(2, 3, 4), **names, **separator)
    return store


@pytest.mark.parametrize(("tool", "version"), CASES)
def test_a_correct_store_is_accepted(tool, version, tmp_path):
    accepted, output = verdict(
        tool, write(tmp_path / "a.zarr", version, document(version)), version
    )
    assert accepted, output


@pytest.mark.parametrize(("tool", "version"), CASES)
def test_a_level_without_a_transformation_is_rejected(tool, version, tmp_path):
    broken = copy.deepcopy(document(version))
    multiscale = broken.get("ome", broken)["multiscales"][0]
    multiscale["datasets"][0]["coordinateTransformations"] = []
    accepted, output = verdict(tool, write(tmp_path / "a.zarr", version, broken), version)
    assert not accepted
    assert output


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_all_validators_together_say_who_rejects(version, tmp_path):
    good = write(tmp_path / "good.zarr", version, document(version))
    validators_accept(good, version)
    broken = json.loads(json.dumps(document(version)).replace('"datasets"', '"levels"'))
    with pytest.raises(AssertionError, match=f"rejects .* as OME-Zarr {version}"):
        validators_accept(write(tmp_path / "broken.zarr", version, broken), version)
