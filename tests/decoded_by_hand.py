"""OME-Zarr read without spconvert: zarr-python for the voxels, a few lines for the transforms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

Document = dict[str, Any]


def multiscale(store: Path) -> Document:
    """The first multiscale image of a store of version 0.4, 0.5 or 0.6."""
    if (store / "zarr.json").is_file():
        attributes = json.loads((store / "zarr.json").read_text(encoding="utf-8"))["attributes"][
            "ome"
        ]
    else:
        attributes = json.loads((store / ".zattrs").read_text(encoding="utf-8"))
    found: Document = attributes["multiscales"][0]
    return found


def axes(image: Document) -> list[Document]:
    """The axes of the array, which are those of the first coordinate system in 0.6."""
    found: list[Document] = image.get("axes") or image["coordinateSystems"][0]["axes"]
    return found


def voxels(store: Path, level: int = 0) -> NDArray[Any]:
    """All values of one level, read by zarr-python."""
    array = zarr.open_array(store / multiscale(store)["datasets"][level]["path"], mode="r")
    return np.asarray(array[...])


def affine(image: Document, level: int = 0) -> NDArray[np.float64]:
    """Homogeneous matrix over the space axes, index x, y, z to physical x, y, z.

    The transforms of the dataset come first, the one above all levels (direction) after them.
    """
    chain = [
        *image["datasets"][level]["coordinateTransformations"],
        *image.get("coordinateTransformations", []),
    ]
    count = len(axes(image))
    matrix = np.eye(count + 1)
    for transform in chain:
        matrix = _matrix(transform, count) @ matrix
    space = [i for i, axis in enumerate(axes(image)) if axis["type"] == "space"]
    keep = [*reversed(space), count]
    picked: NDArray[np.float64] = matrix[np.ix_(keep, keep)]
    return picked


def time_of(image: Document) -> Document | None:
    """Start, step and unit along t."""
    names = [axis["name"] for axis in axes(image)]
    if "t" not in names:
        return None
    at = names.index("t")
    matrix = np.eye(len(names) + 1)
    for transform in image["datasets"][0]["coordinateTransformations"]:
        matrix = _matrix(transform, len(names)) @ matrix
    return {"start": matrix[at, -1], "step": matrix[at, at], "unit": axes(image)[at].get("unit")}


def _matrix(transform: Document, count: int) -> NDArray[np.float64]:
    matrix = np.eye(count + 1)
    kind = transform["type"]
    match kind:
        case "identity":
            pass
        case "scale":
            matrix[:-1, :-1] = np.diag(transform["scale"])
        case "translation":
            matrix[:-1, -1] = transform["translation"]
        case "rotation":
            matrix[:-1, :-1] = transform["rotation"]
        case "affine":
            matrix[:-1] = transform["affine"]
        case "sequence":
            for step in transform["transformations"]:
                matrix = _matrix(step, count) @ matrix
        case _:
            raise AssertionError(f"no rule for {kind}")
    return matrix
