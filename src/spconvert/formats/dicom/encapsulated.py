"""Where the compressed frames of a file are (PS3.5, A.4 and annex A.4 on encapsulation).

The items are walked once, when the file is opened; the offset table is only needed where a frame
has several fragments, and is not trusted further than it agrees with the items.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from spconvert.errors import FormatError
from spconvert.formats.dicom import tags
from spconvert.formats.dicom.carrier import ByteReader
from spconvert.formats.dicom.instance import Instance

Fragment = tuple[int, int]
"""(offset, bytes), counted from the first byte of the carrier."""

_ITEM, _DELIMITER = 0xFFFEE000, 0xFFFEE0DD
_FRAME_STARTS = (b"\xff\xd8", b"\xff\x4f")
"""Start of image: JPEG and JPEG-LS, JPEG 2000."""


def frame_fragments(instance: Instance, frames: int) -> tuple[tuple[Fragment, ...], ...]:
    """The fragments of each frame.

    Raises ``FormatError`` if the items are broken, cut off, or cannot be shared out to the frames.
    """
    with instance.carrier.reader() as reader:
        table, items = _items(instance, reader)
        if len(items) == frames:
            return tuple((item,) for item in items)
        if frames == 1 and items:
            return (tuple(items),)
        starts = _extended_table(instance) or table
        first = items[0][0] - 8 if items else 0
        for cuts in (_by_table(items, [first + s for s in starts]), _by_start(items, reader)):
            if len(cuts) == frames:
                return tuple(cuts)
    raise FormatError(
        f"{instance.label}: {len(items)} fragments for {frames} frames, and neither offset table "
        "nor fragments tell where each begins"
    )


def _items(instance: Instance, reader: ByteReader) -> tuple[list[int], list[Fragment]]:
    """The basic offset table, and all fragments."""
    assert instance.pixels is not None
    position = instance.pixels.offset
    table: list[int] | None = None
    items: list[Fragment] = []
    while True:
        head = reader.some(position, 8)
        if len(head) < 8 and items:
            # Some writers forget the delimiter; the last fragment is checked below.
            break
        tag, length = _item_head(head)
        if tag == _DELIMITER:
            break
        if tag != _ITEM or length == 0xFFFFFFFF:
            raise FormatError(
                f"{instance.label}: {head.hex()} at byte {position}: an item of a compressed "
                "frame expected",
                hint="the file is damaged or cut off",
            )
        if reader.size is not None and position + 8 + length > reader.size:
            raise FormatError(
                f"{instance.label} has {reader.size} of at least {position + 8 + length} bytes",
                hint="the file is cut off",
            )
        if table is None:
            data = reader.some(position + 8, length)
            table = list(struct.unpack_from(f"<{length // 4}L", data))
        else:
            items.append((position + 8, length))
        position += 8 + length
    return table or [], items


def _item_head(head: bytes) -> tuple[int, int]:
    if len(head) < 8:
        return 0, 0
    group, element, length = struct.unpack("<HHL", head)
    return group << 16 | element, length


def _extended_table(instance: Instance) -> list[int]:
    data = instance.header.bytes_of(tags.EXTENDED_OFFSET_TABLE)
    return list(struct.unpack_from(f"<{len(data) // 8}Q", data))


def _by_table(items: Sequence[Fragment], starts: Sequence[int]) -> list[tuple[Fragment, ...]]:
    """Groups that begin at the table's offsets; nothing if one of them is no fragment."""
    heads = {offset - 8: i for i, (offset, _) in enumerate(items)}
    if not starts or any(start not in heads for start in starts):
        return []
    cuts = [heads[start] for start in starts]
    return _grouped(items, cuts) if cuts == sorted(set(cuts)) else []


def _by_start(items: Sequence[Fragment], reader: ByteReader) -> list[tuple[Fragment, ...]]:
    """Groups that begin with a start-of-image marker."""
    heads = [i for i, (offset, _) in enumerate(items) if reader.some(offset, 2) in _FRAME_STARTS]
    return _grouped(items, heads)


def _grouped(items: Sequence[Fragment], cuts: Sequence[int]) -> list[tuple[Fragment, ...]]:
    if not cuts or cuts[0] != 0:
        return []
    ends = [*cuts[1:], len(items)]
    return [tuple(items[a:b]) for a, b in zip(cuts, ends, strict=True)]
