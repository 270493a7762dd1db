"""decode(encode(image)) gives the image back, to the bit, in every version."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geometries import CODES, directions, geometries, lengths, positions
from spconvert.model.axes import Axis, ChannelInfo, axes_named
from spconvert.model.geometry import Geometry, code_direction
from spconvert.omezarr.multiscale import Level, Multiscale, Window
from spconvert.omezarr.versions import VERSIONS, decode_any

VERSION = pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS.keys())


def back(version, image: Multiscale, *, attribute: bool = True):
    attributes = json.loads(json.dumps(version.encode(image), allow_nan=False))
    if not attribute:
        del attributes["spconvert"]
    return decode_any(attributes)


def bits(geometry: Geometry) -> list[bytes]:
    flat = (*geometry.origin, *geometry.spacing, *sum(geometry.direction, ()))
    return [struct.pack("<d", v) for v in flat]


@st.composite
def levels(draw, ndim: int) -> tuple[Level, ...]:
    """Reducers that average (offset (f − 1)/2) or stride (offset 0), any factors."""
    result = [Level("s0", (1.0,) * ndim, (0.0,) * ndim)]
    factors = [1] * ndim
    offsets = [0.0] * ndim
    for n in range(draw(st.integers(0, 4))):
        steps = draw(st.tuples(*[st.sampled_from([1, 2, 3, 5])] * ndim))
        centred = draw(st.booleans())
        for a, step in enumerate(steps):
            offsets[a] += (step - 1) / 2 * factors[a] if centred else 0.0
            factors[a] *= step
        result.append(Level(f"s{n + 1}", tuple(map(float, factors)), tuple(offsets)))
    return tuple(result)


@st.composite
def multiscales(draw) -> Multiscale:
    ndim = draw(st.sampled_from([2, 3]))
    space = draw(st.sampled_from(["LPS", "unknown"]))
    geometry = draw(geometries(ndim, space))
    unit = draw(st.sampled_from([None, "millimeter", "micrometer"]))
    axes = axes_named("zyx"[3 - ndim :], unit)
    if draw(st.booleans()):
        axes = (Axis.named("c"), *axes)
    if draw(st.booleans()):
        step = draw(st.one_of(st.just(0.0), st.just(-1.5), lengths))
        axes = (Axis("t", "time", draw(st.sampled_from([None, "second"])), draw(positions), step),
                *axes)  # fmt: skip
    count = draw(st.integers(0, 3))
    channel = st.builds(ChannelInfo, st.text(max_size=5), st.sampled_from(["", "00FF7F", "FFFFFF"]))
    windows = (Window(0.0, 255.0, 3.5, 99.0),) * draw(st.sampled_from([0, count, 1]))
    channels = tuple(draw(st.lists(channel, min_size=count, max_size=count)))
    if windows and channels and len(windows) != len(channels):
        windows = ()
    return Multiscale(
        axes, geometry, draw(levels(ndim)), draw(st.text(max_size=8)), "nearest", channels, windows,
        {"nrrd": {"kinds": ["domain"], "thickness": draw(positions)}}, {"spconvert": "0"},
    )  # fmt: skip


@VERSION
@given(image=multiscales())
def test_everything_comes_back_to_the_bit(version, image):
    decoded = back(version, image)
    assert decoded.multiscale == image
    assert bits(decoded.multiscale.geometry) == bits(image.geometry)
    assert [f for f in decoded.findings if f.severity != "note"] == []
    assert decoded.version == version.name


@VERSION
@pytest.mark.parametrize("code", CODES)
def test_the_48_axis_aligned_directions_come_back(version, code):
    geometry = Geometry((-11.5, 7.25, 301.1), (0.7, 0.9, 2.3), code_direction(code), "LPS")
    image = Multiscale(axes_named("zyx", "millimeter"), geometry, _levels())
    assert bits(back(version, image).multiscale.geometry) == bits(geometry)
    assert back(VERSIONS["0.6"], image, attribute=False).multiscale.geometry == geometry


def _levels():
    return (Level("0", (1.0,) * 3, (0.0,) * 3), Level("1", (1.0, 3.0, 2.0), (0.0, 1.0, 0.5)))


@given(geometry=geometries(3, "LPS"))
def test_the_standard_part_of_0_6_alone_holds_the_geometry_to_the_bit(geometry):
    image = Multiscale(axes_named("zyx"), geometry, _levels())
    decoded = back(VERSIONS["0.6"], image, attribute=False)
    if geometry.has_identity_direction:
        geometry = replace(geometry, direction=((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)))
    assert decoded.multiscale.geometry == geometry
    assert decoded.multiscale.levels == image.levels


@given(direction=directions(), shear=st.floats(-0.7, 0.7), origin=st.tuples(*[positions] * 3))
def test_shear_comes_back_in_every_version_and_from_the_standard_part_of_0_6(
    direction, shear, origin
):
    steps = (np.array(direction) @ np.array([[1, shear, 0], [0, 1, 0.1], [0, 0, 1.0]])).T
    units = [v / np.linalg.norm(v) for v in steps]
    rows = tuple(tuple(float(u[i]) for u in units) for i in range(3))
    geometry = Geometry(origin, (0.7, 0.9, 2.3), rows, "LPS")
    image = Multiscale(axes_named("zyx"), geometry, _levels())
    for version in VERSIONS.values():
        assert bits(back(version, image).multiscale.geometry) == bits(geometry)
    assert back(VERSIONS["0.6"], image, attribute=False).multiscale.geometry == geometry


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@given(geometry=geometries(3, "LPS"))
def test_without_the_attribute_0_4_and_0_5_keep_the_nearest_orientation(version, geometry):
    image = Multiscale(axes_named("zyx"), geometry, _levels())
    got = back(VERSIONS[version], image, attribute=False).multiscale.geometry
    assert (got.origin, got.spacing) == (geometry.origin, geometry.spacing)
    assert got.direction == geometry.nearest_direction


def test_a_level_as_an_image_of_its_own_is_turned_by_the_direction():
    direction = ((0.8, -0.6, 0.0), (0.6, 0.8, 0.0), (0.0, 0.0, 1.0))
    geometry = Geometry((10.0, 20.0, 30.0), (0.5, 0.75, 2.0), direction, "LPS")
    image = Multiscale(axes_named("zyx"), geometry, _levels())
    level = image.level_geometry(1)
    assert level.spacing == (1.0, 2.25, 2.0)
    c_s = np.array([0.5 * 0.5, 1.0 * 0.75, 0.0])
    np.testing.assert_allclose(level.origin, geometry.origin + np.array(direction) @ c_s)
    assert image.level_geometry(0) == geometry
