"""What may be wrong with a file of any format: empty, cut off, or something else altogether."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.case import Case, Make, content, payload, read, refused
from faults.samples import SAMPLES, STORED

Damage = Callable[[bytes], bytes]

LATE = frozenset({"jpeg", "jpeg2000"})
"""Formats of whose data ``inspect`` does not look for the end."""


def damaged(name: str, sample: Callable[[], bytes], damage: Damage) -> Make:
    """A sound file, changed."""

    def make(folder: Path) -> Path:
        return content(name, damage(sample()))(folder)

    return make


def noise(_whole: bytes) -> bytes:
    """Random bytes that no format begins with."""
    return b"\x07\x03" + random.Random(7).randbytes(2000)  # noqa: S311 - the same each time


def of_every_format() -> Iterator[Case]:
    """Six cases per format; a cut in the data may show only when they are read."""
    for name, (file, sample) in SAMPLES.items():
        number = f"{name}-general"
        yield refused(f"{number}-1", "empty", content(file, b""), "is empty")
        yield refused(f"{number}-2", "one_byte", damaged(file, sample, lambda b: b[:1]), "not a")
        yield refused(f"{number}-3", "only_the_magic", damaged(file, sample, lambda b: b[:8]), "")
        yield refused(f"{number}-4", "random_bytes", damaged(file, sample, noise), "not a")
        yield refused(f"{number}-5", "cut_in_header", damaged(file, sample, _third), "")
        cut = damaged(file, sample, lambda b: b[:-9])
        late = name in LATE
        yield (payload if late else refused)(f"{number}-6", "cut_in_data", cut, "")
        other = "a.gipl" if name == "nrrd" else "a.nrrd"
        yield read(
            f"{number}-7",
            "lying_suffix",
            damaged(other, sample, bytes),
            "suffix-lies",
            voxels=STORED.get(name),
        )


def _third(whole: bytes) -> bytes:
    """The beginning of the header."""
    return whole[: min(len(whole) // 3, 60)]


def missing(folder: Path) -> Path:
    """A name without a file."""
    return folder / "gone.nrrd"


def dangling(folder: Path) -> Path:
    """A link to nothing."""
    (folder / "a.nrrd").symlink_to("gone.nrrd")
    return folder / "a.nrrd"


def a_folder(folder: Path) -> Path:
    """A folder with the name of a file."""
    (folder / "a.nrrd").mkdir()
    return folder / "a.nrrd"


def a_pipe(folder: Path) -> Path:
    """A named pipe that nobody writes to."""
    os.mkfifo(folder / "a.nrrd")
    return folder / "a.nrrd"


CASES: tuple[Case, ...] = (
    refused("any-1", "missing", missing, "does not exist"),
    refused("any-2", "dangling_link", dangling, "does not exist"),
    refused("any-3", "folder", a_folder, "folder"),
    refused("any-4", "pipe", a_pipe, "not a regular file"),
    refused("any-5", "device", lambda _: Path("/dev/zero"), "not a regular file"),
    refused("any-6", "unknown_suffix", content("a.xyz", noise(b"")), "no format"),
    *of_every_format(),
)
