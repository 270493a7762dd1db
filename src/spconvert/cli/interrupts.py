"""Signals as one exception, so that every ``with`` block cleans up before the process ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupted(BaseException):
    """The user or the system asked the process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _signals() -> tuple[signal.Signals, ...]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into ``Interrupted`` for the time of a ``with`` block.

    Also where a shell has set SIGINT to be ignored, as it does for a job started with ``&``.
    While the first one cleans up, further ones are ignored. Outside the main thread signals
    cannot be handled and are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _signals()}

    def stop(number: int, _frame: FrameType | None) -> None:
        for other in _signals():
            signal.signal(other, signal.SIG_IGN)
        raise Interrupted(number)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
