"""MetaImage there and back: real files, own files, and what SimpleITK reads in them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from formats.contract import OBLIQUE, ArraySource, FormatContract, make_image, pixels, written
from geometries import CODES, from_itk, rotation_of
from spconvert.errors import LimitError, Unsupported, UsageError
from spconvert.formats.metaimage import PLUGIN
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry, code_direction
from spconvert.model.image import SpatialImage

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
AXES = ("zyx", "yx", "czyx", "tzyx", "tczyx", "cyx", "tyx", "tcyx")


class TestOneFile(FormatContract):
    plugin = PLUGIN
    suffix = ".mha"
    axes = AXES
    dtypes = DTYPES
    max_ulp = 0

    @pytest.fixture(params=[None, "raw", "zlib:2", "zlib:9"])
    def codec(self, request):
        return request.param


class TestDetached(FormatContract):
    plugin = PLUGIN
    suffix = ".mhd"
    axes = ("zyx", "cyx", "tzyx")
    max_ulp = 0

    @pytest.fixture(params=[None, "raw", "zlib:5"])
    def codec(self, request):
        return request.param

    def test_data_file_may_have_an_odd_name(self, tmp_path):
        for name in ("50%03d 1 2 1.mhd", "LIST of.mhd", "ä ö.mhd", "a=b: c.mhd", "local.mhd"):
            path = written(PLUGIN, make_image(), tmp_path / name)
            np.testing.assert_array_equal(
                pixels(PLUGIN.read(Source(path)).image), pixels(make_image())
            )


def entries(manifest):
    suffixes = (".mha", ".mhd")
    return [e for e in manifest if e["format"] == "itk" and e["path"].endswith(suffixes)]


def digest(array):
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def test_every_real_file_reads_as_the_manifest_says(testdata, manifest):
    assert entries(manifest)
    for entry in entries(manifest):
        truth = entry["expected"]
        opened = PLUGIN.read(Source(testdata / entry["path"]))
        image, geometry = opened.image, opened.image.geometry
        array = pixels(image)
        names = image.axis_names
        if truth["axes"].endswith("c"):
            array = np.moveaxis(array, 0, -1)
            names = names[1:] + "c"
        assert names == truth["axes"]
        assert list(array.shape) == truth["shape"], entry["id"]
        assert array.dtype.name == truth["dtype"]
        assert digest(array) == truth["voxel_sha256"], entry["id"]
        n = geometry.ndim
        if image.time:
            assert image.time.start == truth["origin"][n]
            assert image.time.step == truth["spacing"][n]
        np.testing.assert_allclose(geometry.origin, truth["origin"][:n], rtol=1e-11)
        np.testing.assert_allclose(geometry.spacing, truth["spacing"][:n], rtol=1e-10)
        direction = np.array(truth["direction"])[:n, :n]
        np.testing.assert_allclose(geometry.direction, direction, atol=1e-12)
        assert (geometry.space == "LPS") == truth["orientation_known"]
        assert opened.findings == ()


def test_every_real_file_comes_back_bit_equal(testdata, manifest, tmp_path):
    for entry in entries(manifest):
        image = PLUGIN.read(Source(testdata / entry["path"])).image
        image = replace(image, extra=json.loads(json.dumps(image.extra)))
        for name in ("back.mha", "back.mhd"):
            back = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / name))).image
            assert back.geometry == image.geometry, entry["id"]
            assert back.axes == image.axes
            np.testing.assert_array_equal(pixels(back), pixels(image))
            itk, original = (
                sitk.ReadImage(str(p)) for p in (tmp_path / name, testdata / entry["path"])
            )
            assert itk.GetDirection() == original.GetDirection()
            assert itk.GetOrigin() == original.GetOrigin()
            assert itk.GetSpacing() == original.GetSpacing()
            np.testing.assert_array_equal(
                sitk.GetArrayFromImage(itk), sitk.GetArrayFromImage(original)
            )


def directions():
    rng = np.random.default_rng(11)
    oblique = [tuple(map(tuple, rotation_of(rng.normal(size=4)).tolist())) for _ in range(100)]
    return [*(code_direction(code) for code in CODES), *oblique]


def test_all_directions_survive_bit_for_bit_and_itk_reads_the_same(tmp_path):
    array = np.arange(60, dtype="int16").reshape(5, 4, 3)
    rng = np.random.default_rng(12)
    for direction in directions():
        geometry = Geometry(
            tuple(rng.uniform(-300, 300, 3).tolist()),
            tuple(rng.uniform(0.1, 5, 3).tolist()),
            direction,
            "LPS",
        )
        image = SpatialImage(ArraySource(array), axes_named("zyx", "millimeter"), geometry)
        path = written(PLUGIN, image, tmp_path / "a.mha")
        assert PLUGIN.read(Source(path)).image.geometry == geometry
        itk = sitk.ReadImage(str(path))
        assert from_itk(itk) == geometry
        np.testing.assert_array_equal(sitk.GetArrayFromImage(itk), array)


@pytest.mark.parametrize("code", ["LPS", "RAS", "PIR", "ASL"])
def test_letters_are_those_that_itk_writes(code, tmp_path):
    image = replace(make_image(), geometry=replace(OBLIQUE, direction=code_direction(code)))
    path = written(PLUGIN, image, tmp_path / "a.mha")
    itk = sitk.ReadImage(str(path))
    sitk.WriteImage(itk, str(tmp_path / "itk.mha"))
    ours, theirs = (
        PLUGIN.read(Source(p)).image.extra["metaimage"]["fields"]["AnatomicalOrientation"]
        for p in (path, tmp_path / "itk.mha")
    )
    assert ours == theirs


def test_simpleitk_reads_what_is_written(tmp_path):
    for names in ("zyx", "yx", "czyx", "tzyx", "tczyx", "cyx"):
        for dtype in DTYPES:
            for name, codec in (("a.mha", None), ("a.mha", "raw"), ("a.mhd", None)):
                image = make_image(names, dtype)
                path = written(PLUGIN, image, tmp_path / name, codec)
                itk = sitk.ReadImage(str(path))
                array = pixels(image)
                if "c" in names:
                    array = np.moveaxis(array, names.index("c"), -1)
                found = sitk.GetArrayFromImage(itk)
                assert found.dtype == array.dtype
                np.testing.assert_array_equal(found, array)
                n = image.geometry.ndim
                assert itk.GetSpacing()[:n] == image.geometry.spacing
                assert itk.GetOrigin()[:n] == image.geometry.origin
                direction = np.reshape(itk.GetDirection(), (itk.GetDimension(),) * 2)
                np.testing.assert_array_equal(direction[:n, :n], image.geometry.direction)
                if "t" in names:
                    assert (itk.GetSpacing()[n], itk.GetOrigin()[n]) == (1.5, 0.25)


def test_files_of_simpleitk_read_as_it_says(tmp_path):
    rng = np.random.default_rng(8)
    types = [d for d in DTYPES if d != "int8"]
    for number in range(24):
        direction = rotation_of(rng.normal(size=4)) * rng.choice([-1, 1], 3)
        array = rng.integers(0, 99, (4, 3, 2, 3)).astype(types[number % len(types)])
        vector = number % 2 == 1
        itk = sitk.GetImageFromArray(array if vector else array[..., 0], isVector=vector)
        itk.SetOrigin(rng.normal(size=3).tolist())
        itk.SetSpacing(rng.uniform(0.1, 4, 3).tolist())
        itk.SetDirection(direction.ravel().tolist())
        path = tmp_path / ("itk.mha" if number % 4 < 2 else "itk.mhd")
        sitk.WriteImage(itk, str(path), useCompression=number % 3 == 0)
        itk = sitk.ReadImage(str(path))  # its own reader: the digits it wrote
        opened = PLUGIN.read(Source(path))
        assert opened.findings == ()
        assert opened.image.geometry == from_itk(itk)
        expected = sitk.GetArrayFromImage(itk)
        if vector:
            expected = np.moveaxis(expected, -1, 0)
        np.testing.assert_array_equal(pixels(opened.image), expected)


def test_complex_becomes_two_channels_as_in_itk(tmp_path):
    image = make_image("zyx", "complex64")
    path = written(PLUGIN, image, tmp_path / "a.mha")
    back = PLUGIN.read(Source(path)).image
    found = pixels(back)
    np.testing.assert_array_equal(found[0] + 1j * found[1], pixels(image))
    assert sitk.ReadImage(str(path)).GetNumberOfComponentsPerPixel() == 2
    with pytest.raises(Unsupported, match="complex64"):
        written(PLUGIN, make_image("czyx", "complex64"), tmp_path / "b.mha")


def test_bool_becomes_bytes_and_half_floats_are_refused(tmp_path):
    path = written(PLUGIN, make_image("zyx", "bool"), tmp_path / "a.mha")
    assert PLUGIN.read(Source(path)).image.dtype == np.uint8
    with pytest.raises(Unsupported, match="float16"):
        written(PLUGIN, make_image("zyx", "float16"), tmp_path / "b.mha")


@pytest.mark.parametrize("unit", ["millimeter", "micrometer", "nanometer", "centimeter", None])
@pytest.mark.parametrize("space", ["LPS", "unknown"])
def test_units_and_the_lack_of_anatomy_come_back(unit, space, tmp_path):
    image = replace(make_image(unit=unit), geometry=replace(OBLIQUE, space=space))
    path = written(PLUGIN, image, tmp_path / "a.mha")
    back = PLUGIN.read(Source(path)).image
    assert (back.unit, back.geometry) == (unit, image.geometry)
    assert from_itk(sitk.ReadImage(str(path)), space) == image.geometry


def test_single_channel_and_backward_time_come_back(tmp_path):
    image = SpatialImage(
        ArraySource(np.arange(24, dtype="u1").reshape(1, 2, 3, 4)),
        axes_named("czyx", "millimeter"),
        OBLIQUE,
    )
    back = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "a.mha"))).image
    assert (back.axis_names, back.shape) == ("czyx", (1, 2, 3, 4))
    image = make_image("tzyx")
    image = replace(image, axes=(replace(image.axes[0], step=-2.5), *image.axes[1:]))
    path = written(PLUGIN, image, tmp_path / "b.mha")
    assert PLUGIN.read(Source(path)).image.axes == image.axes
    assert sitk.ReadImage(str(path)).GetSpacing()[3] == 2.5


def test_unknown_fields_are_kept_and_given_back_without_the_patient(tmp_path):
    fields = {"Comment": "a = b : c", "0010|0010": "DOE^JANE", "0008|0060": "MR", "Name": "head"}
    image = replace(make_image(), extra={"metaimage": {"fields": fields | {"NDims": "7"}}})
    path = written(PLUGIN, image, tmp_path / "a.mha")
    opened = PLUGIN.read(Source(path))
    found = opened.image.extra["metaimage"]["fields"]
    del fields["0010|0010"]
    assert found.items() >= fields.items()
    assert "DOE" not in json.dumps(found)
    assert [f.code for f in opened.findings] == ["identity-dropped"]
    everything = PLUGIN.read(Source(path, options=ReadOptions(metadata="all"))).image.extra
    assert everything["metaimage"]["fields"]["0010|0010"] == "DOE^JANE"
    assert PLUGIN.read(Source(path, options=ReadOptions(metadata="none"))).image.extra == {}
    assert sitk.ReadImage(str(path)).GetMetaData("0008|0060") == "MR"


def test_fields_that_would_break_the_header_are_not_written(tmp_path):
    fields = {"a": "b\nDimSize = 1 1 1", "x=y": "1", "ElementType": "MET_CHAR", "#c": "d", "e": 5}
    image = replace(make_image(), extra={"metaimage": {"fields": fields}})
    back = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "a.mha"))).image
    assert not back.extra["metaimage"]["fields"].keys() & fields.keys()
    np.testing.assert_array_equal(pixels(back), pixels(image))


def test_unknown_codec_and_impossible_order_are_refused(tmp_path):
    with pytest.raises(UsageError, match="bzip2"):
        written(PLUGIN, make_image(), tmp_path / "a.mha", "bzip2")
    path = written(PLUGIN, make_image("czyx"), tmp_path / "b.mha")
    packed = PLUGIN.read(Source(path)).image
    assert packed.pixels.access == "sequential"
    assert written(PLUGIN, packed, tmp_path / "c.mha").exists()
    turned = replace(packed, pixels=_Turned(pixels(packed)))
    with pytest.raises(LimitError, match="axis order"):
        written(PLUGIN, turned, tmp_path / "d.mha")


class _Turned(ArraySource):
    access = "sequential"


COST = """
import resource, sys
from pathlib import Path
from spconvert.formats.metaimage import PLUGIN
from spconvert.formats.plugin import Source, Target, WriteOptions
from spconvert.model.region import Region
def read_so_far():
    return int(Path("/proc/self/io").read_text().split()[1])
path = Path(sys.argv[1])
PLUGIN.read(Source(path))  # imports
before = read_so_far()
image = PLUGIN.read(Source(path)).image
image.pixels.read(Region((10, 20, 30), (14, 28, 46)))
print(read_so_far() - before)
options = WriteOptions(budget=24 << 20)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(PLUGIN.write(image, Target(path.with_name("z.mha"), path.parent), options))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
image = PLUGIN.read(Source(path.with_name("z.mha"))).image
list(PLUGIN.write(image, Target(path.with_name("y.mha"), path.parent), options))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes by /proc/self/io")
def test_region_costs_its_bytes_and_writing_a_bounded_memory(tmp_path):
    path = tmp_path / "large.mha"
    head = b"NDims = 3\nDimSize = 512 512 128\nElementType = MET_SHORT\n"
    head += b"BinaryDataByteOrderMSB = False\nElementDataFile = LOCAL\n"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + (64 << 20))
    done = subprocess.run(
        [sys.executable, "-c", COST, str(path)], capture_output=True, check=True, text=True
    )
    counted, raw, packed = map(int, done.stdout.split())
    assert counted < 4 * 8 * 16 * 2 + 4096 + 300  # voxels, the header's page, /proc/self/io
    assert raw < 40  # MiB
    assert packed < 60
