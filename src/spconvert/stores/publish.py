"""Publish a finished output under its name in one step, or leave nothing there.

An output is built in a hidden folder beside its target, on the same file system, under a lock.
One rename publishes it. With ``overwrite`` old and new change places in one step where the system
can do that (Linux ``renameat2``); elsewhere the old one is moved aside first and brought back if
the second rename fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spconvert.errors import TargetError, UsageError

_LINUX: bool = sys.platform == "linux"
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_NO_SUCH_CALL = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)

ZARR_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A private folder beside the target in which the output is built."""

    target: Path
    """The final name."""
    folder: Path
    """Hidden, empty at first; removed in the end whatever happens."""

    @property
    def output(self) -> Path:
        """Where to build what will be renamed to ``target``."""
        return self.folder / self.target.name

    @property
    def scratch(self) -> Path:
        """Where to put what is only needed while working."""
        return self.folder / ".scratch"


def check_target(target: Path, *, overwrite: bool) -> None:
    """Say early whether a target may be written at all; nothing is touched.

    Raises ``TargetError`` if it exists and may not be replaced, or if its folder is missing or
    not writable.
    """
    parent = target.parent
    if not parent.is_dir():
        hint = f"create it first: mkdir -p {parent}"
        raise TargetError(f"folder {parent} does not exist", hint=hint)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise TargetError(f"folder {parent} is not writable", hint="choose another one with -o")
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise TargetError(
            f"{target} exists", hint="replace it with --overwrite, or choose another -o"
        )
    if target.is_dir() and not is_zarr_store(target):
        raise TargetError(
            f"{target} is a folder but not a Zarr store",
            hint="--overwrite never removes such a folder; choose another name with -o",
        )


def check_apart(source: Path, target: Path) -> None:
    """Raises ``UsageError`` if the target is the source, lies inside it, or contains it."""
    a, b = source.resolve(), target.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise UsageError(f"output {target} and input {source} overlap", hint="choose another -o")


def is_zarr_store(folder: Path) -> bool:
    """Whether a folder carries the metadata of a Zarr group or array."""
    return any((folder / name).is_file() for name in ZARR_DOCUMENTS)


@contextlib.contextmanager
def workspace(target: Path) -> Iterator[Workspace]:
    """A locked private folder beside ``target`` for the time of a ``with`` block.

    What an earlier run that died left behind is removed. Raises ``TargetError`` if another run is
    writing the same target, or if the folder cannot be made.
    """
    stem = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    folder = target.parent / f".spconvert-{stem}.partial"
    with _lock(target.parent / f".spconvert-{stem}.lock", target):
        try:
            _remove(folder)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise _refused(folder, error) from error
        try:
            yield Workspace(target, folder)
        finally:
            _remove(folder)


def publish(work: Workspace, siblings: Sequence[Path] = (), *, overwrite: bool) -> None:
    """Give the finished output its name: after this call it is there whole, or nothing changed.

    ``siblings`` are further files in the workspace (data files of a detached header) that are
    moved beside the target before the target itself. Raises ``TargetError``.
    """
    try:
        _remove(work.scratch)  # what is not kept need not reach the disk
        _flush(work.output)
        for sibling in siblings:
            _rename(sibling, work.target.parent / sibling.name, work, overwrite=overwrite)
        _rename(work.output, work.target, work, overwrite=overwrite)
        _flush_folder(work.target.parent)
    except OSError as error:
        raise _refused(work.target, error) from error


def _rename(source: Path, target: Path, work: Workspace, *, overwrite: bool) -> None:
    if os.path.lexists(target):
        if not overwrite:
            raise TargetError(f"{target} exists", hint="it appeared while spconvert was working")
        _exchange(source, target, work)
    elif not _renameat2(source, target, _RENAME_NOREPLACE):
        source.rename(target)


def _exchange(source: Path, target: Path, work: Workspace) -> None:
    """Put ``source`` in the place of ``target``; the old one ends in the workspace."""
    if source.is_file() and target.is_file():
        source.replace(target)
    elif not _renameat2(source, target, _RENAME_EXCHANGE):
        aside = work.folder / ".replaced"
        target.rename(aside)
        try:
            source.rename(target)
        except OSError:
            aside.rename(target)
            raise


def _renameat2(source: Path, target: Path, flags: int) -> bool:
    """Linux's rename with flags; ``False`` where neither system nor file system has it."""
    if not _LINUX:
        return False
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    paths = os.fsencode(source), os.fsencode(target)
    if call(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SUCH_CALL:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


# -- lock ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _lock(path: Path, target: Path) -> Iterator[None]:
    """Hold an exclusive lock that dies with the process."""
    try:
        import fcntl
    except ImportError:
        with _lock_file(path, target):
            yield
        return
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise _refused(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise _busy(target) from error
        if _same_file(descriptor, path):
            break
        os.close(descriptor)  # the one who held it has removed it in between
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def _lock_file(path: Path, target: Path) -> Iterator[None]:
    """Where there is no flock (Windows): an exclusive file, removed in the end."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError as error:
        raise _busy(target) from error
    except OSError as error:
        raise _refused(path, error) from error
    try:
        yield
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _busy(target: Path) -> TargetError:
    hint = "wait for it, or choose another output with -o"
    return TargetError(f"another run is writing {target}", hint=hint)


# -- disk ------------------------------------------------------------------------------------


def _flush(output: Path) -> None:
    """Have the file system write what was built: data must not come after the name."""
    if _LINUX:
        descriptor = os.open(output, os.O_RDONLY)
        try:
            # One call for the whole file system is cheaper than fsync on thousands of chunks.
            ctypes.CDLL(None, use_errno=True).syncfs(descriptor)
        finally:
            os.close(descriptor)
        return
    files = [output] if output.is_file() else [p for p in output.rglob("*") if p.is_file()]
    for path in files:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _refused(path: Path, error: OSError) -> TargetError:
    hint = "choose another folder with -o, or free some space"
    return TargetError(f"cannot write {path}: {error.strerror or error}", hint=hint)
