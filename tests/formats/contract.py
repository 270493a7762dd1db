"""The conformance suite of a format that reads and writes: about 15 lines make a subclass."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from spconvert.errors import FormatError, SourceError, SpconvertError
from spconvert.formats.plugin import Source, Target, WriteOptions
from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region, slabs


class ArraySource:
    """A numpy array as a source with random access."""

    access = "random"

    def __init__(self, array):
        self.array = array

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    chunks = property(lambda self: tuple(min(n, 3) for n in self.array.shape))
    storage_order = property(lambda self: tuple(range(self.array.ndim)))

    def read(self, region):
        return self.array[region.slices]


OBLIQUE = Geometry(
    (-90.5, 12.25, 300.125),
    (0.5, 0.75, 2.5),
    ((0.8, -0.6, 0.0), (0.6, 0.8, 0.0), (0.0, 0.0, -1.0)),
    "LPS",
)
"""Three spacings, an origin, a rotation and a flip: determinant −1."""

SIZES = {"t": 2, "c": 3, "z": 5, "y": 7, "x": 6}


def make_image(names="zyx", dtype="int16", geometry=OBLIQUE, unit="millimeter"):
    """An image whose axes all differ, with one marker voxel."""
    shape = tuple(SIZES[name] for name in names)
    array = (np.arange(np.prod(shape)).reshape(shape) % 97).astype(dtype)
    array[(1,) * array.ndim] = 1 if array.dtype.kind == "b" else 101
    space = tuple(axes_named(names, unit))
    axes = tuple(
        replace(a, unit="second", step=1.5, start=0.25) if a.name == "t" else a for a in space
    )
    if "z" not in names:
        geometry = Geometry((4.5, -3.25), (0.5, 0.75), ((0.8, -0.6), (0.6, 0.8)), "unknown")
    return SpatialImage(ArraySource(array), axes, geometry, name="made")


def pixels(image):
    """The whole array; sequential sources in slabs."""
    if image.pixels.access != "sequential":
        return image.pixels.read(Region.whole(image.shape))
    out = np.empty(image.shape, image.dtype)
    order = image.pixels.storage_order
    cuts = list(slabs(image.shape, image.dtype.itemsize, 4096, order=order))
    for cut, array in zip(cuts, image.pixels.scan(cuts), strict=True):
        out[cut.slices] = array
    return out


def written(plugin, image, path, codec=None, budget=1 << 16):
    """Write through a scratch folder, publish, and return the main path."""
    scratch = path.parent / f"scratch-{path.name}"
    scratch.mkdir(exist_ok=True)
    done = []
    options = WriteOptions(codec=codec, budget=budget, report=done.append)
    files = list(plugin.write(image, Target(path, scratch), options))
    assert sorted(scratch.iterdir()) == sorted(files)
    assert files[0].name == path.name
    assert done == sorted(done)
    for file in files:
        file.replace(path.parent / file.name)
    scratch.rmdir()
    return path


class FormatContract:
    """What every plugin must do. A subclass sets the class attributes, and has ``plugin``."""

    plugin = None
    suffix = ""
    axes = ("zyx",)
    dtypes = ("uint8", "int16", "float32")
    max_ulp = 4
    """How far spacing and direction may be from those written."""

    @pytest.fixture(params=[None])
    def codec(self, request):
        return request.param

    def test_plugin_describes_itself(self):
        assert self.plugin.name.islower()
        assert all(s.startswith(".") and s.islower() for s in self.plugin.suffixes)
        lengths = [len(suffix) for suffix in self.plugin.suffixes]
        assert lengths == sorted(lengths, reverse=True)
        copy = pickle.loads(pickle.dumps(self.plugin))  # noqa: S301 (our own bytes)
        assert copy.name == self.plugin.name

    def test_written_image_reads_back_the_same(self, tmp_path, codec):
        for names in self.axes:
            for dtype in self.dtypes:
                image = make_image(names, dtype)
                path = written(self.plugin, image, tmp_path / f"a b{self.suffix}", codec)
                self.assert_same(self.plugin.read(Source(path)).image, image)

    def assert_same(self, back, image):
        assert back.axis_names == image.axis_names
        assert back.dtype == image.dtype
        np.testing.assert_array_equal(pixels(back), pixels(image))
        assert back.geometry.origin == image.geometry.origin
        assert back.geometry.space == image.geometry.space
        for name in ("spacing", "direction"):
            np.testing.assert_array_max_ulp(
                np.array(getattr(back.geometry, name)) + 1,
                np.array(getattr(image.geometry, name)) + 1,
                self.max_ulp,
            )
        if "unit" in self.plugin.can.keeps:
            assert [a.unit for a in back.axes] == [a.unit for a in image.axes]
        if image.time and "time-step" in self.plugin.can.keeps:
            assert (back.time.start, back.time.step) == (image.time.start, image.time.step)

    def test_writing_twice_gives_the_same_bytes(self, tmp_path, codec):
        image = make_image(self.axes[0], self.dtypes[0])
        first = written(self.plugin, image, tmp_path / f"a{self.suffix}", codec).read_bytes()
        second = written(self.plugin, image, tmp_path / f"a{self.suffix}", codec).read_bytes()
        assert first == second

    def test_read_image_pickles_and_its_extra_is_json(self, tmp_path):
        path = written(
            self.plugin, make_image(self.axes[0], self.dtypes[0]), tmp_path / f"a{self.suffix}"
        )
        image = self.plugin.read(Source(path)).image
        copy = pickle.loads(pickle.dumps(image))  # noqa: S301 (our own bytes)
        np.testing.assert_array_equal(pixels(copy), pixels(image))
        assert json.loads(json.dumps(dict(image.extra))) == image.extra

    def test_written_file_is_recognised(self, tmp_path):
        path = written(
            self.plugin, make_image(self.axes[0], self.dtypes[0]), tmp_path / f"a{self.suffix}"
        )
        assert self.plugin.sniff(path.read_bytes()[:1024])
        assert not self.plugin.sniff(b"")
        assert not self.plugin.sniff(b"no image at all")
        assert len(self.plugin.images(path)) == 1

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 9, b"\n\n\n", b"{}"])
    def test_other_bytes_are_refused(self, content, tmp_path):
        path = tmp_path / f"a{self.suffix}"
        path.write_bytes(content)
        with pytest.raises(FormatError, match="a" + self.suffix):
            self.plugin.read(Source(path))

    def test_missing_file_and_folder_are_refused(self, tmp_path):
        for path in (tmp_path / f"none{self.suffix}", tmp_path):
            with pytest.raises(SourceError, match=path.name):
                self.plugin.read(Source(path))

    def test_every_cut_of_a_file_is_refused_or_read_whole(self, tmp_path):
        image = make_image(self.axes[0], self.dtypes[0])
        path = written(self.plugin, image, tmp_path / f"a{self.suffix}")
        whole = path.read_bytes()
        for keep in sorted({*range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 1}):
            path.write_bytes(whole[:keep])
            try:
                found = self.plugin.read(Source(path)).image
                array = pixels(found)
            except SpconvertError:
                continue
            assert keep == len(whole) - 1, "a cut went unnoticed"  # a newline, a pad byte
            np.testing.assert_array_equal(array, pixels(image))
