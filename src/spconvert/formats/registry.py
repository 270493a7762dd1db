"""The table of formats, and which one a path belongs to: by suffix, checked by content."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from spconvert.errors import FormatError, SourceError, UnknownFormat, UsageError
from spconvert.formats.plugin import FormatPlugin
from spconvert.model.finding import Finding, warning

PLUGINS: dict[str, str] = {
    "nrrd": "spconvert.formats.nrrd",
    "ome-zarr": "spconvert.formats.omezarr",
}
"""Name to the module whose ``PLUGIN`` it is; imported only when it is asked for."""

SUFFIXES: dict[str, str] = {
    ".seg.nrrd": "nrrd",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".ome.zarr.zip": "ome-zarr",
    ".ome.zarr": "ome-zarr",
    ".zarr": "ome-zarr",
    ".ozx": "ome-zarr",
}
"""What the plugins claim, so that none needs to be imported to know; a test keeps them equal."""

HEAD_BYTES = 1024


def plugin_named(name: str) -> FormatPlugin:
    """The plugin of this name. Raises ``UsageError`` if there is none."""
    if name not in PLUGINS:
        raise UsageError(f"format {name!r} is not known", hint=f"formats: {', '.join(PLUGINS)}")
    plugin: FormatPlugin = import_module(PLUGINS[name]).PLUGIN
    return plugin


def all_plugins() -> Iterator[FormatPlugin]:
    """Every plugin, in the order of the table."""
    return (plugin_named(name) for name in PLUGINS)


def suffix_of(path: Path) -> str:
    """The longest known suffix of a file name in lower case, or an empty string."""
    name = path.name.lower()
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if name.endswith(s)), "")


def stem_of(path: Path) -> str:
    """The file name without its known suffix, or without its last one."""
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix else path.stem


def plugin_for_reading(
    path: Path, wanted: str | None = None
) -> tuple[FormatPlugin, tuple[Finding, ...]]:
    """Which plugin reads a path, and a warning where its suffix lies.

    ``wanted`` names the plugin and ends the matter. Raises ``SourceError`` if the path is missing
    or unreadable, ``FormatError`` if its content is not what the suffix says, ``UnknownFormat``.
    """
    head = _head(path)
    if wanted is not None:
        return plugin_named(wanted), ()
    suffix = suffix_of(path)
    if head is None:
        return _plugin_for_folder(path), ()
    claimed = plugin_named(SUFFIXES[suffix]) if suffix else None
    if claimed is not None and claimed.sniff(head):
        return claimed, ()
    for plugin in all_plugins():
        if plugin is not claimed and plugin.sniff(head):
            text = f"{path.name} is a {plugin.name} file by its content, whatever its name says"
            return plugin, (warning("suffix-lies", text),)
    if claimed is not None:
        found = "is empty" if not head else f"starts with {head[:8]!r}"
        raise FormatError(f"{path} is not a {claimed.name} file: it {found}")
    raise UnknownFormat(f"{path}: no format recognises it", hint=_suffix_hint())


def plugin_for_writing(path: Path, wanted: str | None = None) -> FormatPlugin:
    """Which plugin writes a path, by its suffix or by name. Raises ``UnknownFormat``."""
    if wanted is not None:
        return plugin_named(wanted)
    suffix = suffix_of(path)
    if not suffix:
        raise UnknownFormat(f"{path.name}: no format has this suffix", hint=_suffix_hint())
    return plugin_named(SUFFIXES[suffix])


def _plugin_for_folder(path: Path) -> FormatPlugin:
    documents = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
    if suffix_of(path) or any((path / name).is_file() for name in documents):
        return plugin_named("ome-zarr")
    raise UnknownFormat(f"{path} is a folder without a Zarr store in it", hint=_suffix_hint())


def _head(path: Path) -> bytes | None:
    """The first bytes of a file; ``None`` for a folder."""
    try:
        if path.is_dir():
            return None
        if not path.exists():
            hint = "the link points nowhere" if path.is_symlink() else "check the path"
            raise SourceError(f"{path} does not exist", hint=hint)
        if not path.is_file():
            raise SourceError(f"{path} is not a regular file")
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error


def _suffix_hint() -> str:
    return f"known suffixes: {', '.join(SUFFIXES)}; name the format with -f"
