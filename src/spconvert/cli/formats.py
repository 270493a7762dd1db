"""``spconvert formats``: what can be read and written, by which plugin, and what each keeps."""

from __future__ import annotations

import json

from spconvert.cli.messages import show


def list_formats(*, as_json: bool) -> None:
    """Print one line per format, or all facts as JSON."""
    from spconvert.actions.formats import format_facts

    facts = format_facts()
    if as_json:
        text = json.dumps({"schema": "spconvert-formats/1", "formats": facts}, indent=2)
        for line in text.splitlines():  # a newline within a text would be shown as a character
            show(line)
        return
    width = max(len(fact["name"]) for fact in facts)
    for fact in facts:
        does = "read, write" if fact["writes"] else "read       "
        show(f"{fact['name']:<{width}}  {does}  {' '.join(fact['suffixes'])}")
