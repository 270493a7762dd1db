"""The facts about every format that is installed, from the plugins themselves."""

from __future__ import annotations

from typing import Any

from spconvert.formats.registry import all_plugins


def format_facts() -> list[dict[str, Any]]:
    """Name, suffixes, what it does, keeps, and costs to read in parts; in the registry's order."""
    return [
        {
            "name": plugin.name,
            "suffixes": list(plugin.suffixes),
            "reads": plugin.can.reads,
            "writes": plugin.can.writes,
            "keeps": sorted(plugin.can.keeps),
            "access": dict(plugin.can.access),
        }
        for plugin in all_plugins()
    ]
