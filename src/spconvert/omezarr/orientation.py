"""Anatomical labels of axes (RFC-4): words such as "right-to-left", and what they say together."""

from __future__ import annotations

from collections.abc import Sequence

from spconvert.model.geometry import Geometry, Matrix, code_direction

_LETTERS = {
    "left-to-right": "R",
    "right-to-left": "L",
    "posterior-to-anterior": "A",
    "anterior-to-posterior": "P",
    "inferior-to-superior": "S",
    "superior-to-inferior": "I",
}
"""RFC-4: a value names where the axis starts and where it ends; the letter is its end."""


def array_words(geometry: Geometry) -> tuple[str, ...]:
    """Nearest label per space axis in array order (z, y, x); empty where no anatomy is known."""
    return tuple(reversed(geometry.words))


def label_of(orientation: object) -> str | None:
    """The word in an axis' ``orientation``: an object with a value, or (older) just the word.

    ``None`` if it is not a word that this module knows.
    """
    value = orientation.get("value") if isinstance(orientation, dict) else orientation
    return value if isinstance(value, str) and value in _LETTERS else None


def labelled_direction(labels: Sequence[str | None]) -> Matrix | None:
    """The signed permutation that labels in array order (z, y, x) stand for.

    Rows are L, P, S; column j is where axis x, y, z runs. ``None`` unless there are three labels
    that name each anatomical axis once.
    """
    letters = "".join(_LETTERS.get(label or "", "") for label in reversed(labels))
    if len(letters) != 3 or len(labels) != 3:
        return None
    try:
        return code_direction(letters)
    except ValueError:
        return None
