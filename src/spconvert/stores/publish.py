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
from spconvert.stores.lock import locked, refused

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
    # Unlike Path.is_dir this says no to a name that is too long.
    if not os.path.isdir(parent):  # noqa: PTH112 (see above)
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
        raise _foreign_folder(target)


def _foreign_folder(target: Path) -> TargetError:
    return TargetError(
        f"{target} is a folder but not a Zarr store",
        hint="--overwrite never removes such a folder; choose another name with -o",
    )


def check_apart(source: Path, target: Path) -> None:
    """Raises ``UsageError`` if the target is the source, lies inside it, or contains it.

    Also ``TargetError`` for a relative name where the working folder is gone.
    """
    try:
        b = Path(os.path.realpath(target))
    except OSError as error:
        raise refused(target, error) from error
    try:
        a = Path(os.path.realpath(source))  # unlike Path.resolve it stops at a loop of links
    except OSError:
        return  # it cannot be opened either, which says more
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
    with locked(target.parent / f".spconvert-{stem}.lock", target):
        try:
            try:
                _remove(folder)
                folder.mkdir(mode=0o700)
            except OSError as error:
                raise refused(folder, error) from error
            yield Workspace(target, folder)
        finally:
            _clear(folder)


def _clear(folder: Path) -> None:
    """Remove a folder as far as that is possible.

    What cannot be removed must not hide why a run failed; the next run tries again.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        if os.path.lexists(folder):  # a signal came in between
            shutil.rmtree(folder, ignore_errors=True)


def publish(work: Workspace, files: Sequence[Path], *, overwrite: bool) -> None:
    """Give the finished output its name: after this call it is there whole, or nothing changed.

    ``files`` are what was built in the workspace, in the order in which they get their names:
    data files of a detached header first, the header last. If one fails, those before it are
    moved back. Raises ``TargetError``, also for a target that appeared while the output was made.
    """
    folder = work.target.parent
    moves = [(path, folder / path.name) for path in files]
    try:
        _remove(work.scratch)  # what is not kept need not reach the disk
        _flush(files[-1])
        for source, target in moves:
            _check_replaceable(target, overwrite=overwrite)
            if source.is_file() and target.is_dir():
                raise TargetError(f"{target} is a folder, and a file goes there")
        with contextlib.ExitStack() as undo:
            for source, target in moves:
                _place(source, target, work, undo)
            undo.pop_all()
        _flush_folder(folder)
    except OSError as error:
        raise refused(work.target, error) from error


def _check_replaceable(target: Path, *, overwrite: bool) -> None:
    """Whether a name may be given away; what is there may have come after the run began."""
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise TargetError(f"{target} exists", hint="replace it with --overwrite, or move it away")
    if target.is_dir() and not is_zarr_store(target):
        raise _foreign_folder(target)


def _place(source: Path, target: Path, work: Workspace, undo: contextlib.ExitStack) -> None:
    """Rename ``source`` to ``target``, and leave in ``undo`` how to take that back."""
    if not os.path.lexists(target):
        if not _renameat2(source, target, _RENAME_NOREPLACE):
            source.rename(target)
        undo.callback(target.rename, source)
    elif _renameat2(source, target, _RENAME_EXCHANGE):
        undo.callback(_renameat2, source, target, _RENAME_EXCHANGE)
    else:
        aside = work.folder / f".replaced-{target.name[:64]}"
        if source.is_file() and target.is_file():
            with contextlib.suppress(OSError):  # without hard links the old one cannot come back
                os.link(target, aside)
            source.replace(target)
            undo.callback(_bring_back, aside, target)
            return
        target.rename(aside)
        undo.callback(aside.rename, target)
        source.rename(target)
        undo.callback(target.rename, source)


def _bring_back(aside: Path, target: Path) -> None:
    if aside.is_file():
        aside.replace(target)


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


# -- disk ------------------------------------------------------------------------------------


def _flush(output: Path) -> None:
    """Have the file system write what was built: data must not come after the name."""
    if _LINUX:
        descriptor = os.open(output, os.O_RDONLY)
        try:
            # One call for the whole file system is cheaper than fsync on thousands of chunks.
            failed = ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0
            if failed and ctypes.get_errno() not in _NO_SUCH_CALL:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
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
