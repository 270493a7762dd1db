"""What is said: words on stderr, data on stdout, one line each, without control characters."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO

from spconvert.errors import SpconvertError, TargetError
from spconvert.model.finding import Finding


def printable(text: str) -> str:
    """``text`` without what a terminal could obey: a file name or a header may hold anything."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def say(text: str) -> None:
    """One line of words to stderr; a stderr that is closed or full is no error."""
    try:
        _write(sys.stderr, text)
    except (OSError, ValueError):
        _let_go(sys.stderr)


def show(text: str) -> None:
    """One line of data to stdout.

    Raises ``TargetError`` if it cannot be written, ``BrokenPipeError`` if nobody reads it any more.
    """
    try:
        _write(sys.stdout, text)
    except OSError as error:
        _let_go(sys.stdout)
        if error.errno == errno.EPIPE:
            raise
        raise TargetError(f"cannot write to standard output: {error.strerror}") from error


def say_error(error: SpconvertError) -> None:
    """What went wrong, and what to do next."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")


def say_finding(finding: Finding) -> None:
    """A warning or a note."""
    say(f"{finding.severity}: {finding.message} [{finding.code}]")


def _write(stream: TextIO, text: str) -> None:
    line = printable(text) + "\n"
    encoding = stream.encoding or "utf-8"
    # What the terminal's encoding lacks becomes a question mark, not a failure.
    stream.write(line.encode(encoding, "replace").decode(encoding))
    stream.flush()


def _let_go(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, or the interpreter would stumble over it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
