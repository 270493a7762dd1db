"""Pixels of DICOM files: layouts, compression, colours, and what reading them costs."""

from __future__ import annotations

import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")
imagecodecs = pytest.importorskip("imagecodecs")

from pydicom.encaps import encapsulate, encapsulate_extended  # noqa: E402
from pydicom.pixels import get_decoder  # noqa: E402
from pydicom.uid import (  # noqa: E402
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from formats.contract import pixels  # noqa: E402
from formats.dicom_files import MARKER, dataset, save, voxels, write_series  # noqa: E402
from spconvert.errors import FormatError, SpconvertError  # noqa: E402
from spconvert.formats.dicom import PLUGIN, decoders, pixel_file  # noqa: E402
from spconvert.formats.plugin import ReadOptions, Rescale, Source  # noqa: E402
from spconvert.model.region import Region  # noqa: E402
from spconvert.testing.pixel_source import PixelSourceContract  # noqa: E402

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32")


def read(path, **options):
    return PLUGIN.read(Source(Path(path), options=ReadOptions(**options)))


def compressed(frames, syntax, encode, **elements):
    """A file whose frames ``(n, rows, columns)`` or ``(n, rows, columns, 3)`` are encoded."""
    plane = frames[..., 0] if frames.ndim == 4 else frames
    ds = dataset(plane if len(frames) > 1 else plane[0], syntax, **elements)
    if frames.ndim == 4:
        ds.SamplesPerPixel, ds.PlanarConfiguration = 3, 0
        ds.PhotometricInterpretation = elements.get("PhotometricInterpretation", "RGB")
    ds.PixelData = encapsulate([encode(frame) for frame in frames])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def rle(frame):
    """PS3.5, annex G, with literal runs only."""
    planes = [frame] if frame.ndim == 2 else list(np.moveaxis(frame, 2, 0))
    segments = []
    for plane in planes:
        big = np.ascontiguousarray(plane, plane.dtype.newbyteorder(">"))
        parts = big.view(np.uint8).reshape(-1, plane.dtype.itemsize)
        for byte in parts.T:
            data = byte.tobytes()
            runs = [data[i : i + 128] for i in range(0, len(data), 128)]
            packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
            segments.append(packed + b"\x80" * (len(packed) % 2))
    offsets, at = [], 64
    for segment in segments:
        offsets.append(at)
        at += len(segment)
    head = struct.pack("<16L", len(segments), *offsets, *[0] * (15 - len(segments)))
    return head + b"".join(segments)


def smooth(shape, dtype):
    """Something that compresses."""
    grid = np.indices(shape).sum(axis=0)
    return (grid * 3 % 90).astype(dtype)


LOSSLESS = [
    (RLELossless, rle, ("uint8", "int8", "uint16", "int16")),
    (JPEGLSLossless, imagecodecs.jpegls_encode, ("uint8", "uint16")),
    (
        JPEG2000Lossless,
        lambda f: imagecodecs.jpeg2k_encode(f, codecformat="j2k", reversible=True),
        ("uint8", "uint16", "int16"),
    ),
    (JPEGLosslessSV1, imagecodecs.ljpeg_encode, ("uint8", "uint16")),
]


class TestRawSource(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return voxels()

    @pytest.fixture
    def source(self, tmp_path):
        write_series(tmp_path)
        return read(tmp_path).image.pixels


class TestCompressedSource(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return smooth((5, 16, 18), "uint16")

    @pytest.fixture
    def source(self, expected, tmp_path):
        ds = compressed(expected, JPEGLSLossless, imagecodecs.jpegls_encode)
        return read(save(ds, tmp_path / "a.dcm")).image.pixels


class TestColourSource(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return np.moveaxis(voxels((5, 7, 6, 3), "uint8")[0:1], 3, 0)[:, 0]

    @pytest.fixture
    def source(self, expected, tmp_path):
        ds = dataset(expected[0], SamplesPerPixel=3, PlanarConfiguration=0)
        ds.PhotometricInterpretation = "RGB"
        ds.PixelData = np.moveaxis(expected, 0, 2).tobytes()
        del ds.ImagePositionPatient
        return read(save(ds, tmp_path / "a.dcm")).image.pixels


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_raw_type_reads_natively(tmp_path, dtype, syntax):
    array = voxels((5, 7, 5), dtype)[1]
    ds = dataset(array, syntax)
    if dtype.endswith("int8") and syntax == ExplicitVRBigEndian:
        ds.PixelData = np.append(array.reshape(-1).view("u1"), 0).astype("u1").tobytes()
        words = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        ds.PixelData, ds["PixelData"].VR = words, "OW"
    image = read(save(ds, tmp_path / "a.dcm")).image
    assert image.dtype == dtype
    np.testing.assert_array_equal(pixels(image)[0], array)
    region = Region((0, 1, 1), (1, 6, 4))
    np.testing.assert_array_equal(image.pixels.read(region)[0], array[1:6, 1:4])


@pytest.mark.parametrize(
    ("name", "dtype"), [("FloatPixelData", "float32"), ("DoubleFloatPixelData", "float64")]
)
def test_floats_are_read(tmp_path, name, dtype):
    array = np.linspace(-1, 1, 42).reshape(7, 6).astype(dtype)
    bits = array.dtype.itemsize * 8
    ds = dataset(voxels()[0], BitsAllocated=bits, PixelData=None, BitsStored=None, HighBit=None)
    del ds.PixelRepresentation
    setattr(ds, name, array.tobytes())
    image = read(save(ds, tmp_path / "a.dcm")).image
    np.testing.assert_array_equal(pixels(image)[0], array)


def test_bits_beside_the_stored_ones_are_cleared(tmp_path):
    values = np.arange(42, dtype="u2").reshape(7, 6) * 97 % 4096
    dirty = values | (np.uint16(0xF000) * (values % 2)).astype("u2")
    ds = dataset(dirty, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(pixels(read(save(ds, tmp_path / "a.dcm")).image)[0], values)
    ds.PixelRepresentation = 1
    signed = np.where(values >= 2048, values.astype("i4") - 4096, values).astype("i2")
    np.testing.assert_array_equal(pixels(read(save(ds, tmp_path / "b.dcm")).image)[0], signed)
    ds.PixelRepresentation, ds.HighBit = 0, 15
    ds.PixelData = (values << 4 | 9).astype("u2").tobytes()
    np.testing.assert_array_equal(pixels(read(save(ds, tmp_path / "c.dcm")).image)[0], values)


@pytest.mark.parametrize(
    ("syntax", "encode", "dtype"),
    [(s, e, d) for s, e, dtypes in LOSSLESS for d in dtypes],
)
def test_lossless_frames_read_as_pydicom_reads_them(tmp_path, syntax, encode, dtype):
    frames = smooth((3, 16, 18), dtype)
    frames[MARKER] = 77
    path = save(compressed(frames, syntax, encode), tmp_path / "a.dcm")
    image = read(path).image
    np.testing.assert_array_equal(pixels(image), frames)
    if get_decoder(syntax).is_available:
        np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, frames)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_colours_are_channels(tmp_path, syntax):
    encode = next(e for s, e, _ in LOSSLESS if s == syntax)
    frames = np.stack([smooth((1, 16, 18), "uint8") + k for k in (0, 30, 60)], axis=-1)
    ds = compressed(frames, syntax, encode)
    image = read(save(ds, tmp_path / "a.dcm")).image
    assert image.axis_names == "czyx"
    np.testing.assert_array_equal(pixels(image)[:, 0], np.moveaxis(frames[0], 2, 0))


def test_lossy_luminance_and_chroma_become_rgb(tmp_path):
    frame = np.stack([smooth((16, 16), "uint8") + k for k in (0, 50, 100)], axis=-1)
    ds = compressed(
        frame[np.newaxis],
        JPEGBaseline8Bit,
        lambda f: imagecodecs.jpeg8_encode(f, level=99, subsampling="444"),
        PhotometricInterpretation="YBR_FULL",
    )
    opened = read(save(ds, tmp_path / "a.dcm"))
    found = np.moveaxis(pixels(opened.image)[:, 0], 0, 2)
    assert np.abs(found.astype(int) - frame).max() <= 6
    assert {"lossy-source", "colour-converted"} <= {f.code for f in opened.findings}
    assert [c.label for c in opened.image.channels] == ["R", "G", "B"]


@pytest.mark.parametrize("planar", [0, 1])
def test_raw_colours_are_channels_in_both_layouts(tmp_path, planar):
    rgb = voxels((5, 7, 6, 3), "uint8")[2]
    stored = np.moveaxis(rgb, 2, 0) if planar else rgb
    ds = dataset(rgb[..., 0], SamplesPerPixel=3, PlanarConfiguration=planar)
    ds.PhotometricInterpretation, ds.PixelData = "RGB", stored.tobytes()
    image = read(save(ds, tmp_path / "a.dcm")).image
    np.testing.assert_array_equal(np.moveaxis(pixels(image)[:, 0], 0, 2), rgb)
    region = Region((1, 0, 2, 1), (2, 1, 5, 4))
    np.testing.assert_array_equal(image.pixels.read(region)[0, 0], rgb[2:5, 1:4, 1])


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_raw_luminance_and_chroma_become_rgb_as_in_pydicom(tmp_path, photometric):
    ybr = np.stack([smooth((8, 6), "uint8") + k for k in (60, 110, 140)], axis=-1)
    ybr[:, 1::2, 1:] = ybr[:, ::2, 1:]
    stored = ybr
    if photometric.endswith("422"):
        stored = np.stack(
            [ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1
        )
    ds = dataset(ybr[..., 0], SamplesPerPixel=3, PlanarConfiguration=0)
    ds.PhotometricInterpretation, ds.PixelData = photometric, stored.tobytes()
    path = save(ds, tmp_path / "a.dcm")
    image = read(path).image
    from pydicom.pixels import convert_color_space

    expected = convert_color_space(ybr, "YBR_FULL", "RGB").astype(int)
    found = np.moveaxis(pixels(image)[:, 0], 0, 2)
    assert np.abs(found - expected).max() <= 1


def test_palette_becomes_rgb_as_in_pydicom(tmp_path):
    index = (voxels()[0] % 9 + 2).astype("uint8")
    ds = dataset(index, PhotometricInterpretation="PALETTE COLOR")
    tables = [np.arange(8) * k * 100 for k in (3, 50, 80)]
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [8, 3, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", table.astype("<u2").tobytes())
    path = save(ds, tmp_path / "a.dcm")
    opened = read(path)
    from pydicom.pixels import apply_color_lut

    expected = apply_color_lut(index, pydicom.dcmread(path))
    np.testing.assert_array_equal(np.moveaxis(pixels(opened.image)[:, 0], 0, 2), expected)
    assert "palette-expanded" in {f.code for f in opened.findings}


def test_inverted_greys_stay_as_stored_with_a_note(tmp_path):
    ds = dataset(voxels()[0], PhotometricInterpretation="MONOCHROME1")
    opened = read(save(ds, tmp_path / "a.dcm"))
    assert [f.code for f in opened.findings] == ["monochrome1"]
    np.testing.assert_array_equal(pixels(opened.image)[0], voxels()[0])


@pytest.mark.parametrize(
    ("mode", "slope", "intercept", "dtype"),
    [
        ("keep", 2, -1024, "uint16"),
        ("auto", 1, 0, "uint16"),
        ("auto", 1, -1024, "int16"),
        ("auto", 40, -1024, "int32"),
        ("auto", 0.5, 0, "float32"),
        ("apply", 1, -1024, "float32"),
    ],
)
def test_slope_and_intercept_follow_the_mode(tmp_path, mode, slope, intercept, dtype):
    stored = voxels(dtype="uint16")[1]
    ds = dataset(stored, BitsStored=12, HighBit=11, RescaleSlope=slope)
    ds.RescaleIntercept = intercept
    opened = read(save(ds, tmp_path / "a.dcm"), rescale=mode)
    assert opened.image.dtype == dtype
    real = stored * float(slope) + intercept if mode != "keep" else stored
    np.testing.assert_array_equal(pixels(opened.image)[0], real)
    assert opened.rescale == Rescale(slope, intercept)
    region = Region((0, 2, 1), (1, 5, 4))
    np.testing.assert_array_equal(opened.image.pixels.read(region)[0], real[2:5, 1:4])


def test_simpleitk_rescales_a_ct_to_the_same_type(tmp_path):
    import SimpleITK as sitk

    ds = dataset(voxels(dtype="uint16")[1], BitsStored=12, HighBit=11, RescaleSlope=1)
    ds.RescaleIntercept = -1024
    path = save(ds, tmp_path / "a.dcm")
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    found = pixels(read(path).image)
    np.testing.assert_array_equal(found, expected)


# -- fragments -----------------------------------------------------------------------------------


def fragmented(frames, table, pieces=2):
    """Each frame in several fragments; ``table``: "right", "none" or "wrong"."""
    encoded = [imagecodecs.jpegls_encode(frame) for frame in frames]
    items, starts = b"", []
    for data in encoded:
        starts.append(len(items))
        padded = data + b"\0" * (-len(data) % (2 * pieces))
        size = len(padded) // pieces
        for k in range(pieces):
            items += struct.pack("<HHL", 0xFFFE, 0xE000, size) + padded[k * size : (k + 1) * size]
    if table == "wrong":
        starts = [s + 2 for s in starts]
    offsets = b"" if table == "none" else struct.pack(f"<{len(starts)}L", *starts)
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(offsets)) + offsets + items


@pytest.mark.parametrize("table", ["right", "none", "wrong"])
def test_fragments_are_shared_out_whatever_the_offset_table_says(tmp_path, table):
    frames = smooth((3, 16, 18), "uint16")
    ds = compressed(frames, JPEGLSLossless, imagecodecs.jpegls_encode)
    ds.PixelData = fragmented(frames, table) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)[:0]
    np.testing.assert_array_equal(pixels(read(save(ds, tmp_path / "a.dcm")).image), frames)


def test_extended_offset_table_is_read(tmp_path):
    frames = smooth((3, 16, 18), "uint16")
    ds = compressed(frames, JPEGLSLossless, imagecodecs.jpegls_encode)
    encoded = [imagecodecs.jpegls_encode(frame) for frame in frames]
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(
        [data + b"\0" * (len(data) % 2) for data in encoded]
    )
    np.testing.assert_array_equal(pixels(read(save(ds, tmp_path / "a.dcm")).image), frames)


def test_fragments_that_cannot_be_shared_out_are_refused(tmp_path):
    frames = smooth((3, 16, 18), "uint16")
    ds = compressed(frames, RLELossless, rle)
    ds.NumberOfFrames = 2
    with pytest.raises(FormatError, match=r"a\.dcm: 3 fragments for 2 frames"):
        read(save(ds, tmp_path / "a.dcm"))


# -- broken and hostile --------------------------------------------------------------------------


def test_short_pixels_are_refused_with_both_numbers(tmp_path):
    files = write_series(tmp_path)
    ds = pydicom.dcmread(files[2])
    ds.PixelData = ds.PixelData[:-20]
    save(ds, files[2])
    with pytest.raises(FormatError, match=rf"{files[2].name} has 64 of 84 bytes"):
        read(tmp_path)


def test_more_pixels_than_stated_are_a_warning(tmp_path):
    ds = dataset(voxels()[0])
    ds.PixelData += b"\0" * 10
    opened = read(save(ds, tmp_path / "a.dcm"))
    assert [f.code for f in opened.findings] == ["surplus-data"]


@pytest.mark.parametrize(
    "change",
    [
        {"Rows": 0},
        {"Rows": 65535, "Columns": 65535},
        {"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11},
        {"BitsStored": 17},
        {"HighBit": 3},
        {"SamplesPerPixel": 2},
        {"NumberOfFrames": -3},
        {"NumberOfFrames": 10**9},
        {"PhotometricInterpretation": "HSV"},
        {"RescaleSlope": "nan"},
    ],
)
def test_impossible_layouts_are_refused_before_anything_is_allocated(tmp_path, change):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save(dataset(voxels()[0], **change), tmp_path / "a.dcm")
    with pytest.raises(SpconvertError, match=r"a\.dcm"):
        read(path)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.3.4", "1.2.840.113619.5.2"])
def test_syntax_without_decoder_is_named(tmp_path, syntax):
    ds = compressed(smooth((1, 16, 18), "uint8"), JPEGLSLossless, imagecodecs.jpegls_encode)
    path = save(ds, tmp_path / "a.dcm")
    whole = path.read_bytes()
    old = JPEGLSLossless.encode()
    new = syntax.encode().ljust(len(old), b"\0")
    path.write_bytes(whole.replace(old, new[: len(old)], 1))
    with pytest.raises(FormatError, match=r"a\.dcm"):
        read(path)


@pytest.mark.parametrize(("syntax", "encode"), [(s, e) for s, e, _ in LOSSLESS])
def test_frame_of_another_size_is_refused_before_it_is_decoded(tmp_path, syntax, encode):
    ds = compressed(smooth((1, 32, 36), "uint16"), syntax, encode, Rows=16, Columns=18)
    opened = read(save(ds, tmp_path / "a.dcm"))
    with pytest.raises(FormatError, match=r"a\.dcm"):
        pixels(opened.image)


@pytest.mark.parametrize(("syntax", "encode"), [(s, e) for s, e, _ in LOSSLESS])
def test_damaged_frames_end_in_an_error_or_in_pixels(tmp_path, syntax, encode):
    frames = smooth((1, 16, 18), "uint16")
    ds = compressed(frames, syntax, encode)
    path = save(ds, tmp_path / "a.dcm")
    whole = path.read_bytes()
    start = whole.index(encode(frames[0])[:8])
    rng = np.random.default_rng(3)
    told = []
    for _ in range(60):
        broken = bytearray(whole)
        for _ in range(3):
            broken[int(rng.integers(start, len(broken)))] = int(rng.integers(256))
        path.write_bytes(broken)
        try:
            assert pixels(read(path).image).shape == (1, 16, 18)
        except SpconvertError as error:
            told.append(error.message)
    assert all("a.dcm" in message for message in told)


def test_deflated_bomb_costs_no_more_than_its_pixels(tmp_path):
    ds = dataset(voxels()[0], DeflatedExplicitVRLittleEndian)
    path = save(ds, tmp_path / "a.dcm")
    whole = path.read_bytes()
    length = 144 + int.from_bytes(whole[140:144], "little")
    inner = zlib.decompress(whole[length:], -15)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(inner)
    for _ in range(256):
        body += packer.compress(bytes(1 << 20))
    path.write_bytes(whole[:length] + body + packer.flush())
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    np.testing.assert_array_equal(pixels(read(path).image)[0], voxels()[0])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_element_longer_than_the_file_is_refused_at_once(tmp_path):
    path = save(dataset(voxels()[0], ImageComments="x" * 200), tmp_path / "a.dcm")
    whole = path.read_bytes()
    at = whole.index(b"LT", whole.index(b"\x20\x00\x00\x40")) if b"LT" in whole else 0
    assert at
    for marker in (
        b"\x08\x00\x16\x00UN\0\0\xf0\xff\xff\xff",
        b"\x09\x00\x10\x00OB\0\0\xf0\xff\xff\x7f",
    ):
        start = 144 + int.from_bytes(whole[140:144], "little")
        path.write_bytes(whole[:start] + marker + whole[start:])
        with pytest.raises(FormatError, match=r"a\.dcm"):
            read(path)


# -- cost ----------------------------------------------------------------------------------------


def bytes_read():
    """Bytes that this process has asked the system for."""
    path = Path("/proc/self/io")
    if not path.exists():
        pytest.skip("/proc/self/io counts bytes on Linux only")
    return int(path.read_text().split()[1])


def test_region_costs_only_its_rows(tmp_path):
    array = np.zeros((3, 256, 300), "int16")
    for k, plane in enumerate(array):
        ds = dataset(plane)
        ds.ImagePositionPatient = [0, 0, float(k)]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        save(ds, tmp_path / f"{k}.dcm")
    source = read(tmp_path).image.pixels
    before = bytes_read()
    overhead = bytes_read() - before
    source.read(Region((1, 10, 0), (2, 14, 300)))
    cost = bytes_read() - before - 2 * overhead
    assert cost <= 4 * 300 * 2 + 200
    before = bytes_read()
    read(tmp_path)
    assert bytes_read() - before < 3 * 40_000  # headers, not 460,800 bytes of pixels


def test_each_frame_is_decoded_once(tmp_path, monkeypatch):
    frames = smooth((5, 16, 18), "uint16")
    ds = compressed(frames, JPEGLSLossless, imagecodecs.jpegls_encode)
    source = read(save(ds, tmp_path / "a.dcm")).image.pixels
    counted = []
    real = decoders.decode

    def counting(*arguments):
        counted.append(threading.get_ident())
        return real(*arguments)

    monkeypatch.setattr(pixel_file, "decode", counting)
    source.read(Region.whole(source.shape))
    assert len(counted) == 5
    source.read(Region((1, 3, 2), (3, 9, 7)))
    assert len(counted) == 7
    assert source.chunks == (1, 16, 18)


def test_many_threads_read_the_same_pixels(tmp_path):
    write_series(tmp_path)
    source = read(tmp_path).image.pixels
    rng = np.random.default_rng(1)
    regions = []
    for _ in range(200):
        start = tuple(int(rng.integers(0, n)) for n in source.shape)
        stop = tuple(
            int(rng.integers(a + 1, n + 1)) for a, n in zip(start, source.shape, strict=True)
        )
        regions.append(Region(start, stop))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(source.read, regions))
    for region, array in zip(regions, found, strict=True):
        np.testing.assert_array_equal(array, voxels()[region.slices])


def test_file_that_shrinks_while_it_is_read_is_named(tmp_path):
    files = write_series(tmp_path)
    source = read(tmp_path).image.pixels
    files[0].write_bytes(files[0].read_bytes()[:-30])
    with pytest.raises(SpconvertError, match=files[0].name):
        source.read(Region.whole(source.shape))


def test_sequence_of_frames_is_the_same_in_a_zip_of_deflated_files(tmp_path):
    import zipfile

    ds = dataset(voxels(), DeflatedExplicitVRLittleEndian)
    del ds.ImagePositionPatient
    path = save(ds, tmp_path / "a.dcm")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "a.dcm")
    for name in ("a.dcm", "a.zip"):
        image = read(tmp_path / name).image
        np.testing.assert_array_equal(pixels(image), voxels())
        np.testing.assert_array_equal(
            image.pixels.read(Region((3, 2, 1), (4, 5, 3))), voxels()[3:4, 2:5, 1:3]
        )
