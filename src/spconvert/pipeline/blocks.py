"""How large the blocks of level 0 are, so that they suit the file that they are read from. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import lcm, prod

from spconvert.model.image import SpatialImage
from spconvert.model.region import Shape


def random_block(image: SpatialImage, unit: Shape, most: int, workers: int) -> Shape:
    """Whole rows of the file where they fit, so that no byte is read twice or alone.

    An axis that is faster in the file than every space axis (interleaved colours) is taken whole;
    then the block grows to the source's own chunks, and along the fastest space axis to the row.
    """
    order = image.pixels.storage_order
    fastest = next(a for a in reversed(order) if a in image.space_axes)
    block = list(unit)
    for axis in order[order.index(fastest) + 1 :]:
        block[axis] = image.shape[axis]
    for axis, extent, saves_work in _growth(image, unit, fastest):
        grown = [*block]
        grown[axis] = max(block[axis], rounded_up(extent, unit[axis]))
        inside = prod(min(g, n) for g, n in zip(grown, image.shape, strict=True))
        enough_blocks = saves_work or inside * 4 * workers <= prod(image.shape)
        if enough_blocks and inside * image.dtype.itemsize <= most:
            block = grown
    return tuple(block)


def _growth(image: SpatialImage, unit: Shape, fastest: int) -> Iterator[tuple[int, int, bool]]:
    """Extents per axis that would make a block better, the most useful first.

    With each, whether less would have the source decode the same chunk again.
    """
    pixels, shape = image.pixels, image.shape
    decodes = decoded_bytes(image) > 0
    own = [
        min(lcm(u, c), n) if c < n or decodes else u
        for u, c, n in zip(unit, pixels.chunks, shape, strict=True)
    ]
    for axis in reversed(pixels.storage_order):
        if own[axis] > unit[axis]:
            yield axis, own[axis], decodes
    # A part of a row is better than a chunk's width of it.
    extent = own[fastest] * 2
    while extent < shape[fastest]:
        yield fastest, extent, False
        extent *= 2
    yield fastest, shape[fastest], False


def decoded_bytes(image: SpatialImage) -> int:
    """Bytes of a chunk that the source decodes as a whole; 0 if it reads what it is asked for."""
    pixels = image.pixels
    return prod(pixels.chunks) * image.dtype.itemsize if pixels.access == "chunked" else 0


def decodes_again(image: SpatialImage, block: Shape) -> bool:
    """Whether blocks of this size would have the source decode its chunks more than twice."""
    if image.pixels.access != "chunked":
        return False
    touching = [
        -(-min(c, n) // min(b, n))
        for c, b, n in zip(image.pixels.chunks, block, image.shape, strict=True)
    ]
    return prod(touching) > 2


def streamed_block(image: SpatialImage, unit: Shape, most: int) -> tuple[Shape, Shape]:
    """Block and slab for a source that comes front to back.

    The slab is one run of the file: single indices along the slowest axes, one block (and whole
    chunks of a source that decodes chunks) along the first axis that is cut in chunks, everything
    along the faster ones.
    """
    order = image.pixels.storage_order
    slab = [1] * len(unit)
    block = list(unit)
    cut = next((p for p, a in enumerate(order) if unit[a] > 1 and image.shape[a] > 1), 0)
    for position, axis in enumerate(order):
        if position == cut:
            own = image.pixels.chunks[axis] if image.pixels.access == "chunked" else 1
            slab[axis] = min(lcm(unit[axis], own), image.shape[axis])
        elif position > cut:
            slab[axis] = image.shape[axis]
    fastest = next(a for a in reversed(order) if a in image.space_axes)
    rows = prod(unit[a] for a in range(len(unit)) if a != fastest) * image.dtype.itemsize
    if order.index(fastest) > cut and rows * image.shape[fastest] <= most:
        block[fastest] = rounded_up(image.shape[fastest], unit[fastest])
    return tuple(block), tuple(slab)


def rounded_up(n: int, unit: int) -> int:
    """The smallest multiple of ``unit`` that is not less than ``n``."""
    return -(-n // unit) * unit
