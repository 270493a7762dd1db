"""Readers that may hang or crash, run in a child process with a deadline and a memory limit.

The libraries for some formats (ITK, HDF5) are large bodies of C and C++: a damaged file can make
them loop, allocate without end, or end the process. In a child such a file is one error in the
parent. The child gets a path and the name of a reader from a fixed table; it answers with a header
and then with the voxels of the regions it is asked for, over its pipes: nothing is left on disk.

The talk: the parent writes one line of JSON per request, the child answers with one line of JSON,
``{"ok": ...}`` or ``{"error": class, "message": ...}``, and after a region with its bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spconvert import errors
from spconvert.errors import FormatError, MissingDependency, SourceError, SpconvertError
from spconvert.model.finding import Report, ignore_finding
from spconvert.model.image import Access
from spconvert.model.region import Region, Shape
from spconvert.pixels.layout import Layout

PATIENCE_SECONDS = 60.0
"""For starting, importing the library and reading the header; and for any answer besides the time
that its bytes take."""

_SLOWEST_READ = 4 << 20
"""Bytes per second; a region that takes longer will not come."""

_LONGEST_LINE = 16 << 20
_KINDS = ("FormatError", "SourceError", "Unsupported", "GeometryError", "MissingDependency")


@dataclass(frozen=True, slots=True)
class Request:
    """Which reader to run on which file."""

    reader: str
    """Key of ``isolated_child.READERS``."""
    path: Path
    options: tuple[tuple[str, str], ...] = ()
    """What the reader needs to know besides, as names and values."""
    seconds: float = PATIENCE_SECONDS
    """How long to wait for an answer, not counting its bytes."""


class IsolatedReader:
    """A child process with one file open; a context manager, for one thread at a time.

    Raises ``FormatError`` if the child crashes, runs out of memory or time, or finds the file
    broken, and the reader's own ``SourceError``, ``Unsupported``, ``MissingDependency``.
    """

    def __init__(self, request: Request) -> None:
        self._path = request.path
        self._seconds = request.seconds
        self._timed_out = False
        # The path of the parent: the child finds the same packages, and -P nothing of the folder
        # that the user happens to be in.
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
            "HDF5_USE_FILE_LOCKING": "FALSE",
        }
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "spconvert.formats.isolated_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            raise SourceError(
                f"{request.path}: cannot start a process to read it ({error.strerror})"
            ) from error
        try:
            self.header: dict[str, Any] = self._ask(
                {
                    "reader": request.reader,
                    "path": str(request.path),
                    "options": dict(request.options),
                },
                request.seconds,
            )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:  # what was not sent is of no use any more
                continue
        self._child.wait()

    def fill(self, view: memoryview, start: Shape, stop: Shape) -> None:
        """The bytes of a box of indices, both corners in file order, slowest axis first."""
        seconds = self._seconds + len(view) / _SLOWEST_READ
        promised = self._ask({"start": start, "stop": stop}, seconds)["nbytes"]
        if promised != len(view):
            raise FormatError(f"{self._path}: reader gives {promised} of {len(view)} bytes")
        with self._deadline(seconds):
            while view:
                count = self._readinto(view)
                if count == 0:
                    self._fail(seconds)
                view = view[count:]

    def _readinto(self, view: memoryview) -> int:
        assert self._child.stdout is not None
        reader: Any = self._child.stdout
        return int(reader.readinto(view))

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        line = json.dumps({**request, "seconds": seconds}).encode("ascii") + b"\n"
        with self._deadline(seconds):
            try:
                self._child.stdin.write(line)
                self._child.stdin.flush()
            except OSError:
                self._fail(seconds)
            reply = self._child.stdout.readline(_LONGEST_LINE)
        if not reply.endswith(b"\n"):
            self._fail(seconds)
        answer = json.loads(reply)
        if "error" in answer:
            raise self._error(answer)
        found: dict[str, Any] = answer["ok"]
        return found

    def _error(self, answer: dict[str, Any]) -> SpconvertError:
        kind = answer["error"] if answer["error"] in _KINDS else "FormatError"
        text = " ".join(str(answer["message"]).split())[:400]
        if kind == MissingDependency.__name__:
            return MissingDependency(text, hint=str(answer.get("hint", "")))
        made: SpconvertError = getattr(errors, kind)(f"{self._path}: {text}")
        return made

    def _fail(self, seconds: float) -> None:
        self._child.kill()
        code = self._child.wait()
        if self._timed_out:
            raise FormatError(
                f"{self._path}: reader timed out after {seconds:.3g} s",
                hint="the file is damaged, or its disk is very slow",
            )
        raise FormatError(
            f"{self._path}: reader crashed (exit code {code})",
            hint="the file is damaged, or of a kind that the library does not read",
        )

    def _deadline(self, seconds: float) -> _Deadline:
        return _Deadline(seconds, self._expire)

    def _expire(self) -> None:
        self._timed_out = True
        self._child.kill()


class _Deadline:
    """Calls a function unless left in time."""

    def __init__(self, seconds: float, expire: Any) -> None:
        self._timer = threading.Timer(seconds, expire)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


@dataclass(frozen=True, slots=True)
class IsolatedSource:
    """The voxels of a file, read by a child process region by region.

    Satisfies ``model.image.SequentialSource``: starting a child takes as long as reading many
    regions, so only ``scan``, which starts one for all, is cheap. In memory is one region, here
    and in the child (the whole image in the child for formats that ITK cannot read in parts).
    """

    request: Request
    layout: Layout = field()

    @property
    def shape(self) -> Shape:
        """Extents in array order."""
        return self.layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values that ``read`` returns, in native byte order."""
        return self.layout.native

    @property
    def chunks(self) -> Shape:
        """One index of the slowest axis, all of the others."""
        return self.layout.chunks

    @property
    def access(self) -> Access:
        """Only ``scan`` is cheap."""
        return "sequential"

    @property
    def storage_order(self) -> tuple[int, ...]:
        """Array axes from slowest to fastest in the file."""
        return self.layout.storage_order

    def read(self, region: Region) -> NDArray[Any]:
        """The values in ``region``, at the cost of a process. Raises as ``IsolatedReader``."""
        return next(iter(self.scan([region])))

    def scan(
        self, regions: Iterable[Region], report: Report = ignore_finding
    ) -> Iterator[NDArray[Any]]:
        """The values of each region in turn, each in an array of its own, from one process."""
        del report  # the header's findings are all there are
        layout = self.layout
        with IsolatedReader(self.request) as reader:
            found = tuple(reader.header["shape"]), reader.header["dtype"]
            stored = tuple(layout.shape[axis] for axis in layout.storage_order)
            if found != (stored, layout.native.str):
                raise SourceError(f"{self.request.path} changed while it was read: {found}")
            for region in regions:
                data = layout.empty(region)
                if len(data):
                    start = tuple(region.start[axis] for axis in layout.storage_order)
                    stop = tuple(region.stop[axis] for axis in layout.storage_order)
                    reader.fill(data.data, start, stop)
                yield layout.present(data, region)


def isolated_layout(header: dict[str, Any], path: Path, storage_order: tuple[int, ...]) -> Layout:
    """The layout that a reader's header states, checked against what the file could hold.

    ``storage_order`` lists the array axes from slowest to fastest. Raises ``FormatError`` for
    sizes that are no positive numbers or that not even a compressed file of this size could have.
    """
    shape, dtype = tuple(int(n) for n in header["shape"]), np.dtype(header["dtype"])
    size = path.stat().st_size
    nbytes = dtype.itemsize
    for n in shape:
        nbytes *= n
    if min(shape) < 1 or nbytes > (header.get("bytes_there") or size) * _LARGEST_RATIO:
        raise FormatError(
            f"{path} has {size} bytes, which cannot hold an image of sizes {shape}",
            hint="the file is cut off, or its header states wrong sizes",
        )
    extents = [0] * len(shape)
    for axis, n in zip(storage_order, shape, strict=True):
        extents[axis] = n
    return Layout(tuple(extents), dtype, storage_order)


_LARGEST_RATIO = 1032
"""Of deflate: 258 bytes out of two bits (RFC 1951)."""
