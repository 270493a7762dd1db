"""Signals as one exception, so that every ``with`` block cleans up before the process ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

PATIENCE_SECONDS = 1.0
"""How long a signal waits for the next safe moment before it breaks in anywhere."""


class Interrupted(BaseException):
    """The user or the system asked the process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into ``Interrupted`` for the time of a ``with`` block.

    Also where a shell has set SIGINT to be ignored, as it does for a job started with ``&``; but
    a SIGHUP that is ignored stays so, as ``nohup`` wants. After the first signal further ones are
    ignored to the end of the block, which must therefore hold whatever answers the first.
    Outside the main thread signals cannot be handled and are left as they are.
    """
    if not _can_handle():
        yield
        return
    before = {number: signal.getsignal(number) for number in _signals()}

    def stop(number: int, _frame: FrameType | None) -> None:
        _handle_with(_overhear)
        raise Interrupted(number)

    _handle_with(stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


@contextlib.contextmanager
def patient() -> Iterator[Callable[[], None]]:
    """Within ``interruptible``: let a signal wait for the next safe moment.

    Yields what is to be called at safe moments; it raises ``Interrupted`` if a signal has come.
    An exception out of nowhere, in the middle of starting a thread or making a folder, would
    leave these behind. If no safe moment comes in ``PATIENCE_SECONDS``, it is raised all the same.
    A signal that comes when the work is as good as done does not stop it any more.
    """
    if not (_can_handle() and hasattr(signal, "setitimer")):
        yield _nothing
        return
    before = {number: signal.getsignal(number) for number in (*_signals(), signal.SIGALRM)}
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        _handle_with(_overhear)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)

    def check() -> None:
        if came:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise Interrupted(came[0])

    def lose_patience(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted(came[0])

    signal.signal(signal.SIGALRM, lose_patience)
    _handle_with(note)
    try:
        yield check
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            if not came or number == signal.SIGALRM:
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def ignore_signals() -> None:
    """Let nothing stop the process any more: its work is done, its exit code is known."""
    for number in _signals():
        signal.signal(number, signal.SIG_IGN)


def _can_handle() -> bool:
    return threading.current_thread() is threading.main_thread()


def _signals() -> tuple[signal.Signals, ...]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


def _handle_with(handler: Handler) -> None:
    for number in _signals():
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _overhear(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal. Not SIG_IGN: for one that is on its way Python prints a traceback then."""


def _nothing() -> None:
    """No signal can come."""
