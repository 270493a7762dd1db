"""Slices to volumes: order, gaps, copies, mixtures, time; and where files may come from."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pydicom = pytest.importorskip("pydicom")

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid  # noqa: E402

from formats.contract import pixels  # noqa: E402
from formats.dicom_files import (  # noqa: E402
    COLUMN,
    GAP,
    MARKER,
    NORMAL,
    ORIGIN,
    ROW,
    SERIES,
    SIZE,
    dataset,
    item,
    save,
    slice_position,
    voxels,
    write_series,
)
from spconvert.errors import (  # noqa: E402
    ChoiceNeeded,
    FormatError,
    GeometryError,
    SourceError,
    UsageError,
)
from spconvert.formats.dicom import PLUGIN, recognises  # noqa: E402
from spconvert.formats.plugin import ReadOptions, Source  # noqa: E402


def read(path, *more, select=None, **options):
    return PLUGIN.read(Source(Path(path), select, 0, ReadOptions(**options), tuple(more)))


def codes(opened):
    return [f.code for f in opened.findings]


def test_slices_are_where_their_positions_say(tmp_path):
    write_series(tmp_path)
    opened = read(tmp_path)
    image = opened.image
    assert (image.axis_names, image.shape, image.unit) == ("zyx", SIZE, "millimeter")
    np.testing.assert_array_equal(pixels(image), voxels())
    assert image.geometry.spacing == pytest.approx((0.5, 0.75, GAP))
    assert image.geometry.origin == tuple(ORIGIN)
    np.testing.assert_allclose(image.geometry.direction, np.array([ROW, COLUMN, NORMAL]).T)
    z, y, x = MARKER
    where = slice_position(z) + x * 0.5 * np.array(ROW) + y * 0.75 * np.array(COLUMN)
    np.testing.assert_allclose(image.geometry.physical((x, y, z)), where, atol=1e-6)
    assert not opened.findings


def test_simpleitk_finds_the_same_grid(tmp_path):
    files = write_series(tmp_path)
    expected = sitk.ReadImage([str(f) for f in files])
    image = read(tmp_path).image
    np.testing.assert_array_equal(pixels(image), sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(image.geometry.spacing, expected.GetSpacing(), rtol=1e-5)
    np.testing.assert_allclose(image.geometry.origin, expected.GetOrigin())


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_byte_orders_and_implicit_types_read_the_same(tmp_path, syntax):
    write_series(tmp_path, syntax=syntax)
    image = read(tmp_path).image
    np.testing.assert_array_equal(pixels(image), voxels())
    assert image.dtype.isnative
    assert image.geometry.spacing == pytest.approx((0.5, 0.75, GAP))


def test_reversed_positions_give_the_same_volume(tmp_path):
    write_series(tmp_path / "a")
    write_series(
        tmp_path / "b", voxels()[::-1], positions=[slice_position(k) for k in reversed(range(5))]
    )
    a, b = read(tmp_path / "a").image, read(tmp_path / "b").image
    assert a.geometry == b.geometry
    np.testing.assert_array_equal(pixels(a), pixels(b))


def test_stated_spacing_between_slices_is_no_position(tmp_path):
    write_series(tmp_path, SpacingBetweenSlices=99.0)
    assert read(tmp_path).image.geometry.spacing[2] == pytest.approx(GAP)


def test_lone_slice_is_as_thick_as_it_says(tmp_path):
    image = read(save(dataset(voxels()[0]), tmp_path / "a")).image
    assert image.shape == (1, 7, 6)
    assert image.geometry.spacing == (0.5, 0.75, 3.5)


# -- grids that are none -------------------------------------------------------------------------


def test_missing_slice_names_both_neighbours_and_both_gaps(tmp_path):
    files = write_series(tmp_path)
    files[2].unlink()
    with pytest.raises(GeometryError) as caught:
        read(tmp_path)
    for text in (files[1].name, files[3].name, "5 mm", "2.5 mm", "one missing"):
        assert text in caught.value.message
    assert "--on-uneven-slices" in caught.value.hint
    opened = read(tmp_path, on_uneven_slices="warn")
    assert codes(opened) == ["uneven-slices"]
    assert opened.image.geometry.spacing[2] == pytest.approx(GAP)


def uneven(shift):
    steps = [0.0, 2.5, 5.0 + shift, 7.5, 10.0]
    return [ORIGIN + s * np.array(NORMAL) for s in steps]


def test_gaps_may_differ_by_one_percent_and_not_more(tmp_path):
    write_series(tmp_path / "good", positions=uneven(0.01))
    assert read(tmp_path / "good").image.shape == SIZE
    write_series(tmp_path / "bad", positions=uneven(0.1))
    with pytest.raises(GeometryError, match=r"2\.[46] mm apart.*2\.5 mm"):
        read(tmp_path / "bad")


def test_copy_of_a_slice_is_refused_naming_both(tmp_path):
    files = write_series(tmp_path)
    (tmp_path / "copy.dcm").write_bytes(files[3].read_bytes())
    with pytest.raises(GeometryError, match=r"copy\.dcm.*same position") as caught:
        read(tmp_path)
    assert files[3].name in caught.value.message
    (tmp_path / "copy.dcm").unlink()
    for file in files:
        (tmp_path / f"again-{file.name}").write_bytes(file.read_bytes())
    with pytest.raises(GeometryError, match="same position"):
        read(tmp_path)


def test_mixed_orientation_size_and_spacing_are_refused_by_name(tmp_path):
    def turned(k, ds):
        if k == 3:
            ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]

    files = write_series(tmp_path / "turned", change=turned)
    with pytest.raises(GeometryError, match="orientation") as caught:
        read(tmp_path / "turned")
    assert files[3].name in caught.value.message

    files = write_series(tmp_path / "sized")
    other = dataset(voxels((5, 4, 9))[0])
    other.ImagePositionPatient = [1, 2, 3]
    save(other, tmp_path / "sized" / "other.dcm")
    with pytest.raises(FormatError, match=r"4 x 9 pixels|7 x 6 pixels"):
        read(tmp_path / "sized")

    def wide(k, ds):
        ds.PixelSpacing = [0.75, 0.5 + 0.1 * (k == 2)]

    write_series(tmp_path / "spaced", change=wide)
    with pytest.raises(GeometryError, match="pixel spacing"):
        read(tmp_path / "spaced")


def test_mixed_types_are_refused_by_name(tmp_path):
    files = write_series(tmp_path)
    odd = dataset(voxels(dtype="uint16")[0])
    odd.ImagePositionPatient = [float(round(v, 4)) for v in slice_position(5)]
    save(odd, tmp_path / "odd.dcm")
    with pytest.raises(FormatError, match=r"int16.*per pixel"):
        read(tmp_path)
    assert len(files) == 5


@pytest.mark.parametrize("turn", [[1, 0, 0, 0.5, 0.5, 0], [0] * 6, [1, 0, 0, 1, 0, 0]])
def test_orientation_that_is_none_is_refused(tmp_path, turn):
    path = save(dataset(voxels()[0], ImageOrientationPatient=turn), tmp_path / "a.dcm")
    with pytest.raises(GeometryError, match=r"a\.dcm.*orthogonal"):
        read(path)


@pytest.mark.parametrize("spacing", [[0, 0.5], [0.75, -1], ["nan", "0.5"], ["inf", "1"]])
def test_impossible_pixel_spacing_is_refused_or_assigned(tmp_path, spacing):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save(dataset(voxels()[0], PixelSpacing=spacing), tmp_path / "a.dcm")
    with pytest.raises(GeometryError, match=r"a\.dcm: pixel spacing") as caught:
        read(path)
    assert "--spacing" in caught.value.hint
    opened = read(path, spacing_assigned=True)
    assert opened.image.geometry.spacing == (1.0, 1.0, 3.5)
    assert "spacing-impossible" in codes(opened)


@pytest.mark.parametrize("name", ["ImagePositionPatient", "ImageOrientationPatient"])
def test_files_without_position_have_no_order_unless_the_caller_insists(tmp_path, name):
    files = write_series(tmp_path, change=lambda _k, ds: delattr(ds, name))
    with pytest.raises(GeometryError, match=r"no image (position|orientation)"):
        read(tmp_path)
    opened = read(tmp_path, on_uneven_slices="warn")
    assert "position-unknown" in codes(opened)
    assert opened.image.geometry.space == "unknown"
    np.testing.assert_array_equal(pixels(opened.image), voxels()[::-1])  # by instance number
    assert read(files[0]).image.axis_names == "yx"


def test_gantry_tilt_is_a_shear_and_a_crooked_stack_none(tmp_path):
    tilted = [slice_position(k) + 0.4 * k * np.array(COLUMN) for k in range(5)]
    write_series(tmp_path / "tilted", positions=tilted)
    opened = read(tmp_path / "tilted")
    geometry = opened.image.geometry
    assert codes(opened) == ["sheared-slices"]
    assert geometry.is_sheared
    np.testing.assert_allclose(geometry.physical((0, 0, 4)), tilted[4], atol=1e-5)
    np.testing.assert_allclose(geometry.physical((0, 0, 1)), tilted[1], atol=1e-5)
    crooked = [p + (0.3 if k == 2 else 0) * np.array(ROW) for k, p in enumerate(tilted)]
    files = write_series(tmp_path / "crooked", positions=crooked)
    with pytest.raises(GeometryError, match="beside the line") as caught:
        read(tmp_path / "crooked")
    assert files[2].name in caught.value.message


# -- several volumes -----------------------------------------------------------------------------


def write_volumes(folder, count, change):
    """``count`` volumes at the same positions; ``change(t, dataset)`` tells them apart."""
    for t in range(count):
        array = voxels() + 1000 * t

        def altered(k, ds, t=t):
            ds.InstanceNumber = 100 - t * 10 + k
            change(t, ds)

        write_series(folder / f"v{9 - t}", array, change=altered)
    return np.stack([voxels() + 1000 * t for t in range(count)])


def set_all(**values):
    def change(t, ds):
        for name, row in values.items():
            setattr(ds, name, row[t])

    return change


@pytest.mark.parametrize(
    ("meaning", "values"),
    [
        ("echo time", {"EchoTime": [4.5, 9.0, 13.5]}),
        ("temporal position", {"TemporalPositionIdentifier": [1, 2, 3]}),
        ("b-value", {"DiffusionBValue": [0.0, 500.0, 1000.0]}),
        ("trigger time", {"TriggerTime": [0, 120, 240]}),
        ("acquisition number", {"AcquisitionNumber": [3, 4, 5]}),
        ("image type", {"ImageType": [["ORIGINAL", "PRIMARY", k] for k in ("A", "B", "C")]}),
    ],
)
def test_volumes_are_told_apart_by_what_differs(tmp_path, meaning, values):
    expected = write_volumes(tmp_path, 3, set_all(**values))
    opened = read(tmp_path)
    assert opened.image.axis_names == "tzyx"
    np.testing.assert_array_equal(pixels(opened.image), expected)
    assert list(opened.image.extra["dicom"]["volumes"]) == [meaning]
    assert not opened.findings


@pytest.mark.parametrize(
    ("maker", "tag", "vr", "values", "found"),
    [
        ("SIEMENS", 0x0019100C, "IS", [0, 500, 1000], [0, 500, 1000]),
        ("GE MEDICAL SYSTEMS", 0x00431039, "IS", [0, 1000000500, 1000001000], [0, 500, 1000]),
    ],
)
def test_makers_own_b_values_are_known(tmp_path, maker, tag, vr, values, found):
    def change(t, ds):
        ds.Manufacturer = maker
        ds.add_new(tag, vr, [values[t], 8, 0, 0] if maker.startswith("GE") else values[t])

    expected = write_volumes(tmp_path, 3, change)
    image = read(tmp_path).image
    np.testing.assert_array_equal(pixels(image), expected)
    assert image.extra["dicom"]["volumes"] == {"b-value": [[v] for v in found]}
    assert image.time.unit is None


def test_descriptions_are_listed_on_one_line(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_series(tmp_path, SeriesDescription="one\n\x1b[31mtwo")
    assert PLUGIN.images(tmp_path)[0].description.isprintable()


def test_time_step_follows_from_acquisition_times_and_repetition(tmp_path):
    times = {"AcquisitionTime": ["120000.02", "120002.5", "120005.01"]}
    write_volumes(tmp_path / "a", 3, set_all(**times))
    axis = read(tmp_path / "a").image.time
    assert (axis.unit, axis.step) == ("second", pytest.approx(2.495))
    write_volumes(tmp_path / "b", 3, set_all(**times, RepetitionTime=[2500] * 3))
    assert read(tmp_path / "b").image.time.step == 2.5
    write_volumes(tmp_path / "c", 3, set_all(**times, TemporalResolution=[1250] * 3))
    assert read(tmp_path / "c").image.time.step == 1.25


def test_a_volume_with_a_slice_less_is_refused(tmp_path):
    write_volumes(tmp_path, 3, set_all(EchoTime=[1, 2, 3]))
    next((tmp_path / "v8").iterdir()).unlink()
    with pytest.raises(GeometryError, match="4 positions have 3 frames each, but"):
        read(tmp_path)


def test_volumes_that_only_their_numbers_tell_apart_are_a_warning(tmp_path):
    expected = write_volumes(tmp_path, 2, lambda _t, _ds: None)
    opened = read(tmp_path)
    assert codes(opened) == ["volumes-by-number"]
    np.testing.assert_array_equal(pixels(opened.image), expected[::-1])


# -- several series, and where files come from ---------------------------------------------------


def two_series(folder):
    write_series(folder / "one")
    write_series(folder / "two", voxels() + 500, SeriesInstanceUID=f"{SERIES}.2", SeriesNumber=12)


def test_two_series_need_a_choice_that_lists_both(tmp_path):
    two_series(tmp_path)
    entries = PLUGIN.images(tmp_path)
    assert [e.select for e in entries] == [SERIES, f"{SERIES}.2"]
    assert entries[1].description == "number 12, CT, 6 x 7 x 5, 5 files"
    with pytest.raises(ChoiceNeeded) as caught:
        read(tmp_path)
    assert SERIES in caught.value.message
    assert "number 12" in caught.value.message
    for select in ("12", f"{SERIES}.2"):
        assert pixels(read(tmp_path, select=select).image).max() == 601
    with pytest.raises(UsageError):
        read(tmp_path, select="13")


def test_series_with_the_same_number_need_a_uid(tmp_path):
    write_series(tmp_path / "one")
    write_series(tmp_path / "two", SeriesInstanceUID=f"{SERIES}.2")
    with pytest.raises(ChoiceNeeded, match="2 series with number 7"):
        read(tmp_path, select="7")


def test_files_that_are_no_images_are_skipped_and_counted(tmp_path):
    write_series(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing to see\n" * 30)
    (tmp_path / "false.dcm").write_text("nothing to see\n" * 30)
    save(dataset(None, Modality="SR"), tmp_path / "report")
    save(dataset(None, Modality="PR"), tmp_path / "state")
    opened = read(tmp_path)
    told = {f.code: f.message for f in opened.findings}
    assert told["files-skipped"].startswith("4 files")
    assert "1 SR" in told["files-skipped"]
    assert "false.dcm" in told["suffix-lies"]
    assert opened.image.shape == SIZE
    with pytest.raises(FormatError, match=r"report.*\(SR\) without an image"):
        read(tmp_path / "report")


def test_broken_dicom_file_in_a_folder_is_an_error(tmp_path):
    files = write_series(tmp_path)
    files[1].write_bytes(files[1].read_bytes()[:300])
    with pytest.raises(FormatError, match=files[1].name):
        read(tmp_path)


def test_image_without_pixels_is_an_error(tmp_path):
    ds = dataset(voxels()[0])
    del ds.PixelData
    with pytest.raises(FormatError, match=r"a\.dcm has no pixel data"):
        read(save(ds, tmp_path / "a.dcm"))


def test_list_of_files_in_any_order_is_a_series(tmp_path):
    files = write_series(tmp_path)
    image = read(files[3], *files[:3], files[4], files[4]).image
    np.testing.assert_array_equal(pixels(image), voxels())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip_file_reads_as_its_folder(tmp_path, method):
    files = write_series(tmp_path / "series")
    path = tmp_path / "series.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("read me.txt", "hello " * 100)
        for file in files:
            archive.write(file, f"deep/er/{file.name}")
    assert recognises(path)
    opened = read(path)
    np.testing.assert_array_equal(pixels(opened.image), voxels())
    assert codes(opened) == ["files-skipped"]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../escape.dcm", files[0].read_bytes())
    with pytest.raises(FormatError, match="escape"):
        read(path)


def test_file_without_preamble_is_read_with_a_note(tmp_path):
    path = save(dataset(voxels()[0]), tmp_path / "part10.dcm")
    whole = path.read_bytes()
    length = int.from_bytes(whole[140:144], "little")
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(whole[144 + length :])
    opened = read(bare)
    assert codes(opened) == ["not-part-10"]
    np.testing.assert_array_equal(pixels(opened.image)[0], voxels()[0])
    assert PLUGIN.sniff(bare.read_bytes()[:1024])


def write_dicomdir(folder, names):
    ds = dataset(None, SOPClassUID="1.2.840.10008.1.3.10")
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names in lower case
        ds.DirectoryRecordSequence = [
            item(DirectoryRecordType="IMAGE", ReferencedFileID=name) for name in names
        ]
    return save(ds, folder / "DICOMDIR")


def test_dicomdir_lists_its_files(tmp_path):
    files = write_series(tmp_path / "DISK" / "SERIES")
    listed = [["DISK", "SERIES", file.name] for file in files]
    path = write_dicomdir(tmp_path, listed)
    np.testing.assert_array_equal(pixels(read(path).image), voxels())
    opened = read(tmp_path)  # the folder itself: the directory is skipped
    assert "1 DICOMDIR" in opened.findings[0].message
    files[0].unlink()
    with pytest.raises(SourceError, match=rf"{files[0].name}.*missing"):
        read(path)


@pytest.mark.parametrize(
    "name",
    [
        ["..", "secret.dcm"],
        "/etc/hostname",
        ["", "etc", "passwd"],
        ["DISK", "..", "..", "secret.dcm"],
    ],
)
def test_dicomdir_cannot_name_files_outside_its_folder(tmp_path, name):
    save(dataset(voxels()[0]), tmp_path / "secret.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_dicomdir(tmp_path / "disk", [name])
    with pytest.raises(SourceError, match="outside its folder"):
        read(path)


def test_dicomdir_does_not_follow_links_out_of_its_folder(tmp_path):
    secret = save(dataset(voxels()[0]), tmp_path / "secret.dcm")
    path = write_dicomdir(tmp_path / "disk", ["LINK"])
    (tmp_path / "disk" / "LINK").symlink_to(secret)
    with pytest.raises(SourceError, match="link"):
        read(path)


def test_localiser_with_other_uid_is_a_series_of_its_own(tmp_path):
    write_series(tmp_path / "a")
    scout = dataset(voxels((5, 9, 8))[0], SeriesInstanceUID=generate_uid(), SeriesNumber=1)
    save(scout, tmp_path / "a" / "scout.dcm")
    assert read(tmp_path, select="7").image.shape == SIZE
