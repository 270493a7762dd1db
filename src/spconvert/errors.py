"""The error tree: every failure that a caller may want to tell apart, each with a hint.

    SpconvertError
    ├─ FormatError            the bytes are not what the format says
    │  └─ UnknownFormat       no plugin recognises them
    ├─ SourceError            the input cannot be opened or read
    ├─ TargetError            the output exists or cannot be written
    ├─ GeometryError          origin, spacing or direction make no sense
    ├─ Unsupported            the target cannot hold what it is asked to
    ├─ LimitError             the work does not fit the memory, size or time allowed
    ├─ UsageError             the request makes no sense
    │  └─ ChoiceNeeded        several series, images or levels: which?
    ├─ VerificationError      what was written does not read back as what was meant
    └─ MissingDependency      an extra is not installed

A message states what was found and what was expected, with values; the hint states the next step.
"""

from __future__ import annotations

from typing import Any


class SpconvertError(Exception):
    """Base of all errors that spconvert raises on purpose.

    ``message`` is one line: what was found and what was expected.
    ``hint`` is one line: what the user can do next, or an empty string.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the hint, so that an error in a worker process arrives whole."""
        return (_rebuild, (type(self), self.message, self.hint))


def _rebuild(kind: type[SpconvertError], message: str, hint: str) -> SpconvertError:
    return kind(message, hint=hint)


class FormatError(SpconvertError):
    """The bytes of a file are not what its format says they must be."""


class UnknownFormat(FormatError):
    """No plugin recognises the file, neither by its content nor by its suffix."""


class SourceError(SpconvertError):
    """The input is missing, unreadable, or changed while it was read."""


class TargetError(SpconvertError):
    """The output exists already or cannot be written."""


class GeometryError(SpconvertError):
    """Origin, spacing or direction are impossible or contradict each other."""


class Unsupported(SpconvertError):
    """The target format cannot hold what it is asked to hold."""


class LimitError(SpconvertError):
    """The work does not fit the memory, size or time that is allowed."""


class UsageError(SpconvertError):
    """The request itself makes no sense."""


class ChoiceNeeded(UsageError):
    """The input holds several images, series or levels, and none was chosen."""


class VerificationError(SpconvertError):
    """What was written does not read back as what was meant; nothing was published."""


class MissingDependency(SpconvertError):
    """The request needs an optional package that is not installed."""
