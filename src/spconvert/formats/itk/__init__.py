"""ITK's HDF5 images, and what only ITK reads: Bruker, BioRad, Stimulate and GE, read only.

h5py and SimpleITK run in a child process with limits; see ``formats.isolated``.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spconvert.errors import FormatError, GeometryError, Unsupported, UsageError
from spconvert.formats.plugin import (
    Capabilities,
    Feature,
    FormatPlugin,
    ImageEntry,
    Opened,
    Source,
    Target,
    WriteOptions,
)

if TYPE_CHECKING:
    from spconvert.model.image import Access, SpatialImage

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_BIORAD_MAGIC = b"\x39\x30"
_BIORAD_MAGIC_AT = 54
_KEEPS: frozenset[Feature] = frozenset(
    {"volume", "time", "channels", "origin", "spacing", "direction", "time-step"}
)
_SUFFIXES = (".hdf5", ".h5", ".pic", ".spr")
_ACCESS: dict[Access, str] = {
    "sequential": "read by a child process with limits, and starting one costs more than a region",
}


class ItkFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "itk"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of ITK's HDF5, BioRad and Stimulate; Bruker's ``2dseq`` has none: name the format."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Reading only."""
        return Capabilities(reads=True, writes=False, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins as HDF5 (but MINC's), BioRad or Stimulate."""
        if head.startswith(_HDF5_MAGIC):
            return b"minc-2.0" not in head
        at = _BIORAD_MAGIC_AT
        return head[at : at + 2] == _BIORAD_MAGIC or head.startswith(b"numDim:")

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        shape = self.read(Source(path)).image.shape
        return (ImageEntry("0", " x ".join(map(str, reversed(shape)))),)

    def read(self, source: Source) -> Opened:
        """Read the header in a child process and make a lazy image, placed as ITK places it.

        Raises ``SourceError``, ``FormatError`` (also where ITK crashes or does not come to an
        end), ``GeometryError``, ``Unsupported``, ``UsageError`` for a selection other than the one
        image, and ``MissingDependency`` where h5py or SimpleITK is not installed.
        """
        from spconvert.formats.isolated import (
            IsolatedReader,
            IsolatedSource,
            Request,
            isolated_layout,
        )
        from spconvert.model.axes import axes_named
        from spconvert.model.image import SpatialImage
        from spconvert.pixels.raw import open_input

        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{source.path} holds one image, number 0, without further levels")
        with open_input(source.path) as file:
            magic = file.read(len(_HDF5_MAGIC))
        if not magic:
            raise FormatError(f"{source.path} is empty: an image expected")
        name = "itk-hdf5" if magic == _HDF5_MAGIC else "itk"
        request = Request(name, source.path, (("metadata", source.options.metadata),))
        with IsolatedReader(request) as reader:
            header = reader.header
        names = _axis_names(header, source.path)
        order = tuple(names.index(n) for n in ("tzyxc" if "t" in names else "zyxc") if n in names)
        layout = isolated_layout(header, source.path, order)
        time, geometry = _placed(header, names, source)
        unit = "millimeter" if header["anatomical"] else None
        axes = tuple(time if a.name == "t" and time else a for a in axes_named(names, unit))
        extra: dict[str, Any] = {"io": header["io"]}
        if "metadata" in header:
            extra["metadata"] = header["metadata"]
        image = SpatialImage(
            pixels=IsolatedSource(request, layout),
            axes=axes,
            geometry=geometry,
            name=_stem(source.path),
            extra={} if source.options.metadata == "none" else {"itk": extra},
        )
        return Opened(image)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Raise ``Unsupported``: MetaImage keeps all that these formats do."""
        del image, options
        raise Unsupported(
            f"{target.path.name}: the formats that only ITK reads are not written",
            hint="name the target .mha",
        )


def _axis_names(header: dict[str, Any], path: Path) -> str:
    dimension = len(header["origin"])
    if dimension not in (2, 3, 4):
        raise Unsupported(f"{path}: image of {dimension} dimensions: 2 to 4 expected")
    names = "tzyx"[-dimension:]
    if header["components"] > 1:
        names = f"tc{names[1:]}" if dimension == 4 else f"c{names}"
    return names


def _placed(header: dict[str, Any], names: str, source: Source) -> tuple[Any, Any]:
    """Time axis (or ``None``) and geometry, as ITK states them."""
    from spconvert.model.axes import Axis
    from spconvert.model.geometry import Geometry

    dimension = len(header["origin"])
    rows = [header["direction"][i * dimension : (i + 1) * dimension] for i in range(dimension)]
    n = min(dimension, 3)
    spacing = tuple(header["spacing"])
    if source.options.spacing_assigned:
        spacing = tuple(s if isfinite(s) and s > 0 else 1.0 for s in spacing)
    time = None
    if "t" in names:
        if any(rows[3][:3]) or any(row[3] for row in rows[:3]):
            raise Unsupported(f"{source.path}: the direction mixes space and time")
        time = Axis("t", "time", None, header["origin"][3], spacing[3])
    try:
        geometry = Geometry(
            tuple(header["origin"][:n]),
            spacing[:n],
            tuple(tuple(row[:n]) for row in rows[:n]),
            "LPS" if header["anatomical"] else "unknown",
        )
    except ValueError as error:
        raise GeometryError(f"{source.path}: {error}") from error
    return time, geometry


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


PLUGIN: FormatPlugin = ItkFormat()
