"""Axes, unit names and unit factors."""

from __future__ import annotations

import math
import re
from decimal import Decimal

import pytest

from spconvert.model.axes import (
    KIND_OF_NAME,
    LENGTH_UNITS,
    TIME_UNITS,
    Axis,
    axes_named,
    unit_factor,
    unit_name,
)

# The lists of OME-Zarr 0.4, section "axes" metadata, typed off the specification.
OME_ZARR_LENGTHS = tuple(
    re.findall(
        r"\w+",
        """
        angstrom attometer centimeter decimeter exameter femtometer foot gigameter hectometer inch
        kilometer megameter meter micrometer mile millimeter nanometer parsec petameter picometer
        terameter yard yoctometer yottameter zeptometer zettameter
        """,
    )
)
OME_ZARR_TIMES = tuple(
    re.findall(
        r"\w+",
        """
        attosecond centisecond day decisecond exasecond femtosecond gigasecond hectosecond hour
        kilosecond megasecond microsecond millisecond minute nanosecond petasecond picosecond
        second terasecond yoctosecond yottasecond zeptosecond zettasecond
        """,
    )
)

POWERS = {"yocto": -24, "zepto": -21, "atto": -18, "femto": -15, "pico": -12, "nano": -9}
POWERS |= {"micro": -6, "milli": -3, "centi": -2, "deci": -1, "": 0, "hecto": 2, "kilo": 3}
POWERS |= {"mega": 6, "giga": 9, "tera": 12, "peta": 15, "exa": 18, "zetta": 21, "yotta": 24}


def test_every_unit_of_ome_zarr_is_known_and_no_other():
    assert tuple(sorted(LENGTH_UNITS)) == OME_ZARR_LENGTHS
    assert tuple(sorted(TIME_UNITS)) == OME_ZARR_TIMES


@pytest.mark.parametrize("unit", OME_ZARR_LENGTHS + OME_ZARR_TIMES)
def test_a_full_name_in_any_spelling_is_the_full_name(unit):
    british = unit.replace("meter", "metre")
    for spelling in (unit, unit.upper(), f" {unit.capitalize()}\n", british, british + "s"):
        assert unit_name(spelling) == unit


@pytest.mark.parametrize("base", ["meter", "second"])
@pytest.mark.parametrize("of", POWERS)
def test_decimal_multiples_convert_by_an_exact_power_of_ten(base, of):
    factors = {to: unit_factor(of + base, to + base) for to in POWERS}
    assert factors == {to: float(Decimal(10) ** (POWERS[of] - POWERS[to])) for to in POWERS}


@pytest.mark.parametrize(
    ("unit", "wanted", "factor"),
    [
        ("inch", "millimeter", 25.4),
        ("foot", "inch", 12.0),
        ("yard", "foot", 3.0),
        ("mile", "yard", 1760.0),
        ("angstrom", "nanometer", 0.1),
        ("parsec", "meter", 3.085677581491367e16),
        ("day", "hour", 24.0),
        ("hour", "minute", 60.0),
        ("minute", "second", 60.0),
        ("second", "minute", 1 / 60),
    ],
)
def test_other_units_convert_by_their_definition(unit, wanted, factor):
    assert unit_factor(unit, wanted) == factor


@pytest.mark.parametrize("pair", [("second", "meter"), ("meter", "day"), ("mm", "meter"), ("", "")])
def test_a_length_is_no_time_and_an_abbreviation_no_full_name(pair):
    with pytest.raises(ValueError, match="cannot convert"):
        unit_factor(*pair)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mm", "millimeter"),
        ("MM", "millimeter"),
        ("um", "micrometer"),
        ("\u00b5m", "micrometer"),  # micro sign
        ("\u03bcm", "micrometer"),  # Greek mu
        ("micron", "micrometer"),
        ("Microns", "micrometer"),
        ("nm", "nanometer"),
        ("cm", "centimeter"),
        ("m", "meter"),
        ("\u00c5", "angstrom"),  # A with ring
        ("\u212b", "angstrom"),  # angstrom sign
        ("inches", "inch"),
        ("feet", "foot"),
        ("in", "inch"),
        ("s", "second"),
        ("sec", "second"),
        ("secs", "second"),
        ("msec", "millisecond"),
        ("ms", "millisecond"),
        ("\u00b5s", "microsecond"),
        ("min", "minute"),
        ("hrs", "hour"),
        ("days", "day"),
    ],
)
def test_usual_abbreviations_are_read(text, name):
    assert unit_name(text) == name


@pytest.mark.parametrize("text", ["", " ", "pixel", "px", "mmm", "ss", "as", "Hz", "mm^2", "mm/s"])
def test_what_is_no_unit_is_not_known(text):
    assert unit_name(text) is None


@pytest.mark.parametrize("text", ["Mm", "Ms", "Pm"])
def test_a_prefix_that_would_be_wrong_by_a_factor_of_a_billion_is_not_guessed(text):
    assert unit_name(text) is None


@pytest.mark.parametrize("name", "tczyx")
def test_an_axis_gets_the_kind_of_its_name(name):
    assert Axis.named(name).kind == KIND_OF_NAME[name]


@pytest.mark.parametrize("name", ["", "T", "X", "w", "zyx"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="t, c, z, y or x"):
        Axis.named(name)
    with pytest.raises(ValueError, match="t, c, z, y or x"):
        Axis(name)


@pytest.mark.parametrize(("name", "kind"), [("t", "space"), ("x", "time"), ("c", "space")])
def test_a_kind_that_contradicts_the_name_is_refused(name, kind):
    with pytest.raises(ValueError, match=f"no {kind} axis"):
        Axis(name, kind)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_times_are_finite(bad):
    with pytest.raises(ValueError, match="axis t"):
        Axis("t", "time", "second", bad)
    with pytest.raises(ValueError, match="axis t"):
        Axis("t", "time", "second", 0.0, bad)


def test_the_unit_goes_to_the_space_axes_only():
    axes = axes_named("tczyx", "millimeter")
    assert [axis.name for axis in axes] == list("tczyx")
    assert [axis.unit for axis in axes] == [None, None, *["millimeter"] * 3]
