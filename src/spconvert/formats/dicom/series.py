"""Files to series, and which one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spconvert.errors import ChoiceNeeded, UsageError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.instance import Instance
from spconvert.formats.plugin import ImageEntry

UNNAMED = "no-uid"
"""Stands for files without a series instance UID."""


@dataclass(frozen=True, slots=True)
class Series:
    """The images of one series."""

    uid: str
    instances: tuple[Instance, ...]

    @property
    def number(self) -> str:
        """Series number as the file gives it, or an empty string."""
        return self.instances[0].header.text(tags.SERIES_NUMBER)

    @property
    def modality(self) -> str:
        """Such as "CT" or "MR"; or an empty string."""
        return self.instances[0].header.text(tags.MODALITY)

    @property
    def entry(self) -> ImageEntry:
        """How it is listed: number, modality, description, size."""
        header = self.instances[0].header
        frames = sum(i.header.integer(tags.NUMBER_OF_FRAMES, 1) for i in self.instances)
        size = f"{header.integer(tags.COLUMNS, 0)} x {header.integer(tags.ROWS, 0)} x {frames}"
        said = [f"number {self.number}" if self.number else "", self.modality]
        said += [header.text(tags.SERIES_DESCRIPTION)[:64], size, f"{len(self.instances)} files"]
        return ImageEntry(self.uid, ", ".join(part for part in said if part))


def series_of(instances: Sequence[Instance]) -> tuple[Series, ...]:
    """Group by series instance UID, in the order of series numbers."""
    groups: dict[str, list[Instance]] = {}
    for instance in instances:
        groups.setdefault(instance.series or UNNAMED, []).append(instance)
    found = [Series(uid, tuple(group)) for uid, group in groups.items()]
    return tuple(sorted(found, key=_order))


def _order(series: Series) -> tuple[int, str]:
    number = series.number
    return (int(number) if number.isdecimal() else 1 << 40, series.uid)


def chosen(series: Sequence[Series], select: str | None, path: Path) -> Series:
    """The series with this UID or number; the only one if none is asked for.

    Raises ``ChoiceNeeded``, listing them, if there are several, ``UsageError`` if there is none
    such.
    """
    listed = "; ".join(f"{s.uid} ({s.entry.description})" for s in series)
    if select in (None, ""):
        if len(series) == 1:
            return series[0]
        raise ChoiceNeeded(
            f"{path} holds {len(series)} series: {listed}",
            hint="--series UID, or its number, chooses one",
        )
    by_uid = [s for s in series if s.uid == select]
    found = by_uid or [s for s in series if s.number == select]
    if not found and select == "0" and len(series) == 1:
        return series[0]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise ChoiceNeeded(
            f"{path} holds {len(found)} series with number {select}: {listed}",
            hint="--series UID chooses one",
        )
    raise UsageError(f"{path} has no series {select!r}", hint=f"it has: {listed}")
