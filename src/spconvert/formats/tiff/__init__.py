"""TIFF in its scientific dialects: OME-TIFF, ImageJ, whole slides, and plain pages, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spconvert.formats.plugin import (
    Capabilities,
    Feature,
    FormatPlugin,
    ImageEntry,
    Opened,
    ReadOptions,
    Source,
    Target,
    WriteOptions,
)
from spconvert.model.image import Access, SpatialImage

_KEEPS: frozenset[Feature] = frozenset(
    {"volume", "time", "channels", "origin", "spacing", "unit", "time-step", "extra"}
)
_SUFFIXES = (
    ".ome.tiff",
    ".ome.tif",
    ".ome.btf",
    ".qptiff",
    ".tiff",
    ".ndpi",
    ".tif",
    ".tf8",
    ".btf",
    ".svs",
    ".lsm",
    ".scn",
)
_ACCESS: dict[Access, str] = {
    "random": "uncompressed",
    "chunked": "compressed tiles and strips",
}
_MAGICS = (b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0", b"EP*\0")


class TiffFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "tiff"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Direction and anatomical space are not listed.

        They are written as an annotation that only spconvert reads, so whoever opens the file
        elsewhere loses them.
        """
        return Capabilities(reads=True, writes=True, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins as TIFF or BigTIFF, in either byte order."""
        return head.startswith(_MAGICS)

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The images of an OME-TIFF, the series of a slide, the stacks of a plain file.

        Raises ``SourceError``, ``FormatError``, ``LimitError``.
        """
        from spconvert.formats.tiff.read import described, images_of

        found, _ = images_of(path, ReadOptions())
        return tuple(ImageEntry(str(i), described(one)) for i, one in enumerate(found))

    def read(self, source: Source) -> Opened:
        """Read the directories and metadata and make a lazy image of one level.

        The space is unknown unless an annotation of spconvert says otherwise; the unit is the
        file's. ``options.dims`` names the axes of the file, page axes last, e.g. "tyx".
        Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``LimitError``,
        ``Unsupported``, ``ChoiceNeeded`` if there are several images and none is selected,
        ``UsageError`` for an unknown level, image, or ``dims`` that do not fit.
        """
        from spconvert.formats.tiff.read import read_image

        return read_image(source)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write an OME-TIFF, or with ``options.codec`` "imagej" an ImageJ TIFF.

        Raises ``Unsupported`` for types that the dialect does not have, ``UsageError`` for an
        unknown codec, ``LimitError`` if the source can only be scanned in another order,
        ``TargetError`` if the file cannot be written.
        """
        from spconvert.formats.tiff.write import write_image

        return write_image(image, target, options)


PLUGIN: FormatPlugin = TiffFormat()
