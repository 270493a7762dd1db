"""MINC 2 through h5py, in a child process: see ``formats.isolated``.

Rules: the MINC 2.0 File Format Reference (https://en.wikibooks.org/wiki/MINC/Reference).
Real value = (stored - valid minimum) / (valid maximum - valid minimum) * (image-max - image-min)
+ image-min, where image-max and image-min may differ from slice to slice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, Unsupported
from spconvert.formats.hdf5 import bytes_there, load_h5py, own_member, own_voxels, text_of

SPATIAL = ("xspace", "yspace", "zspace")
_TIME, _VECTOR = "time", "vector_dimension"
_ROOT = "minc-2.0"


def load() -> None:
    """Import the library, before the memory is limited. Raises ``MissingDependency``."""
    load_h5py()


def open_image(path: str, options: dict[str, str]) -> MincImage:
    """Open a file. Raises ``FormatError`` if it is no MINC 2, or an incomplete one."""
    return MincImage(path, options.get("rescale", "auto"))


class MincImage:
    """A MINC 2 file; satisfies ``isolated_child.ForeignImage``."""

    def __init__(self, path: str, rescale: str) -> None:
        file = load_h5py().File(path, "r")
        self._voxels = node = own_voxels(file, f"{_ROOT}/image/0/image")
        order = text_of(node.attrs.get("dimorder", b"")).split(",")
        if len(order) != node.ndim or len(set(order)) != len(order):
            raise FormatError(f"dimorder {order} for an image of shape {node.shape}")
        self._scale = None if rescale == "keep" else _scale(file, node, order)
        dtype = node.dtype.newbyteorder("=") if self._scale is None else np.dtype(np.float32)
        self.header: dict[str, Any] = {
            "shape": [int(n) for n in node.shape],
            "dtype": dtype.str,
            "order": order,
            "dimensions": {name: _dimension(file, name) for name in order},
            "bytes_there": bytes_there(node),
            "slope": None,
        }
        if self._scale is not None and self._scale[0].size == 1:
            self.header["slope"] = [float(part.reshape(-1)[0]) for part in self._scale]

    def read(self, start: list[int], stop: list[int]) -> NDArray[Any]:
        """The values of a box of indices, in the order of ``header["shape"]``."""
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        stored: NDArray[Any] = self._voxels[box]
        if self._scale is None:
            return stored
        slope, intercept = (
            part[tuple(s if n > 1 else slice(None) for s, n in zip(box, part.shape, strict=True))]
            for part in self._scale
        )
        return np.asarray(stored * slope + intercept, np.float32)


def _scale(file: Any, voxels: Any, order: list[str]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Slope and intercept, shaped to go with the voxels; ``None`` where they change nothing.

    Floating-point voxels are real values already.
    """
    if voxels.dtype.kind == "f":
        return None
    low, high = (_extreme(file, voxels, order, name) for name in ("image-min", "image-max"))
    if low is None or high is None:
        return None
    limits = np.iinfo(voxels.dtype)
    stated = np.asarray(voxels.attrs.get("valid_range", [limits.min, limits.max]), np.float64)
    if stated.shape != (2,) or not np.isfinite(stated).all() or stated[0] == stated[1]:
        raise FormatError(f"valid_range {stated.tolist()}: two different numbers expected")
    first, last = sorted(stated.tolist())
    slope = (high - low) / (last - first)
    intercept = low - first * slope
    if not (np.isfinite(slope).all() and np.isfinite(intercept).all()):
        raise FormatError("image-max and image-min are no numbers")
    if np.all(slope == 1) and np.all(intercept == 0):
        return None
    return slope, intercept


def _extreme(file: Any, voxels: Any, order: list[str], name: str) -> NDArray[np.float64] | None:
    """image-max or image-min with one axis per axis of the voxels."""
    path = f"{_ROOT}/image/0/{name}"
    if path not in file:
        return None
    node = own_member(file, path)
    dims = [word for word in text_of(node.attrs.get("dimorder", b"")).split(",") if word]
    dims = dims or order[: node.ndim]
    if len(dims) != node.ndim or not set(dims) <= set(order) or node.size > voxels.size:
        raise FormatError(f"{name} of shape {node.shape} along {dims}")
    expected = tuple(voxels.shape[order.index(dim)] for dim in dims)
    if node.shape != expected or dims != [dim for dim in order if dim in dims]:
        raise FormatError(f"{name} of shape {node.shape}: {expected} expected")
    values = np.asarray(node[()], np.float64)
    return values.reshape(
        [n if dim in dims else 1 for dim, n in zip(order, voxels.shape, strict=True)]
    )


def _dimension(file: Any, name: str) -> dict[str, Any]:
    if name == _VECTOR:
        return {}
    if name not in (*SPATIAL, _TIME):
        raise Unsupported(f"MINC dimension {name[:40]!r}: {', '.join(SPATIAL)}, time expected")
    attributes = own_member(file, f"{_ROOT}/dimensions/{name}").attrs
    if text_of(attributes.get("spacing", b"regular")).startswith("irreg"):
        raise Unsupported(f"MINC dimension {name} is sampled irregularly")
    cosines = np.asarray(attributes.get("direction_cosines", []), np.float64).reshape(-1)
    return {
        "start": float(attributes.get("start", 0.0)),
        "step": float(attributes.get("step", 1.0)),
        "cosines": cosines.tolist() or None,
        "units": text_of(attributes.get("units", b"")),
    }
