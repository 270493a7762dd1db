"""OME-Zarr 0.1 to 0.6 as a format plugin: folders, .ozx and .ome.zarr.zip.

Reading is here. Writing needs resolution levels, which the pipeline makes: ``actions/convert``
sees an OME-Zarr target and never calls ``write``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spconvert.errors import ChoiceNeeded, FormatError, SpconvertError, Unsupported
from spconvert.formats.plugin import (
    Capabilities,
    FormatPlugin,
    ImageEntry,
    LevelInfo,
    Opened,
    Source,
    Target,
    WriteOptions,
)
from spconvert.model.image import SpatialImage
from spconvert.omezarr.group import (
    OpenedStore,
    image_paths,
    label_paths,
    level_image,
    open_store,
)
from spconvert.stores.location import Location, open_location

_ROOT = "."
"""``select`` of an image that is the store itself."""

_METADATA_NAMES = (b"zarr.json", b".zgroup", b".zattrs", b".zarray")
_ZIP_MAGIC = b"PK\x03\x04"


class OmeZarrFormat:
    """Reads images of OME-Zarr stores."""

    @property
    def name(self) -> str:
        """Short name."""
        return "ome-zarr"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first."""
        return (".ome.zarr.zip", ".ome.zarr", ".zarr.zip", ".zarr", ".ozx")

    @property
    def can(self) -> Capabilities:
        """Everything; writing is the pipeline's."""
        return Capabilities(
            reads=True,
            writes=True,
            keeps=frozenset(
                {
                    "volume",
                    "time",
                    "channels",
                    "origin",
                    "spacing",
                    "direction",
                    "shear",
                    "unit",
                    "time-step",
                    "levels",
                    "extra",
                }
            ),
            access={"chunked": "every chunk is an object of its own, or a part of a shard"},
        )

    def sniff(self, head: bytes) -> bool:
        """Whether the first bytes are those of a zip file with Zarr metadata at its beginning.

        RFC-9 asks for the root's metadata as first member. (A folder has no first bytes: see
        ``is_store``.)
        """
        return head.startswith(_ZIP_MAGIC) and any(name in head for name in _METADATA_NAMES)

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The store itself, or the images directly below it (bioformats2raw).

        Labels are not listed; they can be selected by their path, "labels/nuclei". Raises
        ``SourceError`` or ``FormatError``.
        """
        found = image_paths(open_location(path))
        return tuple(ImageEntry(where or _ROOT, name) for where, name in found)

    def read(self, source: Source) -> Opened:
        """Read the metadata and make a lazy image of level ``source.level``.

        ``source.select`` is the path of the image's group below the store. Raises
        ``SourceError``, ``FormatError``, ``GeometryError``, ``Unsupported``, ``ChoiceNeeded``
        if the store has several images and none is selected, ``UsageError`` for an unknown level.
        """
        location = open_location(source.path, follow_symlinks=source.options.follow_symlinks)
        opened = open_store(location, _chosen(location, source.select))
        image = level_image(location, opened, source.level)
        labels = label_paths(location, opened.path)
        return Opened(image, opened.findings, _levels(opened), labels=labels)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:  # noqa: ARG002 (the protocol's)
        """Refused: a store with its levels is written by ``actions/convert``.

        Raises ``Unsupported``.
        """
        hint = "use spconvert.convert or the command 'spconvert convert'"
        raise Unsupported(f"{target.path}: OME-Zarr is not written by a plugin", hint=hint)


PLUGIN: FormatPlugin = OmeZarrFormat()


def is_store(path: Path) -> bool:
    """Whether a folder or zip file has Zarr metadata at its root; never raises for bad input."""
    try:
        names = open_location(path).names("")
    except SpconvertError:
        return False
    return any(name.decode() in names for name in _METADATA_NAMES)


def _chosen(location: Location, select: str | None) -> str:
    """Path of the image's group. Raises ``ChoiceNeeded`` or ``FormatError``."""
    if select is not None and select != _ROOT:
        path = select.strip("/")
        if any(part in ("", ".", "..") or "\\" in part for part in path.split("/")):
            raise FormatError(f"{location.path}: {select!r} is no path inside the store")
        return path
    found = image_paths(location)
    if len(found) == 1:
        return found[0][0]
    if found and select is None:
        paths = [path for path, _ in found]
        listed = ", ".join(paths[:10]) + (", …" if len(paths) > 10 else "")
        raise ChoiceNeeded(
            f"{location.path} holds {len(paths)} images: {listed}",
            hint=f"select one by its path, for example {paths[0]}",
        )
    return ""


def _levels(opened: OpenedStore) -> tuple[LevelInfo, ...]:
    order = opened.decoded.order or tuple(range(len(opened.decoded.multiscale.axes)))

    def arranged(extents: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(extents[i] for i in order)

    result = []
    for i, info in enumerate(opened.arrays):
        geometry = opened.decoded.multiscale.level_geometry(i)
        result.append(
            LevelInfo(
                path=info.path,
                shape=arranged(info.shape),
                chunks=arranged(info.chunks),
                shards=None if info.shards is None else arranged(info.shards),
                codecs=info.codecs,
                spacing=geometry.spacing,
                origin=geometry.origin,
            )
        )
    return tuple(result)
