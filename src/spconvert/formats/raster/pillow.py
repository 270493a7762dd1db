"""The decoders and encoders of Pillow, one format at a time.

A decoder's class is opened itself, not ``PIL.Image.open``: so no other decoder can be reached by a
lying suffix, and Pillow's warning about large pictures, which our own checks replace, is never
printed.
"""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.pixels.raw import open_input

_BROKEN = (
    OSError,
    SyntaxError,  # what Pillow raises for a broken header
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    RuntimeWarning,  # the decompression bomb warning, where warnings are errors
    struct.error,
    zlib.error,
)

_CLASSES = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
}


def decoded(path: Path, format_name: str, mode: str, frames: int = 1) -> NDArray[np.uint8]:
    """All frames in Pillow's ``mode``: (y, x[, sample]), or (t, y, x, sample) for several frames.

    Raises ``FormatError`` for broken pixels, ``SourceError`` if the file cannot be opened.
    """
    module, name = _CLASSES[format_name]
    opener: Any = getattr(import_module(module), name)
    with open_input(path) as file:
        try:
            with opener(file) as picture:
                if frames == 1:
                    return np.asarray(picture.convert(mode), np.uint8)
                return _animation(picture, mode, frames)
        except _BROKEN as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            text = f"{path}: the pixels of the {format_name} are broken: {reason}"
            raise FormatError(text, hint="the file may be cut off") from error


def _animation(picture: Any, mode: str, frames: int) -> NDArray[np.uint8]:
    out: NDArray[np.uint8] | None = None
    for number in range(frames):
        picture.seek(number)
        frame = np.asarray(picture.convert(mode), np.uint8)
        if out is None:
            out = np.empty((frames, *frame.shape), np.uint8)
        out[number] = frame
    assert out is not None
    return out


def encoded(array: NDArray[np.uint8], format_name: str, **options: Any) -> bytes:
    """A picture (y, x[, sample]) of uint8 as a file; ``options`` as for Pillow's ``save``."""
    from PIL import Image

    module, _ = _CLASSES[format_name]
    import_module(module)
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, format_name.upper(), **options)
    return buffer.getvalue()
