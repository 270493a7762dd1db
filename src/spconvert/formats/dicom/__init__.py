"""DICOM, read only: series, multi-frame files, mosaics, segmentations, dose, whole slides.

A folder, a list of files, one file, a DICOMDIR, or a zip file of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spconvert.errors import Unsupported
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

_SUFFIXES = (".dicom", ".dcm", ".ima")
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
        "levels",
        "extra",
    }
)
_ACCESS: dict[Access, str] = {
    "random": "uncompressed frames; in a deflated or zipped file, what precedes them is inflated",
    "chunked": "compressed frames",
}


class DicomFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "dicom"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first; most DICOM files have none, and are known by their content."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Reads; a DICOM object needs a patient and a study, which no image has."""
        return Capabilities(reads=True, writes=False, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether ``DICM`` follows the preamble, or a first element of DICOM comes at once."""
        from spconvert.formats.dicom.instance import looks_like_dicom

        return looks_like_dicom(head)

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """One entry per series: its UID; number, modality, description and size."""
        from spconvert.formats.dicom.scan import scan
        from spconvert.formats.dicom.series import series_of

        return tuple(series.entry for series in series_of(scan([path]).instances))

    def read(self, source: Source) -> Opened:
        """Read the headers of one series and make a lazy image.

        ``source.select`` is a series instance UID or a series number. Patient geometry gives an
        image in LPS and millimetres; without it the space is unknown. Volumes that differ in time,
        echo, b-value, phase, ... lie along t; ``extra["dicom"]["volumes"]`` says what differs.
        Acquisition fields go to ``extra["dicom"]``, by ``ReadOptions.metadata``.

        Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``Unsupported``,
        ``ChoiceNeeded`` for several series, ``UsageError`` for one that is not there.
        """
        from dataclasses import replace

        from spconvert.formats.dicom.assemble import open_series
        from spconvert.formats.dicom.scan import scan
        from spconvert.formats.dicom.series import chosen, series_of
        from spconvert.formats.dicom.slide import is_slide
        from spconvert.formats.dicom.slide_image import open_slide

        found = scan([source.path, *source.more_paths])
        series = chosen(series_of(found.instances), source.select, source.path)
        slides = any(is_slide(instance) for instance in series.instances)
        opened = open_slide(series, source) if slides else open_series(series, source)
        return replace(opened, findings=(*found.findings, *opened.findings))

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Raise ``Unsupported``: DICOM is only read."""
        del image, options
        raise Unsupported(
            f"{target.path.name}: DICOM is read, not written",
            hint="NIfTI, NRRD or MetaImage hold the same geometry",
        )


def recognises(path: Path) -> bool:
    """Whether a folder or a zip file holds DICOM files, as far as its first files show."""
    from spconvert.formats.dicom.scan import holds_dicom

    return holds_dicom(path)


PLUGIN: FormatPlugin = DicomFormat()
