"""Facts as text: aligned lines for people, one line for lists, bare values for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

Detail = Literal["none", "cut", "full"]
"""How much of the header fields to show."""

_UNIT_SYMBOLS = {
    "millimeter": "mm",
    "micrometer": "µm",
    "nanometer": "nm",
    "meter": "m",
    "centimeter": "cm",
    "second": "s",
    "millisecond": "ms",
}


def bare(value: Any) -> str:
    """A value for a shell script: numbers exact and separated by spaces, no brackets."""
    if isinstance(value, dict | bool):
        return json.dumps(value)
    if isinstance(value, list):
        return " ".join(bare(member) for member in value)
    return "" if value is None else str(value)


def number(value: float) -> str:
    """A number for people: nine digits at most."""
    return f"{value:.9g}" if value else "0"


def vector(values: Iterable[float]) -> str:
    """Numbers separated by commas."""
    return ", ".join(number(v) for v in values)


def size(nbytes: int) -> str:
    """A number of bytes for people, in binary units."""
    amount = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def extents(shape: Sequence[int]) -> str:
    """Extents in x, y, z order as everyone writes them: 256x256x130."""
    return "x".join(str(n) for n in reversed(shape))


def symbol(unit: str | None) -> str:
    """The usual symbol of a unit, its name where there is none, empty if unknown."""
    return _UNIT_SYMBOLS.get(unit or "", unit or "")


def _length_unit(image: dict[str, Any]) -> str:
    """The symbol of the unit of the space axes; one for each of x, y, z where they differ."""
    units = [image["units"][n] for n in reversed(image["axes"]) if n in "xyz"]
    if len(set(units)) == 1:
        return symbol(units[0])
    return "/".join(symbol(unit) or "?" for unit in units)


def short_line(facts: dict[str, Any]) -> Iterable[str]:
    """One line per image."""
    for image in facts["images"]:
        spacing = "x".join(number(s) for s in image["spacing"])
        unit = _length_unit(image)
        orientation = image["orientation"]["code"] + "+" if image["orientation"] else "-"
        words = (
            facts["path"],
            *([image["select"]] if image["select"] else []),
            facts["format"],
            extents(image["shape"]),
            image["dtype"],
            f"{spacing} {unit}".strip(),
            orientation,
        )
        yield "  ".join(words)


def description(facts: dict[str, Any], detail: Detail = "cut") -> Iterable[str]:
    """Everything, one fact a line, label and value aligned; header fields as ``detail`` says."""
    for image in facts["images"]:
        select = f" [{image['select']}]" if image["select"] else ""
        yield f"{facts['path']}{select}"
        rows = [*_rows(facts, image), *_more_rows(image)]
        if detail != "none":
            rows += _header_rows(image, detail)
        for label, value in rows:
            yield f"  {label:<12} {value}".rstrip()


def _rows(facts: dict[str, Any], image: dict[str, Any]) -> Iterable[tuple[str, str]]:
    unit = _length_unit(image)
    names = ", ".join(n for n in reversed(image["axes"]) if n in "xyz")
    yield "format", facts["format"]
    sized = " ".join(f"{n}={s}" for n, s in zip(image["axes"], image["shape"], strict=True))
    yield "array", f"{sized}  {image['dtype']}  {size(image['voxel_bytes'])}"
    yield "space", _space(image)
    yield "spacing", f"{vector(image['spacing'])} {unit}  ({names})"
    yield "origin", f"{vector(image['origin'])} {unit}"
    for n, row in enumerate(image["direction"]):
        yield "" if n else "direction", "  ".join(f"{number(v):>12}" for v in row)
    if image["orientation"]:
        words = image["orientation"]["words"]
        runs = ", ".join(f"{axis} {word}" for axis, word in zip("xyz", words, strict=True))
        yield "orientation", f"{image['orientation']['code']}+  ({runs})"
        yield "oblique", f"{image['oblique_degrees']:.3g}°"
    for n, row in enumerate(image["affine"]):
        yield "" if n else "affine", "  ".join(f"{number(v):>12}" for v in row)
    low, high = image["bounds"]
    yield "bounds", f"{vector(low)}  to  {vector(high)}"


def _more_rows(image: dict[str, Any]) -> Iterable[tuple[str, str]]:
    time = image["time"]
    if time:
        unit = symbol(time["unit"])
        yield "time", f"from {number(time['start'])} in steps of {number(time['step'])} {unit}"
    if image["channels"]:
        yield "channels", ", ".join(c["label"] or "?" for c in image["channels"])
    for n, level in enumerate(image["levels"] or ()):
        shards = f" in shards {extents(level['shards'])}" if level["shards"] else ""
        where = f"{level['path']}: {extents(level['shape'])}, spacing {vector(level['spacing'])}"
        stored = f"chunks {extents(level['chunks'])}{shards}, {level['codecs']}"
        yield "" if n else "levels", f"{where}, {stored}"


def _header_rows(image: dict[str, Any], detail: Detail) -> Iterable[tuple[str, str]]:
    for n, (key, value) in enumerate(_header_fields(image["extra"], detail)):
        yield "" if n else "header", f"{key}: {value}"
    for finding in image["findings"]:
        yield finding["severity"], f"{finding['message']} [{finding['code']}]"


def _space(image: dict[str, Any]) -> str:
    if image["space"] == "LPS":
        return "LPS: x towards left, y posterior, z superior"
    return "unknown: the file states no anatomy"


def _header_fields(extra: dict[str, Any], detail: Detail) -> Iterable[tuple[str, str]]:
    for fields in extra.values():
        if isinstance(fields, dict):
            for key, value in fields.items():
                text = json.dumps(value, ensure_ascii=False)
                yield key, text if detail == "full" or len(text) <= 100 else text[:97] + "..."
