"""VTK legacy files of structured points, read and write; VTK's XML images are refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from spconvert.formats.plugin import (
    Capabilities,
    Feature,
    FormatPlugin,
    ImageEntry,
    Opened,
    Source,
    Target,
    WriteOptions,
)

if TYPE_CHECKING:
    from spconvert.model.image import Access, SpatialImage

_KEEPS: frozenset[Feature] = frozenset({"volume", "channels", "origin", "spacing", "extra"})
_SUFFIXES = (".vtk", ".vti")
_ACCESS: dict[Access, str] = {
    "random": "binary",
    "sequential": "ascii: nothing can be decoded before what precedes it",
}


class VtkFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "vtk"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """``.vti`` is VTK's XML, which is only recognised."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """No direction, no unit, no time."""
        return Capabilities(reads=True, writes=True, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins as a legacy file, or as VTK's XML of an image."""
        return head.startswith(b"# vtk DataFile Version") or (
            b"<VTKFile" in head and b"ImageData" in head
        )

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file: the first attribute of its points."""
        from spconvert.formats.vtk.header import read_header

        header = read_header(path)
        return (ImageEntry("0", f"{header.attribute}: {' x '.join(map(str, header.sizes))}"),)

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image, in LPS by ITK's convention.

        A single slice at z = 0 with spacing 1 is a 2-D image. Title and name of the data go to
        ``extra["vtk"]``. Raises ``SourceError``, ``FormatError``, ``GeometryError``,
        ``Unsupported``, and ``UsageError`` for a selection other than the one image.
        """
        from spconvert.formats.vtk.read import read_image

        return read_image(source)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write one ``.vtk``; codecs are ``raw`` (the default) and ``ascii``.

        Raises ``Unsupported`` for time, for types that VTK does not have, and for ``.vti``.
        """
        from spconvert.formats.vtk.write import write_image

        return write_image(image, target, options)


PLUGIN: FormatPlugin = VtkFormat()
