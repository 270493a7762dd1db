"""The header of a NIfTI or Analyze file: found, read within bounds, checked before it is believed.

The 348 or 540 bytes are read through our own structures (``fields``): nibabel takes 0.6 s to import
and passes zero sizes and NaN. In the tests it is the oracle.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spconvert.errors import FormatError, SourceError
from spconvert.formats.nifti.fields import (
    ANALYZE_DATATYPES,
    DATATYPES,
    MAGICS,
    STRUCTURES,
    UNREADABLE_DATATYPES,
    Version,
)
from spconvert.pixels.headed import gunzipped_head
from spconvert.pixels.raw import open_input

LONGEST_HEADER = 540
_PIECE = 1 << 12
_SINGLE_FILE = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says, its sizes and type checked."""

    path: Path
    """The file that holds it."""
    version: Version
    order: Literal["<", ">"]
    """Byte order of header and voxels."""
    zipped: bool
    """Whether the header's file is gzip."""
    single: bool
    """Whether the voxels are in the same file."""
    fields: Mapping[str, Any]
    """Per name of ``fields.STRUCTURES`` a Python number, list or bytes."""

    @property
    def size(self) -> int:
        """Bytes of the structure."""
        return STRUCTURES[self.version].itemsize

    @property
    def sizes(self) -> tuple[int, ...]:
        """dim[1] to dim[7]; those that the header does not use are 1."""
        dim = self.fields["dim"]
        used = tuple(dim[1 : dim[0] + 1])
        return used + (1,) * (7 - len(used))

    @property
    def ndim(self) -> int:
        """dim[0]: how many sizes count."""
        return int(self.fields["dim"][0])

    @property
    def is_placed(self) -> bool:
        """Whether one of the two transforms is set, so that a slice has a place in space."""
        return any(self.fields.get(f"{name}_code", 0) > 0 for name in ("sform", "qform"))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one sample in the file, byte order included."""
        found = DATATYPES[self.fields["datatype"]]
        return found.base.newbyteorder(self.order)

    @property
    def colors(self) -> int:
        """Samples that lie together in a voxel: 3 for RGB24, 4 for RGBA32, else 1."""
        return int(np.prod(DATATYPES[self.fields["datatype"]].shape, dtype=int))


def read_header(path: Path) -> Header:
    """Find, read and check the header of ``path``, which may also be the ``.img`` of a pair.

    Raises ``SourceError`` if a file cannot be read, ``FormatError`` if it is no NIfTI or Analyze
    file or if its sizes or its type make no sense.
    """
    head, zipped = head_bytes(path, LONGEST_HEADER)
    if identify(head) is None and _is_data_name(path):
        path = partner(path)
        head, zipped = head_bytes(path, LONGEST_HEADER)
    found = _identified(head, path)
    version, order, single = found
    structure = STRUCTURES[version].newbyteorder(order)
    values = np.frombuffer(head[: structure.itemsize], structure)[0]
    fields = {name: values[name].tolist() for name in structure.names or ()}
    _check_sizes(fields, path)
    _check_type(fields, version, path)
    return Header(path, version, order, zipped, single, fields)


def identify(head: bytes) -> tuple[Version, Literal["<", ">"], bool] | None:
    """Version, byte order, and whether the voxels are in the same file; ``None`` for no header.

    A header without a magic is Analyze if its dimension, type and bits make sense.
    """
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        for size, at, length in ((348, 344, 4), (540, 4, 8)):
            if len(head) < size or struct.unpack_from(f"{order}i", head)[0] != size:
                continue
            known = MAGICS.get(head[at : at + length].rstrip(b"\0"))
            if known is not None and STRUCTURES[known[0]].itemsize == size:
                return known[0], order, known[1]
            if size == 348 and _is_analyze(head, order):
                return "analyze", order, False
    return None


def has_magic(head: bytes) -> bool:
    """Whether a file begins as a NIfTI or Analyze header does, whatever else is wrong with it."""
    magics = (head[344:348].rstrip(b"\0"), head[4:12])
    return identify(head) is not None or any(magic in MAGICS for magic in magics)


def inflated_head(head: bytes, count: int) -> bytes:
    """Up to ``count`` decompressed bytes of the beginning of a gzip file; fewer if it is broken."""
    try:
        return gunzipped_head(head, count)
    except zlib.error:
        return b""


def head_bytes(path: Path, count: int) -> tuple[bytes, bool]:
    """The first ``count`` bytes, decompressed if the file is gzip, and whether it is.

    Fewer if the file is shorter or broken. Raises ``SourceError`` if it cannot be read.
    """
    with open_input(path) as file:
        try:
            piece = file.read(_PIECE)
            zipped = piece.startswith(b"\x1f\x8b")
            if not zipped:
                return (piece + file.read(max(0, count - len(piece))))[:count], False
            decoder, head = zlib.decompressobj(31), b""
            while piece and len(head) < count and not decoder.eof:
                head += decoder.decompress(decoder.unconsumed_tail + piece, count - len(head))
                piece = file.read(_PIECE)
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        except zlib.error as error:
            head = head or inflated_head(piece, count)
            if len(head) < STRUCTURES["nifti1"].itemsize:
                raise FormatError(f"{path}: broken gzip data in the header ({error})") from error
    return head, True


def partner(path: Path) -> Path:
    """The other file of a pair: ``.img`` of a ``.hdr`` and the reverse, compressed or not.

    Raises ``SourceError`` if there is none.
    """
    name = path.name
    bare = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    stem, suffix = bare[:-4], bare[-4:]
    wanted = {".hdr": ".img", ".img": ".hdr"}.get(suffix.lower())
    if wanted is None:  # a pair's header under another name, such as x.nii
        stem, wanted = path.with_suffix("").name, ".img"
    if suffix.isupper():
        wanted = wanted.upper()
    candidates = [path.with_name(f"{stem}{wanted}{tail}") for tail in ("", ".gz")]
    if name.lower().endswith(".gz"):
        candidates.reverse()
    for candidate in candidates:
        if candidate.exists():
            return candidate
    what = "voxels" if wanted.lower() == ".img" else "header"
    raise SourceError(
        f"{path} is half of a pair: {candidates[0].name} with its {what} is not there",
        hint="put the two files side by side, under the same name",
    )


def _is_data_name(path: Path) -> bool:
    return path.name.lower().endswith((".img", ".img.gz"))


def _identified(head: bytes, path: Path) -> tuple[Version, Literal["<", ">"], bool]:
    found = identify(head)
    if found is not None and not (
        found[0] == "analyze" and path.name.lower().endswith(_SINGLE_FILE)
    ):
        return found
    sizes = {348, 540}
    said = [struct.unpack_from(f"{order}i", head)[0] for order in "<>"] if len(head) >= 4 else []
    magics = (head[344:348].rstrip(b"\0"), head[4:12])
    if len(head) < min(sizes) and (set(said) & sizes or len(head) < 4):
        text = f"{path} is not a NIfTI file: it ends after {len(head)} bytes, 348 or 540 expected"
    elif set(said) & sizes:
        size = (set(said) & sizes).pop()
        magic = magics[0] if size == 348 else magics[1]
        text = f"{path} is not a NIfTI file: magic {magic!r}, n+1, ni1, n+2 or ni2 expected"
    elif any(magic in MAGICS for magic in magics):
        text = f"{path}: sizeof_hdr {said[0]} in a NIfTI header: 348 or 540 expected"
    else:
        text = f"{path} is not a NIfTI file: it begins with {head[:8]!r}"
    raise FormatError(text, hint="the file is damaged, cut off, or of another format")


def _is_analyze(head: bytes, order: str) -> bool:
    dim = struct.unpack_from(f"{order}8h", head, 40)
    datatype, bits = struct.unpack_from(f"{order}2h", head, 70)
    if not 1 <= dim[0] <= 7 or datatype not in ANALYZE_DATATYPES:
        return False
    return bits in (0, DATATYPES[datatype].itemsize * 8)


def _check_sizes(fields: Mapping[str, Any], path: Path) -> None:
    dim = fields["dim"]
    if not 1 <= dim[0] <= 7:
        raise FormatError(f"{path}: dim[0] is {dim[0]}: 1 to 7 dimensions expected")
    for i in range(1, dim[0] + 1):
        if dim[i] < 1:
            raise FormatError(f"{path}: dim[{i}] is {dim[i]}: a size of at least 1 expected")


def _check_type(fields: Mapping[str, Any], version: Version, path: Path) -> None:
    code = fields["datatype"]
    if code in UNREADABLE_DATATYPES:
        raise FormatError(
            f"{path}: datatype {code} ({UNREADABLE_DATATYPES[code]}) cannot be read",
            hint="convert it with the program that wrote it",
        )
    known = ANALYZE_DATATYPES if version == "analyze" else tuple(DATATYPES)
    if code not in known:
        raise FormatError(f"{path}: datatype {code} is not one of the standard ({known})")
