"""MRC against SimpleITK and the standard; and faults."""

from __future__ import annotations

import contextlib
import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import make_image, pixels
from geometries import from_itk
from spconvert.errors import FormatError, GeometryError, SourceError, SpconvertError, Unsupported
from spconvert.formats.mrc import PLUGIN
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions
from spconvert.model.region import Region

ARRAY = np.random.default_rng(7).integers(0, 99, (5, 4, 3))


def saved(path, dtype="int16"):
    image = sitk.GetImageFromArray(ARRAY.astype(dtype))
    image.SetSpacing((0.5, 0.75, 2.5))
    image.SetOrigin((-90.5, 12.25, 300.0))
    sitk.WriteImage(image, str(path))
    return path


def by_hand(path, order=">", mode=2, axes=(1, 2, 3), extended=b"", stamp=b""):
    """A file of the standard, in any byte order."""
    x, y, z = ARRAY.shape[::-1]
    code = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}[mode]
    words = (x, y, z, mode, 0, 0, 0, 6, 8, 10, 3.0, 6.0, 25.0, 90.0, 90.0, 90.0, *axes)
    head = struct.pack(order + "10i6f3i", *words) + struct.pack(order + "3f", 0, 9, 5)
    head += struct.pack(order + "2i", 1, len(extended))
    head = head.ljust(152, b"\0") + stamp
    head = head.ljust(196, b"\0") + struct.pack(order + "3f", 1.5, -2.0, 3.0) + b"MAP "
    head += b"\x11\x11\0\0" if order == ">" else b"\x44\x44\0\0"
    data = ARRAY.astype(order + code).tobytes()
    path.write_bytes(head.ljust(1024, b"\0") + extended + data)
    return path


@pytest.fixture
def plain(tmp_path):
    return saved(tmp_path / "a.mrc")


def codes(opened):
    return [finding.code for finding in opened.findings]


@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_files_of_simpleitk_read_as_it_says(dtype, tmp_path):
    path = saved(tmp_path / "a.mrc", dtype)
    opened = PLUGIN.read(Source(path))
    assert opened.findings == ()
    image = opened.image
    assert image.geometry == from_itk(sitk.ReadImage(str(path)), "unknown")
    assert (image.dtype, image.unit) == (np.dtype(dtype), "angstrom")
    np.testing.assert_array_equal(pixels(image), ARRAY)
    assert PLUGIN.sniff(path.read_bytes()[:1024])
    packed = tmp_path / "a.mrc.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(packed)).image), ARRAY)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", [0, 1, 2, 4, 6, 12])
def test_every_mode_and_byte_order_is_read(order, mode, tmp_path):
    path = by_hand(tmp_path / "a.mrc", order, mode, extended=bytes(160))
    image = PLUGIN.read(Source(path)).image
    np.testing.assert_array_equal(pixels(image), ARRAY)
    assert image.geometry.spacing == (0.5, 0.75, 2.5)
    assert image.geometry.origin == (1.5, -2.0, 3.0)


def test_bytes_are_signed_unless_imod_says_else(tmp_path):
    path = by_hand(tmp_path / "a.mrc", "<", 0)
    opened = PLUGIN.read(Source(path))
    assert (opened.image.dtype, codes(opened)) == (np.int8, ["signed-bytes"])
    for flags, dtype, found in ((0, np.uint8, ["unsigned-bytes"]), (1, np.int8, [])):
        path = by_hand(tmp_path / "a.mrc", "<", 0, stamp=struct.pack("<2i", 1146047817, flags))
        opened = PLUGIN.read(Source(path))
        assert (opened.image.dtype, codes(opened)) == (dtype, found)


def test_axes_in_another_order_are_a_direction(tmp_path):
    path = by_hand(tmp_path / "a.mrc", axes=(2, 3, 1))
    geometry = PLUGIN.read(Source(path)).image.geometry
    assert geometry.spacing == (0.75, 2.5, 0.5)
    assert geometry.direction == ((0, 0, 1), (1, 0, 0), (0, 1, 0))


def test_region_is_read_alone(plain):
    image = PLUGIN.read(Source(plain)).image
    assert image.pixels.access == "random"
    region = Region((1, 2, 1), (3, 4, 3))
    np.testing.assert_array_equal(image.pixels.read(region), ARRAY[region.slices])


def changed(path, offset, content):
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("offset", "content", "error"),
    [
        (0, struct.pack("<i", 0), FormatError),
        (0, struct.pack("<i", -4), FormatError),
        (0, struct.pack("<3i", 2**31 - 1, 2**31 - 1, 2**31 - 1), FormatError),
        (12, struct.pack("<i", 101), FormatError),
        (64, struct.pack("<i", 7), FormatError),
        (92, struct.pack("<i", -1), FormatError),
        (92, struct.pack("<i", 2**31 - 1), FormatError),
        (208, b"PAM ", FormatError),
        (28, struct.pack("<i", 0), GeometryError),
        (40, struct.pack("<f", -1), GeometryError),
        (40, struct.pack("<f", np.nan), GeometryError),
        (196, struct.pack("<f", np.inf), GeometryError),
    ],
)
def test_impossible_headers_are_refused(offset, content, error, plain):
    with pytest.raises(error, match=r"a\.mrc"):
        PLUGIN.read(Source(changed(plain, offset, content)))


def test_odd_cells_are_told(plain):
    assert codes(PLUGIN.read(Source(changed(plain, 52, struct.pack("<f", 80))))) == [
        "cell-angles-ignored"
    ]
    opened = PLUGIN.read(Source(changed(plain, 40, bytes(24))))
    assert (opened.image.geometry.spacing, codes(opened)) == ((1, 1, 1), ["spacing-unknown"])
    options = ReadOptions(spacing_assigned=True)
    path = changed(plain, 40, struct.pack("<f", np.nan))
    assert PLUGIN.read(Source(path, options=options)).image.geometry.spacing[0] == 1.0


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 9])
def test_other_and_cut_files_are_refused(content, tmp_path):
    for name, encode in (("a.mrc", bytes), ("a.mrc.gz", gzip.compress)):
        (tmp_path / name).write_bytes(encode(content))
        with pytest.raises(FormatError, match=name):
            PLUGIN.read(Source(tmp_path / name))
    with pytest.raises(SourceError, match="none"):
        PLUGIN.read(Source(tmp_path / "none.mrc"))
    with pytest.raises(Unsupported, match="not written"):
        PLUGIN.write(make_image(), Target(tmp_path / "b.mrc", tmp_path), WriteOptions())


@given(st.binary(max_size=40), st.integers(0, 300), st.integers(0, 40))
def test_any_damage_is_refused_by_name_or_read(tmp_path_factory, junk, at, cut):
    path = by_hand(tmp_path_factory.getbasetemp() / "fuzz.mrc")
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + junk + whole[at + cut :])
    with contextlib.suppress(SpconvertError):
        pixels(PLUGIN.read(Source(path)).image)
