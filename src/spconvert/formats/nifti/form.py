"""What is asked of a file to be written: version, compression, one file or two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spconvert.errors import UsageError
from spconvert.formats.nifti.fields import Version

_VERSIONS: tuple[Version, ...] = ("nifti1", "nifti2", "analyze")
_FASTEST = 1


@dataclass(frozen=True, slots=True)
class Form:
    """How the files are written."""

    version: Version | None
    """``None`` where the image decides."""
    level: int | None
    """Of gzip, or ``None`` for uncompressed files."""
    header_name: str
    data_name: str | None
    """Of the voxels, or ``None`` if they follow the header."""


def form_named(codec: str | None, path: Path) -> Form:
    """Version and compression from words such as "nifti2,gzip:6", and the names from the suffix.

    Raises ``UsageError`` for an unknown word, one that contradicts the suffix, and Analyze in a
    single file.
    """
    version: Version | None = None
    level: int | None = None
    name = path.name
    zipped = name.lower().endswith(".gz")
    for word in (codec or "").replace(" ", "").split(","):
        if word in _VERSIONS:
            version = word
        elif word in ("raw", "none", ""):
            if word and zipped:
                raise UsageError(f"codec {word!r} for {name}", hint="a name without .gz is raw")
        elif word == "gzip" or (word[:5] == "gzip:" and word[5:] in tuple("123456789")):
            if not zipped:
                raise UsageError(f"codec {word!r} for {name}", hint=f"name it {name}.gz")
            level = int(word[5:] or _FASTEST)
        else:
            raise UsageError(
                f"codec {codec!r} is not one of NIfTI",
                hint="nifti1, nifti2, analyze, raw, gzip, gzip:1 to gzip:9, joined by commas",
            )
    bare = name[:-3] if zipped else name
    tail = name[-3:] if zipped else ""
    if bare.lower().endswith((".hdr", ".img")):
        stem, ends = bare[:-4], (".HDR", ".IMG") if bare[-4:].isupper() else (".hdr", ".img")
        header_name, data_name = (f"{stem}{end}{tail}" for end in ends)
        return Form(version, (level or _FASTEST) if zipped else None, header_name, data_name)
    if version == "analyze":
        raise UsageError(f"{name}: Analyze has two files", hint=f"name it {path.stem}.hdr")
    return Form(version, (level or _FASTEST) if zipped else None, name, None)
