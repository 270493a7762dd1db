"""``spconvert inspect``: what a file holds and where, from its header alone."""

from __future__ import annotations

import json
from pathlib import Path

from spconvert.cli import tables
from spconvert.errors import UsageError


def inspect_files(
    inputs: list[Path], *, source_options: tuple[str | None, str | None, bool], show: str
) -> None:
    """Print the facts about each input.

    ``source_options``: format name, image to select, whether detached data may lie elsewhere.
    ``show``: "text", "json", "short", or "get:KEY". Raises the errors of ``spconvert.errors``.
    """
    from spconvert.actions.describe import describe, fact
    from spconvert.formats.plugin import ReadOptions, Source

    format_name, select, external = source_options
    for path in inputs:
        source = Source(path, select, options=ReadOptions(allow_external_data=external))
        facts = describe(source, format_name)
        if show == "json":
            print(json.dumps(facts, indent=2, ensure_ascii=False, default=_refuse))
        elif show == "short":
            for line in tables.short_line(facts):
                print(line)
        elif show.startswith("get:"):
            print(tables.bare(fact(facts, show.removeprefix("get:"))))
        else:
            for line in tables.description(facts):
                print(line)


def chosen_show(*, as_json: bool, short: bool, get: str | None) -> str:
    """Which of the three forms was asked for. Raises ``UsageError`` for more than one."""
    if as_json + short + (get is not None) > 1:
        raise UsageError("--json, --short and --get contradict each other", hint="give one")
    if get is not None:
        return f"get:{get}"
    return "json" if as_json else "short" if short else "text"


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no JSON value")
