"""Members of an HDF5 file that are its own, for the readers in a child process.

HDF5 can link to other files and keep a data set's bytes in them: a file from somebody else could
name any file of this machine. Nothing of that is followed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from spconvert.errors import FormatError, MissingDependency

LONGEST_TEXT = 4000
"""Characters of a text that are kept."""


def load_h5py() -> Any:
    """The library. Raises ``MissingDependency``."""
    try:
        return import_module("h5py")
    except ImportError as error:
        raise MissingDependency(
            "h5py is needed to read HDF5 files", hint="pip install h5py"
        ) from error


def own_member(file: Any, path: str) -> Any:
    """The group or data set at ``path``.

    Raises ``FormatError`` if it is not there, or only by a link to somewhere else.
    """
    h5py = load_h5py()
    node = file
    for name in path.split("/"):
        link = node.get(name, getlink=True) if isinstance(node, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise FormatError(f"no /{path} in the file itself")
        node = node[name]
    return node


def own_voxels(file: Any, path: str) -> Any:
    """The data set of numbers at ``path``.

    Raises ``FormatError`` for anything else, and if its bytes are in other files.
    """
    node = own_member(file, path)
    if not isinstance(node, load_h5py().Dataset) or node.dtype.kind not in "iuf" or not node.ndim:
        raise FormatError(f"/{path} is no array of numbers")
    if node.is_virtual or node.external:
        raise FormatError(f"the values of /{path} are in other files, which are not opened")
    return node


def bytes_there(voxels: Any) -> int | None:
    """Bytes that a data set takes in the file; ``None`` where they are its own size."""
    return None if voxels.chunks is None else int(voxels.id.get_storage_size())


def text_of(value: Any) -> str:
    """A text of HDF5, bytes or not, alone or in an array, in bounds."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else b""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.strip("\0 ")[:LONGEST_TEXT]
