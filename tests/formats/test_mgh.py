"""MGH and MGZ against nibabel; and faults."""

from __future__ import annotations

import contextlib
import gzip
import struct

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import make_image, pixels
from geometries import rotation_of
from spconvert.errors import FormatError, GeometryError, SourceError, SpconvertError, Unsupported
from spconvert.formats.mgh import PLUGIN
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions
from spconvert.model.region import Region

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def saved(path, dtype="int16", frames=1, step=2000.0):
    """A file by nibabel: x, y, z(, t) in array order."""
    rng = np.random.default_rng(7)
    shape = (4, 5, 7) if frames == 1 else (4, 5, 7, frames)
    array = rng.integers(0, 99, shape).astype(dtype)
    affine = np.eye(4)
    affine[:3, :3] = rotation_of(rng.normal(size=4)) @ np.diag([0.5, 0.75, 2.5])
    affine[:3, 3] = (-90.5, 12.25, 300.0)
    image = nibabel.MGHImage(array, affine)
    if frames > 1:
        image.header.set_zooms((0.5, 0.75, 2.5, step))
    nibabel.save(image, str(path))
    return array


@pytest.fixture
def plain(tmp_path):
    saved(tmp_path / "a.mgh")
    return tmp_path / "a.mgh"


def codes(opened):
    return [finding.code for finding in opened.findings]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
@pytest.mark.parametrize("name", ["a.mgh", "a.mgz"])
def test_files_of_nibabel_read_as_it_says(dtype, name, tmp_path):
    path = tmp_path / name
    array = saved(path, dtype)
    opened = PLUGIN.read(Source(path))
    assert opened.findings == ()
    image = opened.image
    assert (image.dtype, image.axis_names, image.unit) == (np.dtype(dtype), "zyx", "millimeter")
    np.testing.assert_array_equal(pixels(image), array.T)
    data = path.read_bytes()
    data = gzip.decompress(data) if name.endswith("z") else data
    expected = LPS @ nibabel.MGHImage.from_bytes(data).affine
    np.testing.assert_allclose(image.geometry.affine, expected, atol=1e-4)
    assert image.geometry.space == "LPS"
    assert PLUGIN.sniff(path.read_bytes()[:1024])


def test_frames_are_times(tmp_path):
    array = saved(tmp_path / "a.mgh", frames=3)
    image = PLUGIN.read(Source(tmp_path / "a.mgh")).image
    assert (image.axis_names, image.time.step, image.time.unit) == ("tzyx", 2000.0, "millisecond")
    np.testing.assert_array_equal(pixels(image), array.T)
    saved(tmp_path / "a.mgz", frames=3)
    opened = PLUGIN.read(Source(tmp_path / "a.mgz"))
    assert codes(opened) == ["time-step-unknown"]
    np.testing.assert_array_equal(pixels(opened.image), array.T)


def test_region_is_read_alone(plain):
    image = PLUGIN.read(Source(plain)).image
    assert image.pixels.access == "random"
    region = Region((1, 2, 1), (3, 4, 3))
    np.testing.assert_array_equal(image.pixels.read(region), pixels(image)[region.slices])


def test_trailer_is_no_surplus(tmp_path):
    saved(tmp_path / "a.mgz")
    found = []
    source = PLUGIN.read(Source(tmp_path / "a.mgz")).image.pixels
    list(source.scan([Region.whole(source.shape)], found.append))
    assert found == []


def changed(path, offset, content):
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


def test_unknown_orientation_is_the_coronal_default_of_freesurfer(plain):
    opened = PLUGIN.read(Source(changed(plain, 28, b"\0\0")))
    assert codes(opened) == ["direction-assumed"]
    geometry = opened.image.geometry
    assert geometry.code == "LIA"
    assert geometry.spacing == (1.0, 1.0, 1.0)
    np.testing.assert_array_equal(geometry.physical((2.0, 2.5, 3.5)), (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("offset", "content", "error"),
    [
        (0, struct.pack(">i", 2), FormatError),
        (4, struct.pack(">i", 0), FormatError),
        (4, struct.pack(">i", -4), FormatError),
        (4, struct.pack(">3i", 2**31 - 1, 2**31 - 1, 2**31 - 1), FormatError),
        (20, struct.pack(">i", 2), FormatError),
        (30, struct.pack(">f", 0), GeometryError),
        (30, struct.pack(">f", np.nan), GeometryError),
        (42, struct.pack(">f", np.nan), GeometryError),
        (42, struct.pack(">9f", *[0.0] * 9), GeometryError),
        (78, struct.pack(">f", np.inf), GeometryError),
    ],
)
def test_impossible_headers_are_refused(offset, content, error, plain):
    with pytest.raises(error, match=r"a\.mgh"):
        PLUGIN.read(Source(changed(plain, offset, content)))


def test_assigned_spacing_replaces_an_impossible_one(plain):
    path = changed(plain, 30, struct.pack(">f", np.nan))
    opened = PLUGIN.read(Source(path, options=ReadOptions(spacing_assigned=True)))
    assert opened.image.geometry.spacing[0] == 1.0


@pytest.mark.parametrize("content", [b"", b"x", b"\0\0\0\1", bytes(range(256)) * 9])
def test_other_and_cut_files_are_refused(content, tmp_path):
    for name, encode in (("a.mgh", bytes), ("a.mgz", gzip.compress)):
        (tmp_path / name).write_bytes(encode(content))
        with pytest.raises(FormatError, match=name):
            PLUGIN.read(Source(tmp_path / name))
    with pytest.raises(SourceError, match="none"):
        PLUGIN.read(Source(tmp_path / "none.mgh"))
    with pytest.raises(Unsupported, match="not written"):
        PLUGIN.write(make_image(), Target(tmp_path / "b.mgh", tmp_path), WriteOptions())


def test_cut_data_are_refused(plain):
    plain.write_bytes(plain.read_bytes()[:400])
    with pytest.raises(FormatError, match="has 116 of 280 bytes"):
        PLUGIN.read(Source(plain))


@given(st.binary(max_size=40), st.integers(0, 300), st.integers(0, 40))
def test_any_damage_is_refused_by_name_or_read(tmp_path_factory, junk, at, cut):
    path = tmp_path_factory.getbasetemp() / "fuzz.mgh"
    saved(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:at] + junk + whole[at + cut :])
    with contextlib.suppress(SpconvertError):
        pixels(PLUGIN.read(Source(path)).image)
