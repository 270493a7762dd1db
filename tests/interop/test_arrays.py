"""Arrays as images: axes by name, vectors in x, y, z, and what makes no sense refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

import spconvert
from spconvert.errors import GeometryError, UsageError
from spconvert.interop.arrays import from_array
from spconvert.model.region import Region

ORIGIN, SPACING = (-90.5, 12.25, 300.0), (0.5, 0.75, 2.0)
COS, SIN = np.cos(0.35), np.sin(0.35)
DIRECTION = [[COS, -SIN, 0.0], [SIN, COS, 0.0], [0.0, 0.0, 1.0]]


def voxels():
    array = np.zeros((4, 5, 7), "i2")
    array[1, 2, 5] = 1000
    return array


def test_marker_voxel_lies_where_itk_puts_it():
    array = voxels()
    image = from_array(array, spacing=SPACING, origin=ORIGIN, direction=DIRECTION, space="LPS")
    oracle = sitk.GetImageFromArray(array)
    oracle.SetSpacing(SPACING)
    oracle.SetOrigin(ORIGIN)
    oracle.SetDirection(np.ravel(DIRECTION).tolist())
    z, y, x = np.unravel_index(array.argmax(), array.shape)
    index = (int(x), int(y), int(z))
    np.testing.assert_allclose(
        image.geometry.physical(index), oracle.TransformIndexToPhysicalPoint(index), atol=1e-12
    )
    assert image.geometry.space == "LPS"


@pytest.mark.parametrize(("ndim", "names"), [(2, "yx"), (3, "zyx"), (4, "tzyx"), (5, "tczyx")])
def test_axes_are_named_by_their_number(ndim, names):
    image = from_array(np.zeros((2, 3, 4, 5, 6)[-ndim:]))
    assert image.axis_names == names
    assert image.geometry.ndim == min(ndim, 3)


def test_axes_may_be_given():
    assert from_array(np.zeros((3, 4, 5)), axes="cyx").channel_count == 3


def test_nothing_is_invented():
    geometry = from_array(voxels()).geometry
    assert geometry.space == "unknown"
    assert geometry.origin == (0.0, 0.0, 0.0)
    assert geometry.spacing == (1.0, 1.0, 1.0)
    assert from_array(voxels()).unit is None


def test_unit_is_spelled_in_full_on_space_axes_alone():
    image = from_array(np.zeros((2, 3, 4, 5)), axes="tzyx", unit="mm")
    assert [axis.unit for axis in image.axes] == [None, *["millimeter"] * 3]


def test_one_number_goes_for_every_axis():
    for number in (0.5, np.float32(0.5), np.array(0.5)):
        assert from_array(voxels(), spacing=number).geometry.spacing == (0.5, 0.5, 0.5)
    assert from_array(voxels(), origin=3).geometry.origin == (3.0, 3.0, 3.0)
    assert from_array(voxels(), spacing=np.array(SPACING)).geometry.spacing == SPACING


def test_array_is_not_copied():
    array = voxels()
    image = from_array(array)
    assert np.shares_memory(image.pixels.read(Region.whole(array.shape)), array)


def test_lists_are_arrays_too():
    image = from_array([[1, 2, 3], [4, 5, 6]])
    assert image.shape == (2, 3)


def test_it_is_a_public_name():
    assert spconvert.from_array is from_array


@pytest.mark.parametrize(
    "wrong",
    [
        {"axes": "zyxx"},
        {"axes": "yx"},
        {"axes": "xyz"},
        {"axes": "qyx"},
        {"axes": "zzx"},
        {"axes": ""},
        {"unit": "parrot"},
        {"unit": "second"},
    ],
)
def test_axes_and_units_that_do_not_exist_are_usage_errors(wrong):
    with pytest.raises(UsageError):
        from_array(voxels(), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing": 0},
        {"spacing": (1.0, -1.0, 1.0)},
        {"spacing": (1.0, 1.0)},
        {"spacing": "wide"},
        {"origin": (np.nan, 0.0, 0.0)},
        {"origin": (0.0,)},
        {"direction": np.zeros((3, 3))},
        {"direction": np.eye(2)},
        {"direction": [["a", "b", "c"]] * 3},
        {"direction": 1},
    ],
)
def test_geometry_that_makes_no_sense_is_a_geometry_error(wrong):
    with pytest.raises(GeometryError):
        from_array(voxels(), **wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        np.array(["a", "b"]).reshape(1, 2),
        np.array([[object()]]),
        np.zeros((2, 2), "M8[s]"),
        np.zeros((0, 4)),
        np.float64(3),
        np.zeros(3),
        np.zeros((1,) * 6),
        [[1, 2], [3]],
    ],
)
def test_what_is_no_image_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        from_array(wrong)
