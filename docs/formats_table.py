"""Write the table of formats into its page, from what the plugins say of themselves.

Run by ``make formats-table``; ``tests/test_docs.py`` compares the page with the plugins.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from spconvert.formats.plugin import Feature, FormatPlugin
from spconvert.formats.registry import PLUGINS, plugin_named

PAGE = Path(__file__).parent / "reference" / "formats.md"
BEGIN = "<!-- formats-table: written by docs/formats_table.py -->\n"
END = "<!-- /formats-table -->\n"
_FEW = 4


def table() -> str:
    """One row per format that comes with spconvert, in the order of the registry."""
    rows = ["| format | suffixes | | keeps | access |", "|---|---|---|---|---|"]
    rows += [_row(plugin_named(name)) for name in PLUGINS]
    return "\n".join(rows) + "\n"


def _row(plugin: FormatPlugin) -> str:
    suffixes = " ".join(f"`{suffix}`" for suffix in plugin.suffixes)
    does = "read, write" if plugin.can.writes else "read"
    access = "<br>".join(f"**{kind}**: {which}" for kind, which in plugin.can.access.items())
    return f"| {plugin.name} | {suffixes} | {does} | {_kept(plugin)} | {access} |"


def _kept(plugin: FormatPlugin) -> str:
    """Names of the features, or of the few that are missing."""
    features: tuple[Feature, ...] = get_args(Feature)
    missing = [feature for feature in features if feature not in plugin.can.keeps]
    if not missing:
        return "all"
    if len(missing) <= _FEW:
        return f"all but {', '.join(missing)}"
    return ", ".join(feature for feature in features if feature in plugin.can.keeps)


def updated(page: str) -> str:
    """The page with the table as it should be. Raises ``ValueError`` if the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no {BEGIN!r} and {END!r}")
    return f"{before}{begin}{table()}{end}{after}"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text("utf-8")), "utf-8")
