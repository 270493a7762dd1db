"""A small sound file of every format, as bytes: what the general cases damage."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from faults import nifti, nrrd, raster, tiff
from faults.case import VOXELS
from formats.dicom_files import dataset, save

DATA = VOXELS.tobytes()
BIG_ENDIAN = VOXELS.astype(">i2").tobytes()
RGB = np.random.default_rng(20).integers(0, 256, (7, 9, 3)).astype("uint8")


def metaimage(data: bytes = DATA, data_file: str = "LOCAL", **changed: str) -> bytes:
    """A header of MetaImage, and the voxels behind it."""
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "DimSize": "2 3 4",
        "BinaryDataByteOrderMSB": "False",
        "Offset": "1 2 3",
        "ElementSpacing": "0.5 0.75 2.5",
        "ElementType": "MET_SHORT",
        **changed,
        "ElementDataFile": data_file,
    }
    return "".join(f"{name} = {value}\n" for name, value in fields.items()).encode() + data


def vtk(data: bytes = BIG_ENDIAN, **changed: str) -> bytes:
    """Structured points of a VTK legacy file."""
    fields = {
        "DIMENSIONS": "2 3 4",
        "SPACING": "0.5 0.75 2.5",
        "ORIGIN": "1 2 3",
        "POINT_DATA": "24",
        "SCALARS": "a short",
        "LOOKUP_TABLE": "default",
        **changed,
    }
    start = "# vtk DataFile Version 3.0\ntitle\nBINARY\nDATASET STRUCTURED_POINTS\n"
    return (start + "".join(f"{n} {v}\n" for n, v in fields.items())).encode() + data


def gipl(
    sizes: tuple[int, ...] = (2, 3, 4, 1),
    spacing: tuple[float, ...] = (0.5, 0.75, 2.5, 0),
    origin: tuple[float, ...] = (1, 2, 3, 0),
    kind: int = 15,
) -> bytes:
    """GIPL: 256 bytes of header, big endian."""
    head = struct.pack(">4HH4f", *sizes, kind, *spacing).ljust(204, b"\0")
    head += struct.pack(">4d", *origin)
    return head.ljust(252, b"\0") + struct.pack(">I", 0xEFFFE9B0) + BIG_ENDIAN


def mgh(
    sizes: tuple[int, ...] = (2, 3, 4, 1),
    spacing: tuple[float, ...] = (0.5, 0.75, 2.5),
    centre: tuple[float, ...] = (1, 2, 3),
    kind: int = 4,
) -> bytes:
    """MGH: 284 bytes of header, big endian."""
    cosines = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
    head = struct.pack(">7ih3f9f3f", 1, *sizes, kind, 0, 1, *spacing, *cosines, *centre)
    return head.ljust(284, b"\0") + BIG_ENDIAN


def mrc(
    sizes: tuple[int, ...] = (2, 3, 4), cell: tuple[float, ...] = (1, 2.25, 10), mode: int = 1
) -> bytes:
    """MRC2014: 1,024 bytes of header, little endian."""
    words = struct.pack(
        "<10i6f3i3f2i", *sizes, mode, 0, 0, 0, 2, 3, 4, *cell, 90, 90, 90, 1, 2, 3, 0, 0, 0, 1, 0
    )
    head = words.ljust(208, b"\0") + b"MAP \x44\x44\0\0"
    return head.ljust(1024, b"\0") + DATA


def pillow(kind: str, **options: object) -> bytes:
    """A picture in colour, by Pillow."""
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, kind, **options)
    return buffer.getvalue()


def _written(name: str, write: Callable[[Path], object]) -> bytes:
    """The bytes of a file that a library only writes to a path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def _exr(path: Path) -> None:
    planes = {n: np.ascontiguousarray(RGB[..., i].astype("f4")) for i, n in enumerate("RGB")}
    head = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    with OpenEXR.File(head, planes) as file:
        file.write(str(path))


def _minc(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for axis, name in enumerate(("zspace", "yspace", "xspace")):
            node = file.create_dataset(f"minc-2.0/dimensions/{name}", data=0)
            node.attrs["start"], node.attrs["step"] = 1.0, (2.5, 0.75, 0.5)[axis]
            node.attrs["length"] = np.uint32(VOXELS.shape[axis])
            node.attrs["direction_cosines"] = np.eye(3)[2 - axis]
        image = file.create_dataset("minc-2.0/image/0/image", data=VOXELS.astype("u1"))
        image.attrs["dimorder"] = np.bytes_(b"zspace,yspace,xspace")
        image.attrs["valid_range"] = np.array((0.0, 255.0))


def _itk(path: Path) -> None:
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path))


def _dicom(path: Path) -> None:
    save(dataset(VOXELS[0]), path)


SAMPLES: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "nrrd": ("a.nrrd", lambda: nrrd.header() + DATA),
    "nifti": ("a.nii", lambda: nifti.WHOLE),
    "tiff": ("a.tif", lambda: tiff.tiff(tiff.page())),
    "dicom": ("a.dcm", lambda: _written("a.dcm", _dicom)),
    "metaimage": ("a.mha", metaimage),
    "png": ("a.png", raster.png),
    "jpeg": ("a.jpg", lambda: pillow("JPEG")),
    "bmp": ("a.bmp", lambda: pillow("BMP")),
    "webp": ("a.webp", lambda: pillow("WEBP", lossless=True)),
    "gif": ("a.gif", lambda: pillow("GIF")),
    "jpeg2000": ("a.jp2", lambda: imagecodecs.jpeg2k_encode(RGB, level=0)),
    "exr": ("a.exr", lambda: _written("a.exr", _exr)),
    "pnm": ("a.ppm", lambda: b"P6 9 7 255\n" + RGB.tobytes()),
    "vtk": ("a.vtk", vtk),
    "gipl": ("a.gipl", gipl),
    "minc": ("a.mnc", lambda: _written("a.mnc", _minc)),
    "itk": ("a.h5", lambda: _written("a.h5", _itk)),
    "mgh": ("a.mgh", mgh),
    "mrc": ("a.mrc", mrc),
}
"""Per plugin: a file name with its suffix, and what makes the bytes."""

_COLOURS = np.moveaxis(RGB, -1, 0)
STORED: Mapping[str, NDArray[Any]] = {
    **dict.fromkeys(("nrrd", "nifti", "metaimage", "vtk", "gipl", "mgh", "mrc", "itk"), VOXELS),
    **dict.fromkeys(("tiff", "png"), raster.PLANE),
    **dict.fromkeys(("bmp", "webp", "pnm", "jpeg2000"), _COLOURS),
    "exr": _COLOURS.astype("f4"),
    "dicom": VOXELS[:1],
}
"""Per plugin: the voxels of its sample, but for those whose compression changes them."""
