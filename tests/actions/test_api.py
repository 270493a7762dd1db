"""The Python interface: ``open_image``, ``convert``, ``from_array``; its errors have types."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
import zarr

import spconvert
from cli.ended import listing
from cli.volumes import OBLIQUE, PLACE, small_volume, write_nrrd
from spconvert.actions.assign import GeometryEdit, VectorEdit, assign
from spconvert.errors import (
    ChoiceNeeded,
    FormatError,
    GeometryError,
    LimitError,
    SourceError,
    SpconvertError,
    TargetError,
    UnknownFormat,
    Unsupported,
    UsageError,
)
from spconvert.model.region import Region


@pytest.fixture
def volume(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return write_nrrd(folder / "volume.nrrd", small_volume())


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_importing_the_package_loads_nothing():
    script = "import sys, spconvert; print(*(m for m in sys.modules if m in {'numpy', 'zarr'}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_every_public_name_is_there_and_no_other():
    for name in spconvert.__all__:
        assert getattr(spconvert, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'open_imgae'"):
        spconvert.open_imgae  # noqa: B018 (the access is what is tested)


def test_open_image_reads_header_and_pixels(volume):
    image = spconvert.open_image(str(volume))
    assert isinstance(image, spconvert.SpatialImage)
    assert (image.axis_names, image.shape, image.dtype.name) == ("zyx", (5, 7, 6), "int16")
    assert image.geometry.origin == PLACE.origin
    np.testing.assert_allclose(image.geometry.direction, OBLIQUE, atol=1e-15)
    part = image.pixels.read(Region((1, 1, 1), (2, 3, 4)))
    np.testing.assert_array_equal(part, small_volume()[1:2, 1:3, 1:4])


def test_a_file_is_converted_as_by_the_command(volume, out):
    done = spconvert.convert(
        volume, out / "a.ome.zarr", spacing=(1, 2, 3), chunks={"z": 2}, levels=1
    )
    assert done.target == out / "a.ome.zarr"
    assert (done.format, done.levels) == ("OME-Zarr 0.6", 1)
    assert done.nbytes == sum(p.stat().st_size for p in done.target.rglob("*") if p.is_file())
    assert {f.code for f in done.findings} >= {"version", "verified"}
    image = spconvert.open_image(done.target)
    assert image.geometry.spacing == (1.0, 2.0, 3.0)
    assert zarr.open_group(done.target, mode="r")["s0"].chunks[0] == 2
    assert [path.name for path in out.iterdir()] == ["a.ome.zarr"]


def test_an_image_in_memory_is_converted(out):
    array = np.zeros((5, 7, 6), np.float32)
    array[1, 2, 3] = 9
    image = spconvert.from_array(
        array,
        axes="zyx",
        spacing=PLACE.spacing,
        origin=PLACE.origin,
        direction=OBLIQUE,
        unit="mm",
        space="LPS",
    )
    spconvert.convert(image, out / "a.nrrd")
    read = sitk.ReadImage(out / "a.nrrd")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), array)
    assert read.GetOrigin() == PLACE.origin
    np.testing.assert_allclose(read.GetDirection(), np.ravel(OBLIQUE), atol=1e-15)
    done = spconvert.convert(image, out / "a.ome.zarr", ome_zarr_version="0.5")
    attributes = json.loads((done.target / "zarr.json").read_text())["attributes"]
    assert attributes["spconvert"]["origin"] == list(PLACE.origin)


def test_an_image_opened_from_a_store_is_converted_again(volume, out):
    first = spconvert.convert(volume, out / "a.ome.zarr", levels=2, chunks=4).target
    level = spconvert.open_image(first, level=1)
    spconvert.convert(replace(level, name="coarse"), out / "b.ome.zarr")
    assert spconvert.open_image(out / "b.ome.zarr").geometry == level.geometry
    spconvert.convert(first, out / "c.nrrd", level=1)
    assert sitk.ReadImage(out / "c.nrrd").GetSize() == tuple(reversed(level.shape))


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        (2, (2.0, 2.0, 2.0)),
        (np.float32(0.5), (0.5, 0.5, 0.5)),
        (np.int64(3), (3.0, 3.0, 3.0)),
        ([1, 2, 3], (1.0, 2.0, 3.0)),
        (np.array([1.0, 2.0, 3.0]), (1.0, 2.0, 3.0)),
        (0.1, (0.1, 0.1, 0.1)),
    ],
)
def test_numbers_may_be_of_any_kind(spacing, expected, volume, out):
    spconvert.convert(volume, out / "a.ome.zarr", spacing=spacing, direction=np.array(OBLIQUE))
    assert spconvert.open_image(out / "a.ome.zarr").geometry.spacing == expected


def test_integers_may_be_numpys(volume, out):
    done = spconvert.convert(
        volume,
        out / "a.ome.zarr",
        level=np.int64(0),
        levels=np.int8(2),
        memory=np.int64(1 << 30),
        workers=np.int8(2),
        chunks={"z": np.int16(2)},
    )
    assert done.levels == 2


def test_paths_may_be_of_any_kind(volume, out):
    class Named:
        def __init__(self, path: Path) -> None:
            self.path = path

        def __fspath__(self) -> str:
            return str(self.path)

    done = spconvert.convert(Named(volume), Named(out / "a.ome.zarr"), like=Named(volume))
    assert done.target == out / "a.ome.zarr"
    with pytest.raises(UsageError, match="a path expected"):
        spconvert.convert(small_volume(), out / "b.ome.zarr")


def test_the_method_may_be_left_to_spconvert_as_on_the_command_line(volume, out):
    done = spconvert.convert(volume, out / "a.ome.zarr", method="auto")
    assert done.plan is not None
    assert done.plan.reducer.name == "mean"


def test_like_may_be_a_file(volume, out):
    place = replace(PLACE, origin=(1.0, 2.0, 3.0))
    reference = write_nrrd(out / "reference.nrrd", small_volume(), place)
    done = spconvert.convert(volume, out / "a.ome.zarr", like=reference, dry_run=True)
    assert done.image.geometry.origin == (1.0, 2.0, 3.0)


def image_with_units(*units: str | None) -> spconvert.SpatialImage:
    """A volume whose axes z, y, x have these units."""
    image = spconvert.from_array(small_volume(), spacing=(0.5, 0.75, 2.5), origin=(1, 2, 3))
    axes = tuple(replace(axis, unit=unit) for axis, unit in zip(image.axes, units, strict=True))
    return replace(image, axes=axes)


def test_a_number_with_a_unit_is_refused_where_axes_have_different_ones():
    image = image_with_units("micrometer", "millimeter", "millimeter")
    with pytest.raises(UsageError, match=r"different units \(z micrometer, y millimeter"):
        assign(image, GeometryEdit(spacing=VectorEdit((1.0,), (), "micrometer")))
    edit = GeometryEdit(spacing=VectorEdit((1.0,), (), "micrometer"), unit="millimeter")
    changed, _ = assign(image, edit)
    assert (changed.unit, changed.geometry.spacing) == ("millimeter", (1e-3,) * 3)


def test_units_that_differ_are_lost_where_a_format_has_none(out):
    image = image_with_units("micrometer", "millimeter", "millimeter")
    done = spconvert.convert(image, out / "a.gipl")
    assert "unit-lost" in {f.code for f in done.findings}


def test_affine_like_and_dry_run(volume, out):
    affine = np.array(PLACE.affine)
    affine[:3, 3] = 1, 2, 3
    done = spconvert.convert(volume, out / "a.ome.zarr", affine=affine, dry_run=True)
    np.testing.assert_allclose(done.image.geometry.affine, affine, rtol=1e-15)
    assert listing(out) == []
    reference = replace(
        done.image, geometry=done.image.geometry.reoriented("RAS", (5, 7, 6)).geometry
    )
    done = spconvert.convert(volume, out / "b.ome.zarr", like=reference, dry_run=True)
    assert done.image.geometry == reference.geometry


def test_a_spacing_that_is_given_replaces_an_impossible_one(tmp_path, out):
    path = tmp_path / "s.nrrd"
    header = (
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 3 4\nencoding: raw\nspacings: 1 0 nan\n\n"
    )
    path.write_bytes(header.encode() + bytes(range(24)))
    with pytest.raises(GeometryError):
        spconvert.convert(path, out / "a.ome.zarr")
    spconvert.convert(path, out / "a.ome.zarr", spacing=(1, 2, 3))
    assert spconvert.open_image(out / "a.ome.zarr").geometry.spacing == (1.0, 2.0, 3.0)


def test_a_listener_hears_the_run(volume, out):
    heard = []
    spconvert.convert(volume, out / "a.ome.zarr", listener=heard.append)
    names = [type(event).__name__ for event in heard]
    assert names.index("Planned") < names.index("Started") < names.index("Advanced")
    assert heard[names.index("Started")].total_bytes == small_volume().nbytes
    done = [event.done_bytes for event in heard if type(event).__name__ == "Advanced"]
    assert done == sorted(done)
    assert done[-1] == small_volume().nbytes


def test_a_listener_that_raises_ends_the_run_and_leaves_nothing(volume, out):
    def refuse(_event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        spconvert.convert(volume, out / "a.ome.zarr", listener=refuse)
    assert listing(out) == []


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ({"spacing": (1, 2)}, UsageError),
        ({"spacing": "wide"}, UsageError),
        ({"spacing": [[1, 2, 3]]}, UsageError),
        ({"spacing": -1}, UsageError),
        ({"spacing": float("nan")}, UsageError),
        ({"origin": [1, None, 3]}, UsageError),
        ({"direction": "UP"}, UsageError),
        ({"direction": [[1, 0], [0, 1]]}, UsageError),
        ({"direction": [[1, 0, 0], [0, 1]]}, UsageError),
        ({"direction": np.zeros((3, 3))}, UsageError),
        ({"affine": np.eye(3)}, UsageError),
        ({"affine": [1, 2, 3]}, UsageError),
        ({"unit": "parrot"}, UsageError),
        ({"unit": "s"}, UsageError),
        ({"space": "RAS"}, UsageError),
        ({"reorient": "UPP"}, UsageError),
        ({"chunks": 0}, UsageError),
        ({"chunks": 1.5}, UsageError),
        ({"chunks": {"q": 4}}, UsageError),
        ({"shards": {"z": -4}}, UsageError),
        ({"shards": "many"}, UsageError),
        ({"codec": "bogus"}, UsageError),
        ({"levels": 0}, UsageError),
        ({"levels": 2.5}, UsageError),
        ({"levels": "2"}, UsageError),
        ({"level": "0"}, UsageError),
        ({"memory": "2GiB"}, UsageError),
        ({"workers": 2.0}, UsageError),
        ({"like": 3}, UsageError),
        ({"scale_factors": [2, 3]}, UsageError),
        ({"scale_factors": [0]}, UsageError),
        ({"method": "bogus"}, UsageError),
        ({"level": 9}, UsageError),
        ({"select": "x"}, UsageError),
        ({"workers": 0}, UsageError),
        ({"memory": -1}, UsageError),
        ({"memory": 10}, LimitError),
        ({"ome_zarr_version": "9"}, UsageError),
        ({"ome_zarr_version": "0.5", "strict": True}, Unsupported),
    ],
    ids=str,
)
def test_a_wrong_value_raises_its_error_and_leaves_nothing(flags, error, volume, out):
    with pytest.raises(error) as caught:
        spconvert.convert(volume, out / "a.ome.zarr", **flags)
    assert isinstance(caught.value, SpconvertError)
    assert "\n" not in caught.value.message
    assert listing(out) == []


def test_paths_raise_their_errors(volume, testdata, out):
    (out / "old.nrrd").write_bytes(b"old")
    (out / "noise.nrrd").write_bytes(b"noise")
    for source, target, error in (
        (out / "none.nrrd", out / "a.nrrd", SourceError),
        (out / "noise.nrrd", out / "a.nrrd", FormatError),
        (volume, out / "a.xyzzy", UnknownFormat),
        (volume, out / "old.nrrd", TargetError),
        (volume, out / "no" / "a.nrrd", TargetError),
        (volume, out / "a.ozx", Unsupported),
        (volume, volume, UsageError),
    ):
        with pytest.raises(error):
            spconvert.convert(source, target)
    several = testdata / "ome_zarr" / "v04_bf2raw_two_images"
    if several.exists():
        with pytest.raises(ChoiceNeeded):
            spconvert.open_image(several)
    assert sorted(path.name for path in out.iterdir()) == ["noise.nrrd", "old.nrrd"]


def test_from_array_says_what_is_wrong():
    for given, error in (
        ({"array": np.zeros(3)}, UsageError),
        ({"array": np.zeros((2, 3)), "axes": "zyx"}, SpconvertError),
        ({"array": np.zeros((2, 3)), "spacing": 0}, GeometryError),
        ({"array": np.zeros((2, 3)), "unit": "parrot"}, UsageError),
        ({"array": np.zeros((2, 3)), "space": "RAS"}, GeometryError),
    ):
        with pytest.raises(error):
            spconvert.from_array(**given)


def test_labels_beside_an_image_are_said_to_be_left_behind(tmp_path):
    voxels = np.arange(60, dtype="u1").reshape(3, 4, 5)
    store = tmp_path / "a.ome.zarr"
    spconvert.convert(spconvert.from_array(voxels), store)
    (store / "labels").mkdir()
    spconvert.convert(spconvert.from_array(voxels // 30), store / "labels" / "seg.ome.zarr")
    for target in ("b.ome.zarr", "b.nrrd"):
        done = spconvert.convert(store, tmp_path / target)
        lost = [finding for finding in done.findings if finding.code == "labels-lost"]
        assert [finding.severity for finding in lost] == ["warning"]
        assert "labels/seg.ome.zarr" in lost[0].message
    spconvert.convert(store, tmp_path / "seg.nrrd", select="labels/seg.ome.zarr")
    np.testing.assert_array_equal(nrrd.read(str(tmp_path / "seg.nrrd"))[0].T, voxels // 30)
