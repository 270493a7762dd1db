"""Which exit code tells which failure; documented in the reference, "Exit codes"."""

from __future__ import annotations

import signal

from spconvert import errors

DONE = 0
FAILED = 1
USAGE = 2
INPUT = 3
GEOMETRY = 4
OUTPUT = 5
SOME_FAILED = 6
LIMIT = 8
READER_GONE = 141

_CODES: tuple[tuple[type[errors.SpconvertError], int], ...] = (
    (errors.UsageError, USAGE),
    (errors.FormatError, INPUT),
    (errors.SourceError, INPUT),
    (errors.MissingDependency, INPUT),
    (errors.GeometryError, GEOMETRY),
    (errors.Unsupported, GEOMETRY),
    (errors.TargetError, OUTPUT),
    (errors.LimitError, LIMIT),
)


def exit_code(error: errors.SpconvertError) -> int:
    """The exit code of an error; 1 for those that have none of their own."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def signal_code(number: int) -> int:
    """What a shell reports for a process that a signal ended: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + signal.Signals(number).value
