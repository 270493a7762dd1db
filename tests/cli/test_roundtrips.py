"""There and back by the command line: the same voxels, the same place, whatever lies between."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import tensorstore
import zarr

from cli.ended import listing
from cli.volumes import Place, small_volume, write_nrrd
from geometries import CODES, from_itk, rotation_of
from spconvert.model.geometry import code_direction
from validators import validators_accept

VERSIONS = ("0.4", "0.5", "0.6")
MAX_ULP = 4
"""Spacing and direction of a NRRD are a product, which is taken apart again."""


@pytest.fixture
def converted(spconvert):
    """Convert and be quiet about it; the output."""

    def convert(source: Path, target: Path, *flags: str) -> Path:
        done = spconvert("-i", source, "-o", target, *flags)
        assert done.code == 0, done.err
        assert done.out == ""
        return target

    return convert


@pytest.fixture
def facts_of(spconvert):
    """The first image of ``inspect --json``."""

    def facts(path: Path) -> dict[str, Any]:
        return json.loads(spconvert("inspect", path, "--json").out)["images"][0]

    return facts


def metadata_of(store: Path) -> tuple[str, dict[str, Any]]:
    """Version and first multiscale, as they are in the file."""
    if (store / "zarr.json").is_file():
        ome = json.loads((store / "zarr.json").read_text())["attributes"]["ome"]
        return ome["version"], ome["multiscales"][0]
    multiscale = json.loads((store / ".zattrs").read_text())["multiscales"][0]
    return multiscale["version"], multiscale


def arrays_of(store: Path) -> list[np.ndarray]:
    """All levels as zarr-python reads them."""
    group = zarr.open_group(store, mode="r")
    return [group[d["path"]][...] for d in metadata_of(store)[1]["datasets"]]


def by_tensorstore(store: Path, path: str) -> np.ndarray:
    """One level as tensorstore reads it."""
    driver = "zarr3" if (store / "zarr.json").is_file() else "zarr"
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(store / path)}}
    return tensorstore.open(spec, open=True).result().read().result()


def assert_ulp(actual: Any, expected: Any, most: int = MAX_ULP) -> None:
    # Of numbers near 1, so that a 1e-17 for a 0 counts for what it is.
    actual, expected = np.array(actual), np.array(expected)
    scale = np.maximum(1.0, np.abs(expected))
    np.testing.assert_array_less(np.abs(actual - expected), most * np.spacing(scale) + 1e-300)


def assert_same_place(actual: dict[str, Any], expected: dict[str, Any], most: int) -> None:
    assert actual["origin"] == expected["origin"]
    assert actual["space"] == expected["space"]
    assert actual["axes"] == expected["axes"]
    assert actual["units"] == expected["units"]
    for name in ("spacing", "direction"):
        if most:
            assert_ulp(actual[name], expected[name], most)
        else:
            assert actual[name] == expected[name]


def voxels(path: Path) -> np.ndarray:
    """What pynrrd reads, and its type."""
    return nrrd.read(str(path))[0]


# -- real files ------------------------------------------------------------------------------


def nrrds(testdata: Path) -> list[Path]:
    files = sorted(testdata.glob("nrrd/**/*.nrrd")) + sorted(testdata.glob("nrrd/**/*.nhdr"))
    assert len(files) > 10
    return files


@pytest.mark.parametrize("version", ["auto", *VERSIONS])
def test_every_real_nrrd_comes_back_the_same(version, testdata, converted, facts_of, out):
    for source in nrrds(testdata):
        store = converted(source, out / "a.ome.zarr", "--ome-zarr-version", version, "--overwrite")
        back = converted(store, out / f"back{source.suffix}", "--overwrite")
        given = facts_of(source)
        assert_same_place(facts_of(store), given, 0)
        assert_same_place(facts_of(back), given, MAX_ULP)
        assert facts_of(back)["dtype"] == given["dtype"]
        first, last = voxels(source), voxels(back)
        assert first.dtype.newbyteorder("=") == last.dtype.newbyteorder("=")
        np.testing.assert_array_equal(first, last)
        assert not [p for p in out.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("version", ["auto", *VERSIONS])
def test_the_main_job_as_others_see_it(version, mr_head, converted, out):
    store = converted(mr_head, out / "head.ome.zarr", "--ome-zarr-version", version)
    back = sitk.ReadImage(converted(store, out / "back.nrrd"))
    given = sitk.ReadImage(mr_head)
    array = sitk.GetArrayFromImage(given)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), array)
    assert back.GetPixelID() == given.GetPixelID()
    assert from_itk(back) == from_itk(given)
    levels = arrays_of(store)
    np.testing.assert_array_equal(levels[0], array)
    wrote, multiscale = metadata_of(store)
    for level, dataset in zip(levels, multiscale["datasets"], strict=True):
        np.testing.assert_array_equal(by_tensorstore(store, dataset["path"]), level)
    assert wrote == ("0.6" if version == "auto" else version)
    validators_accept(store, wrote)


def test_header_fields_come_back(testdata, converted, out):
    source = testdata / "nrrd" / "Segmentation.seg.nrrd"
    store = converted(source, out / "a.ome.zarr")
    back = converted(store, out / "back.seg.nrrd")
    given, found = nrrd.read_header(str(source)), nrrd.read_header(str(back))
    layout = {"encoding", "space directions", "endian", "space", "space origin", "kinds", "units"}
    for key in given.keys() - layout:
        np.testing.assert_array_equal(found[key], given[key], key)
    assert len(given) > 60


@pytest.mark.parametrize(
    ("entry", "version"),
    [("v04_bf2raw_two_images", "0.4"), ("v05_sharded.ome.zarr", "0.6"), ("v04_zyx_float64", "0.5")],
)
def test_a_store_of_others_becomes_one_of_ours(entry, version, testdata, converted, facts_of, out):
    source = testdata / "ome_zarr" / entry
    if not source.exists():
        pytest.skip(f"{entry} is not in this set of test data")
    several = ("--select", "0") if "two_images" in entry else ()
    target = converted(source, out / "a.ome.zarr", "--ome-zarr-version", version, *several)
    assert metadata_of(target)[0] == version
    validators_accept(target, version)
    expected = facts_of(source)
    assert_same_place(facts_of(target), expected, MAX_ULP)
    assert facts_of(target)["shape"] == expected["shape"]


def test_every_third_party_store_converts_with_the_voxels_it_has(
    testdata, manifest, converted, facts_of, out
):
    tried = 0
    for entry in manifest:
        expected = entry.get("expected", {})
        source = testdata / entry["path"]
        if entry["format"] != "ome_zarr" or not source.exists():
            continue
        if "voxel_sha256" not in expected or np.prod(expected["shape"]) > 1e8:
            continue
        several = ("--select", "0") if "images" in expected else ()
        store = converted(source, out / "a.ome.zarr", "--overwrite", *several)
        again = converted(store, out / "b.ome.zarr", "--overwrite", "--ome-zarr-version", "0.6")
        for path in (store, again):
            array = np.ascontiguousarray(arrays_of(path)[0])
            assert hashlib.sha256(array).hexdigest() == expected["voxel_sha256"], entry["id"]
            assert facts_of(path)["shape"] == expected["shape"]
        tried += 1
    assert tried > 2


# -- every direction -------------------------------------------------------------------------


def directions() -> list[tuple[str, list[list[float]]]]:
    rng = np.random.default_rng(7)
    along = [(code, np.array(code_direction(code)).tolist()) for code in CODES]
    oblique = []
    for n in range(100):
        turn = rotation_of(tuple(rng.normal(size=4)))
        turn *= np.where(rng.random(3) < 0.3, -1.0, 1.0)  # left-handed ones too
        oblique.append((f"oblique {n}", turn.tolist()))
    return along + oblique


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("part", range(4))
def test_every_direction_survives_every_version(version, part, converted, tmp_path, out, facts_of):
    rng = np.random.default_rng(part)
    array = small_volume()
    for name, direction in directions()[part::4]:
        spacing, origin = rng.uniform(0.1, 5, 3), rng.uniform(-500, 500, 3)
        place = Place(spacing.tolist(), origin.tolist(), direction)
        source = write_nrrd(tmp_path / "v.nrrd", array, place)
        flags = ("--overwrite", "-q", "--ome-zarr-version", version)
        store = converted(source, out / "a.ome.zarr", *flags)
        back = converted(store, out / "back.nrrd", "--overwrite", "-q")
        given = sitk.ReadImage(source)
        found = sitk.ReadImage(back)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), array, name)
        assert found.GetOrigin() == given.GetOrigin(), name
        assert_ulp(found.GetSpacing(), given.GetSpacing())
        assert_ulp(found.GetDirection(), given.GetDirection(), 8)  # SimpleITK divides again
        stored = facts_of(store)
        assert_same_place(facts_of(source), stored, 0)
        assert stored["origin"] == origin.tolist()
        # The columns written by the test are not of unit length to the last bit.
        assert_ulp(stored["spacing"], spacing, 8)
        assert_ulp(stored["direction"], direction, 8)


@pytest.mark.parametrize("version", VERSIONS)
def test_validators_accept_every_direction_and_every_real_nrrd(
    version, testdata, converted, tmp_path, out
):
    flags = ("--overwrite", "-q", "--ome-zarr-version", version)
    place = [0.5, 0.75, 2.0], [-90.5, 12.25, 300.0]
    sources = [
        write_nrrd(tmp_path / f"{n}.nrrd", small_volume(), Place(*place, direction))
        for n, (_, direction) in enumerate(directions())
    ]
    for source in [*sources, *nrrds(testdata)]:
        validators_accept(converted(source, out / "a.ome.zarr", *flags), version)


# -- how it is stored ------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "flags",
    [
        ("--chunks", "16"),
        ("--chunks", "z=8,y=32,x=16"),
        ("--chunks", "5"),
        ("--chunks", "1000"),
        ("--no-shards", "--chunks", "16"),
        ("--shards", "32", "--chunks", "16"),
        ("--shards", "z=16,y=32,x=64", "--chunks", "z=8,y=16,x=32"),
        ("--shards", "auto", "--chunks", "8"),
        ("--codec", "none"),
        ("--codec", "gzip"),
        ("--codec", "zstd:9"),
        ("--codec", "blosc:lz4:5:bitshuffle"),
        ("--codec", "blosc:zstd:1:shuffle"),
        ("--levels", "1"),
        ("--levels", "4", "--method", "nearest"),
        ("--scale-factors", "2,4", "--chunks", "16"),
        ("--scale-factors", "z=1,y=2,x=2;z=3,y=4,x=4", "--method", "mean"),
        ("--memory", "64MiB", "-j", "1"),
    ],
    ids=" ".join,
)
def test_however_it_is_stored_it_comes_back(version, flags, spconvert, converted, tmp_path, out):
    array = small_volume("uint16", (21, 34, 45))
    source = write_nrrd(tmp_path / "v.nrrd", array)
    store = out / "a.ome.zarr"
    if version == "0.4" and flags[0] == "--shards" and flags[1] != "auto":
        assert spconvert("-i", source, "-o", store, "--ome-zarr-version", "0.4", *flags).code == 2
        return
    converted(source, store, "--ome-zarr-version", version, *flags)
    levels = arrays_of(store)
    np.testing.assert_array_equal(levels[0], array)
    for level, dataset in zip(levels, metadata_of(store)[1]["datasets"], strict=True):
        np.testing.assert_array_equal(by_tensorstore(store, dataset["path"]), level)
    if "--levels" in flags:
        assert len(levels) == int(flags[1])
    if "--scale-factors" in flags:
        assert len(levels) == 3
    if "--chunks" in flags and "=" in flags[-1]:
        assert zarr.open_group(store, mode="r")["s0"].chunks == (
            8,
            *((32, 16), (16, 32))["--shards" in flags],
        )
    back = sitk.ReadImage(converted(store, out / "back.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), array)
    assert back.GetOrigin() == Place().origin
    assert [path.name for path in sorted(out.iterdir())] == ["a.ome.zarr", "back.nrrd"]
    validators_accept(store, version)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
@pytest.mark.parametrize("codec", ["raw", "gzip", "bzip2", "ascii", "hex"])
def test_every_nrrd_encoding_and_type_comes_back(codec, dtype, converted, tmp_path, out):
    if codec == "hex" and dtype.startswith("float"):
        pytest.skip("pynrrd has no hex for floats")
    array = small_volume(dtype, (6, 7, 8))
    array[0, 0, 0] = 1 if dtype == "uint8" else -3
    source = write_nrrd(tmp_path / "v.nrrd", array)
    first = converted(source, out / "a.nrrd", "--codec", codec)
    second = converted(first, out / "b.nhdr", "--codec", "gzip:9")
    for path in (first, second):
        found = converted(path, out / f"{path.stem}.ome.zarr")
        np.testing.assert_array_equal(arrays_of(found)[0], array)


def test_store_to_store_changes_what_is_asked_and_nothing_else(converted, facts_of, tmp_path, out):
    array = small_volume("float32", (21, 34, 45))
    source = write_nrrd(tmp_path / "v.nrrd", array, lines=["patient:=nobody", "# a comment"])
    first = converted(source, out / "a.ome.zarr", "--ome-zarr-version", "0.4", "--chunks", "8")
    second = converted(first, out / "b.ome.zarr", "--ome-zarr-version", "0.6", "--chunks", "16")
    third = converted(second, out / "c.ome.zarr", "--ome-zarr-version", "0.5", "--levels", "1")
    for store in (first, second, third):
        assert_same_place(facts_of(store), facts_of(source), 0)
        assert facts_of(store)["extra"] == facts_of(first)["extra"]
        np.testing.assert_array_equal(arrays_of(store)[0], array)
    back = converted(third, out / "back.nrrd")
    assert nrrd.read_header(str(back))["patient"] == "nobody"


@pytest.mark.parametrize("method", ["mean", "nearest"])
def test_a_level_is_written_where_it_lies(method, spconvert, converted, tmp_path, out):
    """The ramp along x reads, at every level, the index that its position claims."""
    array = np.broadcast_to(np.arange(48, dtype=np.float32), (12, 24, 48)).copy()
    source = write_nrrd(tmp_path / "ramp.nrrd", array)
    flags = ("--scale-factors", "2,4", "--method", method, "--chunks", "8")
    store = converted(source, out / "a.ome.zarr", *flags)
    affine = np.linalg.inv(Place().affine)
    for n, size in ((0, 48), (1, 24), (2, 12)):
        target = out / f"{n}.nrrd"
        done = spconvert("-i", store, "-o", target, "--level", str(n), "-v")
        assert done.code == 0
        assert "[levels-dropped]" in done.err
        level = sitk.ReadImage(target)
        assert level.GetSize()[0] == size
        for index in ((0, 0, 0), (size - 1, 1, 2), (3, 2, 1)):
            place = level.TransformIndexToPhysicalPoint(index)
            claimed = (affine @ (*place, 1))[0]
            assert level.GetPixel(index) == pytest.approx(claimed, abs=1e-9)


def test_the_same_input_gives_the_same_bytes(converted, tmp_path, out):
    source = write_nrrd(tmp_path / "v.nrrd", small_volume("uint16", (41, 64, 75)))
    first = converted(source, out / "a.ome.zarr", "--chunks", "8", "-j", "1")
    second = converted(source, out / "b.ome.zarr", "--chunks", "8", "-j", "4")
    names = [name for name, _, _ in listing(first)]
    assert names == [name for name, _, _ in listing(second)]
    for name in names:
        if (first / name).is_file():
            assert (first / name).read_bytes() == (second / name).read_bytes(), name
