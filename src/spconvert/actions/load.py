"""Make a source that cannot be read in part one that can: decode it once into memory."""

from __future__ import annotations

from dataclasses import replace

from spconvert.errors import LimitError
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region
from spconvert.pipeline.plan import MIB, RESERVED_BYTES
from spconvert.pixels.opened import ArraySource


def check_fits(image: SpatialImage, memory: int) -> None:
    """Raise ``LimitError`` for an image that must be decoded whole and is too large for that."""
    if image.pixels.access != "whole":
        return
    need = 2 * image.nbytes + RESERVED_BYTES
    if need > memory:
        smallest = -(-need // MIB)
        raise LimitError(
            f"the image can only be decoded whole: {smallest} MiB are needed, {memory // MIB} MiB "
            "are allowed",
            hint=f"allow more with --memory {smallest}MiB",
        )


def loaded(image: SpatialImage, memory: int) -> SpatialImage:
    """The image with its pixels in memory if they can only be decoded whole.

    Raises ``LimitError`` if they do not fit ``memory`` bytes, and what the source raises.
    """
    check_fits(image, memory)
    if image.pixels.access != "whole":
        return image
    return replace(image, pixels=ArraySource(image.pixels.read(Region.whole(image.shape))))
