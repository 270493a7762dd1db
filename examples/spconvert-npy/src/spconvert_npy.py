"""NumPy's .npy files as a format of spconvert: an example of a plugin from outside."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from spconvert.errors import FormatError, LimitError, Unsupported, UsageError
from spconvert.formats.plugin import (
    Capabilities,
    FormatPlugin,
    ImageEntry,
    Opened,
    Source,
    Target,
    WriteOptions,
)
from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region, slabs
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource, surplus_bytes

_AXES = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}


class NpyFormat:
    """Arrays of 2 to 5 axes; the format knows nothing of physical space."""

    name = "npy"
    suffixes = (".npy",)
    can = Capabilities(reads=True, writes=True, keeps=frozenset({"volume", "time", "channels"}))

    def sniff(self, head: bytes) -> bool:
        """Whether the file begins with NumPy's magic."""
        return head.startswith(b"\x93NUMPY")

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one array of the file."""
        del path
        return (ImageEntry("0"),)

    def read(self, source: Source) -> Opened:
        """Read the header; voxels are read region by region from the file."""
        with source.path.open("rb") as file:
            try:
                version = np.lib.format.read_magic(file)
                read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                shape, fortran, dtype = read(file)
            except (ValueError, AttributeError) as error:
                raise FormatError(f"{source.path} is not an npy file: {error}") from error
            offset = file.tell()
        if len(shape) not in _AXES or dtype.hasobject:
            raise FormatError(
                f"{source.path}: {len(shape)} axes of {dtype}, 2 to 5 of numbers expected"
            )
        names = source.options.dims or _AXES[len(shape)]
        axes = range(len(shape))
        layout = Layout(shape, dtype, tuple(reversed(axes)) if fortran else tuple(axes))
        part = FilePart(source.path, offset, layout.nbytes)
        surplus_bytes(part)  # raises if the file is cut off
        ndim = sum(name in "zyx" for name in names)
        try:
            geometry = Geometry.identity(ndim)
            image = SpatialImage(RawSource((part,), layout), axes_named(names), geometry)
        except ValueError as error:
            hint = f"the array has the shape {shape}"
            raise UsageError(f"--dims {names}: {error}", hint=hint) from error
        return Opened(image)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write the voxels in C order, a slab at a time."""
        if image.pixels.access == "sequential":
            # spconvert then unpacks the source and calls again.
            raise LimitError("npy is written from sources with random access")
        if image.dtype.hasobject:
            raise Unsupported(f"npy cannot hold {image.dtype}")
        path = target.folder / target.path.name
        header = {
            "descr": np.lib.format.dtype_to_descr(image.dtype),
            "fortran_order": False,
            "shape": image.shape,
        }
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            done = 0
            for region in slabs(image.shape, image.dtype.itemsize, options.budget):
                file.write(np.ascontiguousarray(image.pixels.read(region)).tobytes())
                done += Region.whole(region.shape).size * image.dtype.itemsize
                options.report(done)
        return [path]


PLUGIN: FormatPlugin = NpyFormat()
