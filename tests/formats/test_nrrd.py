"""NRRD there and back: real files, own files, and what SimpleITK and pynrrd read in them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from formats.contract import (
    OBLIQUE,
    ArraySource,
    FormatContract,
    make_image,
    pixels,
    written,
)
from geometries import CODES, from_itk, rotation_of
from spconvert.errors import LimitError, Unsupported, UsageError
from spconvert.formats.nrrd import PLUGIN
from spconvert.formats.plugin import Source
from spconvert.model.axes import ChannelInfo, axes_named
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
    "complex64",
    "complex128",
)
AXES = ("zyx", "yx", "czyx", "tzyx", "tczyx", "cyx", "tyx")


class TestNrrd(FormatContract):
    plugin = PLUGIN
    suffix = ".nrrd"
    axes = AXES

    @pytest.fixture(params=[None, "raw", "gzip:3", "gzip:9", "bzip2", "ascii", "hex"])
    def codec(self, request):
        return request.param


class TestDetached(FormatContract):
    plugin = PLUGIN
    suffix = ".nhdr"
    axes = ("zyx", "cyx")

    @pytest.fixture(params=[None, "raw", "bzip2:1", "ascii"])
    def codec(self, request):
        return request.param

    def test_data_file_may_have_an_odd_name(self, tmp_path):
        for name in ("50%03d 1 2 1.nhdr", "LIST of.nhdr", "ä ö.nhdr"):
            path = written(PLUGIN, make_image(), tmp_path / name)
            np.testing.assert_array_equal(
                pixels(PLUGIN.read(Source(path)).image), pixels(make_image())
            )


def entries(manifest):
    return [e for e in manifest if e["format"] == "nrrd"]


def digest(array):
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def test_every_real_file_reads_as_the_manifest_says(testdata, manifest):
    assert entries(manifest)
    for entry in entries(manifest):
        truth = entry["expected"]
        image = PLUGIN.read(Source(testdata / entry["path"])).image
        array = pixels(image)
        if truth["axes"] == "zyxc":
            array = np.moveaxis(array, 0, -1)
        assert list(array.shape) == truth["shape"], entry["id"]
        assert array.dtype.name == truth["dtype"]
        assert digest(array) == truth["voxel_sha256"], entry["id"]
        np.testing.assert_allclose(image.geometry.origin, truth["origin"], rtol=1e-11, atol=1e-9)
        np.testing.assert_allclose(image.geometry.spacing, truth["spacing"], rtol=1e-10)
        if "direction" in truth:
            np.testing.assert_allclose(image.geometry.direction, truth["direction"], atol=1e-9)
        assert (image.geometry.space == "LPS") == truth["orientation_known"]


def test_every_real_file_comes_back_bit_equal(testdata, manifest, tmp_path):
    for entry in entries(manifest):
        image = PLUGIN.read(Source(testdata / entry["path"])).image
        image = replace(image, extra=json.loads(json.dumps(image.extra)))
        back = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "back.nrrd"))).image
        assert back.geometry == image.geometry, entry["id"]
        assert back.axes == image.axes
        assert back.channels == image.channels
        assert back.extra["nrrd"]["keyvalues"] == image.extra["nrrd"]["keyvalues"]
        np.testing.assert_array_equal(pixels(back), pixels(image))
        texts = [dict(i.extra["nrrd"]["fields"]) for i in (image, back)]
        for name in ("encoding", "endian", "sizes"):
            _ = [text.pop(name, None) for text in texts]
        assert texts[0] == texts[1], entry["id"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_comes_back(dtype, tmp_path):
    image = make_image("zyx", dtype)
    back = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "a.nrrd"))).image
    found = pixels(back)
    if dtype.startswith("complex"):
        assert [c.label for c in back.channels] == ["real", "imaginary"]
        found = found[0] + 1j * found[1]
    np.testing.assert_array_equal(found, pixels(image))
    assert back.geometry == image.geometry or back.geometry.deviation_from(OBLIQUE) < 1e-15


def test_bool_becomes_bytes_and_half_floats_are_refused(tmp_path):
    path = written(PLUGIN, make_image("zyx", "bool"), tmp_path / "a.nrrd")
    assert PLUGIN.read(Source(path)).image.dtype == np.uint8
    with pytest.raises(Unsupported, match="float16"):
        written(PLUGIN, make_image("zyx", "float16"), tmp_path / "b.nrrd")


def directions():
    rng = np.random.default_rng(11)
    oblique = [tuple(map(tuple, rotation_of(rng.normal(size=4)).tolist())) for _ in range(100)]
    return [*(code_direction(code) for code in CODES), *oblique]


def test_all_directions_survive_and_others_read_the_same(tmp_path):
    array = np.arange(60, dtype="int16").reshape(5, 4, 3)
    rng = np.random.default_rng(12)
    for number, direction in enumerate(directions()):
        geometry = Geometry(
            tuple(rng.uniform(-300, 300, 3).tolist()),
            tuple(rng.uniform(0.1, 5, 3).tolist()),
            direction,
            "LPS",
        )
        image = SpatialImage(ArraySource(array), axes_named("zyx", "millimeter"), geometry)
        path = written(PLUGIN, image, tmp_path / "a.nrrd")
        first = PLUGIN.read(Source(path)).image
        assert first.geometry.deviation_from(geometry) < 1e-14
        assert first.geometry.origin == geometry.origin
        if number < len(CODES):
            assert first.geometry == geometry
        again = PLUGIN.read(Source(written(PLUGIN, first, tmp_path / "b.nrrd"))).image
        assert again.geometry == first.geometry  # bit for bit, voxels in the same place
        np.testing.assert_array_equal(pixels(again), array)
        itk = sitk.ReadImage(str(path))
        assert from_itk(itk).deviation_from(geometry) < 1e-12
        np.testing.assert_array_equal(sitk.GetArrayFromImage(itk), array)


def test_simpleitk_and_pynrrd_read_what_is_written(tmp_path):
    for names in ("zyx", "yx", "czyx", "tzyx", "cyx"):
        for codec in ("gzip", "raw", "ascii", "hex", "bzip2"):
            image = make_image(names, "float32")
            path = written(PLUGIN, image, tmp_path / "a.nrrd", codec)
            array = pixels(image)
            if "c" in names:
                array = np.moveaxis(array, names.index("c"), -1)
            if codec != "hex":  # pynrrd knows no hex
                data, header = nrrd.read(str(path), index_order="C")
                np.testing.assert_array_equal(data, array)
                assert header["dimension"] == len(names)
            if codec == "bzip2":  # ITK is built without it
                continue
            itk = sitk.ReadImage(str(path))
            np.testing.assert_array_equal(sitk.GetArrayFromImage(itk), array)
            n = image.geometry.ndim
            assert itk.GetSpacing()[:n] == pytest.approx(image.geometry.spacing, rel=1e-14)
            assert itk.GetOrigin()[:n] == image.geometry.origin
            if "t" in names:
                assert (itk.GetSpacing()[n], itk.GetOrigin()[n]) == (1.5, 0.25)


@pytest.mark.parametrize("names", [("red", "green", "blue"), ("red", "green", "blue", "alpha")])
def test_colours_are_written_as_colours(names, tmp_path):
    array = np.arange(len(names) * 6, dtype="u1").reshape(len(names), 2, 3)
    channels = tuple(ChannelInfo(name) for name in names)
    image = SpatialImage(ArraySource(array), axes_named("cyx"), Geometry.identity(2), channels)
    path = written(PLUGIN, image, tmp_path / "a.nrrd")
    kind = nrrd.read_header(str(path))["kinds"][0]
    assert kind == ("RGB-color" if len(names) == 3 else "RGBA-color")
    assert PLUGIN.read(Source(path)).image.channels[0] == ChannelInfo("red", "FF0000")


def test_many_channels_are_a_list_behind_space(tmp_path):
    array = np.arange(2 * 3 * 7 * 4, dtype="u2").reshape(7, 2, 3, 4)
    image = SpatialImage(ArraySource(array), axes_named("czyx"), OBLIQUE)
    path = written(PLUGIN, image, tmp_path / "a.nrrd")
    assert nrrd.read_header(str(path))["kinds"] == ["domain"] * 3 + ["list"]
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(path)).image), array)


def test_key_values_keep_newlines_and_backslashes(tmp_path):
    pairs = {"a": "two\nlines", "b:c": "C:\\new", "d": "", "kinds": "not a field", "ä": "µ"}
    image = replace(make_image(), extra={"nrrd": {"keyvalues": pairs}})
    path = written(PLUGIN, image, tmp_path / "a.nrrd")
    assert PLUGIN.read(Source(path)).image.extra["nrrd"]["keyvalues"] == pairs


def test_moved_image_gets_new_vectors_in_the_frame_of_its_file(tmp_path):
    path = tmp_path / "ras.nrrd"
    path.write_bytes(
        b"NRRD0005\ntype: uint8\ndimension: 3\nsizes: 2 3 4\nencoding: raw\n"
        b"space: right-anterior-superior\nspace directions: (1,0,0) (0,2,0) (0,0,3)\n"
        b"space origin: (1,2,3)\nmeasurement frame: (1,0,0) (0,1,0) (0,0,1)\n\n" + bytes(24)
    )
    image = PLUGIN.read(Source(path)).image
    moved = replace(image, geometry=replace(image.geometry, origin=(5.0, 6.0, 7.5)))
    back = PLUGIN.read(Source(written(PLUGIN, moved, tmp_path / "b.nrrd"))).image
    assert back.geometry == moved.geometry
    fields = back.extra["nrrd"]["fields"]
    assert fields["space"] == "right-anterior-superior"
    assert fields["space origin"] == "(-5,-6,7.5)"
    assert fields["measurement frame"] == "(1,0,0) (0,1,0) (0,0,1)"


def test_unknown_codec_and_impossible_order_are_refused(tmp_path):
    with pytest.raises(UsageError, match="zip"):
        written(PLUGIN, make_image(), tmp_path / "a.nrrd", "zip")
    path = written(PLUGIN, make_image("czyx"), tmp_path / "b.nrrd")
    sequential = replace(PLUGIN.read(Source(path)).image, extra={})
    assert sequential.pixels.access == "sequential"
    assert written(PLUGIN, sequential, tmp_path / "c.nrrd").exists()
    array = np.zeros((7, 2, 3, 4), "u1")
    many = SpatialImage(ArraySource(array), axes_named("czyx"), OBLIQUE)
    path = written(PLUGIN, many, tmp_path / "d.nrrd")
    many = PLUGIN.read(Source(path)).image
    named = tuple(ChannelInfo(str(i)) for i in range(7))
    renamed = replace(
        many,
        extra={
            "nrrd": {
                "axes": ["c", "x", "y", "z"],
                "sizes": [7, 4, 3, 2],
                "fields": {"kinds": "list domain domain domain"},
            }
        },
        channels=named,
    )
    with pytest.raises(LimitError, match="axis order"):
        written(PLUGIN, renamed, tmp_path / "e.nrrd")


HEADERS = {
    "slice of a volume": (
        "dimension: 2\nsizes: 4 6\nspace: left-anterior-superior\n"
        "space directions: (0.1,0.7,0) (0,0.1,-0.3)\nspace origin: (0.1,0.2,0.3)\n"
    ),
    "oblique, right-anterior-superior": (
        "dimension: 3\nsizes: 2 3 4\nspace: right-anterior-superior\n"
        "space directions: (0.1,0.7,0) (0.7,-0.1,0) (0.01,0,3.3)\nspace origin: (0.1,0.2,0.3)\n"
        'labels: "i" "j k" ""\nthicknesses: nan nan 2.5\ncontent: a : b\nold min: -5\n'
    ),
    "cells with minima": (
        "dimension: 3\nsizes: 2 3 4\nspacings: 0.1 0.2 0.3\naxis mins: 0.7 0.8 0.9\n"
        'centerings: cell node cell\nunits: "um" "um" "um"\nkinds: domain domain domain\n'
    ),
    "minima and maxima": "dimension: 3\nsizes: 2 3 4\naxis mins: 0 1 2\naxis maxs: 1 1.7 3.1\n",
    "time coordinate": (
        "dimension: 4\nsizes: 2 3 2 2\nspace: left-posterior-superior-time\n"
        "space directions: (0.1,0,0,0) (0,0.2,0,0) (0,0,-0.3,0) (0,0,0,0.7)\n"
        'space origin: (1,2,3,0.1)\nspace units: "mm" "mm" "mm" "ms"\n'
    ),
    "list of vectors": (
        "dimension: 5\nsizes: 3 2 2 2 1\nkinds: vector list domain domain domain\n"
        "space: scanner-xyz\nspace directions: none none (0,0,1) (1,0,0) (0,2,0)\n"
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_fields_of_any_header_are_given_back(name, tmp_path):
    path = tmp_path / "a.nrrd"
    text = f"NRRD0005\n# said\ntype: uint8\nencoding: raw\n{HEADERS[name]}key:=value\n\n"
    path.write_bytes(text.encode() + bytes(range(24)))
    image = PLUGIN.read(Source(path)).image
    back = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "b.nrrd", "raw"))).image
    assert (back.geometry, back.axes) == (image.geometry, image.axes)
    assert back.extra == image.extra | {"nrrd": {**image.extra["nrrd"], "magic": "NRRD0004"}}
    np.testing.assert_array_equal(pixels(back), pixels(image))


def test_slice_that_got_a_thickness_becomes_a_volume(tmp_path):
    path = tmp_path / "a.nrrd"
    text = f"NRRD0004\ntype: uint8\nencoding: raw\n{HEADERS['slice of a volume']}\n"
    path.write_bytes(text.encode() + bytes(range(24)))
    image = PLUGIN.read(Source(path)).image
    x, y, _ = image.geometry.spacing
    thick = replace(image, geometry=replace(image.geometry, spacing=(x, y, 7.0)))
    back = PLUGIN.read(Source(written(PLUGIN, thick, tmp_path / "b.nrrd"))).image
    assert back.geometry.spacing == pytest.approx((x, y, 7.0), rel=1e-15)
    assert back.extra["nrrd"]["sizes"] == [4, 6, 1]


def test_files_of_simpleitk_and_pynrrd_read_as_they_say(tmp_path):
    rng = np.random.default_rng(8)
    for number in range(12):
        direction = rotation_of(rng.normal(size=4)) * rng.choice([-1, 1], 3)
        array = rng.integers(0, 99, (4, 3, 2, 3)).astype("int16")
        itk = sitk.GetImageFromArray(array, isVector=number % 2 == 1)
        if number % 2 == 0:
            itk = itk[:, :, :, 0] if itk.GetDimension() == 4 else itk
        itk.SetOrigin(rng.normal(size=3).tolist())
        itk.SetSpacing(rng.uniform(0.1, 4, 3).tolist())
        itk.SetDirection(direction.ravel().tolist())
        path = tmp_path / "itk.nrrd"
        sitk.WriteImage(itk, str(path), useCompression=number % 3 == 0)
        image = PLUGIN.read(Source(path)).image
        assert image.geometry.deviation_from(from_itk(itk)) < 1e-13
        expected = sitk.GetArrayFromImage(itk)
        if number % 2:
            expected = np.moveaxis(expected, -1, 0)
        np.testing.assert_array_equal(pixels(image), expected)
        nrrd.write(
            str(tmp_path / "py.nrrd"),
            array[..., 0],
            {
                "space": "right-anterior-superior",
                "space directions": direction.T * [[1.0], [2.0], [0.5]],
                "space origin": [0.1, 0.2, 0.3],
            },
            index_order="C",
        )
        image = PLUGIN.read(Source(tmp_path / "py.nrrd")).image
        flipped = np.diag([-1.0, -1.0, 1.0]) @ direction * [1.0, 2.0, 0.5]
        np.testing.assert_allclose(image.geometry.linear, flipped, rtol=1e-14, atol=1e-15)
        assert image.geometry.origin == (-0.1, -0.2, 0.3)
        np.testing.assert_array_equal(pixels(image), array[..., 0])


COST = """
import resource, sys
from pathlib import Path
from spconvert.formats.nrrd import PLUGIN
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
options = WriteOptions(codec="gzip", budget=24 << 20)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(PLUGIN.write(image, Target(path.with_name("z.nrrd"), path.parent), options))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
image = PLUGIN.read(Source(path.with_name("z.nrrd"))).image
list(PLUGIN.write(image, Target(path.with_name("y.nrrd"), path.parent), options))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes by /proc/self/io")
def test_region_costs_its_bytes_and_writing_a_bounded_memory(tmp_path):
    path = tmp_path / "large.nrrd"
    head = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 512 512 256\n"
    head += b"endian: little\nencoding: raw\n\n"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + (128 << 20))
    done = subprocess.run(
        [sys.executable, "-c", COST, str(path)], capture_output=True, check=True, text=True
    )
    counted, raw, packed = map(int, done.stdout.split())
    assert counted < 4 * 8 * 16 * 2 + 4096 + 300  # voxels, the header's page, /proc/self/io
    assert raw < 40  # MiB
    assert packed < 60
