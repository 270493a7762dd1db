"""Every dialect, compression and layout of TIFF, written by tifffile, read by us."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile

from formats.contract import pixels
from spconvert.errors import ChoiceNeeded, FormatError, Unsupported, UsageError
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.formats.tiff import PLUGIN, decode
from spconvert.model.region import Region
from spconvert.testing.pixel_source import PixelSourceContract

RNG = np.random.default_rng(17)


def ramp(shape, dtype="uint16"):
    return (np.arange(np.prod(shape)).reshape(shape) % 251).astype(dtype)


def read(path, **options):
    return PLUGIN.read(Source(path, options=ReadOptions(**options)))


def codes(opened):
    return [finding.code for finding in opened.findings]


# -- pixels ----------------------------------------------------------------------------------------

LAYOUTS = {
    "strip": {},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (32, 16)},
    "deflate": {"compression": "adobe_deflate", "rowsperstrip": 5},
    "old deflate": {"compression": "deflate"},
    "lzw tiles, predictor": {"compression": "lzw", "tile": (16, 32), "predictor": True},
    "zstd, predictor": {"compression": "zstd", "predictor": True, "rowsperstrip": 9},
    "packbits": {"compression": "packbits", "rowsperstrip": 3},
    "lzma": {"compression": "lzma"},
    "jpeg 2000": {"compression": "jpeg2000", "compressionargs": {"level": 0}, "tile": (32, 32)},
    "png": {"compression": "png", "tile": (32, 32)},
    "lerc": {"compression": "lerc", "tile": (32, 32)},
    "jpeg xl": {"compression": "jpegxl", "compressionargs": {"lossless": True}},
    "big endian": {"byteorder": ">"},
    "big endian, predictor": {"byteorder": ">", "compression": "lzw", "predictor": True},
    "big endian tiles": {"byteorder": ">", "tile": (32, 16)},
    "BigTIFF": {"bigtiff": True},
    "BigTIFF, big endian, deflate": {"bigtiff": True, "byteorder": ">", "compression": "deflate"},
}


def save(path, array, **options):
    """Write without tifffile's guess that three planes are colours."""
    tifffile.imwrite(path, array, **{"photometric": "minisblack", **options})


def write(path, array, **options):
    file_options = {k: options.pop(k) for k in ("byteorder", "bigtiff") if k in options}
    save(path, array, **file_options, metadata=None, **options)
    return path


@pytest.mark.parametrize("name", LAYOUTS)
class TestLayouts(PixelSourceContract):
    regions = 6

    @pytest.fixture
    def expected(self):
        return ramp((4, 53, 47))

    @pytest.fixture
    def source(self, expected, name, tmp_path):
        return read(write(tmp_path / "a.tif", expected, **LAYOUTS[name])).image.pixels


class TestInterleaved(PixelSourceContract):
    @pytest.fixture(params=["contig", "separate", "contig tiles", "separate deflate"])
    def layout(self, request):
        return request.param

    @pytest.fixture
    def expected(self):
        return ramp((3, 4, 53, 47), "uint8")

    @pytest.fixture
    def source(self, expected, layout, tmp_path):
        planar = layout.split()[0]
        order = (1, 2, 3, 0) if planar == "contig" else (1, 0, 2, 3)
        options = {"tile": (16, 32)} if "tiles" in layout else {}
        if "deflate" in layout:
            options = {"compression": "deflate", "rowsperstrip": 10}
        array = np.ascontiguousarray(expected.transpose(order))
        path = write(tmp_path / "a.tif", array, photometric="rgb", planarconfig=planar, **options)
        image = read(path).image
        assert [c.label for c in image.channels] == ["red", "green", "blue"]
        assert image.axis_names == "czyx"
        return image.pixels


PREDICTED = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
DTYPES = (
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_reads_with_every_compression_and_byte_order(dtype, tmp_path):
    array = ramp((3, 20, 24), dtype) if dtype != "bool" else ramp((3, 20, 24)) % 3 == 0
    for byteorder in "<>":
        for compression in (None, "lzw", "deflate"):
            predictor = compression is not None and array.dtype.name in PREDICTED
            path = write(
                tmp_path / "a.tif",
                array,
                byteorder=byteorder,
                compression=compression,
                predictor=predictor,
            )
            image = read(path).image
            assert image.dtype == array.dtype
            np.testing.assert_array_equal(pixels(image), array)


@pytest.mark.parametrize("bits", [2, 4, 7, 10, 12, 14])
def test_packed_integers_are_unpacked(bits, tmp_path):
    dtype = "uint8" if bits <= 8 else "uint16"
    array = (np.arange(12 * 17).reshape(12, 17) % (1 << bits)).astype(dtype)
    path = write(tmp_path / "a.tif", array, bitspersample=bits)
    np.testing.assert_array_equal(pixels(read(path).image), array)


def test_jpeg_tiles_read_as_tifffile_reads_them(tmp_path):
    array = np.ascontiguousarray(ramp((70, 90, 3), "uint8"))
    for photometric in ("rgb", "ycbcr"):
        path = tmp_path / "a.tif"
        options = {"outcolorspace": photometric} if photometric == "ycbcr" else {}
        write(
            path,
            array,
            photometric="rgb",
            tile=(32, 32),
            compression="jpeg",
            compressionargs=options,
        )
        found = pixels(read(path).image).transpose(1, 2, 0)
        np.testing.assert_array_equal(found, tifffile.imread(path))


def test_volumetric_tiles_are_depths(tmp_path):
    array = ramp((20, 40, 36))
    path = tmp_path / "a.tif"
    save(path, array, tile=(16, 16, 16), metadata=None, compression="zlib")
    image = read(path).image
    assert image.axis_names == "zyx"
    assert image.pixels.chunks == (16, 16, 16)
    np.testing.assert_array_equal(pixels(image), array)
    part = Region((3, 10, 5), (18, 30, 20))
    np.testing.assert_array_equal(image.pixels.read(part), array[part.slices])


def test_left_out_tiles_are_filled(tmp_path):
    path = tmp_path / "a.tif"
    tiles = [ramp((16, 16)), None, None, ramp((16, 16))]
    save(path, iter(tiles), shape=(32, 32), dtype="uint16", tile=(16, 16), metadata=None)
    image = read(path).image
    np.testing.assert_array_equal(pixels(image), tifffile.imread(path))
    assert image.pixels.read(Region((0, 16), (16, 32))).max() == 0


def counted(monkeypatch):
    """Numbers of the segments that are decoded."""
    seen = []
    whole = decode.Decoder.__call__
    lock = threading.Lock()

    def count(self, data, index, path):
        with lock:
            seen.append(index)
        return whole(self, data, index, path)

    monkeypatch.setattr(decode.Decoder, "__call__", count)
    return seen


def test_region_decodes_only_the_tiles_it_touches(tmp_path, monkeypatch):
    array = ramp((6, 128, 96))
    source = read(write(tmp_path / "a.tif", array, tile=(32, 32), compression="lzw")).image.pixels
    seen = counted(monkeypatch)
    source.read(Region((2, 33, 40), (4, 60, 70)))
    assert sorted(seen) == [4, 4, 5, 5]  # row 1, columns 1 and 2, of two pages
    seen.clear()
    source.read(Region((5, 31, 31), (6, 33, 33)))
    assert sorted(seen) == [0, 1, 3, 4]
    source = read(write(tmp_path / "b.tif", array, rowsperstrip=10, compression="lzw")).image.pixels
    assert source.chunks == (1, 10, 96)
    seen.clear()
    source.read(Region((0, 25, 0), (1, 41, 5)))
    assert sorted(seen) == [2, 3, 4]


def test_many_threads_read_the_same(tmp_path):
    array = ramp((5, 256, 256))
    source = read(write(tmp_path / "a.tif", array, tile=(32, 32), compression="zlib")).image.pixels
    source = pickle.loads(pickle.dumps(source))  # noqa: S301 (our own bytes)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            parts = [Region((i % 5, 7 * i, 3), (5, 7 * i + 9, 250)) for i in range(30)]
            for part, found in zip(parts, pool.map(source.read, parts), strict=True):
                np.testing.assert_array_equal(found, array[part.slices])


def test_file_written_anew_is_read_anew(tmp_path):
    path = tmp_path / "a.tif"
    for compression in ("lzw", "zlib", "packbits"):
        array = RNG.integers(0, 200, (30, 40)).astype("u1")
        write(path, array, compression=compression)
        np.testing.assert_array_equal(pixels(read(path).image), array)


# -- pages and axes --------------------------------------------------------------------------------


def test_pages_are_depths_unless_dims_say_otherwise(tmp_path):
    array = ramp((4, 11, 13))
    for compression in (None, "lzw"):
        path = write(tmp_path / "a.tif", array, compression=compression)
        assert read(path).image.axis_names == "zyx"
        for dims in ("tyx", "cyx", "zyx"):
            image = read(path, dims=dims).image
            assert image.axis_names == dims
            np.testing.assert_array_equal(pixels(image), array)
        for wrong in ("yx", "tzyx", "zxy", "yxz", "qyx", "yyx", ""):
            with pytest.raises(UsageError, match="--dims"):
                read(path, dims=wrong)


def test_dims_rename_the_axes_of_dialects(tmp_path):
    array = ramp((2, 3, 11, 13))
    path = tmp_path / "a.tif"
    save(path, array, metadata={"axes": "QIYX"})
    opened = read(path)
    assert opened.image.axis_names == "tzyx"
    assert "axes-assumed" in codes(opened)
    np.testing.assert_array_equal(pixels(opened.image), array.transpose(1, 0, 2, 3))
    image = read(path, dims="ctyx").image
    assert image.axis_names == "tcyx"
    np.testing.assert_array_equal(pixels(image), array.transpose(1, 0, 2, 3))
    save(path, array, imagej=True, metadata={"axes": "TZYX"})
    image = read(path, dims="ztyx").image
    np.testing.assert_array_equal(pixels(image), array.transpose(1, 0, 2, 3))


@pytest.mark.parametrize("axes", ["TZCYX", "CZYX", "TYX", "ZYX", "CTZYX", "QYX"])
def test_axes_of_tifffile_are_kept(axes, tmp_path):
    sizes = {"T": 2, "Z": 3, "C": 4, "Y": 9, "X": 7, "Q": 5}
    array = ramp([sizes[a] for a in axes])
    for options in ({}, {"compression": "zlib"}):
        path = tmp_path / "a.tif"
        save(path, array, metadata={"axes": axes}, **options)
        image = read(path).image
        letters = axes.lower().replace("q", "z")
        assert image.axis_names == "".join(n for n in "tczyx" if n in letters)
        expected = array.transpose([letters.index(n) for n in image.axis_names])
        np.testing.assert_array_equal(pixels(image), expected)


def test_pages_of_unlike_shape_are_refused_by_number(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for shape in ((10, 12), (10, 12), (10, 11)):
            file.write(ramp(shape), metadata=None)
    with pytest.raises(FormatError, match=r"page 3 is 11 x 10 x 1 uint16, page 1 is 12 x 10"):
        read(path)
    assert len(PLUGIN.images(path)) == 2
    assert PLUGIN.read(Source(path, "0")).image.shape == (2, 10, 12)
    assert PLUGIN.read(Source(path, "1")).image.shape == (10, 11)


def test_pages_of_unlike_type_are_refused_by_number(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(ramp((10, 12)), metadata=None)
        file.write(ramp((10, 12), "uint8"), metadata=None)
    with pytest.raises(FormatError, match=r"page 2 is .* uint8"):
        read(path)


def test_half_size_pages_are_levels(tmp_path):
    for marked in (True, False):
        path = tmp_path / "a.tif"
        with tifffile.TiffWriter(path) as file:
            for n in range(3):
                array = ramp((80 >> n, 96 >> n))
                subfiletype = 1 if n and marked else 0
                file.write(array, metadata=None, subfiletype=subfiletype)
        opened = read(path)
        assert [level.shape for level in opened.levels] == [(80, 96), (40, 48), (20, 24)]
        assert ("pages-as-levels" in codes(opened)) == (not marked)


def test_sub_directories_are_levels_of_every_page(tmp_path):
    path = tmp_path / "a.tif"
    levels = [ramp((3, 64 >> n, 48 >> n)) for n in range(3)]
    with tifffile.TiffWriter(path) as file:
        file.write(levels[0], subifds=2, photometric="minisblack", metadata=None, tile=(16, 16))
        for level in levels[1:]:
            file.write(level, subfiletype=1, photometric="minisblack", metadata=None, tile=(16, 16))
    for number, level in enumerate(levels):
        opened = PLUGIN.read(Source(path, level=number))
        np.testing.assert_array_equal(pixels(opened.image), level)
        assert opened.image.geometry.spacing == (2.0**number, 2.0**number, 1.0)
        assert len(opened.levels) == 3


def test_masks_are_no_pages_of_the_image(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(ramp((10, 12)), metadata=None)
        file.write(ramp((10, 12)) > 100, metadata=None, subfiletype=4)
    assert read(path).image.shape == (10, 12)


# -- colour ----------------------------------------------------------------------------------------


def test_palette_is_resolved_as_a_viewer_would(tmp_path):
    indices = ramp((3, 10, 12), "uint8")
    table = RNG.integers(0, 256, (3, 256)).astype("uint16")
    for colors, dtype in ((table * 257, "uint8"), (table * 256 + 3, "uint16")):
        path = tmp_path / "a.tif"
        save(path, indices, colormap=colors, photometric="palette", metadata=None)
        image = read(path).image
        assert image.axis_names == "czyx"
        assert [c.label for c in image.channels] == ["red", "green", "blue"]
        assert image.dtype == dtype
        wanted = (colors >> 8 if dtype == "uint8" else colors).astype(dtype)[:, indices]
        np.testing.assert_array_equal(pixels(image), wanted)
        part = Region((1, 1, 2, 3), (3, 2, 9, 4))
        np.testing.assert_array_equal(image.pixels.read(part), wanted[part.slices])


class TestPalette(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        table = (np.arange(768).reshape(3, 256) * 7 % 256).astype("uint8")
        return np.moveaxis(table[:, ramp((4, 10, 12), "uint8")], 0, 1)

    @pytest.fixture
    def source(self, tmp_path):
        path = tmp_path / "a.tif"
        table = (np.arange(768).reshape(3, 256) * 7 % 256 * 257).astype("uint16")
        save(
            path,
            ramp((4, 10, 12), "uint8"),
            colormap=table,
            metadata=None,
            photometric="palette",
            compression="lzw",
        )
        return read(path, dims="tyx").image.pixels


def test_grey_ramp_and_imagej_tables_leave_the_values(tmp_path):
    indices = ramp((10, 12), "uint8")
    grey = np.tile(np.arange(256, dtype="uint16") * 257, (3, 1))
    path = tmp_path / "a.tif"
    save(path, indices, colormap=grey, photometric="palette", metadata=None)
    np.testing.assert_array_equal(pixels(read(path).image), indices)
    table = RNG.integers(0, 256, (3, 256)).astype("uint8")
    save(path, ramp((3, 10, 12), "uint8"), imagej=True, metadata={"axes": "ZYX", "LUTs": [table]})
    np.testing.assert_array_equal(pixels(read(path).image), ramp((3, 10, 12), "uint8"))


def test_values_are_as_stored_where_a_viewer_would_change_them(tmp_path):
    array = ramp((10, 12), "uint8")
    path = tmp_path / "a.tif"
    save(path, array, photometric="miniswhite", metadata=None, extratags=[(274, 3, 1, 6, True)])
    opened = read(path)
    np.testing.assert_array_equal(pixels(opened.image), array)
    assert {"orientation-tag", "white-is-zero"} <= set(codes(opened))


def test_inks_are_channels(tmp_path):
    array = np.ascontiguousarray(ramp((10, 12, 4), "uint8"))
    path = write(tmp_path / "a.tif", array, photometric="separated")
    image = read(path).image
    assert [c.label for c in image.channels] == ["cyan", "magenta", "yellow", "black"]
    np.testing.assert_array_equal(pixels(image), array.transpose(2, 0, 1))


# -- spacing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing"),
    [
        ((1000, 500), "inch", (0.0254, 0.0508)),
        ((20000, 10000), "centimeter", (0.0005, 0.001)),
        ((300, 300), "inch", (25.4 / 300,) * 2),
        ((72, 72), "inch", None),
        ((96, 96), "inch", None),
        ((28.346456692913385,) * 2, "centimeter", None),
        ((1, 1), "inch", None),
        ((20000, 10000), "none", None),
    ],
)
def test_resolution_is_spacing_where_it_is_a_measurement(resolution, unit, spacing, tmp_path):
    path = write(tmp_path / "a.tif", ramp((3, 5, 7)), resolution=resolution, resolutionunit=unit)
    opened = read(path)
    image = opened.image
    if spacing is None:
        assert image.geometry.spacing == (1.0, 1.0, 1.0)
        assert image.unit is None
        assert ("resolution-default" in codes(opened)) == (unit != "none")
    else:
        assert image.geometry.spacing == pytest.approx((*spacing, 1.0), rel=1e-9)
        assert image.unit == "millimeter"
        assert "spacing-unknown" in codes(opened)  # x and y say nothing of z


@pytest.mark.parametrize(
    ("word", "unit"),
    [
        ("micron", "micrometer"),
        ("um", "micrometer"),
        ("\\u00B5m", "micrometer"),
        ("mm", "millimeter"),
        ("nm", "nanometer"),
        ("cm", "centimeter"),
        ("inch", "inch"),
        ("pixel", None),
        ("", None),
        ("furlong", None),
    ],
)
def test_imagej_units_are_understood(word, unit, tmp_path):
    path = tmp_path / "a.tif"
    save(
        path,
        ramp((2, 3, 5, 7)),
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "TZYX", "unit": word, "spacing": 1.75, "finterval": 0.125},
    )
    opened = read(path)
    image = opened.image
    assert image.geometry.spacing == (0.25, 0.5, 1.75)
    assert image.unit == unit
    assert (image.time.step, image.time.unit) == (0.125, "second")
    assert ("unknown-unit" in codes(opened)) == (word == "furlong")


def test_imagej_origin_is_in_pixels_and_negative_spacing_is_noted(tmp_path):
    path = tmp_path / "a.tif"
    metadata = {"axes": "ZYX", "unit": "mm", "spacing": -2.0, "xorigin": 10, "yorigin": -4}
    save(path, ramp((3, 5, 7)), imagej=True, resolution=(4, 2), metadata=metadata)
    opened = read(path)
    assert opened.image.geometry.origin == (-2.5, 2.0, 0.0)
    assert opened.image.geometry.spacing == (0.25, 0.5, 2.0)
    assert "negative-spacing" in codes(opened)


def test_imagej_stack_behind_one_page_is_read_whole(tmp_path):
    array = ramp((2, 3, 4, 5, 7))
    path = tmp_path / "a.tif"
    save(path, array, imagej=True)  # TZCYX, pages for each plane
    data = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        pages = file.pages
        link = pages[1].offset.to_bytes(4, "big")
    cut = data.replace(link, bytes(4), 1)  # the first page is the only one
    assert cut != data
    path.write_bytes(cut)
    image = read(path).image
    assert image.axis_names == "tczyx"
    np.testing.assert_array_equal(pixels(image), array.transpose(0, 2, 1, 3, 4))


def test_rgb_imagej_stack_has_three_channels(tmp_path):
    array = np.ascontiguousarray(ramp((4, 5, 7, 3), "uint8"))
    path = tmp_path / "a.tif"
    save(path, array, imagej=True, photometric="rgb", metadata={"axes": "ZYXS"})
    image = read(path).image
    assert image.axis_names == "czyx"
    np.testing.assert_array_equal(pixels(image), array.transpose(3, 0, 1, 2))


# -- vendors ---------------------------------------------------------------------------------------


def slide(path, **extra):
    """Pages as Hamamatsu writes them: levels, then a macro image."""
    tags = [(65420, 4, 1, 1, True), (271, 2, 10, "Hamamatsu", True)]
    with tifffile.TiffWriter(path, byteorder="<") as file:
        for n in range(3):
            magnification = 20.0 / 4**n
            file.write(
                np.ascontiguousarray(ramp((256 >> 2 * n, 320 >> 2 * n, 3), "uint8")),
                photometric="rgb",
                metadata=None,
                compression="jpeg",
                resolution=(22000 / 4**n,) * 2,
                resolutionunit="centimeter",
                extratags=[*tags, (65421, 11, 1, magnification, True)],
                **extra,
            )


def test_slide_of_hamamatsu_has_levels(tmp_path):
    path = tmp_path / "a.tif"
    slide(path)
    opened = read(path)
    assert [level.shape for level in opened.levels] == [(3, 256, 320), (3, 64, 80), (3, 16, 20)]
    assert opened.image.geometry.spacing == pytest.approx((10 / 22000,) * 2)
    assert opened.image.unit == "millimeter"
    with tifffile.TiffFile(path) as file:
        for number, level in enumerate(file.series[0].levels):
            image = PLUGIN.read(Source(path, level=number)).image
            np.testing.assert_array_equal(pixels(image).transpose(1, 2, 0), level.asarray())


def test_more_axes_than_names_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    save(path, ramp((2, 2, 2, 2, 5, 7)), metadata={"axes": "RTZCYX"})
    with pytest.raises(Unsupported, match="more than t, c and z"):
        read(path)


def test_several_stacks_of_tifffile_need_a_choice(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(
            ramp((3, 5, 7)), photometric="minisblack", metadata={"axes": "ZYX", "name": "first"}
        )
        file.write(ramp((2, 6, 7), "uint8"), metadata={"axes": "TYX", "name": "second"})
    with pytest.raises(ChoiceNeeded, match=r"first.*second"):
        read(path)
    assert PLUGIN.read(Source(path, "second")).image.axis_names == "tyx"
