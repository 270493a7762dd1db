"""SpatialImage: axes, shape, geometry and channels have to fit each other."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

from spconvert.model.axes import Axis, ChannelInfo, axes_named
from spconvert.model.finding import Finding, note, warning
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage


@dataclass(frozen=True)
class Zeros:
    """The smallest thing that is a PixelSource."""

    shape: tuple[int, ...]
    access: str = "random"

    @property
    def dtype(self):
        return np.dtype(np.int16)

    @property
    def chunks(self):
        return self.shape

    @property
    def storage_order(self):
        return tuple(range(len(self.shape)))

    def read(self, region):
        return np.zeros(region.shape, self.dtype)


SIZES = {"t": 2, "c": 3, "z": 4, "y": 5, "x": 6}


def image(names="zyx", ndim=3, **more):
    shape = tuple(SIZES.get(n, 1) for n in names)
    return SpatialImage(
        Zeros(shape), axes_named(names, "millimeter"), Geometry.identity(ndim), **more
    )


@pytest.mark.parametrize(
    ("names", "ndim"),
    [("yx", 2), ("zyx", 3), ("cyx", 2), ("tyx", 2), ("czyx", 3), ("tzyx", 3), ("tczyx", 3)],
)
def test_every_subsequence_of_tczyx_with_y_and_x_is_an_image(names, ndim):
    made = image(names, ndim)
    assert made.axis_names == names
    assert made.space_shape == tuple(SIZES[n] for n in names if n in "zyx")
    assert made.channel_count == (3 if "c" in names else 1)
    assert (made.time is not None) == ("t" in names)
    assert made.nbytes == 2 * np.prod([SIZES[n] for n in names])
    assert made.unit == "millimeter"


@pytest.mark.parametrize("names", ["xy", "zxy", "yxz", "yxc", "ctyx", "zzyx", "yyx", "zx", "x", ""])
def test_axes_in_any_other_order_are_refused(names):
    with pytest.raises(ValueError, match="expected a subsequence"):
        image(names, 2)


def test_geometry_of_another_dimension_is_refused():
    with pytest.raises(ValueError, match="2-D geometry for space axes of 'zyx'"):
        image("zyx", 2)


def test_axes_that_do_not_fit_the_shape_are_refused():
    with pytest.raises(ValueError, match="for an array of shape"):
        SpatialImage(Zeros((4, 5)), axes_named("zyx"), Geometry.identity(3))


@pytest.mark.parametrize(("names", "count"), [("czyx", 2), ("zyx", 3), ("czyx", 4)])
def test_channels_are_described_all_or_none(names, count):
    with pytest.raises(ValueError, match="channels described"):
        image(names, channels=(ChannelInfo(),) * count)


def test_channels_that_fit_are_kept():
    named = tuple(ChannelInfo(label) for label in "abc")
    assert image("czyx", channels=named).channels == named
    assert image("zyx", channels=named[:1]).channels == named[:1]


def test_a_new_unit_changes_the_space_axes_and_no_number():
    before = image("tzyx")
    after = before.with_unit("micrometer")
    assert [a.unit for a in after.axes] == [None, *["micrometer"] * 3]
    assert after.geometry == before.geometry
    assert after.with_unit(None).unit is None


def test_axes_of_unlike_units_have_no_common_one():
    axes = (Axis("y", unit="meter"), Axis("x", unit="millimeter"))
    assert SpatialImage(Zeros((5, 6)), axes, Geometry.identity(2)).unit is None


def test_an_image_pickles():
    before = image("tczyx", extra={"nrrd": {"content": "head"}}, name="head")
    assert pickle.loads(pickle.dumps(before)) == before  # noqa: S301  own bytes
    assert replace(before, name="other") != before


def test_findings_are_data():
    assert warning("direction-lost", "gone", "space directions", 2) == Finding(
        "warning", "direction-lost", ("space directions", 2), "gone"
    )
    assert note("unknown-unit", "no unit").where == ()
