"""VTK legacy files there and back, what SimpleITK reads in them, and their faults."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import OBLIQUE, ArraySource, FormatContract, make_image, pixels, written
from spconvert.errors import (
    FormatError,
    GeometryError,
    SpconvertError,
    Unsupported,
    UsageError,
)
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.formats.vtk import PLUGIN
from spconvert.model.axes import axes_named
from spconvert.model.geometry import identity_matrix
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region

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
ARRAY = np.random.default_rng(2).integers(-500, 500, (4, 3, 2)).astype(">i2")
DATA = ARRAY.tobytes()
BASIC = (
    "# vtk DataFile Version 3.0\ntitle\nBINARY\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2 3 4\n"
    "SPACING 0.5 0.75 2\nORIGIN 1.5 -2 3\nPOINT_DATA 24\nSCALARS a short\nLOOKUP_TABLE default\n"
)


class TestVtk(FormatContract):
    plugin = PLUGIN
    suffix = ".vtk"
    axes = ("zyx", "yx", "czyx", "cyx")
    dtypes = DTYPES

    @pytest.fixture(params=[None, "raw", "ascii"])
    def codec(self, request):
        return request.param

    def assert_same(self, back, image):
        assert back.axis_names == image.axis_names
        assert back.dtype == image.dtype
        np.testing.assert_array_equal(pixels(back), pixels(image))
        assert back.geometry.origin == image.geometry.origin
        assert back.geometry.spacing == image.geometry.spacing


def read(path, text=BASIC, data=DATA, **options):
    path.write_bytes(text.encode() + data)
    return PLUGIN.read(Source(path, options=ReadOptions(**options)))


def codes(opened):
    return [finding.code for finding in opened.findings]


def test_real_file_reads_as_the_manifest_says(testdata, manifest):
    entry = next(e for e in manifest if e["path"].endswith(".vtk"))
    truth = entry["expected"]
    opened = PLUGIN.read(Source(testdata / entry["path"]))
    image = opened.image
    array = pixels(image)
    assert (image.axis_names, array.dtype.name) == (truth["axes"], truth["dtype"])
    assert list(array.shape) == truth["shape"]
    assert hashlib.sha256(array.tobytes()).hexdigest() == truth["voxel_sha256"]
    geometry = image.geometry
    assert [*geometry.origin] == truth["origin"]
    assert [*geometry.spacing] == truth["spacing"]
    assert [[*row] for row in geometry.direction] == truth["direction"]
    assert (geometry.space == "LPS") == truth["orientation_known"]
    assert codes(opened) == ["direction-assumed"]
    assert image.extra["vtk"] == {"title": "Iron protein", "attribute": "scalars"}


def test_region_is_read_alone(tmp_path):
    image = read(tmp_path / "a.vtk").image
    region = Region((1, 0, 1), (3, 2, 2))
    assert image.pixels.access == "random"
    np.testing.assert_array_equal(image.pixels.read(region), ARRAY[region.slices])


def test_simpleitk_reads_what_is_written(tmp_path):
    for names in ("zyx", "yx", "czyx", "cyx"):
        for dtype in DTYPES:
            for codec in ("raw", "ascii"):
                image = make_image(names, dtype)
                path = written(PLUGIN, image, tmp_path / "a.vtk", codec)
                itk = sitk.ReadImage(str(path))
                array = pixels(image)
                array = np.moveaxis(array, 0, -1) if "c" in names else array
                np.testing.assert_array_equal(sitk.GetArrayFromImage(itk), array)
                assert itk.GetSpacing() == image.geometry.spacing
                assert itk.GetOrigin() == image.geometry.origin


def test_files_of_simpleitk_read_as_it_says(tmp_path):
    rng = np.random.default_rng(8)
    for number, dtype in enumerate(DTYPES[1:]):
        for components in (1, 2, 3, 4):
            array = rng.integers(0, 99, (4, 3, 2, components)).astype(dtype)
            vector = components > 1
            itk = sitk.GetImageFromArray(array if vector else array[..., 0], isVector=vector)
            itk.SetOrigin((0.25, -3.5, 17.0 + number))
            itk.SetSpacing((0.1, 0.75, 3.0))
            path = tmp_path / "itk.vtk"
            sitk.WriteImage(itk, str(path))
            opened = PLUGIN.read(Source(path))
            expected = np.moveaxis(array, -1, 0) if vector else array[..., 0]
            np.testing.assert_array_equal(pixels(opened.image), expected)
            assert opened.image.geometry.origin == itk.GetOrigin()
            assert opened.image.geometry.spacing == itk.GetSpacing()
            assert codes(opened) == ["direction-assumed"]


@pytest.mark.parametrize(
    ("attribute", "components"),
    [
        ("VECTORS v short", 3),
        ("NORMALS n short", 3),
        ("TENSORS t short", 9),
        ("SCALARS s short 2", 2),
        ("SCALARS s short 2\nLOOKUP_TABLE mine", 2),
    ],
)
def test_attributes_become_channels(attribute, components, tmp_path):
    array = np.arange(24 * components).reshape(4, 3, 2, components).astype(">i2")
    text = BASIC[: BASIC.index("SCALARS")] + attribute + "\n"
    image = read(tmp_path / "a.vtk", text, array.tobytes()).image
    np.testing.assert_array_equal(pixels(image), np.moveaxis(array, -1, 0))


def test_colours_are_bytes(tmp_path):
    text = BASIC[: BASIC.index("SCALARS")] + "COLOR_SCALARS c 3\n"
    image = read(tmp_path / "a.vtk", text, bytes(range(72))).image
    assert (image.shape, image.dtype) == ((3, 4, 3, 2), np.uint8)


def test_long_of_windows_has_four_bytes(tmp_path):
    text = BASIC.replace("short", "long")
    for code in (">i4", ">i8"):
        image = read(tmp_path / "a.vtk", text, ARRAY.astype(code).tobytes()).image
        assert image.dtype == np.dtype(code).newbyteorder("=")
        np.testing.assert_array_equal(pixels(image), ARRAY)


def test_slice_at_zero_is_flat_and_any_other_is_a_volume(tmp_path):
    text = BASIC.replace("2 3 4", "2 3 1").replace("POINT_DATA 24", "POINT_DATA 6")
    assert read(tmp_path / "a.vtk", text, DATA[:12]).image.axis_names == "zyx"
    flat = text.replace("ORIGIN 1.5 -2 3", "ORIGIN 1.5 -2 0").replace("0.75 2", "0.75 1")
    image = read(tmp_path / "a.vtk", flat, DATA[:12]).image
    assert (image.axis_names, image.geometry.origin) == ("yx", (1.5, -2.0))


def test_negative_spacing_goes_into_the_direction(tmp_path):
    opened = read(tmp_path / "a.vtk", BASIC.replace("0.75", "-0.75"))
    assert opened.image.geometry.spacing == (0.5, 0.75, 2.0)
    assert opened.image.geometry.direction == ((1, 0, 0), (0, -1, 0), (0, 0, 1))
    assert "negative-spacing" in codes(opened)


def test_title_and_name_come_back(tmp_path):
    geometry = replace(OBLIQUE, direction=identity_matrix(3))
    extra = {"vtk": {"title": "two\nlines é", "attribute": "no name"}}
    image = replace(make_image(), geometry=geometry, extra=extra)
    back = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "a.vtk"))).image
    assert back.extra["vtk"] == {"title": "two?lines ?", "attribute": "scalars"}
    assert back.geometry == geometry
    extra = {"vtk": {"title": "head", "attribute": "density"}}
    back = PLUGIN.read(
        Source(written(PLUGIN, replace(image, extra=extra), tmp_path / "b.vtk"))
    ).image
    assert back.extra == extra


def test_what_vtk_cannot_hold_is_refused(tmp_path):
    for image in (make_image("tzyx"), make_image("zyx", "complex64"), make_image("yx", "float16")):
        with pytest.raises(Unsupported, match="VTK legacy cannot hold"):
            written(PLUGIN, image, tmp_path / "a.vtk")
    single = SpatialImage(ArraySource(np.zeros((1, 2, 3), "u1")), axes_named("cyx"), FLAT)
    with pytest.raises(Unsupported, match="length 1"):
        written(PLUGIN, single, tmp_path / "b.vtk")
    with pytest.raises(Unsupported, match="XML"):
        written(PLUGIN, make_image(), tmp_path / "c.vti")
    with pytest.raises(UsageError, match="gzip"):
        written(PLUGIN, make_image(), tmp_path / "d.vtk", "gzip")


FLAT = make_image("yx").geometry


def test_further_data_are_told_and_notes_on_them_are_not(tmp_path):
    assert codes(read(tmp_path / "a.vtk", data=DATA + b"\nSCALARS b short\n"))[0] == "surplus-data"
    assert codes(read(tmp_path / "a.vtk", data=DATA + b"\nMETADATA\nINFORMATION 0\n\n")) == [
        "direction-assumed"
    ]


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("# vtk", "# vtq", FormatError),
        ("BINARY", "BINARIES", FormatError),
        ("DATASET", "DATABASE", FormatError),
        ("STRUCTURED_POINTS", "POLYDATA", Unsupported),
        ("DIMENSIONS 2 3 4", "DIMENSIONS 0 3 4", FormatError),
        ("DIMENSIONS 2 3 4", "DIMENSIONS -2 3 4", FormatError),
        ("DIMENSIONS 2 3 4", "DIMENSIONS 2 3", FormatError),
        ("DIMENSIONS 2 3 4\n", "", FormatError),
        ("POINT_DATA 24", "POINT_DATA 23", FormatError),
        ("POINT_DATA 24", "CELL_DATA 6", Unsupported),
        ("SCALARS a short", "SCALARS a string", FormatError),
        ("SCALARS a short", "SCALARS a short 0", FormatError),
        ("SCALARS a short", "FIELD a 1", Unsupported),
        ("SCALARS a short", "SCALARS a double", FormatError),
        ("SPACING 0.5 0.75 2", "SPACING 0.5 0.75", FormatError),
        ("SPACING 0.5 0.75 2", "SPACING 0.5 0.75 x", FormatError),
        ("SPACING 0.5 0.75 2", "SPACING 0.5 0 2", GeometryError),
        ("SPACING 0.5 0.75 2", "SPACING 0.5 nan 2", GeometryError),
        ("ORIGIN 1.5 -2 3", "ORIGIN 1.5 inf 3", GeometryError),
        ("title\n", "x" * 100_000, FormatError),
        ("ORIGIN 1.5 -2 3", "ORIGINS 1.5 -2 3", FormatError),
    ],
)
def test_impossible_files_are_refused(old, new, error, tmp_path):
    with pytest.raises(error, match=r"a\.vtk"):
        read(tmp_path / "a.vtk", BASIC.replace(old, new))


def test_huge_sizes_are_refused_before_anything_is_allocated(tmp_path):
    size, points = "1000000 1000000 1000000", "POINT_DATA 1000000000000000000"
    text = BASIC.replace("2 3 4", size).replace("POINT_DATA 24", points)
    with pytest.raises(FormatError, match="has 48 of 2000000000000000000 bytes"):
        read(tmp_path / "a.vtk", text)
    with pytest.raises(FormatError, match=r"2\^63"):
        read(tmp_path / "a.vtk", text.replace("short", "double 9"))


def test_assigned_spacing_replaces_an_impossible_one(tmp_path):
    opened = read(tmp_path / "a.vtk", BASIC.replace("0.5 0.75 2", "0 nan 2"), spacing_assigned=True)
    assert opened.image.geometry.spacing == (1.0, 1.0, 2.0)


def test_xml_is_known_and_refused_by_name(tmp_path):
    path = tmp_path / "a.vti"
    path.write_bytes(b'<?xml version="1.0"?>\n<VTKFile type="ImageData" version="1.0">')
    assert PLUGIN.sniff(path.read_bytes())
    with pytest.raises(Unsupported, match="XML"):
        PLUGIN.read(Source(path))


@given(st.binary(max_size=40), st.integers(0, 220), st.integers(0, 40))
def test_any_damage_is_refused_by_name_or_read(tmp_path_factory, junk, at, cut):
    path = tmp_path_factory.getbasetemp() / "fuzz.vtk"
    whole = BASIC.encode() + DATA
    path.write_bytes(whole[:at] + junk + whole[at + cut :])
    try:
        image = PLUGIN.read(Source(path)).image
        if image.nbytes < 1 << 20:
            pixels(image)
    except SpconvertError:
        pass
