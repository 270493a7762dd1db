"""Header extensions: read within bounds, written back.

nifti1.h, "EXTENDED HEADER": four bytes behind the header, the first of which is not 0 if any
extension follows; then blocks of esize (a multiple of 16), ecode and esize − 8 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from spconvert.errors import FormatError
from spconvert.formats.nifti.header import Header, head_bytes
from spconvert.model.finding import Finding, note, warning
from spconvert.pixels.raw import regular_size

LARGEST = 1 << 20
"""Bytes of all extensions together; more is not read."""

COMMENT = 6
"""Code of plain text."""

PERSONAL = {2: "DICOM", 4: "AFNI", 44: "MRS"}
"""Codes of extensions that may name a patient: attributes of DICOM, command lines with file names
and users, and a header with PatientName among its standard fields."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One block."""

    code: int
    content: bytes
    """With the zeros that fill it up."""


def read_extensions(header: Header, vox_offset: int) -> tuple[list[Extension], list[Finding]]:
    """The extensions of a header, in order.

    Raises ``FormatError`` for one that is shorter than its own head, or that overruns the voxels or
    the file: then one of the two offsets is wrong, and so might be every voxel.
    """
    if header.version == "analyze":
        return [], []
    begin = header.size + 4
    end = vox_offset if header.single else begin + LARGEST + 1
    if not header.single and not header.zipped:
        end = min(end, regular_size(header.path))
    if end <= begin:
        return [], []
    head, _ = head_bytes(header.path, min(end, begin + LARGEST + 1))
    if len(head) < begin or head[header.size] == 0:
        return [], []
    if len(head) > begin + LARGEST:
        text = f"{header.path.name}: extensions of more than {LARGEST} bytes are not kept"
        return [], [warning("extension-dropped", text, "extension")]
    return _blocks(header, head)


def _blocks(header: Header, head: bytes) -> tuple[list[Extension], list[Finding]]:
    position = header.size + 4
    found: list[Extension] = []
    findings: list[Finding] = []
    while len(head) - position >= 8:
        size, code = struct.unpack_from(f"{header.order}2i", head, position)
        if size == 0 and not head[position:].strip(b"\0"):
            break  # room that a program left
        if size < 8 or position + size > len(head):
            raise FormatError(
                f"{header.path}: extension {len(found) + 1} (code {code}) has {size} bytes at "
                f"byte {position}: 16 to {len(head) - position} expected",
                hint="the header is damaged, or the file is cut off",
            )
        if size % 16:
            text = f"{header.path.name}: an extension of {size} bytes: a multiple of 16 expected"
            findings.append(warning("extension-size", text, "extension"))
        found.append(Extension(code, head[position + 8 : position + size]))
        position += size
    return found, findings


def safe_extensions(
    header: Header, extensions: Iterable[Extension]
) -> tuple[list[Extension], list[Finding]]:
    """Those that name no patient, and a note on the others."""
    kept: list[Extension] = []
    left: list[Extension] = []
    for extension in extensions:
        (left if extension.code in PERSONAL else kept).append(extension)
    if not left:
        return kept, []
    names = ", ".join(sorted({PERSONAL[extension.code] for extension in left}))
    text = (
        f"{header.path.name}: extensions that may name a patient are left out ({names}); "
        "--metadata all keeps them"
    )
    return kept, [note("metadata-left-out", text, "extension")]


def packed_extensions(extensions: Iterable[Extension]) -> bytes:
    """The four bytes and the blocks behind a little-endian header, each filled up to 16 bytes."""
    blocks = []
    for extension in extensions:
        size = -(-(len(extension.content) + 8) // 16) * 16
        content = extension.content.ljust(size - 8, b"\0")
        blocks.append(struct.pack("<2i", size, extension.code) + content)
    return bytes([1 if blocks else 0, 0, 0, 0]) + b"".join(blocks)
