"""Frames of enhanced multi-frame files, described in functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from dataclasses import dataclass

from spconvert.formats.dicom import tags
from spconvert.formats.dicom.elements import Elements
from spconvert.formats.dicom.frame import (
    Frame,
    Key,
    pixel_spacing,
    positive,
    rescale_of,
    seconds,
    sortable,
    vector_of,
)
from spconvert.formats.dicom.instance import Instance

_GROUP_KEYS = {
    "temporal position": (tags.FRAME_CONTENT_SEQUENCE, tags.TEMPORAL_POSITION_INDEX),
    "temporal offset": (tags.TEMPORAL_POSITION_SEQUENCE, tags.TEMPORAL_POSITION_TIME_OFFSET),
    "echo time": (tags.MR_ECHO_SEQUENCE, tags.EFFECTIVE_ECHO_TIME),
    "b-value": (tags.MR_DIFFUSION_SEQUENCE, tags.DIFFUSION_B_VALUE),
    "cardiac delay": (tags.CARDIAC_SYNCHRONIZATION_SEQUENCE, tags.NOMINAL_CARDIAC_TRIGGER_DELAY),
}


@dataclass(frozen=True, slots=True)
class Groups:
    """The functional groups of one frame: its own first, then the shared ones."""

    own: Elements | None
    shared: Elements | None
    instance: Instance

    def group(self, tag: int) -> Elements | None:
        """A functional group; some writers leave its content at the top of the file."""
        found = None if self.own is None else self.own.first(tag)
        if found is None and self.shared is not None:
            found = self.shared.first(tag)
        return found

    def holder(self, group_tag: int, tag: int) -> Elements:
        """Where an element is to be looked for: in its group, else at the top."""
        found = self.group(group_tag)
        return found if found is not None and tag in found.dataset else self.instance.header


def group_frame(groups: Groups, index: int, number: int) -> Frame:
    """One frame of a multi-frame file; ``index`` is the file's in its series.

    Raises ``FormatError`` and ``GeometryError`` for values that are no finite numbers.
    """
    instance = groups.instance
    header, label = instance.header, f"{instance.name} frame {number + 1}"
    measures = groups.holder(tags.PIXEL_MEASURES_SEQUENCE, tags.PIXEL_SPACING)
    place = groups.holder(tags.PLANE_POSITION_SEQUENCE, tags.IMAGE_POSITION_PATIENT)
    turn = groups.holder(tags.PLANE_ORIENTATION_SEQUENCE, tags.IMAGE_ORIENTATION_PATIENT)
    values = groups.holder(tags.PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tags.RESCALE_SLOPE)
    content = groups.group(tags.FRAME_CONTENT_SEQUENCE)
    stamp = ""
    if content is not None:
        stamp = content.text(tags.FRAME_ACQUISITION_DATE_TIME)
        stamp = stamp or content.text(tags.FRAME_REFERENCE_DATE_TIME)
    time = seconds(stamp or header.text(tags.ACQUISITION_DATE_TIME))
    segment = groups.group(tags.SEGMENT_IDENTIFICATION_SEQUENCE)
    return Frame(
        index,
        number,
        label,
        vector_of(place, tags.IMAGE_POSITION_PATIENT, 3, label),
        vector_of(turn, tags.IMAGE_ORIENTATION_PATIENT, 6, label),
        pixel_spacing(measures, label),
        positive(measures, tags.SLICE_THICKNESS),
        positive(measures, tags.SPACING_BETWEEN_SLICES),
        (header.integer(tags.ROWS, 0), header.integer(tags.COLUMNS, 0)),
        rescale_of(values, label),
        _group_keys(groups, content),
        (*sortable(time), float(header.integer(tags.INSTANCE_NUMBER, 0)), float(number)),
        time,
        None if segment is None else segment.integer(tags.REFERENCED_SEGMENT_NUMBER, 0),
    )


def _group_keys(groups: Groups, content: Elements | None) -> dict[str, Key]:
    header = groups.instance.header
    keys: dict[str, Key] = {}
    for name, (group_tag, tag) in _GROUP_KEYS.items():
        if found := groups.holder(group_tag, tag).numbers(tag):
            keys[name] = found
    diffusion = groups.group(tags.MR_DIFFUSION_SEQUENCE)
    if diffusion is not None:
        gradient = diffusion.first(tags.DIFFUSION_GRADIENT_SEQUENCE)
        if gradient is not None:
            keys["gradient direction"] = gradient.numbers(tags.DIFFUSION_GRADIENT_ORIENTATION)
    kind = groups.group(tags.MR_IMAGE_FRAME_TYPE_SEQUENCE)
    if kind is not None:
        keys["image type"] = (
            *kind.texts(tags.FRAME_TYPE)[2:],
            kind.text(tags.COMPLEX_IMAGE_COMPONENT),
        )
    if found := header.numbers(tags.ACQUISITION_NUMBER):
        keys["acquisition number"] = found
    if content is not None:
        for axis, value in enumerate(content.numbers(tags.DIMENSION_INDEX_VALUES)):
            keys[f"dimension {axis + 1}"] = (value,)
    return keys
