"""ITK's HDF5 images and what only ITK reads, against SimpleITK in this process; and faults."""

from __future__ import annotations

import locale

import h5py
import numpy as np
import pytest
import SimpleITK as sitk

from formats.contract import make_image, pixels
from geometries import from_itk
from spconvert.errors import FormatError, GeometryError, SourceError, Unsupported, UsageError
from spconvert.formats.itk import PLUGIN
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions

DTYPES = (
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
)
OBLIQUE = (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, -1.0)


def saved(path, array, *, vector=False, compressed=False):
    itk = sitk.GetImageFromArray(array, isVector=vector)
    n = itk.GetDimension()
    itk.SetSpacing((0.1, 0.75, 2.5, 1.5)[:n])
    itk.SetOrigin((-90.5, 12.25, 300.1, 0.25)[:n])
    if n == 3:
        itk.SetDirection(OBLIQUE)
    itk.SetMetaData("PatientName", "DOE^JANE")
    sitk.WriteImage(itk, str(path), useCompression=compressed)
    return itk


@pytest.fixture
def hdf5(tmp_path):
    path = tmp_path / "a.h5"
    saved(path, np.arange(24, dtype="i2").reshape(4, 3, 2))
    return path


@pytest.mark.parametrize("dtype", DTYPES)
def test_hdf5_of_every_type_reads_as_simpleitk_says(dtype, tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "a.hdf5"
    vector = dtype in ("uint8", "float32")
    array = rng.integers(0, 99, (4, 3, 2, 3)).astype(dtype)
    array = array if vector else array[..., 0]
    itk = saved(path, array, vector=vector, compressed=dtype[-1] == "6")
    opened = PLUGIN.read(Source(path))
    assert opened.findings == ()
    assert opened.image.geometry == from_itk(itk)
    assert opened.image.dtype == np.dtype(dtype)
    assert opened.image.unit == "millimeter"
    expected = np.moveaxis(array, -1, 0) if vector else array
    np.testing.assert_array_equal(pixels(opened.image), expected)


def test_two_and_four_dimensions_are_read(tmp_path):
    path = tmp_path / "a.h5"
    array = np.arange(6, dtype="u2").reshape(3, 2)
    saved(path, array)
    image = PLUGIN.read(Source(path)).image
    assert (image.axis_names, image.geometry.spacing) == ("yx", (0.1, 0.75))
    np.testing.assert_array_equal(pixels(image), array)
    array = np.arange(48, dtype="f4").reshape(2, 4, 3, 2)
    saved(path, array)
    image = PLUGIN.read(Source(path)).image
    assert (image.axis_names, image.time.step, image.time.start) == ("tzyx", 1.5, 0.25)
    np.testing.assert_array_equal(pixels(image), array)


@pytest.fixture
def kept_locale():
    """ITK's writer of Stimulate leaves the process in the locale "C"."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.usefixtures("kept_locale")
def test_biorad_and_stimulate_read_as_simpleitk_says(tmp_path):
    for name, dtype in (("a.pic", "uint8"), ("a.pic", "uint16"), ("a.spr", "int16")):
        path = tmp_path / name
        array = np.arange(60).reshape(5, 4, 3).astype(dtype)
        saved(path, array)
        itk = sitk.ReadImage(str(path))
        image = PLUGIN.read(Source(path)).image
        assert PLUGIN.sniff(path.read_bytes()[:1024])
        assert image.geometry == from_itk(itk, "unknown")
        assert image.unit is None
        expected = sitk.GetArrayFromImage(itk)
        assert image.dtype == expected.dtype
        np.testing.assert_array_equal(pixels(image), expected)


def test_metadata_is_kept_only_on_request(hdf5):
    assert PLUGIN.read(Source(hdf5)).image.extra == {"itk": {"io": "HDF5ImageIO"}}
    kept = PLUGIN.read(Source(hdf5, options=ReadOptions(metadata="all"))).image.extra
    assert kept["itk"]["metadata"] == {"PatientName": "DOE^JANE"}
    assert PLUGIN.read(Source(hdf5, options=ReadOptions(metadata="none"))).image.extra == {}


def test_sniff_leaves_minc_alone(hdf5):
    head = hdf5.read_bytes()[:1024]
    assert PLUGIN.sniff(head)
    assert not PLUGIN.sniff(head + b"minc-2.0")
    assert not PLUGIN.sniff(b"")
    assert not PLUGIN.sniff(b"numbers")


@pytest.mark.parametrize("name", ["a.h5", "a.pic", "a.spr", "2dseq"])
@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 9, b"\x89HDF\r\n\x1a\n"])
def test_other_bytes_are_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=name):
        PLUGIN.read(Source(tmp_path / name))


def test_missing_file_folder_selection_and_writing_are_refused(hdf5, tmp_path):
    for path in (tmp_path / "none.h5", tmp_path):
        with pytest.raises(SourceError, match=path.name):
            PLUGIN.read(Source(path))
    with pytest.raises(UsageError, match="one image"):
        PLUGIN.read(Source(hdf5, select="1"))
    with pytest.raises(Unsupported, match="not written"):
        PLUGIN.write(make_image(), Target(tmp_path / "b.h5", tmp_path), WriteOptions())


def test_every_cut_of_a_file_is_refused(hdf5):
    whole = hdf5.read_bytes()
    for keep in (9, 200, 900, len(whole) // 2, len(whole) - 1):
        hdf5.write_bytes(whole[:keep])
        with pytest.raises(FormatError, match=r"a\.h5"):
            pixels(PLUGIN.read(Source(hdf5)).image)


def changed(path, name, value):
    with h5py.File(path, "r+") as file:
        group = file["ITKImage/0"]
        del group[name]
        if value is not None:
            group[name] = value
    return path


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("VoxelData", None, FormatError),
        ("VoxelData", [[b"a", b"b"]], FormatError),
        ("VoxelData", np.zeros((4, 3, 2, 1), "i2"), FormatError),
        ("VoxelData", h5py.ExternalLink("/etc/hosts", "/"), FormatError),
        ("VoxelData", h5py.SoftLink("/ITKImage/0/Origin"), FormatError),
        ("Dimension", [2, 3, 5], FormatError),
        ("Dimension", np.zeros(1000), FormatError),
        ("Directions", np.eye(2), FormatError),
        ("Directions", np.zeros((3, 3)), GeometryError),
        ("Directions", np.full((3, 3), np.nan), GeometryError),
        ("Origin", [0.0, np.inf, 0.0], GeometryError),
        ("Origin", [0.0, 0.0], FormatError),
        ("Spacing", [1.0, 0.0, 1.0], GeometryError),
        ("Spacing", [1.0, -1.0, 1.0], GeometryError),
    ],
)
def test_impossible_contents_are_refused(name, value, error, hdf5):
    with pytest.raises(error, match=r"a\.h5"):
        PLUGIN.read(Source(changed(hdf5, name, value)))


def test_assigned_spacing_replaces_an_impossible_one(hdf5):
    path = changed(hdf5, "Spacing", [1.5, np.nan, 0.0])
    opened = PLUGIN.read(Source(path, options=ReadOptions(spacing_assigned=True)))
    assert opened.image.geometry.spacing == (1.5, 1.0, 1.0)


def test_voxels_in_other_files_are_not_read(hdf5, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(48)))
    with h5py.File(hdf5, "r+") as file:
        group = file["ITKImage/0"]
        del group["VoxelData"]
        group.create_dataset("VoxelData", (4, 3, 2), "i2", external=[(str(secret), 0, 48)])
    with pytest.raises(FormatError, match="other files"):
        PLUGIN.read(Source(hdf5))


def test_array_that_was_never_written_is_refused(hdf5):
    with h5py.File(hdf5, "r+") as file:
        group = file["ITKImage/0"]
        del group["VoxelData"], group["Dimension"]
        group["Dimension"] = [4096, 4096, 4096]
        group.create_dataset("VoxelData", (4096,) * 3, "i2", chunks=(1, 64, 64), compression=1)
    with pytest.raises(FormatError, match="cannot hold"):
        PLUGIN.read(Source(hdf5))
