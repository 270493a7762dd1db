"""What reading, writing and checking report: a problem or a fact, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a user may want to know about a file or a conversion."""

    severity: Severity
    code: str
    """Stable, documented, testable: "axes-order", "direction-lost"."""
    where: tuple[str | int, ...]
    """Path to the place: header field, metadata keys, array path; empty for the whole."""
    message: str
    """One sentence with the values found."""

    def __post_init__(self) -> None:
        for part in self.where:
            if type(part) not in (str, int):
                raise TypeError(f"where holds {part!r}: a str or an int expected")


def warning(code: str, message: str, *where: str | int) -> Finding:
    """A finding that ``--strict`` turns into an error."""
    return Finding("warning", code, where, message)


def note(code: str, message: str, *where: str | int) -> Finding:
    """A finding that is only worth knowing."""
    return Finding("note", code, where, message)


Report = Callable[[Finding], None]
"""Where a finding goes that shows up while pixels are read."""


def ignore_finding(_finding: Finding) -> None:
    """Drop a finding: for callers who only want pixels."""
