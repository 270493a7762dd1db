"""What is said on stderr: errors, hints, warnings, summaries. One line each."""

from __future__ import annotations

import sys

from spconvert.errors import SpconvertError
from spconvert.model.finding import Finding


def say(text: str) -> None:
    """One line of words to stderr, without control characters; a closed stderr is no error."""
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (BrokenPipeError, ValueError):
        return
    except UnicodeEncodeError:
        sys.stderr.write(line.encode("ascii", "replace").decode() + "\n")


def say_error(error: SpconvertError) -> None:
    """What went wrong, and what to do next."""
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")


def say_finding(finding: Finding) -> None:
    """A warning or a note."""
    say(f"{finding.severity}: {finding.message} [{finding.code}]")
