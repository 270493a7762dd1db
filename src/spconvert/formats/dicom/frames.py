"""The frames of a file, each with its place.

One frame a file as a rule; enhanced multi-frame files say it per frame in functional groups, RT
dose in a vector of offsets (PS3.3 C.8.8.3.2), nuclear medicine and secondary captures not at all.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from spconvert.errors import FormatError, GeometryError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.frame import (
    Frame,
    Key,
    cross,
    pixel_spacing,
    positive,
    rescale_of,
    seconds,
    sortable,
    vector_of,
)
from spconvert.formats.dicom.functional_groups import Groups, group_frame
from spconvert.formats.dicom.instance import Instance
from spconvert.formats.dicom.pixel_format import frame_count

_CLASSIC_KEYS = {
    "temporal position": tags.TEMPORAL_POSITION_IDENTIFIER,
    "echo number": tags.ECHO_NUMBERS,
    "echo time": tags.ECHO_TIME,
    "inversion time": tags.INVERSION_TIME,
    "b-value": tags.DIFFUSION_B_VALUE,
    "gradient direction": tags.DIFFUSION_GRADIENT_ORIENTATION,
    "trigger time": tags.TRIGGER_TIME,
    "acquisition number": tags.ACQUISITION_NUMBER,
}


def frames_of(instance: Instance, index: int) -> list[Frame]:
    """The frames of one file. ``index`` is the file's in its series.

    Raises ``FormatError`` for functional groups that are missing or broken, ``GeometryError`` for
    positions and orientations that are no finite numbers.
    """
    groups = instance.header.items(tags.PER_FRAME_GROUPS)
    shared = instance.header.first(tags.SHARED_GROUPS)
    count = frame_count(instance)
    if not groups and shared is None:
        if count > 1 and instance.header.has(tags.GRID_FRAME_OFFSET_VECTOR):
            return _dose_frames(instance, index, count)
        return [_classic_frame(instance, index, n, count) for n in range(count)]
    if groups and len(groups) != count:
        raise FormatError(
            f"{instance.label}: functional groups for {len(groups)} of {count} frames",
            hint="the file is damaged",
        )
    own = groups or [None] * count  # the tiles of a full slide share everything
    return [group_frame(Groups(group, shared, instance), index, n) for n, group in enumerate(own)]


# -- one frame a file ----------------------------------------------------------------------------


def _classic_frame(instance: Instance, index: int, number: int, count: int) -> Frame:
    header = instance.header
    label = instance.name if count == 1 else f"{instance.name} frame {number + 1}"
    keys: dict[str, Key] = {
        name: found for name, tag in _CLASSIC_KEYS.items() if (found := header.numbers(tag))
    }
    if kind := header.texts(tags.IMAGE_TYPE)[2:]:
        keys["image type"] = kind
    if "b-value" not in keys and (private := _private_b_value(instance)):
        keys["b-value"] = private
    time = seconds(header.text(tags.ACQUISITION_TIME) or header.text(tags.ACQUISITION_DATE_TIME))
    # The position of a multi-frame file without functional groups is that of its first frame.
    placed = count == 1
    return Frame(
        index,
        number,
        label,
        vector_of(header, tags.IMAGE_POSITION_PATIENT, 3, label) if placed else None,
        vector_of(header, tags.IMAGE_ORIENTATION_PATIENT, 6, label) if placed else None,
        pixel_spacing(header, label),
        positive(header, tags.SLICE_THICKNESS),
        positive(header, tags.SPACING_BETWEEN_SLICES),
        (header.integer(tags.ROWS, 0), header.integer(tags.COLUMNS, 0)),
        rescale_of(header, label),
        keys,
        (*sortable(time), float(header.integer(tags.INSTANCE_NUMBER, 0)), float(number)),
        time,
    )


def _private_b_value(instance: Instance) -> Key:
    """Siemens' and GE's own elements, which older scanners have in place of the standard's.

    GE adds 10^9 to mark some of its values.
    """
    header = instance.header
    maker = header.text(tags.MANUFACTURER).upper()
    if maker.startswith("SIEMENS"):
        return header.numbers(tags.SIEMENS_B_VALUE)[:1]
    if maker.startswith("GE"):
        return tuple(value % 100_000 for value in header.numbers(tags.GE_B_VALUE)[:1])
    return ()


def _dose_frames(instance: Instance, index: int, count: int) -> list[Frame]:
    """RT dose: each plane lies off the first along the normal (C.8.8.3.2).

    The offsets begin with 0, or are themselves the z coordinates of transverse planes.
    """
    header, label = instance.header, instance.label
    offsets = header.numbers(tags.GRID_FRAME_OFFSET_VECTOR)
    position = vector_of(header, tags.IMAGE_POSITION_PATIENT, 3, label)
    orientation = vector_of(header, tags.IMAGE_ORIENTATION_PATIENT, 6, label)
    if len(offsets) != count or not all(map(isfinite, offsets)):
        raise FormatError(
            f"{label}: {len(offsets)} frame offsets for {count} frames: a number each expected"
        )
    if position is None or orientation is None:
        raise GeometryError(f"{label}: frame offsets without image position and orientation")
    normal = cross(orientation[:3], orientation[3:])
    if offsets[0] != 0:
        if abs(offsets[0] - position[2]) > 1e-3:
            raise GeometryError(
                f"{label}: the first frame offset is {offsets[0]}: 0 or {position[2]} expected"
            )
        offsets = tuple((z - position[2]) * (normal[2] or 1.0) for z in offsets)
    scaling = header.number(tags.DOSE_GRID_SCALING)
    first = _classic_frame(instance, index, 0, 1)
    return [
        replace(
            first,
            number=number,
            label=f"{instance.name} frame {number + 1}",
            position=tuple(p + offset * n for p, n in zip(position, normal, strict=True)),
            rescale=first.rescale if scaling is None else (scaling, 0.0),
        )
        for number, offset in enumerate(offsets)
    ]
