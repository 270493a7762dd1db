"""Segmentations (PS3.3 C.8.20): frames of segments, as one channel per segment or as labels."""

from __future__ import annotations

from collections.abc import Sequence

from spconvert.errors import FormatError, Unsupported
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.frame import Frame
from spconvert.formats.dicom.geometry import Stack
from spconvert.formats.dicom.instance import Instance
from spconvert.model.axes import ChannelInfo


def is_segmentation(instance: Instance) -> bool:
    """Whether a file holds segments rather than measured values."""
    return instance.header.has(tags.SEGMENTATION_TYPE)


def segment_numbers(instances: Sequence[Instance], frames: Sequence[Frame]) -> tuple[int, ...]:
    """The segments in the order of their numbers; empty for a label map.

    Raises ``Unsupported`` for several files, ``FormatError`` for frames of unknown segments.
    """
    first = instances[0]
    if len(instances) > 1:
        raise Unsupported(
            f"{first.label} is one of {len(instances)} segmentations in a series",
            hint="name the one file to read",
        )
    if first.header.text(tags.SEGMENTATION_TYPE) == "LABELMAP":
        return ()
    items = first.header.items(tags.SEGMENT_SEQUENCE)
    known = {item.integer(tags.SEGMENT_NUMBER, 0) for item in items}
    used = {frame.segment for frame in frames}
    if not known or None in used or not used <= known:
        raise FormatError(
            f"{first.label}: frames of segments {sorted(map(str, used))}, described are "
            f"{sorted(known)}"
        )
    return tuple(sorted(known))


def segment_channels(
    instance: Instance, numbers: Sequence[int], *, free_text: bool
) -> tuple[ChannelInfo, ...]:
    """What each segment stands for: the meaning of its code, or its label if free text may pass."""
    meanings = {}
    for item in instance.header.items(tags.SEGMENT_SEQUENCE):
        code = item.first(tags.SEGMENTED_PROPERTY_TYPE_SEQUENCE)
        meaning = "" if code is None else code.text(tags.CODE_MEANING)
        if free_text:
            meaning = item.text(tags.SEGMENT_LABEL) or meaning
        meanings[item.integer(tags.SEGMENT_NUMBER, 0)] = meaning
    return tuple(
        ChannelInfo(f"{number} {meanings[number]}" if meanings[number] else f"segment {number}")
        for number in numbers
    )


def segment_grid(stack: Stack, numbers: Sequence[int]) -> list[Frame | None]:
    """Per segment and slice its frame, or ``None`` where the segment is empty.

    Raises ``FormatError`` for two frames of one segment at one place.
    """
    grid: list[Frame | None] = []
    for number in numbers:
        for frames in stack:
            found = [frame for frame in frames if frame.segment == number]
            if len(found) > 1:
                raise FormatError(
                    f"{found[0].label} and {found[1].label}: segment {number} twice at one position"
                )
            grid.append(found[0] if found else None)
    return grid
