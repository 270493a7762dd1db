"""Where the voxels of a NIfTI or Analyze file are, and whether there are enough of them."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from spconvert.errors import FormatError
from spconvert.formats.nifti.header import Header, head_bytes, partner
from spconvert.model.finding import Finding, warning
from spconvert.model.image import PixelSource
from spconvert.pixels.external import DataFile, external_file, raw_source
from spconvert.pixels.inflated import CompressedPart, InflatedSource, check_plausible
from spconvert.pixels.layout import Layout

_CHEAP = 4 << 20
"""Bytes before the voxels that are decompressed to see whether they are there."""


def voxel_offset(header: Header, findings: list[Finding]) -> int:
    """First byte of the voxels in their (decompressed) file.

    nifti1.h: in a single file at least 352 (NIfTI-2: 544), and a multiple of 16. 0 there is read as
    that minimum, as ITK does. Raises ``FormatError`` for no whole number and one inside the header.
    """
    found = header.fields["vox_offset"]
    if not isfinite(found) or found != int(found) or found < 0:
        raise FormatError(f"{header.path}: vox_offset {found}: a whole number from 0 expected")
    offset, least = int(found), header.size + 4
    if header.single and offset == 0:
        text = f"{header.path.name}: vox_offset is 0: {least} assumed"
        findings.append(warning("voxel-offset", text, "vox_offset"))
        return least
    if header.single and offset < header.size:
        raise FormatError(
            f"{header.path}: vox_offset {offset} lies inside the header: at least {least} expected"
        )
    if header.single and offset % 16:
        text = f"{header.path.name}: vox_offset {offset} is no multiple of 16"
        findings.append(warning("voxel-offset", text, "vox_offset"))
    return offset


def pixels_of(
    header: Header, layout: Layout, offset: int, *, allow_external: bool
) -> tuple[PixelSource, list[Finding]]:
    """The lazy voxels, and what was noticed about the size of their file.

    Raises ``SourceError`` for a missing ``.img``, or one that a link leads out of the folder;
    ``FormatError`` for sizes beyond 2^63 bytes and for too few bytes.
    """
    if layout.nbytes >= 1 << 63:
        raise FormatError(f"{header.path}: {layout.nbytes} bytes of voxels: below 2^63 expected")
    findings: list[Finding] = []
    path, zipped = header.path, header.zipped
    if header.single:
        findings += _lying_suffix(path, zipped=zipped)
    else:
        beside = partner(header.path)
        path = external_file(header.path, beside.name, allow_external=allow_external)
        zipped = path.name.lower().endswith(".gz")
        if zipped and not head_bytes(path, 1)[1]:
            zipped = False
            findings += _lying_suffix(path, zipped=zipped)
    if zipped:
        part = CompressedPart(path, 0, layout.nbytes, offset)
        check_plausible(part, "gzip")
        _check_lead(part)
        return InflatedSource((part,), "gzip", layout), findings
    source, surplus = raw_source([DataFile(path, 0, layout.nbytes)], offset, layout)
    return source, [*findings, *surplus]


def _check_lead(part: CompressedPart) -> None:
    """Refuse a stream that ends or breaks before the first voxel, as far as that is cheap."""
    wanted = min(part.skip, _CHEAP)
    found = len(head_bytes(part.path, wanted)[0])
    if found < wanted:
        raise FormatError(
            f"{part.path} ends after {found} bytes, but its voxels begin at byte {part.skip}",
            hint="the file is cut off, or its header states a wrong vox_offset",
        )


def _lying_suffix(path: Path, *, zipped: bool) -> list[Finding]:
    if path.name.lower().endswith(".gz") == zipped:
        return []
    text = f"{path.name} is {'' if zipped else 'not '}compressed, whatever its name says"
    return [warning("suffix-lies", text)]
