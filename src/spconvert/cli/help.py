"""Plain help whose flags stand in the groups that rich help would draw as panels."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

OTHERS = "Options"
"""Title of the flags that belong to no group."""


class GroupedCommand(TyperCommand):
    """A command with its flags in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the flags, group by group."""
        _write_groups(self, ctx, formatter)


class GroupedCommands(TyperGroup):
    """A command with subcommands, its flags in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the flags, group by group, then the subcommands."""
        _write_groups(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def _write_groups(command: Any, ctx: Any, formatter: Any) -> None:
    groups: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            title = getattr(parameter, "rich_help_panel", None) or OTHERS
            groups.setdefault(title, []).append(record)
    for title, records in groups.items():
        with formatter.section(title):
            formatter.write_dl(records)
