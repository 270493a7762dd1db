"""Axes of an array, their units, and what is known of each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Literal

AxisKind = Literal["time", "channel", "space"]

KIND_OF_NAME: dict[str, AxisKind] = {
    "t": "time",
    "c": "channel",
    "z": "space",
    "y": "space",
    "x": "space",
}
"""The names that the model knows, in array order."""

LENGTH_UNITS: dict[str, float] = {
    "angstrom": 1e-10,
    "attometer": 1e-18,
    "centimeter": 1e-2,
    "decimeter": 1e-1,
    "exameter": 1e18,
    "femtometer": 1e-15,
    "foot": 0.3048,
    "gigameter": 1e9,
    "hectometer": 1e2,
    "inch": 0.0254,
    "kilometer": 1e3,
    "megameter": 1e6,
    "meter": 1.0,
    "micrometer": 1e-6,
    "mile": 1609.344,
    "millimeter": 1e-3,
    "nanometer": 1e-9,
    "parsec": 3.085677581491367e16,
    "petameter": 1e15,
    "picometer": 1e-12,
    "terameter": 1e12,
    "yard": 0.9144,
    "yoctometer": 1e-24,
    "yottameter": 1e24,
    "zeptometer": 1e-21,
    "zettameter": 1e21,
}
"""UDUNITS-2 names of OME-Zarr's space units, each in metres."""

TIME_UNITS: dict[str, float] = {
    "attosecond": 1e-18,
    "centisecond": 1e-2,
    "day": 86400.0,
    "decisecond": 1e-1,
    "exasecond": 1e18,
    "femtosecond": 1e-15,
    "gigasecond": 1e9,
    "hectosecond": 1e2,
    "hour": 3600.0,
    "kilosecond": 1e3,
    "megasecond": 1e6,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "minute": 60.0,
    "nanosecond": 1e-9,
    "petasecond": 1e15,
    "picosecond": 1e-12,
    "second": 1.0,
    "terasecond": 1e12,
    "yoctosecond": 1e-24,
    "yottasecond": 1e24,
    "zeptosecond": 1e-21,
    "zettasecond": 1e21,
}
"""UDUNITS-2 names of OME-Zarr's time units, each in seconds."""

_ABBREVIATIONS = {
    "a": "angstrom",
    "å": "angstrom",
    "um": "micrometer",
    "µm": "micrometer",
    "μm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "dm": "decimeter",
    "m": "meter",
    "km": "kilometer",
    "nm": "nanometer",
    "pm": "picometer",
    "in": "inch",
    "ft": "foot",
    "yd": "yard",
    "micron": "micrometer",
    "s": "second",
    "sec": "second",
    "ms": "millisecond",
    "msec": "millisecond",
    "us": "microsecond",
    "µs": "microsecond",
    "μs": "microsecond",
    "usec": "microsecond",
    "ns": "nanosecond",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
}

_AMBIGUOUS = frozenset({"Mm", "Ms", "Pm"})


def unit_name(text: str) -> str | None:
    """The UDUNITS-2 full name of a length or time unit, or ``None`` if the word is not known.

    Accepts full names, British spellings, plurals and the usual abbreviations
    ("mm", "µm", "microns", "millimetres", "sec"), in any case but for "Mm", "Ms" and "Pm": these
    are mega- and peta- by the letter, milli- and pico- by habit, and so not known.
    """
    known = LENGTH_UNITS.keys() | TIME_UNITS.keys()
    word = text.strip()
    if word in _AMBIGUOUS:
        return None
    for candidate in (word, word.lower()):
        if candidate in known:
            return candidate
        if candidate in _ABBREVIATIONS:
            return _ABBREVIATIONS[candidate]
    singular = word.lower().removesuffix("s")
    singular = {"inche": "inch", "feet": "foot"}.get(singular, singular)
    singular = singular.replace("metre", "meter")
    if singular in known:
        return singular
    return _ABBREVIATIONS.get(singular) if len(singular) > 1 else None


def unit_factor(unit: str, wanted: str) -> float:
    """By what a number in ``unit`` is multiplied to be in ``wanted`` (both full names).

    The float nearest to the true ratio: a power of ten where both are decimal multiples.
    Raises ``ValueError`` if one of them is unknown or if one is a length and the other a time.
    """
    for table in (LENGTH_UNITS, TIME_UNITS):
        if unit in table and wanted in table:
            # A quotient of the decimals as written: 1e-3 / 1e-6 in floats is 1000.0000000000001.
            return float(Fraction(repr(table[unit])) / Fraction(repr(table[wanted])))
    raise ValueError(f"cannot convert {unit!r} to {wanted!r}")


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an array.

    Raises ``ValueError`` for an unknown name, a kind that does not fit it, or a step that is not
    a finite number.
    """

    name: str
    """One of t, c, z, y, x."""
    kind: AxisKind = "space"
    unit: str | None = None
    """UDUNITS-2 full name ("millimeter", "second"), or ``None`` where the file says none."""
    start: float = 0.0
    """Time axes: the time of the first sample, in ``unit``."""
    step: float = 1.0
    """Time axes: the time between two samples, in ``unit``."""

    def __post_init__(self) -> None:
        if KIND_OF_NAME.get(self.name) != self.kind:
            raise ValueError(f"no {self.kind} axis is called {self.name!r}: t, c, z, y or x")
        if not (isfinite(self.start) and isfinite(self.step)):
            raise ValueError(f"axis {self.name}: start {self.start} and step {self.step}")

    @classmethod
    def named(cls, name: str, unit: str | None = None) -> Axis:
        """The axis of this name, with the kind that the name implies.

        Raises ``ValueError`` for a name other than t, c, z, y, x.
        """
        if name not in KIND_OF_NAME:
            raise ValueError(f"no axis is called {name!r}: t, c, z, y or x")
        return cls(name, KIND_OF_NAME[name], unit)


def axes_named(names: Sequence[str], unit: str | None = None) -> tuple[Axis, ...]:
    """Axes for names in array order, e.g. ``"tczyx"``; ``unit`` goes to the space axes."""
    made = (Axis.named(name) for name in names)
    return tuple(Axis(a.name, a.kind, unit if a.kind == "space" else None) for a in made)


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """What is known of one channel."""

    label: str = ""
    color: str = ""
    """Six hexadecimal digits RRGGBB, or empty where the file says none."""
