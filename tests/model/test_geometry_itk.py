"""Geometry against ITK, property by property."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given
from hypothesis import strategies as st

from geometries import CODES, as_itk, assert_same_grid, from_itk, geometries, sizes
from spconvert.model.geometry import Geometry, code_direction

OBLIQUE = Geometry(
    (-90.5, 12.25, 300.0),
    (0.5, 0.75, 2.0),
    (
        (0.9396926207859084, -0.33682408883346515, 0.0593911746138847),
        (0.3420201433256687, 0.9254165783984234, -0.16317591116653482),
        (0.0, 0.17364817766693033, 0.984807753012208),
    ),
    "LPS",
)
"""Rz(20°) · Rx(10°), three spacings, an origin that is not zero."""

any_geometry = st.one_of(geometries(3), geometries(2))


def tolerance(geometry: Geometry) -> float:
    """Rounding of a sum of terms as large as the grid of these tests reaches."""
    return 1e-12 * max(1.0, *map(abs, geometry.origin), 1e4 * max(geometry.spacing))


@given(any_geometry, st.data())
def test_physical_position_of_an_index_is_itk_s(geometry, data):
    index = data.draw(st.tuples(*[st.integers(-50, 50)] * geometry.ndim))
    image = as_itk(geometry, (4, 5, 6)[: geometry.ndim])
    expected = image.TransformIndexToPhysicalPoint(index)
    np.testing.assert_allclose(
        geometry.physical(index), expected, rtol=1e-12, atol=tolerance(geometry)
    )


@given(any_geometry, st.data())
def test_physical_position_between_voxels_is_itk_s(geometry, data):
    index = data.draw(st.tuples(*[st.floats(-50, 50)] * geometry.ndim))
    image = as_itk(geometry, (4, 5, 6)[: geometry.ndim])
    expected = image.TransformContinuousIndexToPhysicalPoint(index)
    np.testing.assert_allclose(
        geometry.physical(index), expected, rtol=1e-12, atol=tolerance(geometry)
    )


@given(any_geometry, st.data())
def test_index_of_a_physical_position_is_itk_s(geometry, data):
    point = data.draw(st.tuples(*[st.floats(-1e4, 1e4)] * geometry.ndim))
    image = as_itk(geometry, (4, 5, 6)[: geometry.ndim])
    expected = image.TransformPhysicalPointToContinuousIndex(point)
    np.testing.assert_allclose(
        geometry.index(point), expected, rtol=1e-9, atol=1e-9 / min(geometry.spacing)
    )


@given(any_geometry, st.data())
def test_index_undoes_physical(geometry, data):
    index = np.array(data.draw(st.lists(st.tuples(*[st.floats(-99, 99)] * geometry.ndim))))
    assume(index.size)
    reach = max(map(abs, geometry.origin)) / min(geometry.spacing) + 1e6
    back = geometry.index(geometry.physical(index))
    np.testing.assert_allclose(back, index, rtol=0, atol=1e-13 * reach)


@given(any_geometry, st.data())
def test_crop_is_itk_s_region_of_interest(geometry, data):
    """Start is given in array order; the three sizes and starts differ, so a swap shows."""
    shape = data.draw(st.tuples(*[sizes] * geometry.ndim))
    start = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    size = [n - s for n, s in zip(shape, start, strict=True)]
    image = as_itk(geometry, shape)
    region = sitk.RegionOfInterest(image, size[::-1], start[::-1])
    assert_same_grid(geometry.cropped(start), from_itk(region))


def test_crop_takes_its_start_in_array_order():
    moved = OBLIQUE.cropped((1, 0, 0))
    np.testing.assert_allclose(
        np.subtract(moved.origin, OBLIQUE.origin), 2.0 * np.array(OBLIQUE.direction)[:, 2]
    )


@given(any_geometry, st.data())
def test_a_level_of_window_means_is_itk_s_bin_shrink(geometry, data):
    factors = data.draw(st.tuples(*[st.integers(1, 5)] * geometry.ndim))
    blocks = data.draw(st.tuples(*[st.integers(1, 4)] * geometry.ndim))
    shape = tuple(f * b for f, b in zip(factors, blocks, strict=True))
    shrunk = sitk.BinShrink(as_itk(geometry, shape), factors[::-1])
    assert_same_grid(geometry.downsampled(factors, "center"), from_itk(shrunk))


@given(any_geometry, st.data())
def test_a_level_of_strides_is_itk_s_strided_image(geometry, data):
    factors = data.draw(st.tuples(*[st.integers(1, 5)] * geometry.ndim))
    image = as_itk(geometry, (7, 9, 11)[: geometry.ndim])
    strided = image[tuple(slice(None, None, f) for f in reversed(factors))]
    assert_same_grid(geometry.downsampled(factors, "corner"), from_itk(strided))


@given(geometries(3), st.sampled_from(CODES), st.tuples(sizes, sizes, sizes))
def test_reorienting_permutes_and_flips_as_itk_does(geometry, code, shape):
    change = geometry.reoriented(code, shape)
    image = sitk.PermuteAxes(as_itk(geometry, shape), change.order)
    image = sitk.Flip(image, change.flips)
    # Flip keeps the physical positions of voxels by turning the direction, as we do.
    assert_same_grid(change.geometry, from_itk(image))


@pytest.mark.parametrize("code", CODES)
def test_reorienting_gives_itk_s_grid_for_each_code(code):
    shape = (7, 5, 3)
    itk = sitk.DICOMOrient(as_itk(OBLIQUE, shape), code)
    change = OBLIQUE.reoriented(code, shape)
    assert_same_grid(change.geometry, from_itk(itk))
    assert change.geometry.code == code
    assert tuple(shape[2 - axis] for axis in change.order) == itk.GetSize()


@given(geometries(3), st.sampled_from(CODES), st.data())
def test_reorienting_leaves_every_voxel_where_it_is(geometry, code, data):
    shape = data.draw(st.tuples(sizes, sizes, sizes))
    size = shape[::-1]
    old = tuple(data.draw(st.integers(0, n - 1)) for n in size)
    change = geometry.reoriented(code, shape)
    new = [
        size[axis] - 1 - old[axis] if flip else old[axis]
        for axis, flip in zip(change.order, change.flips, strict=True)
    ]
    np.testing.assert_allclose(
        change.geometry.physical(new), geometry.physical(old), atol=tolerance(geometry)
    )


@pytest.mark.parametrize("code", CODES)
def test_the_code_is_itk_s_name_of_the_direction(code):
    """ITK 5.4 and DICOM name the direction in which an index increases, and so does ``code``.

    Older ITK code, AFNI and c3d name where an index *comes from*: LPS here is RAI there.
    """
    flat = sum(code_direction(code), ())
    assert sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(flat) == code
    geometry = Geometry((0.0,) * 3, (1.0,) * 3, code_direction(code), "LPS")
    assert geometry.code == code
    assert sitk.DICOMOrientImageFilter.GetDirectionCosinesFromOrientation(code) == flat


@given(geometries(3))
def test_the_code_of_an_oblique_direction_is_itk_s_where_it_is_clear(geometry):
    d = np.abs(np.array(geometry.direction))
    ordered = np.sort(d, axis=0)
    assume(len(set(d.argmax(axis=0))) == 3)  # every column has a row of its own
    assume((ordered[-1] - ordered[-2]).min() > 1e-6)
    flat = sum(geometry.direction, ())
    expected = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(flat)
    assert geometry.code == expected
