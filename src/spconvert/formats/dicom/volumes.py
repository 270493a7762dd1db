"""Several frames at each place: which volume each belongs to, and what the volumes stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from spconvert.errors import GeometryError
from spconvert.formats.dicom.frame import Frame, Key
from spconvert.formats.dicom.geometry import Stack
from spconvert.model.axes import Axis
from spconvert.model.finding import Finding, warning

_TEMPORAL = frozenset({"temporal position", "temporal offset", "acquisition number", "dimension"})
"""Keys that count volumes in time, or may."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """Volumes that share one grid."""

    frames: tuple[tuple[Frame, ...], ...]
    """Per volume: its slices in order."""
    meaning: tuple[str, ...] = ()
    """Names of what differs from volume to volume; empty where only their order is known."""
    values: tuple[tuple[Key, ...], ...] = ()
    """Per volume: the values of ``meaning``."""
    findings: tuple[Finding, ...] = ()

    @property
    def is_time(self) -> bool:
        """Whether nothing but time is said to differ."""
        return all(name in _TEMPORAL or name.startswith("dimension ") for name in self.meaning)


def volumes_of(stack: Stack) -> Volumes:
    """Share the frames at each slice position out to volumes.

    Raises ``GeometryError``, naming the files, if some positions have more frames than others, or
    if nothing tells two frames at one position apart.
    """
    counts = [len(frames) for frames in stack]
    if max(counts) == 1:
        return Volumes((tuple(frames[0] for frames in stack),))
    for frames in stack:
        _check_copies(frames)
    if len(set(counts)) > 1:
        raise _unequal(stack)
    names = _telling_names(stack)
    ordered = [sorted(frames, key=lambda f: (_values(f, names), f.ranks)) for frames in stack]
    told = all(_distinct([_values(f, names) for f in frames]) for frames in ordered)
    findings: list[Finding] = []
    if not told:
        if not all(_distinct([(_values(f, names), f.ranks) for f in frames]) for frames in ordered):
            raise _duplicate(ordered[0][0], ordered[0][1])
        if not _times_differ(ordered):
            what = f"{counts[0]} frames at each of {len(stack)} positions"
            text = f"{what}, told apart only by their instance numbers: taken as volumes over time"
            findings.append(warning("volumes-by-number", text))
    frames_by_volume = tuple(zip(*ordered, strict=True))
    values = tuple(_values(frames[0], names) for frames in frames_by_volume)
    return Volumes(frames_by_volume, tuple(names), values, tuple(findings))


def _values(frame: Frame, names: Sequence[str]) -> tuple[Key, ...]:
    # Texts sort as texts, numbers as numbers: within one name they are of one kind.
    return tuple(frame.keys.get(name, ()) for name in names)


def _telling_names(stack: Stack) -> list[str]:
    """Keys that take several values, the same ones at every position."""
    names = []
    first: list[str] = []
    for frame in stack[0]:
        first += [name for name in frame.keys if name not in first]
    for name in first:
        sets = [{frame.keys.get(name, ()) for frame in frames} for frames in stack]
        if len(sets[0]) > 1 and all(found == sets[0] for found in sets):
            names.append(name)
    found: list[str] = []
    for name in names:  # a key that says nothing new is left out
        before = {_values(f, found) for f in stack[0]}
        if len({_values(f, [*found, name]) for f in stack[0]}) > len(before):
            found.append(name)
    return found


def _distinct(values: Sequence[object]) -> bool:
    return len(set(values)) == len(values)


def _times_differ(ordered: Sequence[Sequence[Frame]]) -> bool:
    return all(_distinct([frame.time for frame in frames]) for frames in ordered)


def _check_copies(frames: Sequence[Frame]) -> None:
    seen: dict[object, Frame] = {}
    for frame in frames:
        key = (tuple(frame.keys.items()), frame.ranks)
        if key in seen:
            raise _duplicate(seen[key], frame)
        seen[key] = frame


def _duplicate(a: Frame, b: Frame) -> GeometryError:
    return GeometryError(
        f"{a.label} and {b.label} are at the same position, {a.position}, and nothing tells them "
        "apart",
        hint="remove one of them, or name the files that belong together",
    )


def _unequal(stack: Stack) -> GeometryError:
    counts = [len(frames) for frames in stack]
    usual = max(set(counts), key=counts.count)
    odd = next(i for i, count in enumerate(counts) if count != usual)
    frames = stack[odd]
    if usual == 1:
        return _duplicate(frames[0], frames[1])
    names = ", ".join(frame.label for frame in frames[:4])
    return GeometryError(
        f"{counts.count(usual)} positions have {usual} frames each, but {frames[0].position} has "
        f"{len(frames)}: {names}",
        hint="files are missing or there twice",
    )


def time_axis(volumes: Volumes, resolution: float | None, repetition: float | None) -> Axis:
    """The t axis, with a step where the files say one.

    ``resolution`` and ``repetition`` are the temporal resolution and the repetition time in
    milliseconds. Acquisition times are rounded: where they agree with the repetition time to 5 %,
    that one is the step.
    """
    if not volumes.is_time:
        return Axis.named("t")
    if resolution:
        return Axis("t", "time", "second", 0.0, resolution / 1000)
    step = _even_step(volumes)
    repeated = None if repetition is None else repetition / 1000
    if step is not None and repeated and abs(step - repeated) <= 0.05 * repeated:
        step = repeated
    return Axis.named("t") if step is None else Axis("t", "time", "second", 0.0, step)


def _even_step(volumes: Volumes) -> float | None:
    """Seconds from volume to volume, or ``None`` where times are missing or uneven."""
    starts = []
    for frames in volumes.frames:
        times = [frame.time for frame in frames if frame.time is not None]
        if len(times) < len(frames):
            return None
        starts.append(min(times))
    steps = [b - a for a, b in pairwise(starts)]
    usual = median(steps)
    even = usual > 0 and all(abs(step - usual) <= 0.05 * usual for step in steps)
    return (starts[-1] - starts[0]) / len(steps) if even else None
