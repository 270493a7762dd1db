"""GIPL there and back, plain and gzipped, what SimpleITK reads in it, and its faults."""

from __future__ import annotations

import gzip
import hashlib
import struct
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import FormatContract, make_image, pixels, written
from spconvert.errors import FormatError, GeometryError, SpconvertError, Unsupported, UsageError
from spconvert.formats.gipl import PLUGIN
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions
from spconvert.model.region import Region

DTYPES = ("int8", "uint8", "int16", "uint16", "float32", "float64")
"""Those that ITK writes; 32-bit integers are written by us alone."""


class Contract(FormatContract):
    plugin = PLUGIN
    axes = ("zyx", "yx")
    dtypes = (*DTYPES, "int32", "uint32")

    def assert_same(self, back, image):
        assert back.axis_names == image.axis_names
        assert back.dtype == image.dtype
        np.testing.assert_array_equal(pixels(back), pixels(image))
        assert back.geometry.origin == image.geometry.origin
        assert back.geometry.spacing == image.geometry.spacing


class TestPlain(Contract):
    suffix = ".gipl"


class TestGzipped(Contract):
    suffix = ".gipl.gz"

    @pytest.fixture(params=[None, "gzip", "gzip:6"])
    def codec(self, request):
        return request.param


def changed(path, offset, content):
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.fixture
def plain(tmp_path):
    return written(PLUGIN, make_image("zyx", "int16"), tmp_path / "a.gipl")


def codes(opened):
    return [finding.code for finding in opened.findings]


def test_real_file_reads_as_the_manifest_says(testdata, manifest):
    entry = next((e for e in manifest if e["path"].endswith(".gipl.gz")), None)
    if entry is None:
        pytest.skip("no GIPL file is in this selection of the test data")
    truth = entry["expected"]
    opened = PLUGIN.read(Source(testdata / entry["path"]))
    image, geometry = opened.image, opened.image.geometry
    array = pixels(image)
    assert (image.axis_names, array.dtype.name) == (truth["axes"], truth["dtype"])
    assert list(array.shape) == truth["shape"]
    assert hashlib.sha256(array.tobytes()).hexdigest() == truth["voxel_sha256"]
    assert [*geometry.origin] == truth["origin"]
    assert [*geometry.spacing] == truth["spacing"]
    assert [[*row] for row in geometry.direction] == truth["direction"]
    assert (geometry.space == "LPS") == truth["orientation_known"]
    assert codes(opened) == ["direction-assumed"]


def test_region_is_read_alone(plain):
    image = PLUGIN.read(Source(plain)).image
    region = Region((1, 2, 3), (4, 5, 6))
    assert image.pixels.access == "random"
    expected = pixels(make_image("zyx", "int16"))[region.slices]
    np.testing.assert_array_equal(image.pixels.read(region), expected)


@pytest.mark.parametrize("name", ["a.gipl", "a.gipl.gz"])
def test_simpleitk_reads_what_is_written_and_is_read(name, tmp_path):
    for dtype in DTYPES:
        for names in ("zyx", "yx"):
            image = make_image(names, dtype)
            path = written(PLUGIN, image, tmp_path / name)
            itk = sitk.ReadImage(str(path))
            n = image.geometry.ndim
            found = sitk.GetArrayFromImage(itk)
            np.testing.assert_array_equal(found.reshape(image.shape), pixels(image))
            assert itk.GetSpacing()[:n] == image.geometry.spacing
            assert itk.GetOrigin()[:n] == image.geometry.origin
            sitk.WriteImage(itk, str(tmp_path / f"itk-{name}"))
            back = PLUGIN.read(Source(tmp_path / f"itk-{name}")).image
            np.testing.assert_array_equal(pixels(back).reshape(image.shape), pixels(image))
            assert back.geometry.origin[: len(itk.GetOrigin())] == itk.GetOrigin()
            assert back.geometry.spacing[: len(itk.GetOrigin())] == itk.GetSpacing()


def test_what_gipl_cannot_hold_is_refused(tmp_path):
    for image in (make_image("zyx", "int64"), make_image("tzyx"), make_image("cyx")):
        with pytest.raises(Unsupported, match="GIPL cannot hold"):
            written(PLUGIN, image, tmp_path / "a.gipl")
    with pytest.raises(UsageError, match="gzip"):
        written(PLUGIN, make_image(), tmp_path / "a.gipl", "gzip")
    with pytest.raises(UsageError, match="raw"):
        written(PLUGIN, make_image(), tmp_path / "a.gipl.gz", "raw")


def test_rounded_spacing_is_told(tmp_path):
    image = make_image()
    found = []
    options = WriteOptions(finding=found.append)
    PLUGIN.write(image, Target(tmp_path / "a.gipl", tmp_path), options)
    assert found == []
    image = replace(image, geometry=replace(image.geometry, spacing=(0.7, 1.0, 2.0)))
    PLUGIN.write(image, Target(tmp_path / "a.gipl", tmp_path), options)
    assert [finding.code for finding in found] == ["spacing-rounded"]


@pytest.mark.parametrize(
    ("offset", "content", "error"),
    [
        (0, struct.pack(">H", 0), FormatError),
        (0, struct.pack(">3H", 65535, 65535, 65535), FormatError),
        (6, struct.pack(">H", 5), Unsupported),
        (8, struct.pack(">H", 1), FormatError),
        (8, struct.pack(">H", 144), FormatError),
        (10, struct.pack(">f", 0), GeometryError),
        (14, struct.pack(">f", -1), GeometryError),
        (18, struct.pack(">f", np.nan), GeometryError),
        (204, struct.pack(">d", np.inf), GeometryError),
        (252, b"\0\0\0\0", FormatError),
    ],
)
def test_impossible_headers_are_refused(offset, content, error, plain):
    with pytest.raises(error, match=r"a\.gipl"):
        PLUGIN.read(Source(changed(plain, offset, content)))


def test_assigned_spacing_replaces_an_impossible_one(plain):
    options = ReadOptions(spacing_assigned=True)
    path = changed(plain, 10, struct.pack(">f", np.nan))
    opened = PLUGIN.read(Source(path, options=options))
    assert opened.image.geometry.spacing == (1.0, 0.75, 2.5)
    assert "spacing-impossible" in codes(opened)


def test_surplus_is_told_and_damaged_gzip_refused(plain, tmp_path):
    whole = plain.read_bytes()
    plain.write_bytes(whole + b"more")
    assert codes(PLUGIN.read(Source(plain))) == ["surplus-data", "direction-assumed"]
    packed = gzip.compress(whole)
    path = tmp_path / "b.gipl.gz"
    for damage in (packed[:-9], packed[:-8] + bytes(8), packed[:60] + bytes(40) + packed[100:]):
        path.write_bytes(damage)
        with pytest.raises(FormatError, match=r"b\.gipl\.gz"):
            pixels(PLUGIN.read(Source(path)).image)


def test_bomb_is_refused_before_it_is_inflated(plain, tmp_path):
    path = tmp_path / "b.gipl.gz"
    path.write_bytes(
        gzip.compress(changed(plain, 0, struct.pack(">3H", 60000, 60000, 60000)).read_bytes())
    )
    with pytest.raises(FormatError, match="compressed bytes"):
        PLUGIN.read(Source(path))


@given(st.binary(max_size=40), st.integers(0, 300), st.integers(0, 40))
def test_any_damage_is_refused_by_name_or_read(tmp_path_factory, junk, at, cut):
    folder = tmp_path_factory.getbasetemp()
    whole = written(PLUGIN, make_image("zyx", "int16"), folder / "fuzz.gipl").read_bytes()
    for name, encode in (("fuzz.gipl", bytes), ("fuzz.gipl.gz", gzip.compress)):
        (folder / name).write_bytes(encode(whole[:at] + junk + whole[at + cut :]))
        try:
            image = PLUGIN.read(Source(folder / name)).image
            if image.nbytes < 1 << 20:
                pixels(image)
        except SpconvertError:
            pass
