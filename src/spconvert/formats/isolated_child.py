"""The child's side of ``isolated``: open one file with one library and serve regions of it.

Run as ``python -m spconvert.formats.isolated_child``. It never returns what it was not asked for,
writes no file, and ends with its parent: at the end of its input, or at its own deadline.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, MissingDependency, SpconvertError

READERS = {
    "itk": "spconvert.formats.itk.reader",
    "itk-hdf5": "spconvert.formats.itk.hdf5_reader",
    "minc": "spconvert.formats.minc.reader",
}
"""Name to the module whose ``open_image(path, options)`` gives a ``ForeignImage``."""

_ROOM = 768 << 20
"""Bytes of address space beyond those after the import, for reading headers and for copies."""


class ForeignImage(Protocol):
    """An image that a library has opened."""

    header: dict[str, Any]
    """At least ``shape`` (slowest axis first, as stored) and ``dtype`` (of the values served,
    native byte order), JSON values."""

    def read(self, start: list[int], stop: list[int]) -> NDArray[Any]:
        """The values of a box of indices, in the order of ``shape``."""
        ...


def main() -> int:
    """Serve one file until the input ends."""
    # The libraries print to the standard output: theirs goes where errors go, ours is private.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    opened: ForeignImage | None = None
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _set_alarm(request["seconds"])
        try:
            if opened is None:
                module: Any = import_module(READERS[request["reader"]])
                module.load()
                _limit_memory(_ROOM)
                opened = module.open_image(request["path"], request["options"])
                _limit_memory(_ROOM + 3 * _most_at_once(opened))
                _say(answers, {"ok": opened.header})
                _set_alarm(None)
                continue
            values = np.ascontiguousarray(opened.read(request["start"], request["stop"]))
            values = values.astype(values.dtype.newbyteorder("="), copy=False)
        except (SpconvertError, MemoryError, RuntimeError, OSError, ValueError, KeyError) as error:
            _say(answers, _described(error))
            return 1
        _say(answers, {"ok": {"nbytes": values.nbytes}})
        _send(answers, values.reshape(-1).view(np.uint8).data)
        _set_alarm(None)
    return 0


def _most_at_once(image: ForeignImage) -> int:
    """Bytes of the image: the largest region that may be asked for."""
    size = int(np.dtype(image.header["dtype"]).itemsize)
    for extent in image.header["shape"]:
        size *= int(extent)
    return min(size, 1 << 46)


def _described(error: Exception) -> dict[str, Any]:
    if isinstance(error, MissingDependency):
        return {"error": "MissingDependency", "message": error.message, "hint": error.hint}
    if isinstance(error, SpconvertError):
        return {"error": type(error).__name__, "message": error.message}
    text = "not enough memory" if isinstance(error, MemoryError) else str(error).strip()
    text = text.rpartition("ITK ERROR: ")[2]
    return {"error": FormatError.__name__, "message": f"the library says: {text[-600:]}"}


def _say(answers: IO[bytes], answer: dict[str, Any]) -> None:
    _send(answers, memoryview(json.dumps(answer).encode("ascii") + b"\n"))


def _send(answers: IO[bytes], data: memoryview) -> None:
    while data:
        data = data[answers.write(data) :]


def _set_alarm(seconds: float | None) -> None:
    """End of this process, should nobody be left to end it; ``None``: it waits for a request."""
    if hasattr(signal, "alarm"):
        signal.alarm(0 if seconds is None else int(seconds) + 5)


def _limit_memory(room: int) -> None:
    """Bound the address space to what is in use now and ``room`` bytes; nothing on Windows."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # only Linux says
        used = 4 << 30
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = used + room if hard == resource.RLIM_INFINITY else min(used + room, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


if __name__ == "__main__":
    raise SystemExit(main())
