"""The table of formats, and which one a path belongs to: by suffix, checked by content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from spconvert.errors import FormatError, SourceError, UnknownFormat, Unsupported, UsageError
from spconvert.formats.plugin import FormatPlugin
from spconvert.formats.stack import is_pattern
from spconvert.model.finding import Finding, warning

_TABLE: tuple[tuple[str, str, str], ...] = (
    ("nrrd", "nrrd", ".seg.nrrd .nrrd .nhdr"),
    ("ome-zarr", "omezarr", ".ome.zarr.zip .ome.zarr .zarr.zip .zarr .ozx"),
    ("nifti", "nifti", ".nii.gz .hdr.gz .img.gz .nii .hdr .img"),
    (
        "tiff",
        "tiff",
        ".ome.tiff .ome.tif .ome.btf .qptiff .tiff .ndpi .tif .tf8 .btf .svs .lsm .scn",
    ),
    ("dicom", "dicom", ".dicom .dcm .ima"),
    ("metaimage", "metaimage", ".mha .mhd"),
    ("png", "raster.png", ".png"),
    ("jpeg", "raster.jpeg", ".jpeg .jpg .jpe"),
    ("bmp", "raster.bmp", ".bmp .dib"),
    ("webp", "raster.webp", ".webp"),
    ("gif", "raster.gif", ".gif"),
    ("jpeg2000", "raster.jpeg2000", ".jp2 .j2k .j2c .jpc"),
    ("exr", "raster.exr", ".exr"),
    ("pnm", "raster.pnm", ".pbm .pgm .ppm .pnm .pam .pfm"),
    ("vtk", "vtk", ".vtk .vti"),
    ("gipl", "gipl", ".gipl.gz .gipl"),
    ("minc", "minc", ".mnc2 .mnc"),
    ("itk", "itk", ".hdf5 .h5 .pic .spr"),
    ("mgh", "mgh", ".mgh.gz .mgz .mgh"),
    ("mrc", "mrc", ".mrc.gz .map.gz .mrcs .mrc .rec"),
)
"""Name, module below ``spconvert.formats``, suffixes; the order is that of asking for content."""

PLUGINS: dict[str, str] = {name: f"spconvert.formats.{module}" for name, module, _ in _TABLE}
"""Name to the module whose ``PLUGIN`` it is; imported only when it is asked for."""

SUFFIXES: dict[str, str] = {
    suffix: name for name, _, suffixes in _TABLE for suffix in suffixes.split()
}
"""What the plugins claim, so that none needs to be imported to know; a test keeps them equal."""

ENTRY_POINTS = "spconvert.formats"
"""Group of entry points through which packages from outside add a format."""

_HEADERLESS = frozenset({".img", ".img.gz"})
"""Data beside a header of their own: nothing in them can be recognised."""

_ZIP_SUFFIXES = frozenset({".ome.zarr.zip", ".zarr.zip", ".ozx"})

HEAD_BYTES = 1024


def plugin_named(name: str) -> FormatPlugin:
    """The plugin of this name. Raises ``UsageError`` if there is none."""
    if name in PLUGINS:
        plugin: FormatPlugin = import_module(PLUGINS[name]).PLUGIN
        return plugin
    outside = external_plugins()
    if name not in outside:
        known = ", ".join([*PLUGINS, *outside])
        raise UsageError(f"format {name!r} is not known", hint=f"formats: {known}")
    return outside[name]


def external_plugins() -> dict[str, FormatPlugin]:
    """Plugins of installed packages, by the names of their entry points; none shadows ours."""
    from importlib.metadata import entry_points

    found = entry_points(group=ENTRY_POINTS)
    return {point.name: point.load() for point in found if point.name not in PLUGINS}


def all_plugins() -> Iterator[FormatPlugin]:
    """Every plugin, in the order of the table, those from outside last."""
    yield from (plugin_named(name) for name in PLUGINS)
    yield from external_plugins().values()


def suffix_of(path: Path) -> str:
    """The longest known suffix of a file name in lower case, or an empty string."""
    return _longest(path, SUFFIXES)


def _longest(path: Path, suffixes: Iterable[str]) -> str:
    name = path.name.lower()
    return max((s for s in suffixes if name.endswith(s)), key=len, default="")


def _claimant(path: Path) -> FormatPlugin | None:
    """The plugin that the suffix names, ours before others."""
    suffix = suffix_of(path)
    if suffix:
        return plugin_named(SUFFIXES[suffix])
    outside = {s: plugin for plugin in external_plugins().values() for s in plugin.suffixes}
    return outside.get(_longest(path, outside))


def stem_of(path: Path) -> str:
    """The file name without its known suffix, or without its last one."""
    suffix = suffix_of(path)
    return as_text(path.name[: -len(suffix)] if suffix else path.stem)


def as_text(file_name: str) -> str:
    """A file name that can be stored in JSON: bytes that are no UTF-8 are replaced."""
    return file_name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def plugin_for_reading(
    path: Path, wanted: str | None = None
) -> tuple[FormatPlugin, tuple[Finding, ...]]:
    """Which plugin reads a path, and a warning where its suffix lies.

    ``wanted`` names the plugin and ends the matter. Raises ``SourceError`` if the path is missing
    or unreadable, ``FormatError`` if its content is not what the suffix says, ``UnknownFormat``.
    """
    if wanted is not None or is_pattern(path):
        return _unseen(path, wanted), ()
    head = _head(path)
    if head is None:
        return _plugin_for_folder(path), ()
    if head.startswith(b"PK") and _holds_dicom(path):
        return plugin_named("dicom"), ()
    claimed = _claimant(path)
    if claimed is not None and claimed.sniff(head):
        return claimed, ()
    for plugin in all_plugins():
        if plugin is not claimed and plugin.sniff(head):
            text = f"{path.name} is a {plugin.name} file by its content, whatever its name says"
            return plugin, (warning("suffix-lies", text),)
    if claimed is None:
        raise UnknownFormat(f"{path}: no format recognises it", hint=_suffix_hint())
    if suffix_of(path) in _HEADERLESS:
        return claimed, ()
    found = "is empty" if not head else f"starts with {head[:8]!r}"
    raise FormatError(f"{path} is not a {claimed.name} file: it {found}")


def _unseen(path: Path, wanted: str | None) -> FormatPlugin:
    """The plugin for a path whose content decides nothing: a named format, or several files."""
    if not is_pattern(path):
        _head(path)
    plugin = plugin_named(wanted) if wanted is not None else _claimant(path)
    if plugin is None:
        raise UnknownFormat(f"{path}: no format has this suffix", hint=_suffix_hint())
    return plugin


def plugin_for_writing(path: Path, wanted: str | None = None) -> FormatPlugin:
    """Which plugin writes a path, by its suffix or by name.

    Raises ``UnknownFormat``, and ``Unsupported`` for a store in a single file.
    """
    if wanted is not None:
        return plugin_named(wanted)
    suffix = suffix_of(path)
    if suffix in _ZIP_SUFFIXES:
        hint = f"name it {stem_of(path)}.ome.zarr"
        raise Unsupported(f"{path}: OME-Zarr is written as a folder, not as one file", hint=hint)
    plugin = _claimant(path)
    if plugin is None:
        hint = f"for example {path.name or 'image'}.ome.zarr; spconvert formats lists the suffixes"
        raise UnknownFormat(f"{path}: no format has this suffix", hint=hint)
    return plugin


def _plugin_for_folder(path: Path) -> FormatPlugin:
    documents = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
    claimed = SUFFIXES.get(suffix_of(path)) == "ome-zarr"
    if claimed or any((path / name).is_file() for name in documents):
        return plugin_named("ome-zarr")
    if _holds_dicom(path):
        return plugin_named("dicom")
    raise UnknownFormat(
        f"{path} is a folder with neither a Zarr store nor DICOM files in it", hint=_suffix_hint()
    )


def _holds_dicom(path: Path) -> bool:
    from spconvert.formats.dicom import recognises

    return recognises(path)


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
    return "name the format with -f; spconvert formats lists formats and suffixes"
