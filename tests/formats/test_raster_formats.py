"""JPEG, BMP, WebP, GIF, JPEG 2000, OpenEXR and Netpbm against the libraries that wrote them."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import imagecodecs
import imageio.v3 as iio
import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from formats.contract import ArraySource, make_image, pixels
from spconvert.errors import FormatError, LimitError, SpconvertError, Unsupported, UsageError
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions
from spconvert.formats.raster import bmp, exr, gif, jpeg, jpeg2000, png, pnm, webp
from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region
from spconvert.testing.pixel_source import PixelSourceContract

MODULES = {m.PLUGIN.name: m for m in (bmp, exr, gif, jpeg, jpeg2000, png, pnm, webp)}
RNG = np.random.default_rng(20)
GRAY = RNG.integers(0, 256, (7, 9)).astype("uint8")
RGB = RNG.integers(0, 256, (7, 9, 3)).astype("uint8")
RGBA = RNG.integers(0, 256, (7, 9, 4)).astype("uint8")


def saved(array, kind, mode=None, **options):
    """A file by Pillow."""
    image = Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def opened(plugin, data, tmp_path, name="a.bin"):
    (tmp_path / name).write_bytes(data)
    return plugin.read(Source(tmp_path / name))


def values(image):
    """Samples last, as other libraries have them."""
    found = pixels(image)
    return np.moveaxis(found, image.axis_names.index("c"), -1) if "c" in image.axis_names else found


def codes(found):
    return [finding.code for finding in found.findings]


def example(name):
    """A small file of each format."""
    planes = {n: np.ascontiguousarray(RGB[..., i].astype("f4")) for i, n in enumerate("RGB")}
    return {
        "bmp": lambda: saved(RGB, "BMP"),
        "exr": lambda: exr_file({"compression": OpenEXR.ZIP_COMPRESSION}, planes),
        "gif": lambda: saved(GRAY, "GIF"),
        "jpeg": lambda: saved(RGB, "JPEG"),
        "jpeg2000": lambda: imagecodecs.jpeg2k_encode(RGB, level=0),
        "png": lambda: saved(RGBA, "PNG"),
        "pnm": lambda: b"P6 9 7 255\n" + RGB.tobytes(),
        "webp": lambda: saved(RGB, "WEBP", lossless=True),
    }[name]()


def exr_file(head, channels):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        with OpenEXR.File({"type": OpenEXR.scanlineimage, **head}, dict(channels)) as file:
            file.write(str(path))
        return path.read_bytes()


@pytest.mark.parametrize("name", MODULES)
def test_every_plugin_knows_its_own_files_and_no_others(name, tmp_path):
    data = example(name)
    assert [n for n, m in MODULES.items() if m.PLUGIN.sniff(data[:1024])] == [name]
    plugin = MODULES[name].PLUGIN
    (tmp_path / "a").write_bytes(data)
    assert len(plugin.images(tmp_path / "a")) == 1
    assert plugin.read(Source(tmp_path / "a")).image.geometry.space == "unknown"


@pytest.mark.parametrize("name", MODULES)
def test_every_cut_of_a_file_is_refused_or_changes_nothing(name, tmp_path, capfd):
    plugin, data = MODULES[name].PLUGIN, example(name)
    whole = pixels(opened(plugin, data, tmp_path).image)
    for keep in range(len(data)):
        try:
            found = pixels(opened(plugin, data[:keep], tmp_path).image)
        except FormatError:
            continue
        assert keep > len(data) - 8, f"cut at {keep} of {len(data)} went unnoticed"
        np.testing.assert_array_equal(found, whole)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", MODULES)
@given(data=st.data())
def test_no_changed_byte_raises_anything_but_our_errors(name, data, tmp_path_factory):
    plugin, whole = MODULES[name].PLUGIN, example(name)
    at = data.draw(st.integers(0, min(len(whole) - 1, 400)))
    changed = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    folder = tmp_path_factory.mktemp("flip")
    try:
        image = opened(plugin, changed, folder).image
        if image.nbytes < 64 << 20:
            pixels(image)
    except SpconvertError as error:
        told = error.message
    else:
        told = ""
    assert "\n" not in told


@pytest.mark.parametrize("name", [n for n in MODULES if n not in ("png", "exr")])
def test_volumes_come_back_from_numbered_slices(name, tmp_path):
    plugin = MODULES[name].PLUGIN
    if not plugin.can.writes:
        with pytest.raises(UsageError, match="read, not written"):
            plugin.write(make_image("yx", "uint8"), Target(tmp_path / "a", tmp_path), None)
        return
    image = make_image("czyx", "uint8")
    target = Target(tmp_path / f"a_%02d{plugin.suffixes[0]}", tmp_path)
    first = [f.read_bytes() for f in plugin.write(image, target, WriteOptions())]
    assert first == [f.read_bytes() for f in plugin.write(image, target, WriteOptions())]
    back = plugin.read(Source(target.path)).image
    assert back.axis_names == "czyx"
    off = np.abs(pixels(back).astype(int) - pixels(image)).max()
    assert off <= (40 if name == "jpeg" else 0)
    with pytest.raises(UsageError, match="not one of"):
        plugin.write(image, target, WriteOptions(codec="nonsense"))
    with pytest.raises(Unsupported, match="float32"):
        plugin.write(make_image("yx", "float32"), target, WriteOptions())


def test_picture_that_must_be_encoded_whole_is_held_to_the_budget(tmp_path):
    with pytest.raises(LimitError, match="42 are allowed"):
        jpeg.PLUGIN.write(
            make_image("yx", "uint8"), Target(tmp_path / "a.jpg", tmp_path), WriteOptions(budget=42)
        )


COST = """
import sys
from pathlib import Path
from spconvert.formats.plugin import Source
from spconvert.formats.raster import bmp, exr, png, pnm
from spconvert.model.region import Region
def read_so_far():
    return int(Path("/proc/self/io").read_text().split()[1])
module, path = {"bmp": bmp, "exr": exr, "pnm": pnm}[sys.argv[1]], Path(sys.argv[2])
module.PLUGIN.read(Source(path))
before = read_so_far()
image = module.PLUGIN.read(Source(path)).image
image.pixels.read(Region((900, 700), (904, 716)))
print(read_so_far() - before)
print(sorted({"PIL", "imagecodecs", "imageio", "OpenEXR"} & sys.modules.keys()))
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes by /proc/self/io")
@pytest.mark.parametrize("name", ["bmp", "exr", "pnm"])
def test_region_of_plain_rows_costs_its_rows_and_no_library(name, tmp_path):
    array = RNG.integers(0, 256, (1024, 1024)).astype("uint8")
    path = tmp_path / "large"
    if name == "exr":
        path.write_bytes(
            exr_file({"compression": OpenEXR.NO_COMPRESSION}, {"Y": array.astype("f4")})
        )
    else:
        data = saved(array, "BMP") if name == "bmp" else b"P5 1024 1024 255\n" + array.tobytes()
        path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", COST, name, str(path)], capture_output=True, check=True, text=True
    )
    counted, libraries = done.stdout.splitlines()
    # Header, a buffer's length where each block begins, and whole rows of an OpenEXR.
    assert int(counted) < (120_000 if name == "exr" else 12_000)
    assert libraries == "[]"


def test_header_fields_are_left_out_on_request(tmp_path):
    (tmp_path / "a").write_bytes(example("png"))
    source = Source(tmp_path / "a", options=ReadOptions(metadata="none"))
    assert png.PLUGIN.read(source).image.extra == {}


# -- JPEG ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_jpeg_reads_as_pillow_and_imageio_do(options, tmp_path):
    smooth = np.add.outer(np.arange(40), np.arange(50)).astype("uint8")
    colors = np.stack([smooth, smooth[::-1], 2 * smooth], axis=-1)
    for array in (smooth, colors):
        data = saved(array, "JPEG", **options)
        image = opened(jpeg.PLUGIN, data, tmp_path).image
        np.testing.assert_array_equal(values(image), iio.imread(data, extension=".jpg"))


def test_cmyk_jpeg_has_four_inks(tmp_path):
    data = saved(RGB, "JPEG", "CMYK", quality=100)
    image = opened(jpeg.PLUGIN, data, tmp_path).image
    assert [c.label for c in image.channels] == ["cyan", "magenta", "yellow", "black"]
    with Image.open(io.BytesIO(data)) as oracle:
        np.testing.assert_array_equal(values(image), np.asarray(oracle))


@pytest.mark.parametrize(
    ("options", "spacing", "expected"),
    [
        ({}, None, []),
        ({"dpi": (72, 72)}, None, ["resolution-ignored"]),
        ({"dpi": (96, 96)}, None, ["resolution-ignored"]),
        ({"dpi": (254, 508)}, (0.1, 0.05), ["spacing-from-resolution"]),
    ],
)
def test_jpeg_density_is_a_spacing_unless_it_is_a_screens(options, spacing, expected, tmp_path):
    found = opened(jpeg.PLUGIN, saved(GRAY, "JPEG", **options), tmp_path)
    assert found.image.geometry.spacing == pytest.approx(spacing or (1.0, 1.0), rel=1e-15)
    assert found.image.unit == ("millimeter" if spacing else None)
    assert codes(found) == expected


def test_exif_rotation_is_noted_and_its_resolution_read(tmp_path):
    exif = Image.Exif()
    exif[0x112], exif[0x128] = 6, 3
    exif[0x11A], exif[0x11B] = (200.0, 400.0)
    found = opened(jpeg.PLUGIN, saved(RGB, "JPEG", exif=exif), tmp_path)
    assert codes(found) == ["spacing-from-resolution", "rotation-not-applied"]
    assert found.image.geometry.spacing == pytest.approx((0.05, 0.025))
    assert found.image.shape == (3, 7, 9)
    assert found.image.extra["jpeg"]["orientation"] == 6


def test_jpeg_that_no_decoder_here_knows_is_refused(tmp_path):
    data = bytearray(saved(GRAY, "JPEG"))
    at = data.index(b"\xff\xc0")
    for offset, value, message in ((4, 12, "12 bits"), (9, 2, "2 components"), (1, 0xC9, "SOF9")):
        changed = bytearray(data)
        changed[at + offset] = value
        with pytest.raises(FormatError, match=message):
            opened(jpeg.PLUGIN, bytes(changed), tmp_path)
    huge = bytearray(data)
    huge[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = opened(jpeg.PLUGIN, bytes(huge), tmp_path).image
    assert image.shape == (65535, 65535)
    assert image.pixels.access == "whole"


# -- BMP -----------------------------------------------------------------------------------------


def bitmaps():
    yield "rgb", saved(RGB, "BMP")
    yield "rgba", saved(RGBA, "BMP")
    yield "gray", saved(GRAY, "BMP")
    yield "bits", saved((GRAY > 99), "BMP")
    yield "palette", saved(RGB, "BMP", "P")
    four = bytes(range(70))
    colors = b"".join(bytes((3 * i, 5 * i, 7 * i, 0)) for i in range(16))
    head = struct.pack("<IiiHHIIiiII", 40, 9, 7, 1, 4, 0, 0, 0, 0, 16, 0)
    yield "four", b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 64) + head + colors + four[:56]
    down = struct.pack("<IiiHHIIiiII", 40, 3, -2, 1, 24, 0, 0, 0, 0, 0, 0)
    yield "down", b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + down + bytes(range(24))
    rle = struct.pack("<IiiHHIIiiII", 40, 4, 2, 1, 8, 1, 8, 0, 0, 16, 0)
    body = bytes([4, 3, 0, 0, 2, 1, 2, 9, 0, 1])
    yield "rle", b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 64) + rle + colors + body
    fields = struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 16, 3, 0, 0, 0, 0, 0)
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    yield "565", b"BM" + struct.pack("<IHHI", 0, 0, 0, 66) + fields + masks + bytes(range(8))
    core = struct.pack("<IHHHH", 12, 2, 2, 1, 24)
    yield "core", b"BM" + struct.pack("<IHHI", 0, 0, 0, 26) + core + bytes(range(16))


@pytest.mark.parametrize(("name", "data"), list(bitmaps()), ids=[n for n, _ in bitmaps()])
def test_bmp_reads_as_pillow_does(name, data, tmp_path):
    image = opened(bmp.PLUGIN, data, tmp_path).image
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[image.channel_count]
    with Image.open(io.BytesIO(data)) as oracle:
        expected = np.asarray(oracle.convert(mode))
    np.testing.assert_array_equal(values(image), expected)
    assert (image.pixels.access == "random") == (name not in ("rle", "565"))


class TestBmpRows(PixelSourceContract):
    @pytest.fixture(params=["rgb", "bits", "palette", "four", "rgba"])
    def data(self, request):
        return dict(bitmaps())[request.param]

    @pytest.fixture
    def expected(self, data):
        with Image.open(io.BytesIO(data)) as oracle:
            mode = "L" if oracle.mode == "1" else oracle.mode
            found = np.asarray(oracle.convert("RGB" if mode == "P" else mode))
        return np.moveaxis(found, -1, 0) if found.ndim == 3 else found

    @pytest.fixture
    def source(self, data, tmp_path):
        return opened(bmp.PLUGIN, data, tmp_path).image.pixels


def test_bmp_resolution_is_a_spacing_unless_it_is_a_screens(tmp_path):
    data = bytearray(saved(RGB, "BMP"))
    for per_meter, spacing in ((2000, (0.5, 0.5)), (2835, (1, 1)), (3780, (1, 1)), (0, (1, 1))):
        data[38:46] = struct.pack("<ii", per_meter, per_meter)
        assert opened(bmp.PLUGIN, bytes(data), tmp_path).image.geometry.spacing == spacing


# -- WebP and GIF --------------------------------------------------------------------------------


@pytest.mark.parametrize("lossless", [True, False])
def test_webp_reads_as_imageio_does(lossless, tmp_path):
    for array in (RGB, RGBA):
        data = saved(array, "WEBP", lossless=lossless, exact=True)
        image = opened(webp.PLUGIN, data, tmp_path).image
        np.testing.assert_array_equal(values(image), iio.imread(data, extension=".webp"))
        assert image.extra["webp"]["lossless"] == lossless


def moving(kind, durations, **options):
    frames = [Image.fromarray(np.roll(RGB, n, axis=1)) for n in range(len(durations))]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], duration=durations, **options
    )
    return buffer.getvalue()


def test_frames_are_times(tmp_path):
    for plugin, kind, options in (
        (gif.PLUGIN, "GIF", {}),
        (webp.PLUGIN, "WEBP", {"lossless": True}),
    ):
        data = moving(kind, [70, 70, 70], **options)
        image = opened(plugin, data, tmp_path).image
        assert image.axis_names == "tcyx"
        assert image.shape[0] == 3
        assert (image.time.step, image.time.unit) == (0.07, "second")
        expected = iio.imread(data, extension=f".{kind.lower()}", index=...)
        np.testing.assert_array_equal(values(image), expected)
        part = Region((1, 0, 2, 3), (2, 2, 5, 6))
        np.testing.assert_array_equal(image.pixels.read(part), pixels(image)[part.slices])
        uneven = opened(plugin, moving(kind, [70, 70, 90], **options), tmp_path).image
        assert uneven.time.unit is None


def test_single_gif_is_expanded_to_colors(tmp_path):
    data = saved(RGB, "GIF")
    found = opened(gif.PLUGIN, data, tmp_path)
    assert codes(found) == ["palette-expanded"]
    with Image.open(io.BytesIO(data)) as oracle:
        np.testing.assert_array_equal(values(found.image), np.asarray(oracle.convert("RGB")))


def test_gif_frame_outside_its_picture_is_refused(tmp_path):
    data = bytearray(saved(GRAY, "GIF"))
    data[6:8] = b"\1\0"
    with pytest.raises(FormatError, match="does not fit"):
        opened(gif.PLUGIN, bytes(data), tmp_path)


# -- JPEG 2000 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int8"])
@pytest.mark.parametrize("samples", [1, 3, 4])
@pytest.mark.parametrize("kind", ["jp2", "j2k"])
def test_jpeg2000_keeps_type_and_values(dtype, samples, kind, tmp_path):
    info = np.iinfo(dtype)
    shape = (33, 21, samples) if samples > 1 else (33, 21)
    array = RNG.integers(info.min, info.max, shape, endpoint=True).astype(dtype)
    data = imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat=kind)
    image = opened(jpeg2000.PLUGIN, data, tmp_path).image
    assert image.dtype == dtype
    np.testing.assert_array_equal(values(image), array)


def test_capture_resolution_is_a_spacing(tmp_path):
    data = imagecodecs.jpeg2k_encode(GRAY, level=0, codecformat="jp2")
    resolution = struct.pack(">HHHHbb", 4000, 1, 200, 1, 0, 1)
    box = struct.pack(">I4s", 26, b"res ") + struct.pack(">I4s", 18, b"resc") + resolution
    at = data.index(b"jp2h") - 4
    (length,) = struct.unpack(">I", data[at : at + 4])
    data = (
        data[:at]
        + struct.pack(">I", length + 26)
        + data[at + 4 : at + length]
        + box
        + data[at + length :]
    )
    found = opened(jpeg2000.PLUGIN, data, tmp_path)
    assert found.image.geometry.spacing == pytest.approx((0.5, 0.25), rel=1e-15)
    assert codes(found) == ["spacing-from-resolution"]
    np.testing.assert_array_equal(values(found.image), GRAY)


# -- Netpbm --------------------------------------------------------------------------------------

PFM = np.arange(24, dtype="f4").reshape(2, 4, 3)


def netpbm():
    yield b"P5 # size\n9 7\n# more\n255\n" + GRAY.tobytes(), GRAY
    yield b"P6\n9 7 255\n" + RGB.tobytes(), RGB
    wide = GRAY.astype(">u2") * 257
    yield b"P5 9 7 65535\n" + wide.tobytes(), wide.astype("uint16")
    yield b"P5\n#" + b"long " * 999 + b"\n9 7 255\n" + GRAY.tobytes(), GRAY
    head = b"P7\n# said\nWIDTH 9\nHEIGHT 7\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    yield head + RGBA.tobytes(), RGBA
    yield b"P2 3 2 9\n1 2 3\n4 5 9\n", np.array([[1, 2, 3], [4, 5, 9]], "uint8")
    yield b"P3\n1 2 999\n1 2 3 4 500 600\n", np.array([[[1, 2, 3]], [[4, 500, 600]]], "uint16")
    yield b"P1\n3 2\n010\n1 1 0\n", np.array([[255, 0, 255], [0, 0, 255]], "uint8")
    yield (
        b"P4\n10 2\n\xaa\xff\x0f\x40",
        255
        - 255
        * np.unpackbits(np.frombuffer(b"\xaa\xff\x0f\x40", "uint8").reshape(2, 2), axis=1)[:, :10],
    )
    yield b"PF\n4 2\n-1.0\n" + PFM[::-1].astype("<f4").tobytes(), PFM
    yield b"Pf\n3 8\n2\n" + PFM.reshape(8, 3)[::-1].astype(">f4").tobytes(), PFM.reshape(8, 3)


@pytest.mark.parametrize(("data", "expected"), list(netpbm()), ids=[d[:2] for d, _ in netpbm()])
def test_netpbm_reads_as_written(data, expected, tmp_path):
    found = opened(pnm.PLUGIN, data, tmp_path)
    np.testing.assert_array_equal(values(found.image), expected)
    assert found.image.dtype == expected.dtype.newbyteorder("=")
    assert found.image.dtype.isnative
    if data[:2] in (b"P1", b"P4"):
        assert codes(found) == ["samples-expanded"]
    if data[:2] in (b"P4", b"P6"):
        with Image.open(io.BytesIO(data)) as oracle:
            np.testing.assert_array_equal(
                np.asarray(oracle.convert("RGB" if data[1:2] == b"6" else "L")), expected
            )


@pytest.mark.parametrize(
    "head",
    [
        b"P5 9 7 0\n",
        b"P5 9 7 70000\n",
        b"P5 0 7 255\n",
        b"P5 -1 7 255\n",
        b"P5 x 7 255\n",
        b"P5 9 7\n",
        b"P6 99999999999 7 255\n",
        b"PF 3 2 nan\n",
        b"Pf 3 2 0\n",
        b"P7\nWIDTH 3\n",
        b"P7\nWIDTH 3\nENDHDR\n",
        b"P7\nWIDTH 3\nHEIGHT 2\nDEPTH 9\nMAXVAL 1\nENDHDR\n",
    ],
)
def test_broken_netpbm_header_is_refused(head, tmp_path):
    with pytest.raises(FormatError, match=r"a\.bin"):
        opened(pnm.PLUGIN, head + bytes(500), tmp_path)


def test_second_picture_in_a_netpbm_is_reported(tmp_path):
    data = b"P6 9 7 255\n" + RGB.tobytes()
    assert codes(opened(pnm.PLUGIN, data * 2, tmp_path)) == ["surplus-data"]


# -- OpenEXR -------------------------------------------------------------------------------------

COMPRESSIONS = ("NO", "RLE", "ZIPS", "ZIP", "PIZ")


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint32"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_exr_reads_as_its_library_wrote(dtype, compression, tmp_path):
    rng = np.random.default_rng(1)
    planes = {n: (rng.random((37, 11)) * 99).astype(dtype) for n in ("R", "G", "B", "A", "depth.Z")}
    planes["A"][:] = 1
    data = exr_file({"compression": getattr(OpenEXR, f"{compression}_COMPRESSION")}, planes)
    image = opened(exr.PLUGIN, data, tmp_path).image
    assert [c.label for c in image.channels] == ["red", "green", "blue", "alpha", "depth.Z"]
    expected = np.stack([planes[n] for n in ("R", "G", "B", "A", "depth.Z")])
    np.testing.assert_array_equal(pixels(image), expected)
    plain = compression in ("NO", "ZIPS", "ZIP")
    assert image.pixels.access == ("chunked" if plain else "whole")


class TestExrBlocks(PixelSourceContract):
    array = np.cumsum(RNG.random((3, 37, 11)), axis=2).astype("float16")

    @pytest.fixture
    def expected(self):
        return self.array

    @pytest.fixture(params=["NO", "ZIPS", "ZIP"])
    def source(self, request, tmp_path):
        planes = {n: np.ascontiguousarray(p) for n, p in zip("RGB", self.array, strict=True)}
        kind = getattr(OpenEXR, f"{request.param}_COMPRESSION")
        return opened(exr.PLUGIN, exr_file({"compression": kind}, planes), tmp_path).image.pixels


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint32"])
@pytest.mark.parametrize("names", ["yx", "cyx"])
def test_written_exr_is_read_by_its_library(dtype, names, tmp_path):
    shape = (37, 11) if names == "yx" else (3, 37, 11)
    array = (RNG.random(shape) * 100).astype(dtype)
    image = SpatialImage(ArraySource(array), axes_named(names), Geometry.identity(2))
    target = Target(tmp_path / "a.exr", tmp_path)
    (path,) = exr.PLUGIN.write(image, target, WriteOptions())
    first = path.read_bytes()
    exr.PLUGIN.write(image, target, WriteOptions())
    assert path.read_bytes() == first
    with OpenEXR.File(str(path), separate_channels=True) as file:
        parts = file.channels()
        for number, name in enumerate("Y" if names == "yx" else "RGB"):
            np.testing.assert_array_equal(
                parts[name].pixels, array[number] if names == "cyx" else array
            )
    np.testing.assert_array_equal(pixels(exr.PLUGIN.read(Source(path)).image), array)
