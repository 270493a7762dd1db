"""Images in physical space: scientific and medical formats to OME-Zarr and back, exactly."""

from __future__ import annotations

__version__ = "0.1.0"
