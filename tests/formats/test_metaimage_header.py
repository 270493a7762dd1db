"""MetaImage headers: fields, data files, and the faults of the catalogue."""

from __future__ import annotations

import gzip
import os
import zlib

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import pixels
from spconvert.errors import FormatError, GeometryError, SourceError, SpconvertError, Unsupported
from spconvert.formats.metaimage import PLUGIN
from spconvert.formats.metaimage.fields import TYPES
from spconvert.formats.plugin import ReadOptions, Rescale, Source
from spconvert.model.region import Region, slabs

ARRAY = np.random.default_rng(2).integers(-500, 500, (4, 3, 2)).astype("<i2")
DATA = ARRAY.tobytes()
BASIC = {
    "ObjectType": "Image",
    "NDims": 3,
    "DimSize": "2 3 4",
    "BinaryDataByteOrderMSB": "False",
    "ElementSpacing": "0.5 0.75 2",
    "ElementType": "MET_SHORT",
}


def header_of(fields, data_file="LOCAL", line_end="\n"):
    named = [f"{name} = {value}" for name, value in fields.items() if value is not None]
    named.append(f"ElementDataFile = {data_file}")
    return (line_end.join(named) + line_end).encode("utf-8", "surrogateescape")


@pytest.fixture
def read(tmp_path):
    """Write a header with these fields and the data, and read the file."""

    def make(fields, data=DATA, data_file="LOCAL", name="a.mha", **options):
        (tmp_path / name).write_bytes(header_of(fields, data_file) + data)
        return PLUGIN.read(Source(tmp_path / name, options=ReadOptions(**options)))

    return make


def codes(opened):
    return [finding.code for finding in opened.findings]


# -- fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TYPES))
@pytest.mark.parametrize("msb", ["True", "False"])
@pytest.mark.parametrize("suffix", ["", "_ARRAY"])
def test_every_type_is_read_as_itk_reads_it(name, msb, suffix, read, tmp_path):
    dtype = np.dtype((">" if msb == "True" else "<") + TYPES[name])
    array = np.arange(24).reshape(4, 3, 2).astype(dtype)
    fields = {**BASIC, "ElementType": name + suffix, "BinaryDataByteOrderMSB": msb}
    opened = read(fields, array.tobytes())
    np.testing.assert_array_equal(pixels(opened.image), array)
    assert opened.image.dtype == dtype.newbyteorder("=")
    if not suffix and name != "MET_ASCII_CHAR":
        itk = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.mha")))
        np.testing.assert_array_equal(itk, array)
        assert itk.dtype == opened.image.dtype


@pytest.mark.parametrize("position", ["Offset", "Position", "Origin"])
@pytest.mark.parametrize("matrix", ["TransformMatrix", "Orientation", "Rotation"])
def test_synonyms_place_the_image_as_itk_does(position, matrix, read, tmp_path):
    fields = {
        **BASIC,
        "ElementSpacing": None,
        "ElementSize": "0.5 0.75 2",
        position: "1.5 -2 3",
        matrix: "0 1 0 -0.6 0 0.8 0.8 0 0.6",
    }
    geometry = read(fields).image.geometry
    itk = sitk.ReadImage(str(tmp_path / "a.mha"))
    assert geometry.origin == itk.GetOrigin() == (1.5, -2.0, 3.0)
    assert sum(geometry.direction, ()) == itk.GetDirection()
    assert geometry.direction == ((0.0, -0.6, 0.8), (1.0, 0.0, 0.0), (0.0, 0.8, 0.6))
    assert geometry.spacing == itk.GetSpacing() == (0.5, 0.75, 2.0)


def test_spacing_goes_before_size_and_contradictions_are_told(read):
    opened = read({**BASIC, "ElementSize": "9 9 9", "Offset": "1 2 3", "Position": "4 5 6"})
    assert opened.image.geometry.spacing == (0.5, 0.75, 2.0)
    assert opened.image.geometry.origin == (1.0, 2.0, 3.0)
    assert codes(opened) == ["fields-contradict"]


def test_header_without_a_place_has_no_anatomy(read):
    opened = read({**BASIC, "ElementSpacing": None})
    assert (opened.image.geometry.space, opened.image.unit) == ("unknown", None)
    assert codes(opened) == ["spacing-unknown"]
    opened = read({**BASIC, "ElementSpacing": None, "AnatomicalOrientation": "LPI"})
    assert opened.image.geometry.space == "LPS"
    assert codes(opened) == ["orientation-ignored", "spacing-unknown"]


def test_units_are_read_where_they_are_stated(read):
    assert read({**BASIC, "DistanceUnits": "um"}).image.unit == "micrometer"
    assert read({**BASIC, "DistanceUnits": "?"}).image.unit is None
    opened = read({**BASIC, "DistanceUnits": "furlong"})
    assert (opened.image.unit, codes(opened)) == (None, ["unknown-unit"])


def test_negative_spacing_goes_into_the_direction(read):
    opened = read({**BASIC, "ElementSpacing": "0.5 -0.75 2"})
    assert opened.image.geometry.spacing == (0.5, 0.75, 2.0)
    assert opened.image.geometry.direction == ((1, 0, 0), (0, -1, 0), (0, 0, 1))
    assert codes(opened) == ["negative-spacing"]


def test_matrix_that_holds_lengths_is_taken_apart_and_shear_is_kept(read):
    opened = read({**BASIC, "TransformMatrix": "2 0 0 0 1 0 0 0 1"})
    assert opened.image.geometry.spacing == (1.0, 0.75, 2.0)
    opened = read({**BASIC, "TransformMatrix": "1 0 0 0.6 0.8 0 0 0 1"})
    assert opened.image.geometry.direction == ((1, 0.6, 0), (0, 0.8, 0), (0, 0, 1))
    assert codes(opened) == ["direction-not-orthonormal"]


def test_intensity_function_is_told_and_applied_on_request(read):
    slope, offset = "ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"
    fields = {**BASIC, slope: "2.5", offset: "-4"}
    opened = read(fields)
    assert (opened.rescale, codes(opened)) == (Rescale(2.5, -4.0), ["rescale-kept"])
    np.testing.assert_array_equal(pixels(opened.image), ARRAY)
    assert opened.image.extra["metaimage"]["fields"][slope] == "2.5"
    opened = read(fields, rescale="apply")
    np.testing.assert_array_equal(pixels(opened.image), ARRAY * np.float32(2.5) - 4)
    assert opened.image.dtype == np.float32
    assert slope not in opened.image.extra["metaimage"]["fields"]
    assert read(BASIC).rescale is None
    opened = read({**BASIC, slope: "0"}, rescale="apply")
    assert (opened.rescale, codes(opened)) == (None, ["rescale-impossible"])


def test_colons_crlf_case_and_comments_are_read(tmp_path):
    path = tmp_path / "a.mha"
    text = header_of(BASIC, line_end="\r\n").replace(b" = ", b" : ").replace(b"NDims", b"ndims")
    path.write_bytes(text + DATA)
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(path)).image), ARRAY)
    path.write_bytes(b"Comment = made by: me\n# odd\n" + header_of(BASIC) + DATA)
    opened = PLUGIN.read(Source(path))
    assert codes(opened) == ["odd-line"]
    assert opened.image.extra["metaimage"]["fields"]["Comment"] == "made by: me"


def test_missing_byte_order_is_assumed_and_told(read):
    opened = read({**BASIC, "BinaryDataByteOrderMSB": None})
    np.testing.assert_array_equal(pixels(opened.image), ARRAY)
    assert codes(opened) == ["byte-order-assumed"]
    with pytest.raises(FormatError, match="contradict"):
        read({**BASIC, "ElementByteOrderMSB": "True"})


def test_time_is_the_fourth_axis_and_may_not_be_mixed_with_space(read):
    fields = {**BASIC, "NDims": 4, "DimSize": "2 3 2 2", "ElementSpacing": "1 2 3 0.5"}
    fields["Offset"] = "1 2 3 4"
    image = read(fields).image
    assert (image.axis_names, image.time.step, image.time.start) == ("tzyx", 0.5, 4.0)
    opened = read({**fields, "ElementSpacing": "1 2 3 0"})
    assert (opened.image.time.step, codes(opened)) == (1.0, ["time-step-unknown"])
    matrix = "1 0 0 0 0 1 0 0 0 0 1 0.5 0 0 0 1"
    with pytest.raises(Unsupported, match="mixes space and time"):
        read({**fields, "TransformMatrix": matrix})


# -- data ------------------------------------------------------------------------------------------


def parts_of(folder, suffix=".raw", encode=lambda data: data):
    names = [f"p {i:03d}{suffix}" for i in range(1, 5)]
    for name, plane in zip(names, ARRAY, strict=True):
        (folder / name).write_bytes(encode(plane.tobytes()))
    return names


def test_pattern_and_list_read_as_itk_reads_them(read, tmp_path):
    names = parts_of(tmp_path)
    listed = "LIST\n" + "\n".join(names)
    for data_file in (listed, listed.replace("LIST", "LIST 2D")):
        np.testing.assert_array_equal(pixels(read(BASIC, b"", data_file).image), ARRAY)
    for i, name in enumerate(names):
        (tmp_path / name).rename(tmp_path / f"q{2 * i + 3:03d}.raw")
    pattern = "q%03d.raw 3 9 2"
    image = read(BASIC, b"", pattern, name="a.mhd").image
    np.testing.assert_array_equal(pixels(image), ARRAY)
    itk = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.mhd")))
    np.testing.assert_array_equal(itk, ARRAY)
    region = Region((1, 1, 0), (4, 2, 2))
    np.testing.assert_array_equal(image.pixels.read(region), ARRAY[region.slices])


def test_compressed_parts_are_read(read, tmp_path):
    names = parts_of(tmp_path, ".zraw", zlib.compress)
    image = read({**BASIC, "CompressedData": "True"}, b"", "LIST\n" + "\n".join(names)).image
    np.testing.assert_array_equal(pixels(image), ARRAY)


@pytest.mark.parametrize(
    ("data_file", "problem"),
    [
        ("LIST\np 001.raw", "1 data files: 4 expected"),
        ("LIST 9\np 001.raw", "dimension 9"),
        ("q%03d.raw 3 1 1", "counts no file"),
        ("q%03d.raw 1 999999999 1", "999999999 data files: 4 expected"),
        ("q%s.raw 1 4 1", "exactly one number"),
        ("%d%d.raw 1 4 1", "exactly one number"),
        ("q%n.raw", "exactly one number"),
        ("", "names no file"),
    ],
)
def test_bad_lists_and_patterns_are_refused(data_file, problem, read):
    with pytest.raises(FormatError, match=problem):
        read(BASIC, b"", data_file)


def test_header_size_skips_from_the_start_or_to_the_end(read, tmp_path):
    (tmp_path / "d.raw").write_bytes(b"x" * 7 + DATA)
    for size in ("7", "-1"):
        image = read({**BASIC, "HeaderSize": size}, b"", "d.raw").image
        np.testing.assert_array_equal(pixels(image), ARRAY)
        itk = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.mha")))
        np.testing.assert_array_equal(itk, ARRAY)
    image = read({**BASIC, "HeaderSize": "-1"}, b"junk" + DATA).image
    np.testing.assert_array_equal(pixels(image), ARRAY)
    for size in ("-2", "1e3", "99999999999999999999"):
        with pytest.raises(FormatError, match="HeaderSize"):
            read({**BASIC, "HeaderSize": size}, b"", "d.raw")
    with pytest.raises(FormatError, match="has 1 of 48 bytes"):
        read({**BASIC, "HeaderSize": "54"}, b"", "d.raw")


@pytest.mark.parametrize("encode", [zlib.compress, gzip.compress])
def test_both_frames_of_deflate_are_read_as_itk_does(encode, read, tmp_path):
    fields = {**BASIC, "CompressedData": "True", "CompressedDataSize": len(encode(DATA))}
    np.testing.assert_array_equal(pixels(read(fields, encode(DATA)).image), ARRAY)
    itk = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.mha")))
    np.testing.assert_array_equal(itk, ARRAY)


def test_text_is_read(read):
    text = " ".join(map(str, ARRAY.ravel())).encode()
    fields = {**BASIC, "BinaryData": "False", "BinaryDataByteOrderMSB": None}
    opened = read(fields, text)
    np.testing.assert_array_equal(pixels(opened.image), ARRAY)
    assert codes(opened) == []
    with pytest.raises(FormatError, match="characters of voxels"):
        read(fields, text[:20])


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"DimSize": "0 3 4"},
        {"DimSize": "-2 3 4"},
        {"DimSize": "nan 3 4"},
        {"DimSize": "2 3"},
        {"DimSize": "1000000 1000000 1000000"},
        {"DimSize": "4000000000 4000000000 4000000000"},
        {"DimSize": None},
        {"NDims": None},
        {"NDims": "0"},
        {"NDims": "-3"},
        {"ElementType": "MET_BOGUS"},
        {"ElementType": "MET_STRING"},
        {"ElementType": None},
        {"ElementNumberOfChannels": "0"},
        {"ElementNumberOfChannels": "99999999999999999999"},
        {"ObjectType": "Tube"},
        {"CompressedData": "True"},
        {"CompressedData": "True", "CompressedDataSize": "1e99"},
        {"CompressedData": "True", "CompressedDataSize": "4800"},
        {"CompressedData": "True", "HeaderSize": "-1"},
        {"CompressedData": "True", "BinaryData": "False"},
        {"ElementSpacing": "1 2"},
        {"ElementSpacing": "1 2 x"},
        {"Offset": "1 2 3 4"},
        {"TransformMatrix": "1 0 0 0 1 0"},
        {"AxisNames": "x y"},
        {"AxisNames": "z y x"},
        {"Name": "a\0b"},
    ],
)
def test_impossible_headers_are_refused(change, read):
    with pytest.raises(FormatError, match=r"a\.mha"):
        pixels(read({**BASIC, **change}).image)


@pytest.mark.parametrize(
    "change",
    [
        {"ElementSpacing": "0 1 1"},
        {"ElementSpacing": "nan 1 1"},
        {"ElementSpacing": "inf 1 1"},
        {"ElementSpacing": "1e999 1 1"},
        {"Offset": "nan 0 0"},
        {"Offset": "0 inf 0"},
        {"TransformMatrix": "1 0 0 0 1 0 0 0 0"},
        {"TransformMatrix": "1 0 0 1 0 0 0 0 1"},
        {"TransformMatrix": "nan 0 0 0 1 0 0 0 1"},
    ],
)
def test_impossible_geometry_is_refused(change, read):
    with pytest.raises(GeometryError, match=r"a\.mha"):
        read({**BASIC, **change})


def test_impossible_spacing_gives_way_to_an_assigned_one(read):
    opened = read({**BASIC, "ElementSpacing": "0 nan 2"}, spacing_assigned=True)
    assert opened.image.geometry.spacing == (1.0, 1.0, 2.0)
    assert codes(opened) == ["spacing-impossible"]


@pytest.mark.parametrize("dimension", [1, 5])
def test_other_dimensions_are_refused_by_name(dimension, read):
    sizes = " ".join(["2"] * dimension)
    fields = {**BASIC, "NDims": dimension, "DimSize": sizes, "ElementSpacing": None}
    with pytest.raises(Unsupported, match=f"dimension {dimension}"):
        read(fields)


def test_short_and_surplus_data_are_told(read):
    with pytest.raises(FormatError, match="has 40 of 48 bytes"):
        read(BASIC, DATA[:40])
    assert codes(read(BASIC, DATA + b"more")) == ["surplus-data"]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda d: d[:20], "has"),
        (lambda d: d[:-4] + b"\0\0\0\0", "broken zlib"),
        (lambda d: b"\xff" + d[1:], "broken zlib"),
        (lambda _: zlib.compress(DATA[:40]), "has 40 of 48 bytes"),
    ],
)
def test_damaged_streams_are_refused(damage, problem, read):
    data = damage(zlib.compress(DATA))
    image = read({**BASIC, "CompressedData": "True"}, data).image
    with pytest.raises(FormatError, match=problem):
        pixels(image)


def test_bomb_stops_at_the_declared_size(read):
    image = read({**BASIC, "CompressedData": "True"}, zlib.compress(DATA + bytes(64 << 20))).image
    found = []
    cuts = list(slabs(image.shape, 2, 1 << 20, order=image.pixels.storage_order))
    arrays = list(image.pixels.scan(cuts, found.append))
    np.testing.assert_array_equal(arrays[0], ARRAY)
    assert [f.code for f in found] == ["surplus-data"]


@pytest.mark.parametrize("name", ["/etc/hostname", "../outside.raw", "http://a/b.raw", "no.raw"])
def test_data_outside_the_folder_is_not_touched(name, read, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "outside.raw").write_bytes(DATA)
    with pytest.raises(SourceError):
        read(BASIC, b"", name, name="in/a.mhd")
    if name.startswith(".."):
        image = read(BASIC, b"", name, name="in/a.mhd", allow_external_data=True).image
        np.testing.assert_array_equal(pixels(image), ARRAY)
        (tmp_path / "in" / "link.raw").symlink_to(tmp_path / "outside.raw")
        with pytest.raises(SourceError, match="outside its folder"):
            read(BASIC, b"", "link.raw", name="in/a.mhd")


def test_header_that_names_itself_or_a_pipe_is_refused(read, tmp_path):
    with pytest.raises(SourceError, match="names itself"):
        read(BASIC, DATA, "a.mha")
    os.mkfifo(tmp_path / "pipe.raw")
    with pytest.raises(SourceError, match="device or a pipe"):
        read(BASIC, b"", "pipe.raw")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"ObjectType = Image\n", "cut off|no ElementDataFile"),
        (b"ObjectType = Image\nNDims = 3\n" + b"x" * (2 << 20), "no ElementDataFile"),
        (b"Comment = " + b"a = b\n" * 400_000, "no ElementDataFile"),
        (b"NDims = 3\nno field\nElementDataFile = LOCAL\n", "'Name = value' expected"),
        (b"NDims = 3\nNDims = 3\nElementDataFile = LOCAL\n", "given twice"),
        (b"NDims = 3\nElementDataFile = LIST\n" + b"a" * (2 << 20), "longer than"),
        (b"\xff\xfe\x00", "not a MetaImage"),
        (b"GIF89a", "not a MetaImage"),
    ],
)
def test_other_files_and_endless_headers_are_refused(content, problem, tmp_path):
    path = tmp_path / "a.mha"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=problem):
        PLUGIN.read(Source(path))


def test_tubes_are_not_taken_for_images():
    assert not PLUGIN.sniff(b"ObjectType = Tube\nNDims = 3\n")
    assert PLUGIN.sniff(b"NDims = 3\nDimSize = 1 2 3\n")
    assert PLUGIN.sniff(b"Comment = x\nObjectType = Image\n")


@given(st.binary(max_size=60), st.integers(0, 300), st.integers(0, 60))
def test_any_damage_is_refused_by_name_or_read(tmp_path_factory, junk, at, cut):
    path = tmp_path_factory.getbasetemp() / "fuzz.mha"
    whole = header_of({**BASIC, "Offset": "1 2 3", "TransformMatrix": "1 0 0 0 1 0 0 0 1"}) + DATA
    path.write_bytes(whole[:at] + junk + whole[at + cut :])
    try:
        image = PLUGIN.read(Source(path)).image
        if image.nbytes < 1 << 20:
            pixels(image)
    except SpconvertError:
        pass
