"""Units as OME-XML, ImageJ and the resolution tags spell them."""

from __future__ import annotations

from spconvert.model.axes import unit_name

_PREFIXES = {
    "Y": "yotta",
    "Z": "zetta",
    "E": "exa",
    "P": "peta",
    "T": "tera",
    "G": "giga",
    "M": "mega",
    "k": "kilo",
    "h": "hecto",
    "d": "deci",
    "c": "centi",
    "m": "milli",
    "µ": "micro",
    "n": "nano",
    "p": "pico",
    "f": "femto",
    "a": "atto",
    "z": "zepto",
    "y": "yocto",
}
"""Those of the OME schema, ``UnitsLength`` and ``UnitsTime``; "da" has no name in OME-Zarr."""

OME_LENGTHS = {
    **{f"{short}m": f"{word}meter" for short, word in _PREFIXES.items()},
    "m": "meter",
    "Å": "angstrom",
    "in": "inch",
    "ft": "foot",
    "yd": "yard",
    "mi": "mile",
    "pc": "parsec",
}
OME_TIMES = {
    **{f"{short}s": f"{word}second" for short, word in _PREFIXES.items()},
    "s": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
}
NO_LENGTH = frozenset({"pixel", "reference frame"})
"""Units of the OME schema that are no physical length."""

_BY_NAME = {name: symbol for symbol, name in (OME_LENGTHS | OME_TIMES).items()}


def ome_symbol(unit: str) -> str:
    """The symbol of a unit in OME-XML. Every unit of the model has one."""
    return _BY_NAME[unit]


def ome_unit(symbol: str) -> str | None:
    """The full name of a symbol of OME-XML, or ``None`` where it is none of the model's.

    Micro is written with either Greek letter.
    """
    word = symbol.strip().replace("\u03bc", "µ")
    return OME_LENGTHS.get(word) or OME_TIMES.get(word)


def imagej_unit(text: str) -> str | None:
    r"""The full name of what ImageJ calls its unit, or ``None`` for pixels and words unknown.

    ImageJ writes non-ASCII characters as Java escapes: "\u00B5m".
    """
    word = text.strip().replace("\\u00B5", "µ").replace("\\u00b5", "µ").replace("\\u00C5", "Å")
    if word.lower() in ("", "pixel", "pixels", "px"):
        return None
    return unit_name(word)
