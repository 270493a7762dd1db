"""tifffile, quiet and kept to one file: it prints to stderr and follows names into other files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tifffile import TiffFile


def opened(path: Path) -> TiffFile:
    """A file that ``ifd.walk`` found sound, opened by tifffile. Raises what tifffile raises."""
    from tifffile import TiffFile

    silence()
    return TiffFile(path, _multifile=False)


def silence() -> None:
    """Keep tifffile's complaints off stderr unless the program listens to its logger."""
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
