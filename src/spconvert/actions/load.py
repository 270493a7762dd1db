"""Is there room for an image? And: one that cannot be read in part is decoded once into memory."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from spconvert.errors import LimitError
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region
from spconvert.pipeline.plan import MIB, RESERVED_BYTES
from spconvert.pixels.opened import ArraySource

_HIGHEST_RATIO = 10_000
"""What a codec makes of voxels that are nearly all the same."""


def check_fits(image: SpatialImage, memory: int, name: str = "the image") -> None:
    """Raise ``LimitError`` for an image that must be decoded whole and is too large for that.

    ``name`` is what the message calls it.
    """
    if image.pixels.access != "whole":
        return
    need = 2 * image.nbytes + RESERVED_BYTES
    if need > memory:
        smallest = -(-need // MIB)
        raise LimitError(
            f"{name} can only be decoded whole: {smallest} MiB are needed, {memory // MIB} MiB "
            "are allowed",
            hint=f"allow more with --memory {smallest}MiB",
        )


def check_room(image: SpatialImage, target: Path, name: str = "the image") -> None:
    """Raise ``LimitError`` for an image that no compression brings onto the disk of ``target``.

    A header may state any size where missing chunks count as the fill value; without this a run
    would go on for years.
    """
    folder = next((p for p in target.absolute().parents if p.is_dir()), Path())
    free = shutil.disk_usage(folder).free
    if image.nbytes > _HIGHEST_RATIO * free:
        raise LimitError(
            f"{name} has {image.nbytes} bytes of voxels: {free} bytes are free at {folder}",
            hint=f"even compressed {_HIGHEST_RATIO} to 1 it would not fit",
        )


def loaded(image: SpatialImage, memory: int, name: str = "the image") -> SpatialImage:
    """The image with its pixels in memory if they can only be decoded whole.

    Raises ``LimitError`` if they do not fit ``memory`` bytes, and what the source raises.
    """
    check_fits(image, memory, name)
    if image.pixels.access != "whole":
        return image
    return replace(image, pixels=ArraySource(image.pixels.read(Region.whole(image.shape))))
