"""What ``inspect`` tells, as text, JSON by its schema, or one value; and that no pixel is read."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from cli.ended import assert_refused
from cli.volumes import OBLIQUE, PLACE, Place, small_volume, write_nrrd
from spconvert import convert, from_array

NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}
SIZES = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 5}
MATRIX = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
UNIT = {"type": ["string", "null"], "pattern": "^[a-z]+$"}


def record(**properties: object) -> dict[str, object]:
    """An object with exactly these members."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def or_null(schema: dict[str, object]) -> dict[str, object]:
    return {"anyOf": [schema, {"type": "null"}]}


LEVEL = record(
    path={"type": "string"},
    shape=SIZES,
    chunks=SIZES,
    shards=or_null(SIZES),
    codecs={"type": "string"},
    spacing=NUMBERS,
    origin=NUMBERS,
)
FINDING = record(
    severity={"enum": ["error", "warning", "note"]},
    code={"type": "string", "pattern": "^[a-z-]+$"},
    where={"type": "array", "items": {"type": ["string", "integer"]}},
    message={"type": "string", "minLength": 1},
)
IMAGE = record(
    name={"type": "string"},
    select={"type": ["string", "null"]},
    axes={"type": "array", "items": {"enum": ["t", "c", "z", "y", "x"]}},
    shape=SIZES,
    dtype={"type": "string"},
    space={"enum": ["LPS", "unknown"]},
    units={"type": "object", "additionalProperties": UNIT},
    origin=NUMBERS,
    spacing=NUMBERS,
    direction=MATRIX,
    affine=MATRIX,
    orientation=or_null(
        record(
            code={"type": "string", "pattern": "^[RLAPIS]{3}$"},
            words={"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3},
        )
    ),
    oblique_degrees={"type": "number", "minimum": 0},
    sheared={"type": "boolean"},
    bounds={"type": "array", "items": NUMBERS, "minItems": 2, "maxItems": 2},
    time=or_null(record(start={"type": "number"}, step={"type": "number"}, unit=UNIT)),
    channels=or_null(
        {"type": "array", "items": record(label={"type": "string"}, color={"type": "string"})}
    ),
    rescale=or_null(record(slope={"type": "number"}, intercept={"type": "number"})),
    voxel_bytes={"type": "integer", "minimum": 1},
    levels=or_null({"type": "array", "items": LEVEL, "minItems": 1}),
    extra={"type": "object"},
    findings={"type": "array", "items": FINDING},
)
SCHEMA = record(
    schema={"const": "spconvert-inspect/1"},
    path={"type": "string"},
    format={"type": "string"},
    images={"type": "array", "items": IMAGE, "minItems": 1},
)


def objects(text: str) -> list[dict]:
    """All JSON objects of a text, one after the other; NaN is no JSON."""
    decoder = json.JSONDecoder(parse_constant=pytest.fail)
    found = []
    while text.strip():
        value, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(value)
    return found


def real_files(testdata: Path) -> list[Path]:
    files = [*testdata.glob("nrrd/**/*.nrrd"), *testdata.glob("nrrd/**/*.nhdr")]
    return sorted([*files, *testdata.glob("ome_zarr/*")])


def test_json_of_every_real_file_follows_the_schema(spconvert, testdata):
    files = real_files(testdata)
    assert len(files) > 15
    shown = spconvert("inspect", *files, "--json")
    assert (shown.code, shown.err) == (0, "")
    found = objects(shown.out)
    assert [facts["path"] for facts in found] == [str(path) for path in files]
    for facts in found:
        jsonschema.validate(facts, SCHEMA)
        for image in facts["images"]:
            check_image(image)


def check_image(image: dict) -> None:
    """What a schema cannot say: sizes that belong together, and numbers that follow from others."""
    n = sum(axis in "zyx" for axis in image["axes"])
    assert len(image["axes"]) == len(image["shape"])
    assert set(image["units"]) == set(image["axes"]) - {"c"}
    assert len(image["origin"]) == len(image["spacing"]) == len(image["direction"]) == n
    affine = np.array(image["affine"])
    assert affine.shape == (n + 1, n + 1)
    linear = np.array(image["direction"]) * np.array(image["spacing"])
    np.testing.assert_allclose(affine[:n, :n], linear)
    assert affine[:n, n].tolist() == image["origin"]
    assert (image["orientation"] is None) == (image["space"] == "unknown")
    assert (image["time"] is None) == ("t" not in image["axes"])
    assert image["voxel_bytes"] == np.prod(image["shape"]) * np.dtype(image["dtype"]).itemsize
    size = np.array(image["shape"][-n:][::-1])
    corners = np.stack(np.meshgrid(*[(-0.5, s - 0.5) for s in size]), -1).reshape(-1, n)
    reached = corners @ affine[:n, :n].T + affine[:n, n]
    np.testing.assert_allclose(image["bounds"][0], reached.min(0), atol=1e-9)
    np.testing.assert_allclose(image["bounds"][1], reached.max(0), atol=1e-9)
    if image["levels"]:
        assert image["levels"][0]["spacing"] == pytest.approx(image["spacing"])
        assert image["levels"][0]["shape"] == image["shape"]


def test_json_says_what_the_file_says(spconvert, volume):
    (facts,) = objects(spconvert("inspect", volume, "--json").out)
    image = facts["images"][0]
    assert (facts["path"], facts["format"], image["name"]) == (str(volume), "nrrd", "volume")
    assert (image["axes"], image["shape"], image["dtype"]) == (["z", "y", "x"], [5, 7, 6], "int16")
    assert image["space"] == "LPS"
    assert image["origin"] == list(PLACE.origin)
    np.testing.assert_allclose(image["spacing"], PLACE.spacing, rtol=1e-15)
    np.testing.assert_allclose(image["direction"], OBLIQUE, atol=1e-15)
    assert image["orientation"]["words"][2] == "inferior-to-superior"
    assert image["oblique_degrees"] == pytest.approx(35.9, abs=10)
    assert image["time"] is image["channels"] is image["rescale"] is image["levels"] is None


def test_numbers_that_json_cannot_hold_are_words(spconvert, testdata):
    (facts,) = objects(spconvert("inspect", testdata / "nrrd" / "small_time.nrrd", "--json").out)
    assert "nan" in json.dumps(facts["images"][0]["extra"]).lower()


@pytest.mark.parametrize("image", IMAGE["properties"])
def test_every_key_of_the_schema_can_be_asked_for(image, spconvert, volume, out):
    store = out / "a.ome.zarr"
    assert spconvert("-i", volume, "-o", store, "-q").code == 0
    for path in (volume, store):
        (facts,) = objects(spconvert("inspect", path, "--json").out)
        shown = spconvert("inspect", path, "--get", image)
        assert (shown.code, shown.err) == (0, "")
        assert len(shown.out.splitlines()) == 1
        if isinstance(facts["images"][0][image], str):
            assert shown.out == f"{facts['images'][0][image]}\n"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "nrrd"),
        ("shape", "5 7 6"),
        ("shape.2", "6"),
        ("axes", "z y x"),
        ("origin", "-90.5 12.25 300.125"),
        ("origin.0", "-90.5"),
        ("spacing", "0.5 0.75 2.5"),
        ("direction", "1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0"),
        ("units.z", "millimeter"),
        ("orientation.code", "LPS"),
        ("oblique_degrees", "0.0"),
        ("sheared", "false"),
        ("time", ""),
        ("levels", ""),
        ("voxel_bytes", "420"),
    ],
)
def test_get_prints_one_bare_value(key, value, spconvert, tmp_path):
    path = write_nrrd(tmp_path / "v.nrrd", small_volume(), Place(direction=np.eye(3).tolist()))
    assert spconvert("inspect", path, "--get", key).out == value + "\n"


@pytest.mark.parametrize(
    "key", ["colour", "spacing.3", "spacing.x", "time.step", "", ".", "units.c"]
)
def test_a_key_that_is_not_there_is_a_usage_error_that_lists_those_that_are(key, spconvert, volume):
    ended = spconvert("inspect", volume, "--get", key)
    assert_refused(ended, 2)
    assert "path, format, name" in ended.hint


def test_get_of_a_file_with_several_images_asks_which(spconvert, testdata):
    store = testdata / "ome_zarr" / "v04_bf2raw_two_images"
    if not store.exists():
        pytest.skip("not in this set of test data")
    ended = spconvert("inspect", store, "--get", "shape")
    assert_refused(ended, 2)
    assert "--select: 0, 1" in ended.hint
    assert spconvert("inspect", store, "--get", "shape", "--select", "1").code == 0
    assert_refused(spconvert("inspect", store, "--select", "7"), 2)
    (facts,) = objects(spconvert("inspect", store, "--json").out)
    assert [image["select"] for image in facts["images"]] == ["0", "1"]


def test_short_is_one_line_per_image(spconvert, testdata):
    files = real_files(testdata)
    shown = spconvert("inspect", *files, "--short")
    lines = shown.out.splitlines()
    images = sum(
        len(facts["images"]) for facts in objects(spconvert("inspect", *files, "--json").out)
    )
    assert len(lines) == images
    assert all(any(line.startswith(f"{path}  ") for path in files) for line in lines)
    head = next(line for line in lines if "MR-head" in line)
    assert head.endswith("nrrd  256x256x130  int16  1x1x1.29999542 mm  PIR+")


def test_text_shows_the_facts(spconvert, volume, mr_head, out):
    words = spconvert("inspect", mr_head).out
    for fact in (
        "nrrd",
        "z=130 y=256 x=256  int16",
        "LPS: x towards left, y posterior, z superior",
        "1, 1, 1.29999542 mm  (x, y, z)",
        "86.6448975, -133.928604, 116.785698 mm",
        "PIR+  (x anterior-to-posterior, y superior-to-inferior, z left-to-right)",
        "affine",
        "bounds",
    ):
        assert fact in words
    store = out / "a.ome.zarr"
    assert spconvert("-i", volume, "-o", store, "--chunks", "4", "-q").code == 0
    words = spconvert("inspect", store).out
    assert "chunks 4x4x4" in words
    assert "blosc" in words
    assert "header" in words
    assert "header" not in spconvert("inspect", store, "-q").out
    assert "..." in spconvert("inspect", mr_head).out
    assert "..." not in spconvert("inspect", mr_head, "-v").out


def test_units_that_differ_are_shown_per_axis(spconvert, out):
    image = from_array(small_volume(), spacing=(0.5, 0.75, 2.5))
    units = ("micrometer", "millimeter", None)
    axes = tuple(replace(axis, unit=unit) for axis, unit in zip(image.axes, units, strict=True))
    convert(replace(image, axes=axes), out / "a.ome.zarr")
    assert "0.5, 0.75, 2.5 ?/mm/µm  (x, y, z)" in spconvert("inspect", out / "a.ome.zarr").out
    assert "0.5x0.75x2.5 ?/mm/µm" in spconvert("inspect", out / "a.ome.zarr", "--short").out


def test_of_several_inputs_a_bad_one_does_not_stop_the_others(spconvert, volume):
    missing, broken = volume.with_name("none.nrrd"), volume.with_name("broken.nrrd")
    broken.write_bytes(b"not an image")
    shown = spconvert("inspect", missing, volume, broken, volume, "--short")
    assert shown.code == 6
    assert len(shown.out.splitlines()) == 2
    assert [line for line in shown.err.splitlines() if line.startswith("error: ")] == [
        f"error: {missing} does not exist",
        f"error: {broken} is not a nrrd file: it starts with b'not an i'",
    ]
    assert "Traceback" not in shown.err


READ_BYTES = """
import sys
from spconvert.cli.app import run
code = run(sys.argv[1:])
counts = dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())
print(counts["rchar"], file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts of /proc/self/io needed")
def test_no_pixel_is_read(spconvert, tmp_path, volume, out):
    """All that differs between a small and a 64 MiB file is the size: the header alone is read."""
    array = np.ones((128, 512, 512), np.int16)
    read = {}
    files = {
        "small": [volume],
        "raw": [write_nrrd(tmp_path / "raw.nrrd", array)],
        "gzip": [write_nrrd(tmp_path / "gzip.nrrd", array, encoding="gzip")],
    }
    assert spconvert("-i", files["raw"][0], "-o", out / "a.ome.zarr", "--codec", "none").code == 0
    files["store"] = [out / "a.ome.zarr"]
    for name, paths in files.items():
        done = subprocess.run(
            [sys.executable, "-c", READ_BYTES, "inspect", *paths, "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        read[name] = int(done.stderr)
    assert read["raw"] - read["small"] < 100_000
    assert read["gzip"] - read["small"] < 100_000
    # Another plugin is imported for a store: its modules are files too.
    assert read["store"] - read["small"] < 1_000_000
