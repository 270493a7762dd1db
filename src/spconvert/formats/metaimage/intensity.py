"""The intensity function of a MetaImage: slope and offset from stored to real values.

ITK reads the two fields and leaves the values alone; so do its relatives.
"""

from __future__ import annotations

from math import isfinite

from spconvert.formats.metaimage.header import Header
from spconvert.formats.plugin import Rescale
from spconvert.model.finding import Finding, note, warning
from spconvert.model.image import PixelSource
from spconvert.pixels.rescaled import Mode, RescaledSource, rescaled_type

SLOPE = "ElementToIntensityFunctionSlope"
INTERCEPT = "ElementToIntensityFunctionOffset"


def intensity_of(header: Header, mode: Mode) -> tuple[Rescale | None, tuple[Finding, ...]]:
    """What the header says, or ``None``, and what is to be told of it.

    Raises ``FormatError`` for fields that are no single number.
    """
    slope, intercept = header.numbers(SLOPE, 1), header.numbers(INTERCEPT, 1)
    if slope is None and intercept is None:
        return None, ()
    found = Rescale((slope or (1.0,))[0], (intercept or (0.0,))[0])
    what = f"{header.path.name}: slope {found.slope} and offset {found.intercept} of intensity"
    if not (isfinite(found.slope) and isfinite(found.intercept)) or found.slope == 0:
        return None, (warning("rescale-impossible", f"{what}: not used", SLOPE),)
    if mode == "apply" or found == Rescale():
        return found, ()
    return found, (note("rescale-kept", f"{what} are not applied, as in ITK", SLOPE),)


def real_values(pixels: PixelSource, rescale: Rescale) -> PixelSource:
    """The real values, as floats."""
    dtype = rescaled_type(pixels.dtype, rescale.slope, rescale.intercept, "apply")
    if dtype is None:
        return pixels
    return RescaledSource(pixels, rescale.slope, rescale.intercept, dtype)
