"""Many files as one image: slices by list and by pattern, DICOM series, archives, lying names."""

from __future__ import annotations

import zipfile

import imagecodecs
import numpy as np
import pytest

import decoded_by_hand
from cli.ended import assert_refused, listing
from formats.dicom_files import GAP, SERIES, SPACING, voxels, write_series
from spconvert.actions.open import open_image

COUNT = 12
"""More than nine: in the order of letters slice 10 would come before slice 2."""


def plane(number):
    """Three unlike numbers tell the slice, the row and the column."""
    values = np.zeros((4, 6), np.uint8)
    values[number % 4, number % 6] = number
    return values


@pytest.fixture
def slices(tmp_path):
    """``slice_1.png`` to ``slice_12.png``, and the same with four digits."""
    folder = tmp_path / "slices"
    folder.mkdir()
    for number in range(1, COUNT + 1):
        data = imagecodecs.png_encode(plane(number))
        (folder / f"slice_{number}.png").write_bytes(data)
        (folder / f"padded_{number:04d}.png").write_bytes(data)
    return folder


VOLUME = np.stack([plane(number) for number in range(1, COUNT + 1)])


@pytest.mark.parametrize("pattern", ["slice_*.png", "slice_%d.png", "padded_%04d.png"])
def test_a_pattern_is_a_volume_in_natural_order(pattern, slices, spconvert, out):
    store = out / "a.ome.zarr"
    ended = spconvert("-i", slices / pattern, "-o", store)
    assert ended.code == 0
    assert "[z-spacing-unknown]" in ended.err
    assert "--spacing z=" in ended.err
    np.testing.assert_array_equal(decoded_by_hand.voxels(store), VOLUME)
    np.testing.assert_array_equal(
        decoded_by_hand.affine(decoded_by_hand.multiscale(store)), np.eye(4)
    )


def test_several_inputs_are_a_volume_whatever_their_order(slices, spconvert, out):
    inputs = [f"-i{slices / f'slice_{number}.png'}" for number in (11, 2, 1, 12, 10, 3)]
    store = out / "a.ome.zarr"
    ended = spconvert(*inputs, "-o", store)
    assert ended.code == 0
    assert "[slices-missing]" in ended.err
    found = decoded_by_hand.voxels(store)
    np.testing.assert_array_equal(found.max(axis=(1, 2)), (1, 2, 3, 10, 11, 12))


def test_the_distance_of_slices_can_be_said(slices, spconvert, out):
    store = out / "a.ome.zarr"
    ended = spconvert("-i", slices / "slice_*.png", "-o", store, "--spacing", "z=2.5")
    assert ended.code == 0
    assert "warning: " not in ended.err
    affine = decoded_by_hand.affine(decoded_by_hand.multiscale(store))
    np.testing.assert_array_equal(affine, np.diag([1, 1, 2.5, 1]))


def test_a_volume_becomes_slices_and_comes_back(slices, spconvert, out):
    flags = ["--spacing", "0.5,0.25,2.5mm"]
    assert spconvert("-i", slices / "slice_*.png", "-o", out / "a.ome.zarr", *flags).code == 0
    assert spconvert("-i", out / "a.ome.zarr", "-o", out / "s_%03d.png").code == 0
    names = sorted(path.name for path in out.glob("*.png"))
    assert names == [f"s_{number:03d}.png" for number in range(COUNT)]
    assert spconvert("-i", out / "s_%03d.png", "-o", out / "b.ome.zarr").code == 0
    for store in (out / "a.ome.zarr", out / "b.ome.zarr"):
        np.testing.assert_array_equal(decoded_by_hand.voxels(store), VOLUME)
        affine = decoded_by_hand.affine(decoded_by_hand.multiscale(store))
        np.testing.assert_allclose(affine, np.diag([0.5, 0.25, 2.5, 1]), rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "code"), [("none_*.png", 3), ("none_%04d.png", 3), ("slice_%d_%d.png", 2)]
)
def test_a_pattern_that_nothing_fits_is_refused(name, code, slices, spconvert, out):
    assert_refused(spconvert("-i", slices / name, "-o", out / "a.ome.zarr"), code)
    assert listing(out) == []


def test_slices_of_unlike_size_are_refused_by_name(slices, spconvert, out):
    (slices / "slice_7.png").write_bytes(imagecodecs.png_encode(np.zeros((4, 7), np.uint8)))
    ended = spconvert("-i", slices / "slice_*.png", "-o", out / "a.ome.zarr")
    assert_refused(ended, 4)
    assert "slice_7.png" in ended.error
    assert listing(out) == []


@pytest.fixture
def two_series(tmp_path):
    """A folder with two series in it."""
    folder = tmp_path / "two"
    write_series(folder / "one")
    write_series(folder / "more", voxels() + 500, SeriesInstanceUID=f"{SERIES}.2", SeriesNumber=12)
    return folder


def zipped(folder):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.dcm")):
            archive.write(file, file.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_two_series_are_listed_and_one_is_chosen(packed, two_series, spconvert, out):
    source = zipped(two_series) if packed else two_series
    ended = spconvert("-i", source, "-o", out / "a.ome.zarr")
    assert_refused(ended, 2)
    assert SERIES in ended.error
    assert f"{SERIES}.2" in ended.error
    assert "--series" in ended.hint
    assert listing(out) == []
    for choice, most in ((SERIES, 101), ("12", 601)):
        store = out / f"{choice}.ome.zarr"
        assert spconvert("-i", source, "-o", store, "--series", choice).code == 0
        array = decoded_by_hand.voxels(store)
        assert array.max() == most
        np.testing.assert_array_equal(array, voxels() + (most - 101))
        spacing = open_image(store).geometry.spacing
        np.testing.assert_allclose(spacing, (*reversed(SPACING), GAP), rtol=1e-6)
    assert_refused(spconvert("-i", source, "-o", out / "b.nrrd", "--series", "13"), 2)


def test_files_of_a_series_may_be_listed_in_any_order(tmp_path, spconvert, out):
    files = write_series(tmp_path / "series")
    inputs = [f"-i{path}" for path in sorted(files)]
    assert spconvert(*inputs, "-o", out / "a.ome.zarr").code == 0
    np.testing.assert_array_equal(decoded_by_hand.voxels(out / "a.ome.zarr"), voxels())


def test_content_decides_where_the_name_lies(slices, volume, spconvert, out):
    lying = (slices / "slice_3.png").rename(slices / "slice_3.nrrd")
    ended = spconvert("-i", lying, "-o", out / "a.ome.zarr")
    assert ended.code == 0
    assert "[suffix-lies]" in ended.err
    np.testing.assert_array_equal(decoded_by_hand.voxels(out / "a.ome.zarr"), plane(3))
    bare = volume.rename(volume.with_suffix(""))
    assert spconvert("-i", bare, "-o", out / "b.ome.zarr").code == 0
    wrong = spconvert("-i", bare, "-o", out / "c.ome.zarr", "-f", "nifti")
    assert_refused(wrong, 3)


def test_a_folder_that_holds_nothing_is_refused(tmp_path, spconvert, out):
    empty = tmp_path / "empty"
    empty.mkdir()
    for _ in range(2):
        ended = spconvert("-i", empty, "-o", out / "a.ome.zarr")
        assert_refused(ended, 3)
        assert "neither a Zarr store nor DICOM" in ended.error
        assert listing(out) == []
        (empty / "notes.txt").write_text("no image")
