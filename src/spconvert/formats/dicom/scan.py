"""Which files to look at: a file, a list, a folder with all below it, a DICOMDIR, a zip file.

What is no DICOM image (text, DICOMDIR, structured reports, presentation states) is skipped and
counted. A file that claims to be DICOM and cannot be parsed is an error: half a series is worse
than none.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spconvert.errors import FormatError, SourceError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.carrier import LARGEST_RATIO, Carrier
from spconvert.formats.dicom.instance import Instance, looks_like_dicom, parse
from spconvert.model.finding import Finding, note, warning
from spconvert.pixels.raw import regular_size
from spconvert.stores.zip_members import Member, scan_members

_HEAD_BYTES = 160
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_LOCAL_HEADER_BYTES = 30
SUFFIXES = (".dicom", ".dcm", ".ima")


@dataclass(frozen=True, slots=True)
class Scan:
    """The images that were found."""

    instances: tuple[Instance, ...]
    findings: tuple[Finding, ...]


def scan(paths: Sequence[Path]) -> Scan:
    """Parse the headers of all images that the paths hold.

    Raises ``SourceError`` if a path is missing, leads out of its folder (DICOMDIR) or cannot be
    read, ``FormatError`` if a file is broken or no image was found.
    """
    named = {path for path in paths if not _is_folder(path)}
    skipped: Counter[str] = Counter()
    findings: list[Finding] = []
    found: list[Instance] = []
    for carrier in _carriers(paths):
        alone = carrier.path in named and not carrier.member
        instance = _looked_at(carrier, skipped, findings, alone=alone)
        if instance is None:
            continue
        if instance.is_directory and alone:
            found.extend(_listed(instance, skipped))
        elif instance.is_directory:
            skipped["DICOMDIR"] += 1
        elif not instance.is_image:
            if alone and len(paths) == 1:
                raise _no_image(instance)
            skipped[instance.header.text(tags.MODALITY) or "no image"] += 1
        else:
            found.append(instance)
    if not found:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(skipped.items()))
        told = f": skipped {kinds}" if kinds else " and no file at all"
        raise FormatError(f"{paths[0]}: no DICOM image{told}")
    if skipped:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(skipped.items()))
        text = f"{sum(skipped.values())} files that are no images were skipped: {kinds}"
        findings.append(note("files-skipped", text))
    bare = [instance.name for instance in found if instance.bare]
    if bare:
        text = f"{len(bare)} files without preamble and file meta information, such as {bare[0]}"
        findings.append(note("not-part-10", text))
    return Scan(tuple(found), tuple(findings))


def holds_dicom(path: Path) -> bool:
    """Whether a folder or a zip file has a DICOM file among its first 64."""
    try:
        for carrier, _ in zip(_carriers([path]), range(64), strict=False):
            if looks_like_dicom(_head(carrier)):
                return True
    except (SourceError, FormatError):
        return False
    return False


def _looked_at(
    carrier: Carrier, skipped: Counter[str], findings: list[Finding], *, alone: bool
) -> Instance | None:
    if not alone and not looks_like_dicom(_head(carrier)):
        if carrier.name.lower().endswith(SUFFIXES):
            text = f"{carrier.name} is skipped: it is no DICOM file, whatever its name says"
            findings.append(warning("suffix-lies", text, carrier.name))
        skipped["other files"] += 1
        return None
    return parse(carrier)


def _head(carrier: Carrier) -> bytes:
    with carrier.reader() as reader:
        return reader.some(0, _HEAD_BYTES)


def _no_image(instance: Instance) -> FormatError:
    kind = instance.header.text(tags.MODALITY) or "no modality"
    return FormatError(f"{instance.label} is a DICOM file ({kind}) without an image in it")


# -- where they are ------------------------------------------------------------------------------


def _carriers(paths: Iterable[Path]) -> Iterator[Carrier]:
    seen: set[Path] = set()
    for path in paths:
        for file in _walked(path):
            if file in seen:
                continue
            seen.add(file)
            plain = Carrier(file, 0, regular_size(file))
            if file == path and _head(plain)[:4] in _ZIP_MAGIC:
                yield from _members(file)
            else:
                yield plain


def _walked(path: Path) -> Iterator[Path]:
    """The file, or all files below the folder in the order of their names.

    Links to folders are not followed.
    """
    if not _is_folder(path):
        yield path
        return
    for folder, folders, names in os.walk(path, onerror=_refused):
        folders.sort()
        for name in sorted(names):
            file = Path(folder) / name
            if file.is_file():
                yield file


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:  # no permission for the folder above, a name that is too long
        raise SourceError(f"{path}: {error.strerror or error}") from error


def _refused(error: OSError) -> None:
    raise SourceError(f"{error.filename}: {error.strerror}") from error


def _members(path: Path) -> Iterator[Carrier]:
    try:
        members = scan_members(path)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    for name, member in sorted(members.items()):
        yield _member(path, name, member)


def _member(path: Path, name: str, member: Member) -> Carrier:
    """Where the bytes of a member are, behind its local header (APPNOTE 4.3.7)."""
    size = regular_size(path)
    whole = Carrier(path, 0, size)
    with whole.reader() as reader:
        head = reader.some(member.offset, _LOCAL_HEADER_BYTES)
    if head[:4] != _ZIP_MAGIC[0] or len(head) < _LOCAL_HEADER_BYTES:
        raise FormatError(f"{path}: member {name!r} has no header where it should be")
    lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    start = member.offset + _LOCAL_HEADER_BYTES + lengths
    if start + member.packed > size or member.size > LARGEST_RATIO * member.packed + 64:
        raise FormatError(
            f"{path}: member {name!r} of {member.size} bytes does not fit into {member.packed}",
            hint="the file is cut off or damaged",
        )
    if member.method not in (0, 8):
        raise FormatError(
            f"{path}: member {name!r} is compressed by method {member.method}: 0 or 8 expected"
        )
    plain = Carrier(path, start, member.packed, member=name)
    return plain if member.method == 0 else plain.inflated(0)


# -- DICOMDIR ------------------------------------------------------------------------------------


def _listed(directory: Instance, skipped: Counter[str]) -> list[Instance]:
    """The images that a DICOMDIR lists (PS3.3, annex F), all below its folder.

    Raises ``SourceError`` for a name that leads out of the folder, or a file that is missing.
    """
    folder = directory.carrier.path.parent
    found = []
    for record in directory.header.items(tags.DIRECTORY_RECORD_SEQUENCE):
        parts = record.texts(tags.REFERENCED_FILE_ID)
        if not parts or not any(parts):
            continue
        file = _referenced(directory, folder, parts)
        instance = parse(Carrier(file, 0, regular_size(file)))
        if instance.is_image:
            found.append(instance)
        else:
            skipped[instance.header.text(tags.MODALITY) or "no image"] += 1
    return found


def _referenced(directory: Instance, folder: Path, parts: Sequence[str]) -> Path:
    name = "/".join(parts)
    pure = PurePosixPath(name)
    escapes = any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts)
    if escapes or pure.is_absolute() or ":" in name:
        raise SourceError(
            f"{directory.label} lists the file {name[:200]!r}, which is outside its folder",
            hint="give the folder itself: all files in it are looked at",
        )
    for candidate in (folder / name, folder / name.lower()):
        if candidate.is_file():
            if not candidate.resolve().is_relative_to(folder.resolve()):
                raise SourceError(
                    f"{directory.label} lists the file {name!r}, a link out of its folder"
                )
            return candidate
    raise SourceError(
        f"{directory.label} lists the file {name!r}, which is missing",
        hint="give the folder itself to read what is there",
    )
