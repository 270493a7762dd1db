"""What users type as values: vectors, matrices, sizes per axis, bytes; parsed with clear errors."""

from __future__ import annotations

import re
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from spconvert.errors import SourceError, UsageError
from spconvert.model.axes import KIND_OF_NAME, unit_name

if TYPE_CHECKING:
    from spconvert.actions.assign import VectorEdit
    from spconvert.actions.request import PerAxis
    from spconvert.model.geometry import Matrix

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WITH_UNIT = re.compile(rf"^(?P<numbers>.*?(?:{_NUMBER}|,))\s*(?P<unit>[^\W\d][\w ]*)?$")
_SIZE = r"[0-9]{1,18}"
_SIZES_EXAMPLE = {"--scale-factors": "2,4 or 'z=1,y=2,x=2;z=2,y=4,x=4'"}
_BYTES = re.compile(rf"^\s*(?P<number>{_NUMBER})\s*(?P<unit>[a-zA-Z]*)\s*$")
_BYTE_UNITS = {"": 1, "b": 1} | {
    f"{prefix}{suffix}": base**power
    for power, prefix in enumerate("kmgt", start=1)
    for suffix, base in (("", 1024), ("ib", 1024), ("b", 1000))
}


def parse_vector(flag: str, text: str) -> VectorEdit:
    """``0.8,0.9,2.5mm``, ``0.8``, ``1,,3.5`` or ``z=2.5,x=1``. Raises ``UsageError``."""
    from spconvert.actions.assign import VectorEdit

    match = _WITH_UNIT.match(text.strip())
    hint = f"for example {flag} 0.8,0.9,2.5mm (x,y,z), {flag} 0.8, or {flag} z=2.5"
    if match is None:
        raise UsageError(f"{flag} {text!r} is not a list of numbers", hint=hint)
    word = match["unit"]
    unit = unit_name(word) if word else None
    if word and unit is None:
        raise UsageError(f"{flag}: unit {word!r} is not known", hint="for example mm, um, nm")
    members = match["numbers"].split(",")
    try:
        if any("=" in member for member in members):
            pairs = [member.split("=", 1) for member in members]
            named = {name.strip(): float(value) for name, value in pairs}
            if len(named) < len(pairs):
                raise UsageError(f"{flag} {text!r} names an axis twice", hint=hint)
            return VectorEdit((), tuple(named.items()), unit)
        values = tuple(float(m) if m.strip() else None for m in members)
    except ValueError as error:
        raise UsageError(f"{flag} {text!r} is not a list of numbers", hint=hint) from error
    return VectorEdit(values, (), unit)


def parse_direction(text: str) -> Matrix | str:
    """Nine (or four, in 2-D) numbers, row by row, or an orientation code. Raises ``UsageError``."""
    if re.fullmatch(r"[A-Za-z]{3}", text.strip()):
        return text.strip().upper()
    numbers = _numbers(text)
    sides = {4: 2, 9: 3}
    if numbers is None or len(numbers) not in sides:
        found = "not numbers" if numbers is None else f"{len(numbers)} numbers"
        raise UsageError(
            f"--direction {text!r}: {found}, 9 (or 4 in 2-D) or a code such as LPS expected",
            hint="rows of the matrix, e.g. --direction 1,0,0,0,1,0,0,0,1",
        )
    return _rows(numbers, sides[len(numbers)])


def parse_affine(text: str) -> Matrix:
    """16 (or 9, in 2-D) numbers, row by row, or a text file of them.

    Raises ``UsageError``, and ``SourceError`` for a file that cannot be read.
    """
    numbers = _numbers(text)
    if numbers is None:
        try:
            numbers = _numbers(Path(text).read_text(encoding="utf-8")[:65536])
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SourceError(f"--affine: cannot read {text}: {reason}") from error
    sides = {9: 3, 16: 4}
    if numbers is None or len(numbers) not in sides:
        found = "not numbers" if numbers is None else f"{len(numbers)} numbers"
        raise UsageError(f"--affine {text!r}: {found}, 16 (or 9 in 2-D) expected")
    return _rows(numbers, sides[len(numbers)])


def parse_unit(text: str) -> str:
    """The full name of a unit. Raises ``UsageError``."""
    unit = unit_name(text)
    if unit is None:
        raise UsageError(f"unit {text!r} is not known", hint="for example mm, um, micrometer")
    return unit


def parse_time_step(text: str) -> tuple[float, str | None]:
    """``1.5s`` or ``1500ms`` or ``1.5``. Raises ``UsageError``."""
    edit = parse_vector("--time-step", text)
    if edit.named or len(edit.values) != 1 or edit.values[0] is None:
        raise UsageError(f"--time-step {text!r}: one number expected", hint="e.g. 1.5s")
    return edit.values[0], edit.unit


def parse_bytes(text: str) -> int:
    """``2GiB``, ``512M``, ``1.5GB`` or a number of bytes. Raises ``UsageError``."""
    match = _BYTES.match(text)
    factor = _BYTE_UNITS.get(match["unit"].lower()) if match else None
    if match is None or factor is None:
        raise UsageError(f"--memory {text!r} is no size", hint="for example 2GiB or 512MiB")
    number = float(match["number"]) * factor
    if not (isfinite(number) and number >= 1):
        raise UsageError(f"--memory {text!r}: 1 byte or more is needed, and an end")
    return int(number)


def parse_sizes(flag: str, text: str) -> PerAxis:
    """``64`` or ``z=32,y=128,x=128``. Raises ``UsageError``."""
    from spconvert.actions.request import PerAxis

    hint = f"for example {flag} {_SIZES_EXAMPLE.get(flag, '64 or z=32,y=128,x=128')}"
    named: dict[str, int] = {}
    if re.fullmatch(rf"\s*{_SIZE}\s*", text):
        if int(text) < 1:
            raise UsageError(f"{flag} {text!r}: sizes start at 1", hint=hint)
        return PerAxis(int(text))
    for member in text.split(","):
        match = re.fullmatch(rf"\s*(\w+)\s*=\s*({_SIZE})\s*", member)
        if match is None or match[1] not in KIND_OF_NAME or int(match[2]) < 1:
            raise UsageError(f"{flag} {text!r}: {member!r} is no size of an axis", hint=hint)
        if match[1] in named:
            raise UsageError(f"{flag} {text!r} names axis {match[1]!r} twice", hint=hint)
        named[match[1]] = int(match[2])
    return PerAxis(None, named)


def parse_levels(text: str) -> int | None:
    """``auto`` (``None``) or a number of levels. Raises ``UsageError``."""
    if text == "auto":
        return None
    if not re.fullmatch(_SIZE, text) or int(text) < 1:
        raise UsageError(f"--levels {text!r}: auto or a number from 1 expected")
    return int(text)


def parse_scale_factors(text: str) -> tuple[PerAxis, ...]:
    """``2,4`` or ``z=1,y=2,x=2;z=2,y=4,x=4``. Raises ``UsageError``."""
    parts = text.split(";") if "=" in text else text.split(",")
    return tuple(parse_sizes("--scale-factors", part) for part in parts)


def parse_shards(text: str) -> PerAxis | Literal["auto", "none"]:
    """``auto``, or sizes in voxels as for ``--chunks``. Raises ``UsageError``."""
    return "auto" if text == "auto" else parse_sizes("--shards", text)


def _numbers(text: str) -> list[float] | None:
    words = re.split(r"[\s,;]+", text.strip())
    try:
        return [float(word) for word in words if word]
    except ValueError:
        return None


def _rows(numbers: list[float], side: int) -> Matrix:
    return tuple(tuple(numbers[r * side : (r + 1) * side]) for r in range(side))
