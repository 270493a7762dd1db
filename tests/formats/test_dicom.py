"""DICOM against real files: the manifest, pydicom, SimpleITK where it is right, dcm2niix."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from formats.contract import pixels
from spconvert.errors import (
    FormatError,
    GeometryError,
    SourceError,
    SpconvertError,
    Unsupported,
    UsageError,
)
from spconvert.formats.dicom import PLUGIN, recognises
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions
from spconvert.model.region import Region

pydicom = pytest.importorskip("pydicom")

KEEP = ReadOptions(rescale="keep", on_uneven_slices="warn")


def entries(manifest):
    return [e for e in manifest if e["format"] == "dicom"]


def entry_named(manifest, name):
    found = [e for e in manifest if e["id"] == name]
    if not found:
        pytest.skip(f"{name} is not in this selection of the test data")
    return found[0]


def truth_of(entry):
    """A mosaic is judged by what it unpacks to."""
    truth = entry["expected"]
    return {**truth, **truth["mosaic"][0]} if "mosaic" in truth else truth


def read(path, **options):
    return PLUGIN.read(Source(Path(path), options=ReadOptions(**options)))


def digest(array):
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def in_file_order(image, truth):
    """The array as the manifest hashes it: frames first, samples last."""
    array = pixels(image)
    if truth["verdict"] == "tiled":
        frames, rows, columns, samples = truth["shape"]
        across = array.shape[-1] // columns
        tiles = array.reshape(samples, frames // across, rows, across, columns)
        return tiles.transpose(1, 3, 2, 4, 0).reshape(truth["shape"])
    if "c" in image.axis_names:
        array = np.moveaxis(array, image.axis_names.index("c"), -1)
    return array.reshape(truth["shape"])


def test_every_real_file_reads_as_the_manifest_says(testdata, manifest, is_full_set):
    assert len(entries(manifest)) == 22 or not is_full_set
    for entry in entries(manifest):
        truth = truth_of(entry)
        opened = PLUGIN.read(Source(testdata / entry["path"], options=KEEP))
        image, geometry = opened.image, opened.image.geometry
        array = in_file_order(image, truth)
        assert list(array.shape) == truth["shape"], entry["id"]
        assert array.dtype.name == truth["dtype"], entry["id"]
        assert digest(array) == truth["voxel_sha256"], entry["id"]
        assert (geometry.space == "LPS") == truth["orientation_known"], entry["id"]
        if truth["orientation_known"]:
            assert "".join(image.axis_names) == truth["axes"]
            assert image.unit == "millimeter"
        if truth.get("affine_lps") and "mosaic" not in truth:
            np.testing.assert_allclose(geometry.affine, truth["affine_lps"], atol=2e-5)
        elif "origin" in truth:
            np.testing.assert_allclose(geometry.origin, truth["origin"], rtol=1e-9)
            np.testing.assert_allclose(geometry.spacing, truth["spacing"], rtol=1e-9)
            np.testing.assert_allclose(geometry.direction, truth["direction"], atol=1e-9)


def test_real_values_are_those_of_the_manifest(testdata, manifest, is_full_set):
    checked = 0
    for entry in entries(manifest):
        truth = entry["expected"]
        for mode in ("auto", "apply"):
            if "rescaled" not in truth:
                continue
            options = ReadOptions(rescale=mode, on_uneven_slices="warn")
            opened = PLUGIN.read(Source(testdata / entry["path"], options=options))
            array = pixels(opened.image)
            kinds = {len(truth["rescale"]) > 1: "float32", mode == "apply": "float32"}
            assert array.dtype.name == kinds.get(True, array.dtype.name)
            assert array.dtype.itemsize <= 4
            limits = truth["rescaled"]["minimum"], truth["rescaled"]["maximum"]
            np.testing.assert_allclose((array.min(), array.max()), limits, rtol=1e-6)
            stored = pixels(PLUGIN.read(Source(testdata / entry["path"], options=KEEP)).image)
            pairs = np.array(truth["rescale"]).reshape(-1, 2, 1, 1)
            if len(pairs) == 1:
                real = stored * pairs[:, 0] + pairs[:, 1]
                assert digest(real) == truth["rescaled"]["float64_sha256"]
                np.testing.assert_array_equal(array, real)
            checked += 1
    assert checked >= 8 or not is_full_set


def test_slopes_that_differ_are_applied_slice_by_slice(testdata, manifest):
    entry = entry_named(manifest, "mr_pmod_noniso_rescale")
    opened = read(testdata / entry["path"])
    assert "rescale-differs" in [f.code for f in opened.findings]
    assert opened.rescale is None
    folder = testdata / entry["path"]
    slices = sorted(
        (pydicom.dcmread(f) for f in folder.iterdir()),
        key=lambda ds: float(ds.ImagePositionPatient[2]),
    )
    real = np.stack(
        [s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices]
    )
    np.testing.assert_allclose(pixels(opened.image), real, rtol=1e-6)
    assert digest(real) == entry["expected"]["rescaled"]["float64_sha256"]


def test_broken_grids_are_refused_unless_the_caller_insists(testdata, manifest):
    path = testdata / entry_named(manifest, "ct_uneven_gap")["path"]
    with pytest.raises(GeometryError, match=r"0009-0001.*0010-0001.*10 mm.*5 mm.*missing"):
        read(path)
    assert [f.code for f in read(path, on_uneven_slices="warn").findings] == ["uneven-slices"]


def test_gantry_tilt_is_kept_as_shear(testdata, manifest):
    opened = read(testdata / entry_named(manifest, "ct_gantry_tilt")["path"])
    assert opened.image.geometry.is_sheared
    assert [f.code for f in opened.findings] == ["sheared-slices"]


REGULAR = ("ct_torchio", "ct_head_axial_93", "mr_adc_oblique", "mr_jpegls", "ct_odd_size_series")


@pytest.mark.parametrize("name", REGULAR)
def test_regular_series_equal_those_of_simpleitk(testdata, manifest, name):
    folder = testdata / entry_named(manifest, name)["path"]
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    expected = reader.Execute()
    image = read(folder).image
    np.testing.assert_array_equal(pixels(image), sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(image.geometry.origin, expected.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(image.geometry.spacing, expected.GetSpacing(), rtol=1e-6)
    turn = np.array(expected.GetDirection()).reshape(3, 3)
    np.testing.assert_allclose(image.geometry.direction, turn, atol=1e-6)


def test_mosaic_lies_where_dcm2niix_puts_it(testdata, manifest):
    nibabel = pytest.importorskip("nibabel")
    folder = testdata / entry_named(manifest, "mr_siemens_mosaic")["path"]
    reference = nibabel.load(folder / "1.nii")
    image = read(folder).image
    array = pixels(image)
    flipped = np.asarray(reference.dataobj).T[:, ::-1]  # dcm2niix turns the rows over
    np.testing.assert_array_equal(array, flipped)
    lps = np.diag([-1, -1, 1, 1]) @ reference.affine
    nx, ny, nz = reference.shape
    for x, y, z in ((0, 0, 0), (nx - 1, ny - 1, nz - 1), (3, 5, 7)):
        there = lps @ (x, ny - 1 - y, z, 1)
        np.testing.assert_allclose(image.geometry.physical((x, y, z)), there[:3], atol=1e-3)


def test_dose_has_its_scaling(testdata, manifest):
    path = testdata / entry_named(manifest, "rtdose")["path"]
    opened = read(path, rescale="apply")
    ds = pydicom.dcmread(path)
    assert opened.rescale.slope == float(ds.DoseGridScaling)
    assert opened.image.dtype == np.float64
    np.testing.assert_allclose(
        pixels(opened.image), ds.pixel_array * float(ds.DoseGridScaling), rtol=1e-12
    )


def test_time_between_volumes_is_stated_where_files_state_it(testdata, manifest):
    axis = read(testdata / entry_named(manifest, "mr_enhanced_siemens_4d")["path"]).image.time
    assert (axis.step, axis.unit) == (0.5, "second")
    unsure = read(testdata / entry_named(manifest, "mr_fmri_two_volumes")["path"])
    assert unsure.image.time.unit is None
    assert "volumes-by-number" in [f.code for f in unsure.findings]


def test_slide_is_one_plane(testdata, manifest):
    image = read(testdata / entry_named(manifest, "sm_tiled")["path"]).image
    assert image.axis_names == "cyx"
    assert image.shape == (3, 50, 50)
    np.testing.assert_allclose(image.geometry.spacing, (0.000499, 0.000499), rtol=1e-3)
    assert image.geometry.space == "unknown"
    region = Region((1, 7, 13), (3, 34, 41))
    np.testing.assert_array_equal(image.pixels.read(region), pixels(image)[region.slices])


def test_every_real_file_pickles_and_gives_regions(testdata, manifest):
    rng = np.random.default_rng(11)
    for entry in entries(manifest):
        image = PLUGIN.read(Source(testdata / entry["path"], options=KEEP)).image
        assert json.loads(json.dumps(dict(image.extra))) == image.extra
        copy = pickle.loads(pickle.dumps(image))  # noqa: S301 (our own bytes)
        whole = pixels(copy)
        assert image.pixels.access in PLUGIN.can.access
        assert sorted(image.pixels.storage_order) == list(range(whole.ndim))
        for _ in range(4):
            start = [int(rng.integers(0, n)) for n in whole.shape]
            stop = [
                int(rng.integers(a + 1, n + 1)) for a, n in zip(start, whole.shape, strict=True)
            ]
            region = Region(tuple(start), tuple(stop))
            found = copy.pixels.read(region)
            np.testing.assert_array_equal(found, whole[region.slices], entry["id"])
            assert found.dtype == copy.dtype


def test_names_are_modality_and_number(testdata, manifest):
    image = read(testdata / entry_named(manifest, "mr_adc_oblique")["path"]).image
    assert image.name == "MR-series-7"


def test_plugin_reads_and_does_not_write(tmp_path, testdata, manifest):
    path = testdata / entry_named(manifest, "ct_small")["path"]
    assert PLUGIN.can.reads
    assert not PLUGIN.can.writes
    image = read(path).image
    with pytest.raises(Unsupported, match=r"a\.dcm"):
        PLUGIN.write(image, Target(tmp_path / "a.dcm", tmp_path), WriteOptions())


def test_content_is_recognised(testdata, manifest, tmp_path):
    for entry in entries(manifest):
        path = testdata / entry["path"]
        if entry["kind"] == "file":
            assert PLUGIN.sniff(path.read_bytes()[:1024])
        else:
            assert recognises(path)
    assert not recognises(tmp_path)
    for head in (b"", b"x", bytes(1024), b"NRRD0004\n", b"II*\0\x08\0\0\0", b"\x5c\x01\0\0" * 99):
        assert not PLUGIN.sniff(head)


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 9, b"\n\n\n", b"{}"])
def test_other_bytes_are_refused(content, tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.dcm"):
        read(path)


def test_missing_file_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r"none\.dcm"):
        read(tmp_path / "none.dcm")
    with pytest.raises(FormatError, match="no DICOM image"):
        read(tmp_path)


def test_level_and_series_that_are_not_there_are_refused(testdata, manifest):
    path = testdata / entry_named(manifest, "ct_small")["path"]
    with pytest.raises(UsageError, match="level"):
        PLUGIN.read(Source(path, level=1))
    with pytest.raises(UsageError, match="no series '99'"):
        PLUGIN.read(Source(path, select="99"))


CUT = ("ct_small", "ct_j2k_lossless", "ct_deflated", "rtdose", "legacy_converted_ct", "emri_small")


@pytest.mark.parametrize("name", CUT)
def test_every_cut_of_a_file_is_refused(testdata, manifest, tmp_path, name):
    whole = (testdata / entry_named(manifest, name)["path"]).read_bytes()
    reference = pixels(read(testdata / entry_named(manifest, name)["path"]).image)
    path = tmp_path / "cut.dcm"
    told = []
    for keep in sorted({*range(0, len(whole), max(1, len(whole) // 50)), len(whole) - 3}):
        path.write_bytes(whole[:keep])
        try:
            found = pixels(read(path).image)
        except SpconvertError as error:
            told.append(error.message)
            continue
        # A delimiter or padding behind the last pixel is all that may be missing.
        assert keep > len(whole) - 2000, keep
        np.testing.assert_array_equal(found, reference)
    assert told
    assert all("cut.dcm" in message for message in told)
