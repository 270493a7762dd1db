"""TIFF there and back: own files, real files, and what tifffile, SimpleITK and Pillow read."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from formats.contract import (
    OBLIQUE,
    ArraySource,
    FormatContract,
    make_image,
    pixels,
    written,
)
from spconvert.errors import ChoiceNeeded, LimitError, Unsupported, UsageError
from spconvert.formats.plugin import Source, Target, WriteOptions
from spconvert.formats.tiff import PLUGIN
from spconvert.model.axes import ChannelInfo, axes_named, unit_factor
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage

AXES = ("zyx", "yx", "czyx", "tzyx", "tczyx", "cyx", "tyx")
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64", "bool")
RGB = (ChannelInfo("red", "FF0000"), ChannelInfo("green", "00FF00"), ChannelInfo("blue", "0000FF"))


class TestOmeTiff(FormatContract):
    plugin = PLUGIN
    suffix = ".ome.tif"
    axes = AXES
    dtypes = (*TYPES, "complex64", "complex128")
    max_ulp = 0

    @pytest.fixture(params=[None, "deflate:9", "zstd", "lzw", "none"])
    def codec(self, request):
        return request.param


class TestBigTiff(FormatContract):
    plugin = PLUGIN
    suffix = ".btf"
    axes = ("zyx", "cyx")
    max_ulp = 0


class TestImageJ(FormatContract):
    plugin = PLUGIN
    suffix = ".tif"
    axes = AXES
    dtypes = ("uint8", "uint16", "float32")
    max_ulp = 0

    @pytest.fixture(params=["imagej"])
    def codec(self, request):
        return request.param


# -- real files ------------------------------------------------------------------------------------

ORDER = {"i": "z", "q": "z"}
SPACING_OF_OTHERS = {"mm": "millimeter", "µm": "micrometer", "pixel": None}
DEFAULT_RESOLUTION = (25.4 / 72, 25.4 / 96)


def digest(array):
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def in_file_order(image, letters):
    """The array in the axes that the manifest names."""
    names = [ORDER.get(letter, letter) for letter in letters]
    return pixels(image).transpose([image.axis_names.index(name) for name in names])


def entries(manifest):
    found = [entry for entry in manifest if entry["format"] == "tiff"]
    assert found
    return found


def test_every_real_file_reads_as_the_manifest_says(testdata, manifest):
    for entry in entries(manifest):
        truth, path = entry["expected"], testdata / entry["path"]
        several = truth["verdict"] == "multi"
        opened = PLUGIN.read(Source(path, "0" if several else None))
        image = opened.image
        array = in_file_order(image, truth["axes"])
        assert list(array.shape) == truth["shape"], entry["id"]
        assert image.dtype.name == truth["dtype"], entry["id"]
        assert digest(array) == truth["voxel_sha256"], entry["id"]
        assert image.geometry.space == "unknown"
        assert image.geometry.has_identity_direction
        assert_spacing(image, entry)
        if "levels" in truth:
            shapes = [[n for n in level.shape if n != 3] for level in opened.levels]
            assert shapes == [[n for n in shape if n != 3] for shape in truth["levels"]]


def assert_spacing(image, entry):
    said = entry["expected"].get("spacing_by_axis", {})
    by_tags = entry["expected"].get("spacing_source") == "XResolution/ResolutionUnit"
    # "Resolution tags of 72 or 96 dpi are writer defaults, not measurements" (README); and those of
    # an OME-TIFF without PhysicalSize are defaults of the writer (review of ome_multifile_master).
    defaults = [value for value, _ in said.values() if np.isclose(value, DEFAULT_RESOLUTION).any()]
    if by_tags and (defaults or "ome" in entry["tags"]):
        assert set(image.geometry.spacing) == {1.0}
        assert image.unit is None
        return
    for axis, (value, unit) in said.items():
        wanted = SPACING_OF_OTHERS[unit]
        found = image.axes[image.axis_names.index(axis)].unit
        factor = 1.0 if wanted is None else unit_factor(wanted, found)
        assert (found is None) == (wanted is None), entry["id"]
        assert image.geometry.spacing["xyz".index(axis)] == pytest.approx(value * factor, rel=1e-6)
    if not said:
        assert set(image.geometry.spacing) == {1.0}


def test_slide_has_four_images_and_asks_which(testdata):
    path = testdata / "tiff" / "CMU-1-Small-Region.svs"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in this selection of the test data")
    with pytest.raises(ChoiceNeeded, match=r"Baseline.*Thumbnail.*Label.*Macro"):
        PLUGIN.read(Source(path))
    assert len(PLUGIN.images(path)) == 4
    with tifffile.TiffFile(path) as file:
        for number, series in enumerate(file.series):
            for select in (str(number), series.name):
                image = PLUGIN.read(Source(path, select)).image
                assert image.shape == (3, *series.shape[:2])
            np.testing.assert_array_equal(in_file_order(image, "yxc"), series.asarray())
    with pytest.raises(UsageError, match="no image"):
        PLUGIN.read(Source(path, "7"))


def test_every_level_of_a_pyramid_reads_as_tifffile_reads_it(testdata):
    path = testdata / "tiff" / "no_dzi.tif"
    opened = PLUGIN.read(Source(path))
    step = opened.image.geometry.spacing[0]
    with tifffile.TiffFile(path) as file:
        for number, level in enumerate(file.series[0].levels):
            image = PLUGIN.read(Source(path, level=number)).image
            np.testing.assert_array_equal(pixels(image), level.asarray())
            factor = 2**number
            assert image.geometry.spacing == pytest.approx((step * factor,) * 2, rel=1e-14)
            assert image.geometry.origin == pytest.approx((step * (factor - 1) / 2,) * 2)
            assert opened.levels[number].spacing == image.geometry.spacing
            assert opened.levels[number].origin == image.geometry.origin
    with pytest.raises(UsageError, match="level 4"):
        PLUGIN.read(Source(path, level=4))


def test_part_of_a_set_opens_the_set(testdata):
    folder = testdata / "tiff" / "ome_multifile_master"
    whole = PLUGIN.read(Source(folder / "multifile-Z1.ome.tiff")).image
    part = PLUGIN.read(Source(folder / "multifile-Z3.ome.tiff"))
    np.testing.assert_array_equal(pixels(part.image), pixels(whole))
    assert "part-of-set" in [finding.code for finding in part.findings]


def test_every_real_file_comes_back_bit_equal(testdata, manifest, tmp_path):
    for entry in entries(manifest):
        truth = entry["expected"]
        select = "1" if truth["verdict"] == "multi" else None
        image = PLUGIN.read(Source(testdata / entry["path"], select)).image
        path = written(PLUGIN, image, tmp_path / "back.ome.tif", budget=8 << 20)
        back = PLUGIN.read(Source(path)).image
        assert back.geometry == image.geometry, entry["id"]
        assert back.axes == image.axes
        assert back.channels == image.channels
        assert back.name == image.name or image.name.endswith(".ome.tif")
        np.testing.assert_array_equal(pixels(back), pixels(image))


# -- what others read in our files -----------------------------------------------------------------


def straight(names, dtype="uint16", unit="millimeter", origin=(4.5, -3.25, 2.0)):
    image = make_image(names, dtype, unit=unit)
    count = 3 if "z" in names else 2
    spacing = (0.5, 0.75, 2.5)[:count]
    identity = Geometry.identity(count).direction
    return replace(image, geometry=Geometry(origin[:count], spacing, identity))


@pytest.mark.parametrize("codec", [None, "zstd", "lzw", "none"])
def test_tifffile_reads_values_axes_and_metadata(codec, tmp_path):
    for names in AXES:
        image = straight(names, "float32")
        path = written(PLUGIN, image, tmp_path / "a.ome.tif", codec)
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            assert series.kind == "ome"
            assert series.axes == names.upper()
            np.testing.assert_array_equal(series.asarray(), pixels(image))
            pixels_facts = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        assert pixels_facts["PhysicalSizeX"] == 0.5
        assert pixels_facts["PhysicalSizeXUnit"] == "mm"
        assert pixels_facts["PhysicalSizeY"] == 0.75
        assert pixels_facts["SizeX"] == image.shape[-1]
        if "z" in names:
            assert pixels_facts["PhysicalSizeZ"] == 2.5
        if "t" in names:
            assert (pixels_facts["TimeIncrement"], pixels_facts["TimeIncrementUnit"]) == (1.5, "s")


def test_simpleitk_reads_values_and_spacing_of_the_plane(tmp_path):
    for codec in (None, "lzw", "none"):
        for dtype in ("uint8", "int16", "uint16", "float32"):
            for names in ("yx", "zyx"):
                image = straight(names, dtype, unit="micrometer")
                path = written(PLUGIN, image, tmp_path / "a.ome.tif", codec)
                itk = sitk.ReadImage(str(path))
                np.testing.assert_array_equal(sitk.GetArrayFromImage(itk), pixels(image))
                assert itk.GetSpacing()[:2] == pytest.approx((0.0005, 0.00075), rel=1e-6)


def test_pillow_reads_pages_and_colours(tmp_path):
    image_library = pytest.importorskip("PIL.Image")
    array = np.arange(3 * 700 * 600, dtype="uint32").reshape(3, 700, 600).astype("uint8")
    image = SpatialImage(ArraySource(array), axes_named("cyx"), Geometry.identity(2), RGB)
    path = written(PLUGIN, image, tmp_path / "rgb.tif", "lzw")
    with image_library.open(path) as read:
        assert read.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(read), array.transpose(1, 2, 0))
    image = straight("zyx", "uint8")
    with image_library.open(written(PLUGIN, image, tmp_path / "z.tif")) as read:
        assert read.n_frames == image.shape[0]
        for number in range(read.n_frames):
            read.seek(number)
            np.testing.assert_array_equal(np.asarray(read), pixels(image)[number])


def test_colours_are_samples_of_a_pixel(tmp_path):
    for count, dtype in ((3, "uint8"), (4, "uint16")):
        channels = (*RGB, ChannelInfo("alpha"))[:count]
        array = np.arange(count * 2 * 5 * 4, dtype=dtype).reshape(count, 2, 5, 4)
        image = SpatialImage(ArraySource(array), axes_named("czyx"), OBLIQUE, channels)
        path = written(PLUGIN, image, tmp_path / "a.ome.tif")
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].samplesperpixel == count
            assert file.series[0].axes == "ZYXS"
            np.testing.assert_array_equal(file.asarray(), array.transpose(1, 2, 3, 0))
        back = PLUGIN.read(Source(path)).image
        assert back.channels == channels
        np.testing.assert_array_equal(pixels(back), array)


def test_channels_have_names_and_colours(tmp_path):
    channels = (ChannelInfo("DAPI <&>", "0000FF"), ChannelInfo("", ""), ChannelInfo("µ", "FF8000"))
    image = replace(straight("czyx"), channels=channels)
    path = written(PLUGIN, image, tmp_path / "a.ome.tif")
    assert PLUGIN.read(Source(path)).image.channels == channels
    elements = ET.fromstring(tifffile.tiffcomment(path)).findall(".//{*}Channel")  # noqa: S314 (our own)
    facts = [element.attrib for element in elements]
    assert facts[0]["Name"] == "DAPI <&>"
    assert facts[0]["Color"] == "65535"
    assert "Color" not in facts[1]
    assert facts[2]["Color"] == str(0xFF8000FF - 2**32)


def test_units_are_always_said(tmp_path):
    image = straight("zyx", unit=None)
    path = written(PLUGIN, image, tmp_path / "a.ome.tif")
    assert 'PhysicalSizeXUnit="reference frame"' in tifffile.tiffcomment(path)
    assert PLUGIN.read(Source(path)).image.unit is None
    for unit in ("micrometer", "angstrom", "inch", "parsec", "yoctometer"):
        image = straight("yx", unit=unit)
        path = written(PLUGIN, image, tmp_path / "a.ome.tif")
        assert PLUGIN.read(Source(path)).image.unit == unit


def without_annotation(path):
    """Take our annotation out of the file, as another program would not look at it."""
    text = tifffile.tiffcomment(path)
    start, stop = text.index("<StructuredAnnotations"), text.index("</StructuredAnnotations>")
    text = text[:start] + text[stop + len("</StructuredAnnotations>") :]
    tifffile.tiffcomment(path, text.encode())


def test_straight_image_needs_no_annotation(tmp_path):
    for names in AXES:
        image = straight(names)
        path = written(PLUGIN, image, tmp_path / "a.ome.tif")
        without_annotation(path)
        back = PLUGIN.read(Source(path)).image
        assert back.geometry == image.geometry
        assert back.axes == image.axes


def test_direction_and_patient_space_are_for_our_reader_only(tmp_path):
    findings = []
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    options = WriteOptions(finding=findings.append)
    (path,) = PLUGIN.write(make_image(), Target(tmp_path / "a.ome.tif", scratch), options)
    assert [f.code for f in findings] == ["direction-in-annotation"]
    assert "direction" not in PLUGIN.can.keeps
    assert PLUGIN.read(Source(path)).image.geometry == OBLIQUE
    without_annotation(path)
    other = PLUGIN.read(Source(path)).image
    assert other.geometry.space == "unknown"
    assert other.geometry.has_identity_direction
    assert other.geometry.spacing == OBLIQUE.spacing


def test_annotation_is_dropped_once_the_file_says_otherwise(tmp_path):
    path = written(PLUGIN, make_image(), tmp_path / "a.ome.tif")
    text = tifffile.tiffcomment(path).replace('PhysicalSizeX="0.5"', 'PhysicalSizeX="0.7"')
    tifffile.tiffcomment(path, text.encode())
    opened = PLUGIN.read(Source(path))
    assert opened.image.geometry.spacing == (0.7, 0.75, 2.5)
    assert opened.image.geometry.space == "unknown"
    assert "annotation-outdated" in [f.code for f in opened.findings]


def test_header_fields_of_other_formats_are_given_back(tmp_path):
    extra = {"nrrd": {"fields": {"content": "a \u0001 <b>"}, "sizes": [1, 2]}}
    image = replace(make_image(), extra=extra)
    for codec in (None, "imagej"):
        path = written(
            PLUGIN,
            replace(image, pixels=make_image("zyx", "uint8").pixels),
            tmp_path / "a.tif",
            codec,
        )
        assert PLUGIN.read(Source(path)).image.extra["nrrd"] == extra["nrrd"]


def test_axes_of_extent_one_come_back(tmp_path):
    array = np.arange(12, dtype="u1").reshape(1, 1, 1, 3, 4)
    image = SpatialImage(ArraySource(array), axes_named("tczyx", "millimeter"), OBLIQUE)
    for codec in (None, "imagej"):
        path = written(PLUGIN, image, tmp_path / "a.tif", codec)
        back = PLUGIN.read(Source(path)).image
        assert back.axis_names == "tczyx"
        assert back.geometry == OBLIQUE
        np.testing.assert_array_equal(pixels(back), array)


# -- ImageJ ----------------------------------------------------------------------------------------


def test_tifffile_reads_our_imagej_stacks(tmp_path):
    for names in AXES:
        image = straight(names, "uint16", unit="micrometer")
        path = written(PLUGIN, image, tmp_path / "a.tif", "imagej")
        with tifffile.TiffFile(path) as file:
            facts = file.imagej_metadata
            order = "".join(n for n in "tzcyx" if n in names)
            assert file.series[0].axes == order.upper()
            expected = pixels(image).transpose([names.index(n) for n in order])
            np.testing.assert_array_equal(file.asarray(), expected)
            x = file.pages[0].tags["XResolution"].value
        assert facts["unit"] == "micron"
        assert x[0] / x[1] == pytest.approx(2.0)
        if "z" in names:
            assert facts["spacing"] == 2.5
        if "t" in names:
            assert facts["finterval"] == 1.5


def test_imagej_refuses_types_it_does_not_know(tmp_path):
    with pytest.raises(Unsupported, match="int16"):
        written(PLUGIN, make_image(), tmp_path / "a.tif", "imagej")


# -- streaming -------------------------------------------------------------------------------------


def large(names="zyx", shape=(3, 1100, 1300), dtype="uint16"):
    rng = np.random.default_rng(5)
    array = rng.integers(0, 60000, shape).astype(dtype)
    return SpatialImage(
        ArraySource(array), axes_named(names), Geometry.identity(3 - ("z" not in names))
    )


@pytest.mark.parametrize("budget", [1 << 10, 1 << 19, 3 << 20, 64 << 20])
@pytest.mark.parametrize("codec", [None, "imagej"])
def test_tiles_are_right_under_any_budget(budget, codec, tmp_path):
    image = large()
    path = written(PLUGIN, image, tmp_path / "a.ome.tif", codec, budget)
    np.testing.assert_array_equal(tifffile.imread(path), pixels(image))
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].is_tiled == (codec is None)
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(path)).image), pixels(image))


class Stream:
    """A source that only comes front to back."""

    access = "sequential"

    def __init__(self, array, order):
        self.array, self.storage_order = array, order

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    chunks = property(lambda self: (1,) * self.array.ndim)

    def scan(self, regions, report=None):
        del report
        last = -1
        for region in regions:
            moved = np.arange(self.array.size).reshape(
                [self.array.shape[a] for a in self.storage_order]
            )
            run = moved[tuple(region.slices[a] for a in self.storage_order)].ravel()
            assert run[0] == last + 1
            assert (np.diff(run) == 1).all()
            last = int(run[-1])
            yield self.array[region.slices].copy()
        assert last == self.array.size - 1


@pytest.mark.parametrize("budget", [1 << 12, 6 << 20])
def test_streams_are_written_in_one_pass(budget, tmp_path):
    array = np.arange(2 * 3 * 600 * 7, dtype="uint16").reshape(2, 3, 600, 7)
    image = SpatialImage(Stream(array, (0, 1, 2, 3)), axes_named("tzyx"), OBLIQUE)
    path = written(PLUGIN, image, tmp_path / "a.ome.tif", None, max(budget, 1 << 14))
    np.testing.assert_array_equal(tifffile.imread(path), array)
    colours = np.ascontiguousarray(array[0].astype("u1"))
    image = SpatialImage(Stream(colours, (1, 2, 0)), axes_named("cyx"), Geometry.identity(2), RGB)
    path = written(PLUGIN, image, tmp_path / "rgb.ome.tif", None, 1 << 16)
    np.testing.assert_array_equal(tifffile.imread(path), colours.transpose(1, 2, 0))
    image = SpatialImage(Stream(colours, (0, 1, 2)), axes_named("cyx"), Geometry.identity(2), RGB)
    path = written(PLUGIN, image, tmp_path / "planes.ome.tif", None, 1 << 16)
    np.testing.assert_array_equal(tifffile.imread(path), colours)
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(path)).image), colours)
    image = SpatialImage(Stream(array, (1, 0, 2, 3)), axes_named("czyx"), OBLIQUE)
    with pytest.raises(LimitError, match="axis order"):
        written(PLUGIN, image, tmp_path / "b.ome.tif")


def test_unknown_codec_type_and_suffix_are_refused(tmp_path):
    with pytest.raises(UsageError, match="jpeg"):
        written(PLUGIN, make_image(), tmp_path / "a.tif", "jpeg")
    with pytest.raises(UsageError, match="1 to 12"):
        written(PLUGIN, make_image(), tmp_path / "b.tif", "deflate:13")
    for dtype in ("int64", "uint64", "float16"):
        with pytest.raises(Unsupported, match=dtype):
            written(PLUGIN, make_image("zyx", dtype), tmp_path / f"{dtype}.tif")
    with pytest.raises(Unsupported, match=r"\.svs"):
        written(PLUGIN, make_image(), tmp_path / "a.svs")


COST = """
import resource, sys
from pathlib import Path
import numpy as np
from spconvert.formats.tiff import PLUGIN
from spconvert.formats.plugin import Source, Target, WriteOptions
from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource
folder = Path(sys.argv[1])
shape = (64, 1024, 1024)
raw = folder / "raw"
with raw.open("wb") as file:
    for z in range(shape[0]):
        file.write((np.arange(1024 * 1024) * (z + 1) % 1009).astype("<u2").tobytes())
layout = Layout(shape, np.dtype("<u2"), (0, 1, 2))
source = RawSource((FilePart(raw, 0, layout.nbytes),), layout)
image = SpatialImage(source, axes_named("zyx"), Geometry.identity(3))
small = SpatialImage(source, axes_named("zyx"), Geometry.identity(3))
import tifffile, imagecodecs
options = WriteOptions(budget=16 << 20)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(PLUGIN.write(image, Target(folder / "a.ome.tif", folder), options))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
def read_so_far():
    return int(Path("/proc/self/io").read_text().split()[1])
back = PLUGIN.read(Source(folder / "a.ome.tif")).image
back.pixels.read(Region((0, 0, 0), (1, 1, 1)))  # makes the decoder
before = read_so_far()
back.pixels.read(Region((40, 600, 600), (42, 610, 610)))
print(read_so_far() - before, (folder / "a.ome.tif").stat().st_size // (64 * 4))
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
PLUGIN.read(Source(folder / "a.ome.tif"))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes by /proc/self/io")
def test_writing_is_bounded_and_a_region_costs_its_tiles(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", COST, str(tmp_path)], capture_output=True, check=True, text=True
    )
    peak, counted, tile, reading = map(int, done.stdout.split())
    assert peak < 48  # MiB, for 128 MiB of voxels
    assert counted < 2 * 3 * tile  # two tiles
    assert reading < 8
