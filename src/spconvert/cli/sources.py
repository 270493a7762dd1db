"""From the flags about an input to what a plugin is asked to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spconvert.cli.options import ReadFlags
from spconvert.errors import UsageError

if TYPE_CHECKING:
    from spconvert.formats.plugin import Source

_CHOICES: dict[str, tuple[str, ...]] = {
    "nifti_xform": ("auto", "sform", "qform"),
    "rescale": ("auto", "apply", "keep"),
    "on_uneven_slices": ("error", "warn"),
    "metadata": ("all", "safe", "none"),
}


def source_of(
    inputs: Sequence[Path], flags: ReadFlags, *, spacing_assigned: bool = False
) -> Source:
    """One image out of one or several files. Raises ``UsageError`` for a word that is no choice."""
    from spconvert.formats.plugin import ReadOptions, Source

    chosen: dict[str, Any] = {}
    for name, known in _CHOICES.items():
        chosen[name] = value = getattr(flags, name)
        if value not in known:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} {value!r}: {', '.join(known)} expected")
    options = ReadOptions(
        flags.allow_external_data,
        flags.follow_symlinks,
        spacing_assigned,
        dims=flags.dims,
        **chosen,
    )
    return Source(inputs[0], flags.select, flags.level, options, tuple(inputs[1:]))
