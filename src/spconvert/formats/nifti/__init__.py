"""NIfTI-1, NIfTI-2 and Analyze 7.5, read and write: the format of neuroimaging."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spconvert.errors import UsageError
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
_SUFFIXES = (".nii.gz", ".hdr.gz", ".img.gz", ".nii", ".hdr", ".img")
_ACCESS: dict[Access, str] = {
    "random": "uncompressed",
    "sequential": "gzip: nothing can be decoded before what precedes it",
}


class NiftiFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "nifti"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first; ``.hdr`` and ``.img`` are the two files of a pair."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Everything but resolution levels."""
        return Capabilities(reads=True, writes=True, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins with a header, compressed or not.

        (The voxels of a pair, ``.img``, begin with anything: there the name decides.)
        """
        from spconvert.formats.nifti.header import LONGEST_HEADER, has_magic, inflated_head

        if head.startswith(b"\x1f\x8b"):
            head = inflated_head(head, LONGEST_HEADER)
        return has_magic(head)

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        from spconvert.formats.nifti.header import read_header

        header = read_header(path)
        return (ImageEntry("0", " x ".join(map(str, header.sizes[: header.ndim]))),)

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image, in LPS where the header states an orientation.

        ``ReadOptions``: ``nifti_xform``, ``rescale``, ``spacing_assigned``, ``metadata``, and
        ``allow_external_data`` for an ``.img`` that is a link out of its folder. Slope and
        intercept are also returned as ``Opened.rescale``. What the model has no place for goes to
        ``extra["nifti"]``; see ``write``.

        Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``Unsupported``, and
        ``UsageError`` for a selection other than the one image.
        """
        from spconvert.formats.nifti.read import read_image

        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{source.path} holds one image, number 0, without further levels")
        return read_image(source, _stem)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write one ``.nii`` or ``.nii.gz``, or a pair of files for a suffix ``.hdr`` or ``.img``.

        The version is NIfTI-1; NIfTI-2 where a size exceeds 32,767 or the image came from one.
        Codecs: ``nifti1``, ``nifti2``, ``analyze`` (a pair), ``raw``, ``gzip``, ``gzip:N``, one of
        each kind joined by a comma ("nifti2,gzip:6"); compressed or not must agree with the suffix.

        Transforms, units, intent, slope and extensions of the file that the image came from are
        written back as they are if they still say the same. Otherwise sform and qform both hold
        the geometry; a sheared one is in the sform alone, for a qform could only hold a rotation
        that puts voxels elsewhere. What the header cannot hold exactly (float64, a space without
        anatomy, nanometres, names of channels) is also in a comment that ``read`` reads.

        Raises ``Unsupported`` for types and sizes that the version does not have, and for Analyze
        where the image has more than a spacing; ``UsageError`` for an unknown codec, ``LimitError``
        if the source can only be scanned in another order, ``TargetError`` if the file cannot be
        written.
        """
        from spconvert.formats.nifti.write import write_image

        return write_image(image, target, options)


def _stem(path: Path) -> str:
    name = path.name
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


PLUGIN: FormatPlugin = NiftiFormat()
