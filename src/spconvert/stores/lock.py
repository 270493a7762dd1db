"""One run per target: a lock file that is free again when its process dies, however it dies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from spconvert.errors import TargetError


def refused(path: Path, error: OSError) -> TargetError:
    """The error for what the file system refuses, with a hint for the usual causes."""
    hint = "choose another folder with -o, or free some space"
    return TargetError(f"cannot write {path}: {error.strerror or error}", hint=hint)


@contextlib.contextmanager
def locked(path: Path, target: Path) -> Iterator[None]:
    """Hold an exclusive lock that dies with the process.

    Raises ``TargetError`` if another run, which is writing ``target``, holds it, or if the file
    cannot be made.
    """
    try:
        import fcntl  # noqa: F401 (whether the system has it)
    except ImportError:
        with _lock_file(path, target):
            yield
        return
    held: list[int] = []
    try:
        _take_lock(path, target, held)
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        _remove_free_lock(path)


def _take_lock(path: Path, target: Path, held: list[int]) -> None:
    """Open and lock ``path``; ``held`` gets the descriptor at once, lest a signal lose it."""
    import fcntl

    while True:
        try:
            held.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(target) from error
        except OSError as error:
            raise refused(path, error) from error
        if _same_file(held[-1], path):
            return
        os.close(held.pop())  # the one who held it has removed it in between


def _remove_free_lock(path: Path) -> None:
    """Remove a lock file that nobody holds: by its name, for a signal may have come anywhere."""
    import fcntl

    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(descriptor, path):
                path.unlink()
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _lock_file(path: Path, target: Path) -> Iterator[None]:
    """Where there is no flock (Windows): an exclusive file, removed in the end."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError as error:
        raise _busy(target) from error
    except OSError as error:
        raise refused(path, error) from error
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
