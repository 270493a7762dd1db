"""PNG there and back: real files, every bit depth and colour type, scale, and what others read."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import OBLIQUE, ArraySource, FormatContract, make_image, pixels, written
from spconvert.errors import FormatError, GeometryError, LimitError, Unsupported, UsageError
from spconvert.formats.plugin import ReadOptions, Source, WriteOptions
from spconvert.formats.raster.png import PLUGIN
from spconvert.formats.raster.png_chunks import read_chunks
from spconvert.formats.raster.png_filters import filtered
from spconvert.model.axes import ChannelInfo, axes_named
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, body):
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def png(size=(3, 2), depth=8, color=0, *, before=b"", rows=None, interlace=0, idat=None):
    """A PNG by hand; ``rows`` are unfiltered bytes."""
    width, height = size
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    length = -(-width * depth * samples // 8)
    rows = rows or [bytes((7 * y + x) % 256 for x in range(length)) for y in range(height)]
    data = idat if idat is not None else zlib.compress(b"".join(b"\0" + r for r in rows))
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    body = chunk(b"IHDR", head) + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return SIGNATURE + body


def read(path, **options):
    return PLUGIN.read(Source(path, options=ReadOptions(**options)))


def codes(opened):
    return [finding.code for finding in opened.findings]


class TestPng(FormatContract):
    plugin = PLUGIN
    suffix = ".png"
    axes = ("yx", "cyx")
    dtypes = ("uint8", "uint16")

    @pytest.fixture(params=[None, "deflate:1", "deflate:6"])
    def codec(self, request):
        return request.param


def entries(manifest):
    return [e for e in manifest if e["format"] == "png"]


def test_every_real_file_reads_as_the_manifest_says(testdata, manifest):
    assert entries(manifest)
    for entry in entries(manifest):
        truth = entry["expected"]
        image = read(testdata / entry["path"]).image
        array = pixels(image)
        assert image.axis_names == {"yx": "yx", "yxc": "cyx"}[truth["axes"]]
        array = np.moveaxis(array, 0, -1) if array.ndim == 3 else array
        assert list(array.shape) == truth["shape"], entry["id"]
        assert array.dtype.name == truth["dtype"]
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        assert hashlib.sha256(little.tobytes()).hexdigest() == truth["voxel_sha256"], entry["id"]
        assert image.geometry.space == "unknown"
        assert image.geometry.origin == (0.0, 0.0)
        if truth["spacing"] is None:
            assert (image.geometry.spacing, image.unit) == ((1.0, 1.0), None)
        else:
            np.testing.assert_allclose(image.geometry.spacing, truth["spacing"], rtol=1e-11)
            assert image.unit == "millimeter"


def test_every_real_file_comes_back_the_same(testdata, manifest, tmp_path):
    for entry in entries(manifest):
        image = read(testdata / entry["path"]).image
        image = replace(image, extra=json.loads(json.dumps(image.extra)))
        path = written(PLUGIN, image, tmp_path / "back.png")
        back = read(path).image
        assert back.geometry == image.geometry, entry["id"]
        assert back.axes == image.axes
        assert back.channels == image.channels
        np.testing.assert_array_equal(pixels(back), pixels(image))
        itk = sitk.ReadImage(str(path))
        assert itk.GetSpacing() == image.geometry.spacing
        values = sitk.GetArrayFromImage(itk)
        values = np.moveaxis(values, -1, 0) if values.ndim == 3 else values
        np.testing.assert_array_equal(values, pixels(image))


LEGAL = [(0, d) for d in (1, 2, 4, 8, 16)] + [(3, d) for d in (1, 2, 4, 8)]
LEGAL += [(color, depth) for color in (2, 4, 6) for depth in (8, 16)]


@pytest.mark.parametrize(("color", "depth"), LEGAL)
@pytest.mark.parametrize("transparent", [False, True])
def test_every_kind_of_pixel_reads_as_libpng_and_itk_do(color, depth, transparent, tmp_path):
    before = chunk(b"PLTE", bytes(range(1, 49)) * 16) if color == 3 else b""
    if color == 3 and depth < 8:
        before = chunk(b"PLTE", bytes(range(1, 3 * 2**depth + 1)))
    if transparent and color in (0, 2, 3):
        before += chunk(b"tRNS", {0: b"\0\1", 2: b"\0\1\0\2\0\3", 3: b"\7"}[color])
    path = tmp_path / "a.png"
    path.write_bytes(png((9, 5), depth, color, before=before))
    image = read(path).image
    found = pixels(image)
    found = np.moveaxis(found, 0, -1) if found.ndim == 3 else found
    np.testing.assert_array_equal(found, imagecodecs.png_decode(path.read_bytes()))
    if image.channel_count != 2:  # SimpleITK has no such pixels
        np.testing.assert_array_equal(found, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    assert found.dtype == ("uint16" if depth == 16 else "uint8")
    if found.ndim == 3:
        labels = [c.label for c in image.channels]
        gray = color in (0, 4)
        assert labels == [*(["gray"] if gray else ["red", "green", "blue"]), "alpha"][: len(labels)]
        assert len(labels) == found.shape[-1]


def test_sixteen_bit_colors_keep_their_low_bits(tmp_path):
    values = np.arange(4 * 3 * 4, dtype="uint16").reshape(3, 4, 4) * 1021 + 3
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(values))
    np.testing.assert_array_equal(pixels(read(path).image), np.moveaxis(values, -1, 0))


def test_low_bit_depths_are_noted_with_their_factor(tmp_path):
    path = tmp_path / "a.png"
    for depth, factor in ((1, 255), (2, 85), (4, 17)):
        path.write_bytes(png(depth=depth))
        (finding,) = read(path).findings
        assert finding.code == "samples-expanded"
        assert f"x {factor}" in finding.message


def test_interlaced_picture_reads_the_same(tmp_path):
    from PIL import Image

    values = np.arange(35, dtype="uint8").reshape(5, 7)
    passes = []
    for top, left, down, right in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        part = values[top::down, left::right]
        passes += [row.tobytes() for row in part if row.size]
    path = tmp_path / "a.png"
    path.write_bytes(png((7, 5), rows=passes, interlace=1))
    with Image.open(path) as oracle:
        np.testing.assert_array_equal(np.asarray(oracle), values)
    image = read(path).image
    np.testing.assert_array_equal(pixels(image), values)
    assert image.extra["png"]["interlaced"] is True


# -- scale ---------------------------------------------------------------------------------------


def physical(x, y, unit):
    return chunk(b"pHYs", struct.pack(">IIB", x, y, unit))


@pytest.mark.parametrize(
    ("before", "spacing", "unit", "expected"),
    [
        (physical(2000, 4000, 1), (0.5, 0.25), "millimeter", []),
        (physical(2835, 2835, 1), (1000 / 2835,) * 2, "millimeter", ["screen-resolution"]),
        (physical(0, 0, 1), (1.0, 1.0), None, []),
        (physical(0, 7, 1), (1.0, 1.0), None, []),
        (physical(72, 72, 0), (1.0, 1.0), None, []),
        (chunk(b"sCAL", b"\x011.0\x001.0"), (1.0, 1.0), None, []),
        (chunk(b"sCAL", b"\x010.5\x000.75"), (0.5, 0.75), None, ["scale-unit-uncertain"]),
        (chunk(b"sCAL", b"\x020.5\x000.75"), (1.0, 1.0), None, []),
        (chunk(b"sCAL", b"\x01nan\x00-1"), (1.0, 1.0), None, []),
        (chunk(b"sCAL", b"\x010.5"), (1.0, 1.0), None, []),
        (
            physical(1333, 2000, 1) + chunk(b"sCAL", b"\x010.75\x000.5"),
            (0.75, 0.5),
            "millimeter",
            [],
        ),
        (
            physical(1333, 2000, 1) + chunk(b"sCAL", b"\x010.00075\x000.0005"),
            (0.75, 0.5),
            "millimeter",
            [],
        ),
        (
            physical(2000, 2000, 1) + chunk(b"sCAL", b"\x013\x003"),
            (0.5, 0.5),
            "millimeter",
            ["scale-disagrees"],
        ),
    ],
)
def test_scale_is_what_the_chunks_say(before, spacing, unit, expected, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(before=before))
    opened = read(path)
    assert opened.image.geometry.spacing == pytest.approx(spacing, rel=1e-15)
    assert opened.image.unit == unit
    assert codes(opened) == expected


def test_aspect_ratio_is_given_back(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(before=physical(3, 4, 0)))
    image = read(path).image
    assert image.extra["png"]["aspect"] == [3, 4]
    back = written(PLUGIN, image, tmp_path / "b.png")
    assert read_chunks(back).kept[b"pHYs"] == (struct.pack(">IIB", 3, 4, 0),)
    scaled = replace(image, geometry=replace(image.geometry, spacing=(2.0, 3.0)))
    assert b"pHYs" not in read_chunks(written(PLUGIN, scaled, tmp_path / "b.png")).kept


def test_text_is_kept_only_where_it_is_asked_for(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(before=chunk(b"tEXt", b"Author\0Jane Doe")))
    assert "Jane" not in json.dumps(read(path).image.extra)
    image = read(path, metadata="all").image
    assert image.extra["png"]["text"] == [["Author", "Jane Doe"]]
    back = written(PLUGIN, image, tmp_path / "b.png")
    assert read(back, metadata="all").image.extra["png"]["text"] == [["Author", "Jane Doe"]]


@pytest.mark.parametrize("unit", ["micrometer", "millimeter", "angstrom", "kilometer", None])
def test_written_geometry_comes_back_exactly_and_itk_reads_its_spacing(unit, tmp_path):
    image = make_image("yx", "uint16", unit=unit)
    path = written(PLUGIN, image, tmp_path / "a.png")
    back = read(path)
    assert back.image.geometry == image.geometry
    assert back.image.axes == image.axes
    assert codes(back) == []
    if unit in ("millimeter", None):
        assert sitk.ReadImage(str(path)).GetSpacing() == image.geometry.spacing


def test_note_of_another_size_is_not_believed(tmp_path):
    path = written(PLUGIN, make_image("yx", "uint8"), tmp_path / "a.png")
    data = path.read_bytes()
    start = data.index(b"tEXt") - 4
    note = data[start : data.index(b"IDAT") - 4]
    path.write_bytes(png((3, 2), before=note))
    opened = read(path)
    assert codes(opened) == ["note-outdated"]
    assert opened.image.geometry == Geometry.identity(2)
    for text in (b"{", b"{}", b"[" * 3000, b'{"size":[3,2],"units":[null,null]}', b"1e999"):
        path.write_bytes(png((3, 2), before=chunk(b"tEXt", b"spconvert\0" + text)))
        assert codes(read(path)) == ["note-broken"]


# -- what is written -----------------------------------------------------------------------------


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 2, 3, 4, 6, 8]),
    st.integers(0, 2**32 - 1),
)
def test_filtered_rows_decode_to_what_they_were(height, width, pixel_bytes, seed):
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.integers(-3, 4, (height, width * pixel_bytes)), axis=seed % 2)
    rows = walk.astype("uint8")
    rows[rng.random(height) < 0.2] = rng.integers(0, 256, rows.shape[1])
    top = np.zeros(rows.shape[1], np.uint8)
    cut = height // 2
    parts = [filtered(rows[:cut], top, pixel_bytes)] if cut else []
    parts.append(filtered(rows[cut:], rows[cut - 1] if cut else top, pixel_bytes))
    color, depth = {1: (0, 8), 2: (4, 8), 3: (2, 8), 4: (6, 8), 6: (2, 16), 8: (6, 16)}[pixel_bytes]
    packed = zlib.compress(np.concatenate(parts).tobytes())
    found = imagecodecs.png_decode(png((width, height), depth, color, idat=packed))
    stored = found.astype(">u2") if depth == 16 else found
    assert stored.tobytes() == rows.tobytes()


def test_large_picture_is_written_in_pieces_and_read_by_others(tmp_path):
    rng = np.random.default_rng(1)
    values = np.cumsum(rng.integers(-9, 10, (3, 900, 800)), axis=2).astype("uint16")
    image = SpatialImage(ArraySource(values), axes_named("cyx"), Geometry.identity(2))
    path = written(PLUGIN, image, tmp_path / "a.png", budget=1 << 18)
    assert path.read_bytes().count(b"IDAT") > 1
    expected = np.moveaxis(values, 0, -1)
    np.testing.assert_array_equal(imagecodecs.png_decode(path.read_bytes()), expected)
    np.testing.assert_array_equal(pixels(read(path).image), values)


def test_bool_is_written_as_bytes(tmp_path):
    path = written(PLUGIN, make_image("yx", "bool"), tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(read(path).image), pixels(make_image("yx", "bool")))


@pytest.mark.parametrize("dtype", ["int16", "int8", "float32", "uint32", "complex64"])
def test_types_that_png_has_not_are_refused(dtype, tmp_path):
    with pytest.raises(Unsupported, match=f"not {dtype}"):
        written(PLUGIN, make_image("yx", dtype), tmp_path / "a.png")


def test_channels_are_written_as_colors_and_renaming_is_reported(tmp_path):
    image = make_image("cyx", "uint8")
    found = []
    options = WriteOptions(finding=found.append)
    from spconvert.formats.plugin import Target

    dyes = replace(image, channels=tuple(ChannelInfo(n) for n in ("DAPI", "GFP", "RFP")))
    list(PLUGIN.write(dyes, Target(tmp_path / "a.png", tmp_path), options))
    assert [f.code for f in found] == ["channels-renamed"]
    two = SpatialImage(
        ArraySource(np.zeros((2, 3, 4), "uint8")), axes_named("cyx"), Geometry.identity(2)
    )
    with pytest.raises(Unsupported, match="2 channels"):
        written(PLUGIN, two, tmp_path / "b.png")
    alpha = replace(two, channels=(ChannelInfo("gray"), ChannelInfo("alpha")))
    assert read(written(PLUGIN, alpha, tmp_path / "c.png")).image.channels == alpha.channels


def test_time_points_and_unnumbered_volumes_are_refused(tmp_path):
    with pytest.raises(Unsupported, match="2 time points"):
        written(PLUGIN, make_image("tyx", "uint8"), tmp_path / "d.png")
    with pytest.raises(Unsupported, match="5 slices") as caught:
        written(PLUGIN, make_image("zyx", "uint8"), tmp_path / "e.png")
    assert "e_%04d.png" in caught.value.hint
    for codec in ("gzip", "deflate:0", "deflate:10"):
        with pytest.raises(UsageError, match="not one of PNG"):
            written(PLUGIN, make_image("yx", "uint8"), tmp_path / "f.png", codec)


class Chunked(ArraySource):
    """Whole volumes of slices are one chunk, and every read is counted."""

    def __init__(self, array):
        super().__init__(array)
        self.reads = []

    chunks = property(lambda self: (4, *self.array.shape[1:]))

    def read(self, region):
        self.reads.append(region)
        return super().read(region)


def test_chunk_of_many_slices_is_read_once(tmp_path):
    array = np.random.default_rng(0).integers(0, 99, (10, 7, 6)).astype("uint8")
    image = SpatialImage(Chunked(array), axes_named("zyx"), OBLIQUE)
    _write(image, tmp_path / "a_%02d.png", tmp_path, budget=2 * 4 * 42)
    assert [r.start[0] for r in image.pixels.reads] == [0, 4, 8]
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(tmp_path / "a_*.png")).image), array)
    image.pixels.reads.clear()
    _write(image, tmp_path / "b_%02d.png", tmp_path, budget=1)
    assert max(r.size for r in image.pixels.reads) == 6


class Streamed:
    """A volume that can only be read front to back."""

    access = "sequential"
    dtype = np.dtype("uint8")

    def __init__(self, array, order):
        self.array, self.storage_order = array, order
        self.shape = self.chunks = array.shape
        self.read_to = 0

    def scan(self, regions, _report=None):
        for region in regions:
            assert np.ravel_multi_index(region.start, self.shape) >= self.read_to
            self.read_to = np.ravel_multi_index(region.start, self.shape)
            yield self.array[region.slices].copy()


def test_stream_is_read_once_in_its_own_order(tmp_path):
    array = np.random.default_rng(0).integers(0, 99, (5, 7, 6)).astype("uint8")
    image = SpatialImage(Streamed(array, (0, 1, 2)), axes_named("zyx"), OBLIQUE)
    files = list(_write(image, tmp_path / "a_%02d.png", tmp_path))
    assert [f.name for f in files] == [f"a_{n:02d}.png" for n in range(5)]
    back = PLUGIN.read(Source(tmp_path / "a_%02d.png")).image
    np.testing.assert_array_equal(pixels(back), array)
    assert back.geometry.deviation_from(OBLIQUE) < 1e-12
    other = SpatialImage(Streamed(array, (2, 1, 0)), axes_named("zyx"), OBLIQUE)
    with pytest.raises(LimitError, match="xyz"):
        _write(other, tmp_path / "b_%02d.png", tmp_path)


def _write(image, path, folder, budget=256):
    from spconvert.formats.plugin import Target

    return PLUGIN.write(image, Target(path, folder), WriteOptions(budget=budget))


# -- faults --------------------------------------------------------------------------------------


def cases():
    whole = png((3, 2))
    yield "no pixels", SIGNATURE + chunk(b"IHDR", whole[16:29]) + chunk(b"IEND", b""), "IDAT"
    yield "zero width", png((0, 2), idat=b"x"), "0 x 2"
    yield "huge width", whole[:16] + b"\xff" * 4 + whole[20:], "checksum"
    huge = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0))
    yield "huge", huge + whole[33:], "cannot hold 30000 x 30000"
    past = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31, 2, 8, 0, 0, 0, 0))
    yield "too huge", past + whole[33:], "2147483648 x 2"
    for name, at, byte in (("depth", 24, 3), ("color", 25, 5), ("method", 26, 1), ("lace", 28, 2)):
        head = bytearray(whole[16:29])
        head[at - 16] = byte
        yield name, SIGNATURE + chunk(b"IHDR", bytes(head)) + whole[33:], "PNG"
    yield "first chunk", SIGNATURE + whole[33:], "first chunk"
    yield "chunk name", whole[:33] + chunk(b"\0\1\2\3", b"") + whole[33:], "no chunk"
    yield "critical", whole[:33] + chunk(b"ABCD", b"") + whole[33:], "must be understood"
    yield "no palette", png(color=3), "palette of 0"
    yield "end", whole[:-12], "incomplete"
    yield "length", whole[:33] + b"\xff\xff\xff\xff" + whole[37:], "no chunk"
    surplus = zlib.compress(bytes(8)) + bytes(200_000)
    yield "surplus", png(idat=surplus), "at most"


@pytest.mark.parametrize(("name", "data", "message"), list(cases()), ids=[c[0] for c in cases()])
def test_broken_header_is_refused(name, data, message, tmp_path):
    path = tmp_path / f"{name}.png"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        read(path)
    assert "\n" not in caught.value.message


def test_broken_pixels_are_refused_when_they_are_read(tmp_path):
    path = tmp_path / "a.png"
    whole = png((30, 20))
    at = whole.index(b"IDAT") + 12
    flipped = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
    short = png((30, 20), idat=zlib.compress(bytes(31 * 7)))
    filter_five = png((30, 20), idat=zlib.compress(b"\5" + bytes(31 * 20 - 1)))
    for data in (flipped, short, filter_five, png((30, 20), idat=b"nonsense, and more of it")):
        path.write_bytes(data)
        image = read(path).image
        with pytest.raises(FormatError, match=r"a\.png"):
            pixels(image)


def test_bomb_states_its_true_shape_without_decoding(tmp_path):
    """900 MB of zeros in a file of 1 MB: the planner decides by this shape."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(30001 * 100)) for _ in range(300)) + packer.flush()
    path = tmp_path / "a.png"
    path.write_bytes(png((30000, 30000), rows=[b""], idat=data))
    image = read(path).image
    assert image.shape == (30000, 30000)
    assert image.pixels.access == "whole"
    assert image.nbytes == 900_000_000


def test_text_bomb_never_reaches_a_decoder(tmp_path):
    path = tmp_path / "a.png"
    packed = b"x\0\0" + zlib.compress(bytes(64 << 20))
    path.write_bytes(png(before=chunk(b"zTXt", packed) + chunk(b"iCCP", packed)))
    assert pixels(read(path, metadata="all").image).shape == (2, 3)


def test_rotation_is_noted_and_not_applied(tmp_path):
    block = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0"
    path = tmp_path / "a.png"
    path.write_bytes(png(before=chunk(b"eXIf", block)))
    opened = read(path)
    assert codes(opened) == ["rotation-not-applied"]
    assert opened.image.shape == (2, 3)


def test_animation_gives_its_still_picture_and_a_warning(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(before=chunk(b"acTL", struct.pack(">II", 4, 0))))
    opened = read(path)
    assert codes(opened) == ["animation-still"]
    assert pixels(opened.image).shape == (2, 3)


@given(st.data())
def test_no_flipped_byte_raises_anything_but_our_errors(tmp_path_factory, data):
    whole = png((9, 5), 8, 3, before=chunk(b"PLTE", bytes(30)) + physical(3, 4, 1))
    at = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("flip") / "a.png"
    path.write_bytes(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])
    with suppress(FormatError, GeometryError):
        pixels(read(path).image)


def test_other_selections_are_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png())
    with pytest.raises(UsageError, match="one image"):
        PLUGIN.read(Source(path, select="1"))
    assert [e.description for e in PLUGIN.images(path)] == ["3 x 2"]


def test_every_combination_of_filters_was_possible():
    """The heuristic does choose each of the filters for some rows."""
    rng = np.random.default_rng(5)
    ramp = np.tile(np.arange(64, dtype="uint8") * 3, (4, 1))
    noise = rng.integers(0, 256, (1, 64)).astype("uint8")
    plane = (np.arange(64)[None] * 5 + rng.integers(0, 90, (4, 1)).cumsum(0)).astype("uint8")
    sparse = np.zeros((2, 64), "uint8")
    sparse[1, ::9] = 3
    rows = np.concatenate([ramp[:1], noise, noise, sparse, plane])
    found = filtered(rows, np.zeros(64, np.uint8), 1)[:, 0].tolist()
    assert set(itertools.chain(found)) >= {0, 1, 2}
