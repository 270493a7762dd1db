"""Every real image: ``inspect --json`` and a conversion to OME-Zarr give what the manifest says."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import decoded_by_hand
from spconvert.actions.convert import convert
from spconvert.actions.describe import describe
from spconvert.actions.open import open_image
from spconvert.actions.request import Request
from spconvert.cli.app import run
from spconvert.formats.plugin import ReadOptions, Source
from truth import JUDGED, manifest_entries, truths

ENTRIES = manifest_entries()
IMAGES = [truth for entry in ENTRIES for truth in truths(entry)]
PROCESSES = (
    *("mr_head", "example4d_oblique", "imagej_t1_head_mm"),
    *("rgba_phys", "mha_4d", "ct_torchio"),
)


def by_id(*ids):
    found = {truth.id: truth for truth in IMAGES if truth.id in ids}
    return pytest.mark.parametrize("truth", found.values(), ids=found)


@pytest.fixture(params=IMAGES, ids=[f"{t.id}-{t.select}" if t.select else t.id for t in IMAGES])
def truth(request):
    return request.param


def flags(truth):
    made = ["--rescale", truth.judged.rescale, "--on-uneven-slices", truth.judged.uneven]
    return [*made, "--select", truth.select] if truth.select else made


def source_of(truth, level=0):
    options = ReadOptions(rescale=truth.judged.rescale, on_uneven_slices=truth.judged.uneven)
    return Source(truth.path, truth.select, level, options)


def assert_facts(image, truth):
    """What ``inspect`` says of one image."""
    assert "".join(image["axes"]) == truth.axes
    assert tuple(image["shape"]) == truth.shape
    assert image["dtype"] == truth.dtype
    assert image["space"] == truth.space
    units = {image["units"][name] for name in truth.axes if name in "zyx"}
    assert len(units) == 1
    truth.assert_affine(np.array(image["affine"]), units.pop())
    direction = np.array(image["direction"]) * image["spacing"]
    np.testing.assert_allclose(np.array(image["affine"])[:-1, :-1], direction, rtol=1e-12)
    np.testing.assert_allclose(np.array(image["affine"])[:-1, -1], image["origin"], rtol=1e-12)
    truth.assert_time(image["time"])
    if truth.rescale is not None:
        found = [image["rescale"]["slope"], image["rescale"]["intercept"]]
        assert found == pytest.approx(truth.rescale, rel=1e-9)


def test_inspect_says_what_the_manifest_says(truth, capsys):
    assert run(["inspect", str(truth.path), "--json", *flags(truth)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["images"]) == 1
    assert_facts(facts["images"][0], truth)


@by_id(*PROCESSES)
def test_the_command_itself_says_it(truth):
    command = [sys.executable, "-m", "spconvert", "inspect", truth.path, "--json", *flags(truth)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    assert_facts(json.loads(done.stdout)["images"][0], truth)


def test_conversion_to_ome_zarr_keeps_voxels_and_place(truth, tmp_path):
    level = 2 if truth.id == "v05_pyramid" else 0  # 500 MB at level 0
    source = source_of(truth, level)
    store = tmp_path / "a.ome.zarr"
    done = convert(Request(source, store))
    before = describe(source)["images"][0]
    after = describe(Source(store))["images"][0]
    for key in ("axes", "shape", "dtype", "space", "units", "time", "channels"):
        assert after[key] == before[key], key
    for key in ("origin", "spacing", "direction"):
        assert after[key] == before[key], key
    assert done.image.axis_names == truth.axes
    image = decoded_by_hand.multiscale(store)
    assert [axis["name"] for axis in decoded_by_hand.axes(image)] == list(truth.axes)
    by_hand = decoded_by_hand.affine(image)
    units = {axis.get("unit") for axis in decoded_by_hand.axes(image) if axis["type"] == "space"}
    assert len(units) == 1
    if level == 0:
        truth.assert_affine(by_hand, units.pop())
    truth.assert_time(decoded_by_hand.time_of(image))
    if level == 0 and truth.digest is not None:
        assert truth.digest_of(decoded_by_hand.voxels(store)) == truth.digest


REFUSED = {
    "svs_pyramid_cmu": (2, "several images, none chosen"),
    "v04_bf2raw_two_images": (2, "several images, none chosen"),
    "ct_uneven_gap": (4, "a slice is missing"),
}
"""Exit codes that the verdict asks for, without the flags that settle the matter."""


@by_id(*REFUSED)
def test_what_the_verdict_refuses_is_refused(truth, tmp_path, capsys):
    code, reason = REFUSED[truth.id]
    assert run(["-i", str(truth.path), "-o", str(tmp_path / "a.ome.zarr")]) == code, reason
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "hint: " in said
    assert list(tmp_path.iterdir()) == []


@by_id("ct_gantry_tilt", "sheared_sform_qform_disagree", "shear_sform_only")
def test_shear_is_never_dropped_in_silence(truth, tmp_path, capsys):
    for version in ("0.4", "0.5"):
        store = tmp_path / f"{version}.ome.zarr"
        arguments = ["-i", str(truth.path), "-o", str(store), "--ome-zarr-version", version]
        assert run([*arguments, *flags(truth), "--strict"]) == 4
        assert not store.exists()
        capsys.readouterr()
        assert run([*arguments, *flags(truth)]) == 0
        assert "no place for a sheared direction" in capsys.readouterr().err
        truth.assert_affine(open_image(store).geometry.affine, truth.unit)


def test_every_judgement_is_about_an_entry(is_full_set):
    if not is_full_set:
        pytest.skip("a selection of the test data")
    names = {entry["id"] for entry in ENTRIES}
    assert JUDGED.keys() <= names
    assert all(judgement.reason for judgement in JUDGED.values())
