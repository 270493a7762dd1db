"""One DICOM file: its header, and where its pixels begin. No pixel is read.

Files without preamble and file meta information (not PS3.10) are read where their first element
makes sense.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spconvert.errors import FormatError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.carrier import Carrier, HeaderFile
from spconvert.formats.dicom.elements import Elements, parse_errors
from spconvert.formats.dicom.safe_fields import SAFE_TAGS

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"UT", b"SQ", b"UC", b"UR")
_SHORT_VRS = (b"UI", b"CS", b"SH", b"LO", b"UL", b"US", b"DA", b"TM", b"AE", b"PN", b"IS", b"DS")
_UNDEFINED = 0xFFFFFFFF
_TRANSFER_SYNTAX = 0x00020010
_MEDIA_CLASS = 0x00020002


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixels of a file begin."""

    tag: int
    vr: str
    """Empty with implicit VR."""
    offset: int
    """Of the value, from the first byte of the carrier."""
    length: int | None
    """Of the value in bytes; ``None`` where the file leaves it open (encapsulated frames)."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One parsed file."""

    outer: Carrier
    """The file as it is."""
    carrier: Carrier
    """What ``pixels`` counts from: the same, or what inflates out of it."""
    header: Elements
    syntax: str
    """Transfer syntax UID."""
    pixels: PixelElement | None
    """``None`` for a file without pixels."""
    bare: bool = False
    """Whether preamble and file meta information are missing."""

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.carrier.label

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.carrier.name

    @property
    def is_directory(self) -> bool:
        """Whether it is a DICOMDIR."""
        return self.header.text(tags.SOP_CLASS_UID) == tags.DIRECTORY_CLASS or bool(
            self.header.has(tags.DIRECTORY_RECORD_SEQUENCE)
            or self.header.items(tags.DIRECTORY_RECORD_SEQUENCE)
        )

    @property
    def is_image(self) -> bool:
        """Whether it states the size of an image."""
        return self.header.has(tags.ROWS) and self.header.has(tags.COLUMNS)

    @property
    def series(self) -> str:
        """Series instance UID, or an empty string."""
        return self.header.text(tags.SERIES_INSTANCE_UID)


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without preamble."""
    return head[128:132] == b"DICM" or _is_bare(head)


def _is_bare(head: bytes) -> bool:
    """A dataset without preamble begins with group 0002 or 0008."""
    if len(head) < 16:
        return False
    group, element, vr, _ = struct.unpack_from("<HH2sH", head)
    if group == 0x0200 and head[4:6] in _SHORT_VRS:  # big endian
        return True
    if group not in (0x0002, 0x0008) or element > 0x0018:
        return False
    length = struct.unpack_from("<L", head, 4)[0]
    return vr in _SHORT_VRS or (0 < length <= 128 and length % 2 == 0)


def parse(carrier: Carrier, *, everything: bool = False) -> Instance:
    """Parse the header, up to the pixels; only ``tags.PARSED`` unless ``everything`` is wanted.

    Raises ``FormatError`` if it is cut off, no DICOM, or of a private transfer syntax that mixes
    byte orders; ``SourceError`` if it cannot be read.
    """
    try:
        with warnings.catch_warnings():  # every fault of a file that matters is an error here
            warnings.simplefilter("ignore")
            return _parse(carrier, everything=everything)
    except parse_errors() as error:
        reason = f"{type(error).__name__} {error}".splitlines()[0][:200]
        raise FormatError(f"{carrier.label} is not a readable DICOM file: {reason}") from error


def _parse(carrier: Carrier, *, everything: bool) -> Instance:
    from pydicom.filereader import read_dataset

    with carrier.reader() as reader:
        head = reader.some(0, 160)
        if not looks_like_dicom(head):
            found = "is empty" if not head else f"starts with {head[:8]!r}"
            raise FormatError(f"{carrier.label} is not a DICOM file: it {found}")
        bare = head[128:132] != b"DICM"
        file = HeaderFile(reader, carrier.label)
        file.seek(0 if bare else 132)
        meta = Elements(
            read_dataset(_typed(file), False, True, stop_when=lambda tag, _vr, _n: tag >> 16 != 2),
            carrier.label,
        )
        syntax = meta.text(_TRANSFER_SYNTAX) or _guessed(file)
        start = file.tell()
        if syntax != tags.DEFLATED:
            instance = _dataset(carrier, file, syntax, everything=everything)
            return replace(instance, bare=bare)
    inner = carrier.inflated(start)
    with inner.reader() as reader:
        file = HeaderFile(reader, inner.label)
        instance = _dataset(inner, file, syntax, everything=everything)
        return replace(instance, outer=carrier, bare=bare)


def _dataset(carrier: Carrier, file: HeaderFile, syntax: str, *, everything: bool) -> Instance:
    from pydicom.filereader import read_dataset

    if syntax == "1.2.840.113619.5.2":
        raise FormatError(
            f"{carrier.label} has transfer syntax {syntax}, little-endian elements with "
            "big-endian pixels",
            hint="dcmtk's dcmconv or gdcmconv can rewrite it",
        )
    implicit, little = syntax == tags.IMPLICIT_LITTLE, syntax != tags.EXPLICIT_BIG
    dataset: Dataset = read_dataset(
        _typed(file),
        implicit,
        little,
        stop_when=_at_pixels,
        specific_tags=None if everything else [*tags.PARSED, *SAFE_TAGS],
    )
    pixels = _pixel_element(file, implicit=implicit, little=little)
    return Instance(carrier, carrier, Elements(dataset, carrier.label), syntax, pixels)


def _at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
    return tag in (tags.PIXEL_DATA, tags.FLOAT_PIXEL_DATA, tags.DOUBLE_FLOAT_PIXEL_DATA)


def _guessed(file: HeaderFile) -> str:
    """The syntax of a file that does not say: by the form of its first element."""
    start = file.tell()
    first = file.read(8)
    file.seek(start)
    if first[4:6] not in (*_LONG_VRS, *_SHORT_VRS):
        return tags.IMPLICIT_LITTLE
    return tags.EXPLICIT_BIG if first[:1] == b"\0" else tags.EXPLICIT_LITTLE


def _pixel_element(file: HeaderFile, *, implicit: bool, little: bool) -> PixelElement | None:
    order = "<" if little else ">"
    head = file.read(8)
    if len(head) < 8:
        return None
    group, element = struct.unpack_from(order + "HH", head)
    vr = "" if implicit else head[4:6].decode("ascii", "replace")
    if implicit:
        length = struct.unpack_from(order + "L", head, 4)[0]
    elif head[4:6] in _LONG_VRS:
        rest = file.read(4)
        if len(rest) < 4:
            return None
        length = struct.unpack(order + "L", rest)[0]
    else:
        length = struct.unpack_from(order + "H", head, 6)[0]
    return PixelElement(
        group << 16 | element, vr, file.tell(), None if length == _UNDEFINED else length
    )


def _typed(file: HeaderFile) -> Any:
    """The parser is annotated for real files; it reads, seeks and tells."""
    return file
