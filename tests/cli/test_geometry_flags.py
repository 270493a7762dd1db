"""The geometry flags assign: numbers as typed, voxels untouched; --reorient moves whole voxels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from cli.ended import assert_refused, listing
from cli.volumes import OBLIQUE, PLACE, Place, small_volume, write_nrrd
from geometries import CODES, from_itk, rotation_of

TURN = rotation_of((0.7, -0.1, 0.5, 0.3))
TURN_TEXT = ",".join(repr(float(v)) for v in TURN.ravel())
AFFINE = [[0.0, 0.0, -2.5, 10.0], [0.5, 0.0, 0.0, 20.0], [0.0, -0.75, 0.0, 30.0], [0, 0, 0, 1]]
AFFINE_TEXT = " ".join(repr(float(v)) for row in AFFINE for v in row)


@pytest.fixture
def assigned(spconvert, volume, out):
    """Convert the volume with flags; what SimpleITK reads in the NRRD, and our own JSON."""

    def convert(*flags: str | Path, source: Path = volume):
        target = out / "a.nrrd"
        done = spconvert("-i", source, "-o", target, "-q", "--overwrite", *flags)
        assert done.code == 0, done.err
        image = sitk.ReadImage(target)
        facts = json.loads(spconvert("inspect", target, "--json").out)["images"][0]
        return image, facts

    return convert


def rows(image: sitk.Image) -> np.ndarray:
    return np.array(image.GetDirection()).reshape(3, 3)


@pytest.mark.parametrize(
    ("text", "spacing"),
    [
        ("0.8,0.9,2.5mm", (0.8, 0.9, 2.5)),
        ("0.8, 0.9, 2.5 mm", (0.8, 0.9, 2.5)),
        ("0.8,0.9,2.5", (0.8, 0.9, 2.5)),
        ("0.8", (0.8, 0.8, 0.8)),
        (".8mm", (0.8, 0.8, 0.8)),
        ("1e-1", (0.1, 0.1, 0.1)),
        ("1,,3.5", (1.0, 0.75, 3.5)),
        (",,3.5", (0.5, 0.75, 3.5)),
        ("z=1.25", (0.5, 0.75, 1.25)),
        ("z=1.25,x=3", (3.0, 0.75, 1.25)),
        ("700,800,1100um", (0.7, 0.8, 1.1)),
        ("0.07cm", (0.7, 0.7, 0.7)),
        ("y=800µm", (0.5, 0.8, 2.5)),
    ],
)
def test_spacing_is_assigned_as_typed(text, spacing, assigned):
    image, facts = assigned("--spacing", text)
    assert facts["spacing"] == pytest.approx(spacing, rel=1e-15)
    assert image.GetSpacing() == pytest.approx(spacing, rel=1e-15)
    np.testing.assert_allclose(rows(image), OBLIQUE, rtol=0, atol=1e-15)
    assert image.GetOrigin() == PLACE.origin
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), small_volume())


def test_a_spacing_that_was_typed_is_stored_to_the_last_bit(spconvert, tmp_path, out):
    plain = write_nrrd(tmp_path / "p.nrrd", small_volume(), Place(direction=np.eye(3).tolist()))
    done = spconvert("-i", plain, "-o", out / "a.ome.zarr", "--spacing", "700,800.1,1100um")
    assert done.code == 0
    shown = spconvert("inspect", out / "a.ome.zarr", "--get", "spacing").out
    assert shown == "0.7 0.8001 1.1\n"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("-1.5,2,3e2", (-1.5, 2.0, 300.0)),
        ("0", (0.0, 0.0, 0.0)),
        ("x=-7cm", (-70.0, 12.25, 300.125)),
        (",5,", (-90.5, 5.0, 300.125)),
    ],
)
def test_origin_is_assigned_as_typed(text, origin, assigned):
    image, facts = assigned("--origin", text)
    assert tuple(facts["origin"]) == origin
    assert image.GetOrigin() == origin


@pytest.mark.parametrize("text", [TURN_TEXT, TURN_TEXT.replace(",", " "), TURN_TEXT + ","])
def test_direction_is_assigned_by_rows(text, assigned):
    image, facts = assigned("--direction", text)
    np.testing.assert_allclose(facts["direction"], TURN, rtol=0, atol=1e-15)
    np.testing.assert_allclose(rows(image), TURN, rtol=0, atol=1e-15)
    assert image.GetSpacing() == pytest.approx(PLACE.spacing, rel=1e-15)


@pytest.mark.parametrize("code", ["LPS", "RAS", "pir", "SLA"])
def test_direction_is_assigned_by_code(code, assigned):
    image, facts = assigned("--direction", code)
    assert facts["orientation"]["code"] == code.upper()
    named = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())
    assert named == code.upper()


def test_affine_replaces_all_three_from_numbers_or_a_file(assigned, tmp_path):
    file = tmp_path / "affine.txt"
    file.write_text("\n".join(" ".join(map(str, row)) for row in AFFINE))
    for value in (AFFINE_TEXT, AFFINE_TEXT.replace(" ", ","), file):
        image, facts = assigned("--affine", value)
        assert facts["affine"] == AFFINE
        for index in ((0, 0, 0), (5, 6, 4), (1, 2, 3)):
            expected = (np.array(AFFINE) @ (*index, 1))[:3]
            assert image.TransformIndexToPhysicalPoint(index) == pytest.approx(tuple(expected))


def test_unit_changes_no_number(assigned):
    _, facts = assigned("--unit", "um")
    assert set(facts["units"].values()) == {"micrometer"}
    assert facts["spacing"] == pytest.approx(PLACE.spacing, rel=1e-15)


def test_unit_and_typed_unit_meet(assigned):
    _, facts = assigned("--unit", "um", "--spacing", "0.5mm")
    assert facts["units"]["x"] == "micrometer"
    assert facts["spacing"] == pytest.approx([500.0] * 3, rel=1e-15)


def test_space_says_whether_there_is_anatomy(assigned):
    _, facts = assigned("--space", "unknown")
    assert (facts["space"], facts["orientation"]) == ("unknown", None)
    np.testing.assert_allclose(facts["direction"], OBLIQUE, rtol=0, atol=1e-15)


def test_a_direction_does_not_make_anatomy(spconvert, tmp_path, out):
    plain = write_nrrd(tmp_path / "p.nrrd", small_volume(), Place(space=None))
    for flags, space in (((), "unknown"), (("--space", "LPS"), "LPS")):
        done = spconvert(
            *("-i", plain, "-o", out / f"{space}.ome.zarr", "--direction", "RAS", *flags)
        )
        assert done.code == 0
        assert spconvert("inspect", out / f"{space}.ome.zarr", "--get", "space").out == f"{space}\n"


def test_like_takes_everything_and_says_when_sizes_differ(spconvert, volume, tmp_path, out):
    place = Place((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), TURN.tolist())
    same = write_nrrd(tmp_path / "same.nrrd", small_volume("uint8"), place)
    other = write_nrrd(tmp_path / "other.nrrd", small_volume(shape=(3, 4, 5)), place)
    for reference, warned in ((same, False), (other, True)):
        target = out / f"{reference.stem}.nrrd"
        done = spconvert("-i", volume, "-o", target, "--like", reference)
        assert done.code == 0
        assert ("[like-size-differs]" in done.err) == warned
        image = sitk.ReadImage(target)
        assert image.GetOrigin() == place.origin
        assert image.GetSpacing() == pytest.approx(place.spacing, rel=1e-15)
        np.testing.assert_allclose(rows(image), TURN, rtol=0, atol=1e-15)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), small_volume())


def test_like_comes_first_and_further_flags_on_top(assigned, tmp_path):
    place = Place((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), TURN.tolist())
    reference = write_nrrd(tmp_path / "r.nrrd", small_volume(), place)
    _, facts = assigned("--like", reference, "--spacing", ",,9")
    assert facts["spacing"] == pytest.approx([1.0, 2.0, 9.0], rel=1e-15)
    assert facts["origin"] == list(place.origin)


def test_time_step_keeps_the_unit_of_the_axis(spconvert, tmp_path, out):
    array = small_volume(shape=(2, 5, 7, 6))
    path = write_nrrd(
        tmp_path / "t.nrrd",
        array,
        lines=["space units: " + " ".join(['"mm"'] * 3)],
        kinds="domain domain domain time",
    )
    path.write_bytes(path.read_bytes().replace(b"\nkinds:", b" none\nkinds:", 1))
    for typed, time in (
        ("1.5s", {"start": 0.0, "step": 1.5, "unit": "second"}),
        ("1500 ms", {"start": 0.0, "step": 1500.0, "unit": "millisecond"}),
    ):
        target = out / f"{typed}.ome.zarr"
        done = spconvert("-i", path, "-o", target, "--time-step", typed)
        assert done.code == 0, done.err
        assert json.loads(spconvert("inspect", target, "--get", "time").out) == time
    again = out / "again.ome.zarr"
    assert spconvert("-i", out / "1.5s.ome.zarr", "-o", again, "--time-step", "700ms").code == 0
    time = json.loads(spconvert("inspect", again, "--get", "time").out)
    assert time == {"start": 0.0, "step": 0.7, "unit": "second"}


def test_two_dimensional_images_take_four_numbers(spconvert, out, testdata):
    path = testdata / "nrrd" / "rotated_2d_detached"
    source = next(path.glob("*.nhdr"))
    flags = ("--direction", "0.8,-0.6,0.6,0.8", "--spacing", "2,3um", "--affine")
    done = spconvert("-i", source, "-o", out / "a.ome.zarr", *flags, "2 0 5 0 3 6 0 0 1")
    assert done.code == 0, done.err
    facts = json.loads(spconvert("inspect", out / "a.ome.zarr", "--json").out)["images"][0]
    assert facts["origin"] == [5.0, 6.0]
    assert facts["direction"] == [[0.8, -0.6], [0.6, 0.8]]
    for wrong in (("--direction", "LPS"), ("--direction", TURN_TEXT), ("--affine", AFFINE_TEXT)):
        ended = spconvert("-i", source, "-o", out / "b.ome.zarr", *wrong)
        assert_refused(ended, 2)
        assert "expected for this image" in ended.error


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (("--spacing", "1,2"), "2 members, the image has 3"),
        (("--spacing", "1,2,3,4"), "4 members, the image has 3"),
        (("--spacing", ","), "2 members, the image has 3"),
        (("--spacing", "0"), "must be greater than 0"),
        (("--spacing", "1,-2,3"), "must be greater than 0"),
        (("--spacing", "nan"), "not a list of numbers"),
        (("--spacing", "1e999"), "must be finite"),
        (("--spacing", "1;2;3"), "not a list of numbers"),
        (("--spacing", "one"), "not a list of numbers"),
        (("--spacing", "z="), "not a list of numbers"),
        (("--spacing", "1,z=2"), "not a list of numbers"),
        (("--spacing", "q=2"), "no space axis 'q'"),
        (("--spacing", "c=2"), "no space axis 'c'"),
        (("--spacing", "z=1,z=2"), "names an axis twice"),
        (("--spacing", "1parrot"), "unit 'parrot' is not known"),
        (("--spacing", "1s"), "unit 'second' is no unit of length"),
        (("--spacing", ""), "--spacing has an empty value"),
        (("--origin", "1,2"), "2 members, the image has 3"),
        (("--origin", "inf"), "not a list of numbers"),
        (("--direction", "1,0,0,0,1,0"), "6 numbers, 9"),
        (("--direction", "LPX"), "LPX"),
        (("--direction", "LLS"), "LLS"),
        (("--direction", "1,0,0,1,0,0,0,0,1"), "direction"),
        (("--direction", "1,0,0,0,1,0,0,0,0"), "unit vectors expected"),
        (("--direction", "2,0,0,0,1,0,0,0,1"), "unit vectors expected"),
        (("--direction", "1,0.01,0,0,0.99995,0,0,0,1"), "not orthonormal"),
        (("--direction", "nan,0,0,0,1,0,0,0,1"), "finite"),
        (("--direction", "sideways"), "not numbers, 9"),
        (("--affine", "1,2,3"), "3 numbers, 16"),
        (("--affine", "0 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"), "greater than 0 expected"),
        (("--affine", "1 0 0 0 0 1 0 0 0 0 1 0 5 6 7 1"), "last row"),
        (("--unit", "parrot"), "unit 'parrot' is not known"),
        (("--unit", "s"), "no unit of length"),
        (("--space", "RAS"), "LPS or unknown expected"),
        (("--space", "lps"), "LPS or unknown expected"),
        (("--time-step", "1"), "no time axis"),
        (("--time-step", "1,2"), "one number expected"),
        (("--reorient", "up"), "up"),
    ],
)
def test_wrong_geometry_is_a_usage_error_that_says_what_was_expected(
    flags, error, spconvert, volume, out
):
    ended = spconvert("-i", volume, "-o", out / "a.ome.zarr", *flags)
    assert_refused(ended, 2)
    assert error.lower() in ended.error.lower()
    assert listing(out) == []


def test_files_named_by_geometry_flags_must_be_readable(spconvert, volume, out):
    noise = volume.with_name("noise.txt")
    noise.write_bytes(bytes(range(128, 256)))
    for flags, error in (
        (("--affine", out / "none.txt"), "No such file"),
        (("--affine", out), "Is a directory"),
        (("--affine", noise), "not text"),
        (("--like", out / "none.nrrd"), "does not exist"),
    ):
        ended = spconvert("-i", volume, "-o", out / "a.ome.zarr", *flags)
        assert_refused(ended, 3)
        assert error in ended.error


# -- reorient --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_reoriented_voxels_keep_their_place(code, spconvert, volume, out):
    done = spconvert("-i", volume, "-o", out / "a.nrrd", "--reorient", code, "-q")
    assert done.code == 0, done.err
    source, moved = sitk.ReadImage(volume), sitk.ReadImage(out / "a.nrrd")
    expected = sitk.DICOMOrient(source, code)
    assert moved.GetSize() == expected.GetSize()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(moved), sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(moved.GetOrigin(), expected.GetOrigin(), rtol=1e-12)
    np.testing.assert_allclose(moved.GetSpacing(), expected.GetSpacing(), rtol=1e-12)
    np.testing.assert_allclose(moved.GetDirection(), expected.GetDirection(), atol=1e-12)
    marker = np.argwhere(sitk.GetArrayFromImage(moved) == 101)[0][::-1].tolist()
    there = moved.TransformIndexToPhysicalPoint(marker)
    np.testing.assert_allclose(there, (PLACE.affine @ (1, 1, 1, 1))[:3], rtol=1e-12)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_a_reoriented_store_holds_the_same_voxels_at_the_same_places(
    version, encoding, spconvert, tmp_path, out
):
    path = write_nrrd(tmp_path / "v.nrrd", small_volume(shape=(30, 40, 50)), encoding=encoding)
    store = out / "a.ome.zarr"
    flags = ("--ome-zarr-version", version, "--reorient", "RAS", "--chunks", "16")
    assert spconvert("-i", path, "-o", store, *flags).code == 0
    assert spconvert("-i", store, "-o", out / "back.nrrd", "--reorient", "LPS").code == 0
    back = sitk.ReadImage(out / "back.nrrd")
    expected = sitk.DICOMOrient(sitk.ReadImage(path), "LPS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(expected))
    actual, wanted = from_itk(back), from_itk(expected)
    np.testing.assert_allclose(actual.affine, wanted.affine, rtol=1e-12, atol=1e-12)
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_reorient_needs_anatomy(spconvert, tmp_path, out):
    plain = write_nrrd(tmp_path / "p.nrrd", small_volume(), Place(space=None))
    ended = spconvert("-i", plain, "-o", out / "a.nrrd", "--reorient", "LPS")
    assert_refused(ended, 4)
    assert "--space LPS" in ended.hint
    flags = ("--reorient", "LPS", "--space", "LPS")
    assert spconvert("-i", plain, "-o", out / "a.nrrd", *flags).code == 0


def test_reorient_leaves_components_and_says_so(spconvert, testdata, out):
    field = testdata / "nrrd" / "deform2x2x2_ras.nrrd"
    done = spconvert("-i", field, "-o", out / "a.ome.zarr", "--reorient", "RAS")
    assert done.code == 0
    assert "[components-not-rotated]" in done.err
