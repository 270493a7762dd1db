"""Where a Zarr store lies, for reading: a local folder, or a zip file with one inside (RFC-9).

Keys are paths below the store with "/" between their parts. Nothing outside the store is read: no
key leads out, no symbolic link is followed out, no name in a zip file is taken as a path.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from spconvert.errors import FormatError, SourceError
from spconvert.stores.zip_members import Member, read_member, scan_members

if TYPE_CHECKING:
    from zarr import Array
    from zarr.abc.store import Store

    from spconvert.stores.zarr_view import ObjectCheck


class Location(Protocol):
    """A store that can be read. It pickles as where it is."""

    @property
    def path(self) -> Path:
        """The folder or file, as it was given."""
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """The bytes under ``key``, or ``None`` if there are none.

        ``start`` and ``stop`` are those of a slice: a negative start counts from the end. Raises
        ``SourceError`` if they cannot be read, ``FormatError`` if they are damaged.
        """
        ...

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Names of the folders and files directly below ``prefix``, numbers in their order."""
        ...

    def zarr_store(self) -> Store:
        """The same location as a read-only store of zarr-python."""
        ...


def open_location(path: str | Path, *, follow_symlinks: bool = False) -> Location:
    """The store at ``path``.

    ``follow_symlinks`` allows links that lead out of a folder. Raises ``SourceError`` if there is
    nothing that can be read, ``FormatError`` if it is neither a folder nor a sane zip file.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
            return LocalFolder(path, follow_symlinks)
        if not stat.S_ISREG(mode):
            raise FormatError(f"{path} is neither a file nor a folder")
        return ZipFile(path, scan_members(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"cannot open {path}: {reason}") from error


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A store in a folder: one file per key."""

    path: Path
    follow_symlinks: bool = False

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """See ``Location.read``."""
        file_path = self._inside(key)
        try:
            if file_path is None or not stat.S_ISREG(file_path.stat().st_mode):
                return None
            with file_path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                first, last, _ = slice(start, stop).indices(size)
                return _pread(file.fileno(), first, max(0, last - first))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"cannot read {self.path / key}: {error.strerror}") from error

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """See ``Location.names``."""
        folder = self._inside(prefix) if prefix else self.path
        try:
            return () if folder is None else _naturally([p.name for p in folder.iterdir()])
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise SourceError(f"cannot list {self.path / prefix}: {error.strerror}") from error

    def zarr_store(self) -> Store:
        """See ``Location.zarr_store``."""
        from spconvert.stores.zarr_view import make_store

        return make_store(self)

    def _inside(self, key: str) -> Path | None:
        """The file of a key, or ``None`` if it does not exist. Raises ``SourceError``."""
        if not is_sane(key):
            raise SourceError(f"{self.path}: key {key!r} leads out of the store")
        file_path = self.path / key
        if self.follow_symlinks:
            return file_path
        try:
            if not self._has_link(key):
                return file_path
            root = os.path.realpath(self.path, strict=True)
            real = os.path.realpath(file_path, strict=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"cannot read {file_path}: {error.strerror}") from error
        if os.path.commonpath([root, real]) != root:
            hint = "copy the data into the store, or pass --follow-symlinks"
            message = f"{file_path} is a symbolic link out of the store"
            raise SourceError(message, hint=hint)
        return Path(real)

    def _has_link(self, key: str) -> bool:
        """Whether a part of a key is a symbolic link. Raises ``FileNotFoundError`` for no file."""
        place = str(self.path)
        for part in key.split("/"):
            place = os.path.join(place, part)  # noqa: PTH118 - a path object would be slower
            if stat.S_ISLNK(os.lstat(place).st_mode):
                return True
        return False


@dataclass(frozen=True, slots=True)
class ZipFile:
    """A store in a zip file: one member per key."""

    path: Path
    members: dict[str, Member]
    """By key."""

    def __reduce__(self) -> tuple[object, ...]:
        return (open_location, (self.path,))

    def __repr__(self) -> str:
        return f"ZipFile({str(self.path)!r})"

    def __hash__(self) -> int:
        return hash(self.path)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """See ``Location.read``."""
        member = self.members.get(key)
        if member is None:
            return None
        first, last, _ = slice(start, stop).indices(member.size)
        return read_member(self.path, key, member, first, max(first, last))

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """See ``Location.names``."""
        start = f"{prefix}/" if prefix else ""
        below = (key[len(start) :] for key in self.members if key.startswith(start))
        return _naturally({rest.split("/", 1)[0] for rest in below})

    def zarr_store(self) -> Store:
        """See ``Location.zarr_store``."""
        from spconvert.stores.zarr_view import make_store

        return make_store(self)


def open_array(
    location: Location, path: str, zarr_format: int, check: ObjectCheck | None = None
) -> Array[Any]:
    """The array at ``path`` as zarr-python sees it, read-only.

    Raises what zarr-python raises for metadata or codecs that it does not know.
    """
    import zarr

    from spconvert.stores.zarr_view import make_store

    known: Literal[2, 3] = 2 if zarr_format == 2 else 3
    store = make_store(location, check)
    return zarr.open_array(store=store, path=path, mode="r", zarr_format=known)


def is_sane(key: str) -> bool:
    """Whether a key stays inside its store: no absolute path, no "..", no backslash, no NUL."""
    parts = key.split("/")
    return not any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)


def _pread(file: int, offset: int, count: int) -> bytes:
    """``count`` bytes, or fewer if the file ends; a single read stops at 2 GiB."""
    parts = []
    while count > 0:
        part = os.pread(file, min(count, 1 << 30), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _naturally(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=_natural))


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Runs of digits compare as numbers: "2" before "10"."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(p), p) if p[0] in "0123456789" else (1, 0, p) for p in parts)
