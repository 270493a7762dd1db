"""ITK's HDF5 images through h5py, in a child process: see ``formats.isolated``.

The layout is that of itk::HDF5ImageIO: /ITKImage/0 with VoxelData (slowest axis first, components
last), Dimension, Origin, Spacing (x first), and Directions, whose row i is the direction of index
axis i: the transpose of ITK's matrix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError
from spconvert.formats.hdf5 import bytes_there, load_h5py, own_member, own_voxels, text_of

_ROOT = "ITKImage/0"


def load() -> None:
    """Import the library, before the memory is limited. Raises ``MissingDependency``."""
    load_h5py()


def open_image(path: str, options: dict[str, str]) -> ItkHdf5Image:
    """Open a file. Raises ``FormatError`` if it is no image of ITK."""
    return ItkHdf5Image(path, with_metadata=options.get("metadata") == "all")


class ItkHdf5Image:
    """An HDF5 image of ITK; satisfies ``isolated_child.ForeignImage``."""

    def __init__(self, path: str, *, with_metadata: bool) -> None:
        file = load_h5py().File(path, "r")
        self._voxels = voxels = own_voxels(file, f"{_ROOT}/VoxelData")
        sizes = _numbers(file, "Dimension")
        dimension = sizes.size
        shape = [int(n) for n in voxels.shape]
        if [float(n) for n in reversed(shape[:dimension])] != sizes.tolist() or (
            len(shape) not in (dimension, dimension + 1)
        ):
            raise FormatError(f"voxels of shape {shape} for Dimension {sizes.tolist()}")
        directions = _numbers(file, "Directions")
        origin, spacing = _numbers(file, "Origin"), _numbers(file, "Spacing")
        if directions.shape != (dimension, dimension) or not (
            origin.size == spacing.size == dimension
        ):
            raise FormatError(
                f"Directions of shape {directions.shape}, {origin.size} numbers of Origin and "
                f"{spacing.size} of Spacing: {dimension} each expected"
            )
        self.header: dict[str, Any] = {
            "io": "HDF5ImageIO",
            "shape": shape,
            "dtype": voxels.dtype.newbyteorder("=").str,
            "components": shape[dimension] if len(shape) > dimension else 1,
            "origin": origin.tolist(),
            "spacing": spacing.tolist(),
            "direction": directions.T.reshape(-1).tolist(),
            "anatomical": True,
            "bytes_there": bytes_there(voxels),
        }
        if len(shape) > dimension and shape[dimension] == 1:
            raise FormatError(f"voxels of shape {shape}: a single component has no axis")
        if with_metadata:
            self.header["metadata"] = _metadata(file)

    def read(self, start: list[int], stop: list[int]) -> NDArray[Any]:
        """The values of a box of indices, in the order of ``header["shape"]``."""
        values = self._voxels[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        return np.asarray(values)


def _numbers(file: Any, name: str) -> NDArray[np.float64]:
    node = own_voxels(file, f"{_ROOT}/{name}")
    if node.size > 64:
        raise FormatError(f"{name} of shape {node.shape}: a few numbers expected")
    return np.asarray(node[()], np.float64)


def _metadata(file: Any) -> dict[str, str]:
    h5py = load_h5py()
    node = own_member(file, _ROOT)
    if "MetaData" not in node:
        return {}
    group = own_member(file, f"{_ROOT}/MetaData")
    found = {}
    for name in list(group)[:1000]:
        member = own_member(file, f"{_ROOT}/MetaData/{name}")
        if isinstance(member, h5py.Dataset) and member.size == 1 and not member.external:
            found[str(name)] = text_of(member[()])
    return found
