"""``spconvert inspect``: what a file holds and where, from its header alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from spconvert.cli import tables
from spconvert.cli.messages import say_error, show
from spconvert.cli.options import ReadFlags
from spconvert.cli.sources import source_of
from spconvert.errors import SpconvertError, UsageError

View = Callable[[dict[str, Any]], Iterable[str]]
"""From the facts about one input to the lines to print."""


def inspect_files(inputs: list[Path], options: ReadFlags, view: View) -> int:
    """Print the facts about each input; the number of those that failed.

    Of several inputs one that fails does not stop the others. Raises the errors of
    ``spconvert.errors`` for a single one.
    """
    from spconvert.actions.describe import describe

    failed = 0
    for path in inputs:
        try:
            lines = list(view(describe(source_of([path], options), options.format)))
        except SpconvertError as error:
            if len(inputs) == 1:
                raise
            say_error(error)
            failed += 1
            continue
        for line in lines:
            show(line)
    return failed


def chosen_view(*, as_json: bool, short: bool, get: str | None, quiet: bool, verbose: bool) -> View:
    """How to print, by the flags. Raises ``UsageError`` for more than one form."""
    if as_json + short + (get is not None) > 1:
        raise UsageError("--json, --short and --get contradict each other", hint="give one")
    if get is not None:
        return lambda facts: [_value(facts, get)]
    if as_json:
        return _json_lines
    if short:
        return tables.short_line
    detail: tables.Detail = "full" if verbose else "none" if quiet else "cut"
    return lambda facts: tables.description(facts, detail)


def _value(facts: dict[str, Any], key: str) -> str:
    from spconvert.actions.describe import fact

    return tables.bare(fact(facts, key))


def _json_lines(facts: dict[str, Any]) -> list[str]:
    # ASCII, so that the bytes are the same in every locale and for every file name.
    text = json.dumps(_finite(facts), indent=2, allow_nan=False, default=_refuse)
    return text.splitlines()


def _finite(value: Any) -> Any:
    """``value`` with numbers that JSON cannot hold as words: headers may state anything."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    return value


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON value")
