"""NRRD, read and write: Nearly Raw Raster Data of teem, ITK and 3D Slicer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from spconvert.errors import FormatError, UsageError
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
from spconvert.model.image import Access, SpatialImage

_KEEPS: frozenset[Feature] = frozenset(
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
        "extra",
    }
)
_SUFFIXES = (".seg.nrrd", ".nrrd", ".nhdr")
_ACCESS: dict[Access, str] = {
    "random": "raw",
    "sequential": "gzip, bzip2, ascii, hex: nothing can be decoded before what precedes it",
}


class NrrdFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "nrrd"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first; ``.nhdr`` is a header whose voxels are in files of their own."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Everything but resolution levels."""
        return Capabilities(reads=True, writes=True, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins with one of the five magics."""
        return re.match(rb"NRRD000[1-5]", head) is not None

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        from spconvert.formats.nrrd.header import read_header

        sizes = " x ".join(map(str, read_header(path).sizes))
        return (ImageEntry("0", sizes),)

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image, in LPS where the file states an anatomical space.

        What the model has no place for goes to ``extra["nrrd"]``; see ``write``.
        Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``Unsupported``, and
        ``UsageError`` for a selection other than the one image.
        """
        from spconvert.formats.nrrd.axes import file_axes, world_of
        from spconvert.formats.nrrd.data import pixels_of
        from spconvert.formats.nrrd.extra import extra_of
        from spconvert.formats.nrrd.geometry import placed
        from spconvert.formats.nrrd.header import read_header
        from spconvert.formats.nrrd.kinds import channels_of
        from spconvert.formats.nrrd.units import Fields

        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{source.path} holds one image, number 0, without further levels")
        header = read_header(source.path)
        world = world_of(header.values, header.texts, source.path)
        axes, assumed = file_axes(header.values, world, source.path)
        # Bytes first, geometry second: a file that is cut off is said to be so.
        pixels, sizes = pixels_of(header, axes, allow_external=source.options.allow_external_data)
        fields = Fields(header.values, axes, world, source.path, source.options.spacing_assigned)
        place = placed(fields)
        components = axes.of("component")
        try:
            image = SpatialImage(
                pixels=pixels,
                axes=place.axes,
                geometry=place.geometry,
                channels=channels_of(
                    [axes.kinds[i] for i in components], [axes.sizes[i] for i in components]
                ),
                name=_stem(source.path),
                extra={"nrrd": extra_of(header, axes)},
            )
        except ValueError as error:
            raise FormatError(f"{source.path}: {error}") from error
        return Opened(image, (*header.findings, *assumed, *place.findings, *sizes))

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write one ``.nrrd``, or a ``.nhdr`` and its data file; returns the paths, header first.

        The vectors are written as they stood in the file that the image came from, if they still
        give exactly its geometry; otherwise D · S with the shortest digits that read back as the
        same float64. Codecs: ``gzip`` (the default; ``gzip:N`` for a level), ``raw``, ``bzip2``,
        ``ascii``, ``hex``. The bytes depend on the image and the codec only.

        Raises ``Unsupported`` for types that NRRD does not have, ``UsageError`` for an unknown
        codec, ``LimitError`` if the source can only be scanned in another order, ``TargetError``
        if the file cannot be written.
        """
        from spconvert.formats.nrrd.write import write_image

        return write_image(image, target, options)


def _stem(path: Path) -> str:
    name = path.name
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


PLUGIN: FormatPlugin = NrrdFormat()
