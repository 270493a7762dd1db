"""ITK's readers, in a child process: see ``formats.isolated``.

None of the formats used here can ITK read in parts: it reads the file when the first region is
asked for, and keeps it as long as the child lives.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import FormatError, MissingDependency, Unsupported

ANATOMICAL = {
    "Bruker2dseqImageIO": True,
    "GE4ImageIO": True,
    "GE5ImageIO": True,
    "BioRadImageIO": False,
    "StimulateImageIO": False,
}
"""ITK's readers that are used, and whether they place an image in LPS. For all other formats
spconvert has readers of its own."""


def load() -> None:
    """Import the library, before the memory is limited. Raises ``MissingDependency``."""
    _simpleitk()


def _simpleitk() -> Any:
    try:
        return import_module("SimpleITK")
    except ImportError as error:
        raise MissingDependency(
            "SimpleITK is needed to read this format", hint="pip install SimpleITK"
        ) from error


def open_image(path: str, options: dict[str, str]) -> ItkImage:
    """Open a file. Raises ``FormatError`` for a file of none of ``ANATOMICAL``."""
    sitk = _simpleitk()

    found = sitk.ImageFileReader.GetImageIOFromFileName(path)
    if found not in ANATOMICAL:
        raise FormatError(f"not of ITK's formats {', '.join(ANATOMICAL)}")
    return ItkImage(path, found, with_metadata=options.get("metadata") == "all")


class ItkImage:
    """A file that ITK reads; satisfies ``isolated_child.ForeignImage``."""

    def __init__(self, path: str, image_io: str, *, with_metadata: bool) -> None:
        sitk = _simpleitk()

        self._reader = reader = sitk.ImageFileReader()
        reader.SetFileName(path)
        reader.SetImageIO(image_io)
        reader.ReadImageInformation()
        if reader.GetPixelIDValue() not in _types():
            raise Unsupported(f"ITK's pixel type {reader.GetPixelIDValue()} is no number")
        self._whole: NDArray[Any] | None = None
        self._components = reader.GetNumberOfComponents()
        code = _types()[reader.GetPixelIDValue()]
        if code.startswith("c"):
            self._components = 1
        shape = [int(n) for n in reversed(reader.GetSize())]
        parts = [self._components] if self._components > 1 else []
        self.header: dict[str, Any] = {
            "io": image_io,
            "shape": shape + parts,
            "dtype": np.dtype(code).str,
            "components": self._components,
            "origin": list(reader.GetOrigin()),
            "spacing": list(reader.GetSpacing()),
            "direction": list(reader.GetDirection()),
            "anatomical": ANATOMICAL[image_io],
        }
        if with_metadata:
            keys = reader.GetMetaDataKeys()
            self.header["metadata"] = {key: reader.GetMetaData(key)[:4000] for key in keys}

    def read(self, start: list[int], stop: list[int]) -> NDArray[Any]:
        """The values of a box of indices, in the order of ``header["shape"]``."""
        if self._whole is None:
            self._whole = np.asarray(_simpleitk().GetArrayFromImage(self._reader.Execute()))
        return self._whole[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]


@cache
def _types() -> dict[int, str]:
    sitk = _simpleitk()

    names = {
        "Int8": "i1",
        "UInt8": "u1",
        "Int16": "i2",
        "UInt16": "u2",
        "Int32": "i4",
        "UInt32": "u4",
        "Int64": "i8",
        "UInt64": "u8",
        "Float32": "f4",
        "Float64": "f8",
    }
    table = {getattr(sitk, f"sitk{name}"): code for name, code in names.items()}
    table |= {getattr(sitk, f"sitkVector{name}"): code for name, code in names.items()}
    return table | {sitk.sitkComplexFloat32: "c8", sitk.sitkComplexFloat64: "c16"}
