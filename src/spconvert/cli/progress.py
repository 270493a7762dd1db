"""Events of a run as a bar on a terminal, as a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from spconvert.cli.messages import say
from spconvert.errors import UsageError

if TYPE_CHECKING:
    from spconvert.pipeline.events import Event

_PLAIN_SECONDS = 5.0
_WORDS = {"write": "writing", "unpack": "unpacking"}


@contextlib.contextmanager
def progress(how: str, name: str) -> Iterator[Callable[[Event], None]]:
    """A listener that shows how far a run is: ``how`` is auto, bar, plain or none.

    ``auto`` is a bar if stderr is a terminal (and not under CI), else plain lines.
    Raises ``UsageError`` for another word.
    """
    if how == "auto":
        terminal = sys.stderr.isatty() and not os.environ.get("CI")
        how = "bar" if terminal and os.environ.get("TERM") != "dumb" else "plain"
    if how == "bar":
        with _bar(name) as listener:
            yield listener
    elif how == "plain":
        yield _plain(name)
    elif how == "none":
        yield lambda _event: None
    else:
        raise UsageError(f"--progress {how!r}: auto, bar, plain or none expected")


def _plain(name: str) -> Callable[[Event], None]:
    from spconvert.pipeline.events import Advanced, Started

    phase, total, said = "", 1, time.monotonic()

    def listen(event: Event) -> None:
        nonlocal phase, total, said
        now = time.monotonic()
        if isinstance(event, Started):
            phase, total = _WORDS.get(event.phase, event.phase), event.total_bytes
        elif isinstance(event, Advanced) and now - said >= _PLAIN_SECONDS:
            said = now
            say(f"{name}: {phase} {100 * event.done_bytes // max(1, total)} %")

    return listen


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Callable[[Event], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from spconvert.pipeline.events import Advanced, Started

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)

        def listen(event: Event) -> None:
            if isinstance(event, Started):
                words = f"{name}: {_WORDS.get(event.phase, event.phase)}"
                bar.reset(task, description=words, total=event.total_bytes)
            elif isinstance(event, Advanced):
                bar.update(task, completed=event.done_bytes)

        yield listen
