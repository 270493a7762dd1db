"""Colour tables: a plain TIFF's indices stand for colours, ImageJ's and OME's are the data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.formats.tiff.ifd import Ifd, Tiff
from spconvert.formats.tiff.stack import ORDER, Stack

_PALETTE = 3


def with_palette(stack: Stack, tiff: Tiff, page: Ifd) -> Stack:
    """The stack, resolved to red, green and blue if its page has a table of colours.

    TIFF 6.0, section 5: ColorMap has all reds, then all greens, then all blues, of 16 bits. Where
    every entry repeats its byte the colours have 8 bits. A grey ramp is no palette: its indices
    are the grey values. Raises ``FormatError`` for a table of the wrong size.
    """
    layout = stack.pages[0].layout
    if layout.photometric != _PALETTE or layout.samples != 1 or layout.dtype.kind not in "ub":
        return stack
    entries = 1 << layout.bits if layout.bits <= 16 else 0
    values = page.values.get(320, ())
    if entries == 0 or len(values) != 3 * entries:
        raise FormatError(
            f"{tiff.path}: a ColorMap of {len(values)} values for {layout.bits} bits: "
            f"{3 * entries} expected"
        )
    table: NDArray[Any] = np.array(values, np.uint16).reshape(3, entries)
    eight = (table >> 8).astype(np.uint8)
    if (table == eight.astype(np.uint16) * 257).all() or (table == table >> 8 << 8).all():
        table = eight
    elif (table < 256).all() and table.any():  # written by programs that forgot to scale
        table = table.astype(np.uint8)
    is_ramp = (table[0] == table[1]).all() and (table[0] == table[2]).all()
    if is_ramp and entries == 256 and (table[0] == np.arange(256)).all():
        return stack
    if stack.grid.shape[1] > 1:
        return stack  # channels of indices: the values are what counts
    names = "".join(name for name in ORDER if name in stack.names or name == "c")
    return replace(stack, names=names, palette=table)
