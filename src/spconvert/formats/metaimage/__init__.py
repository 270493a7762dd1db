"""MetaImage, read and write: .mha and .mhd of ITK's MetaIO."""

from __future__ import annotations

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
_SUFFIXES = (".mha", ".mhd")
_ACCESS: dict[Access, str] = {
    "random": "raw",
    "sequential": "zlib: nothing can be decoded before what precedes it",
}


class MetaImageFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "metaimage"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """``.mhd`` is a header whose voxels are in files of their own."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Everything but resolution levels."""
        return Capabilities(reads=True, writes=True, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins with a field of MetaIO that an image has."""
        from spconvert.formats.metaimage.header import begins_like_a_header

        return begins_like_a_header(head)

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        from spconvert.formats.metaimage.header import read_header

        return (ImageEntry("0", " x ".join(map(str, read_header(path).sizes))),)

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image, in LPS where the header places it at all.

        Channels are the c axis, a fourth axis is time. Values are those stored, as every reader
        of ITK gives them; the intensity function is in ``Opened.rescale``, and applied only with
        ``rescale="apply"``. What the model has no place for goes to ``extra["metaimage"]``.
        Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``Unsupported``, and
        ``UsageError`` for a selection other than the one image.
        """
        from spconvert.formats.metaimage.axes import file_axes
        from spconvert.formats.metaimage.data import pixels_of
        from spconvert.formats.metaimage.extra import extra_of
        from spconvert.formats.metaimage.geometry import placed
        from spconvert.formats.metaimage.header import read_header
        from spconvert.formats.metaimage.intensity import intensity_of, real_values

        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{source.path} holds one image, number 0, without further levels")
        options = source.options
        header = read_header(source.path)
        axes = file_axes(header)
        # Bytes first, geometry second: a file that is cut off is said to be so.
        pixels, sizes = pixels_of(header, axes, allow_external=options.allow_external_data)
        place = placed(header, axes, spacing_assigned=options.spacing_assigned)
        rescale, told = intensity_of(header, options.rescale)
        if rescale is not None and options.rescale == "apply":
            pixels = real_values(pixels, rescale)
        extra, dropped = extra_of(header, options)
        try:
            image = SpatialImage(
                pixels=pixels,
                axes=place.axes,
                geometry=place.geometry,
                name=_stem(source.path),
                extra=extra,
            )
        except ValueError as error:
            raise FormatError(f"{source.path}: {error}") from error
        findings = (*header.findings, *place.findings, *sizes, *told, *dropped)
        return Opened(image, findings, rescale=rescale)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write one ``.mha``, or a ``.mhd`` and its data file; returns the paths, header first.

        Codecs are ``zlib`` (the default), ``zlib:1`` to ``zlib:9`` and ``raw``. Complex values
        become two channels, as ITK writes them. Raises ``Unsupported`` for types that MetaImage
        does not have and ``LimitError`` for a source that can only be read in another axis order.
        """
        from spconvert.formats.metaimage.write import write_image

        return write_image(image, target, options)


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    lower = name.lower()
    suffix = next((s for s in _SUFFIXES if lower.endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


PLUGIN: FormatPlugin = MetaImageFormat()
