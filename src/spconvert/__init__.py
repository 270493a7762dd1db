"""Images in physical space: scientific and medical formats to OME-Zarr and back, exactly.

``open_image`` reads a header and returns a lazy ``SpatialImage``; ``convert`` converts a file or
an image; ``from_array`` gives an array a place in space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["Geometry", "SpatialImage", "__version__", "convert", "from_array", "open_image"]

if TYPE_CHECKING:
    from spconvert.actions.api import convert
    from spconvert.actions.open import open_image
    from spconvert.interop.arrays import from_array
    from spconvert.model.geometry import Geometry
    from spconvert.model.image import SpatialImage

_HOMES = {
    "Geometry": "spconvert.model.geometry",
    "SpatialImage": "spconvert.model.image",
    "convert": "spconvert.actions.api",
    "from_array": "spconvert.interop.arrays",
    "open_image": "spconvert.actions.open",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import spconvert`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'spconvert' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
