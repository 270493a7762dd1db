"""MINC 2, read only: HDF5 files of the Montreal Neurological Institute.

h5py runs in a child process with limits; see ``formats.isolated``. ITK's own reader is not used:
depending on how it was built it takes MINC's world, which runs to the right and front, for LPS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    Rescale,
    Source,
    Target,
    WriteOptions,
)

if TYPE_CHECKING:
    from spconvert.model.axes import Axis
    from spconvert.model.geometry import Geometry
    from spconvert.model.image import Access, SpatialImage

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_SPATIAL = ("xspace", "yspace", "zspace")
_UNIT_LENGTH_TOLERANCE = 1e-3
_KEEPS: frozenset[Feature] = frozenset(
    {"volume", "time", "channels", "origin", "spacing", "direction", "shear", "unit", "time-step"}
)
_SUFFIXES = (".mnc2", ".mnc")
_ACCESS: dict[Access, str] = {
    "sequential": "read by a child process with limits, and starting one costs more than a region",
}


class MincFormat:
    """The plugin; see ``formats.plugin.FormatPlugin``."""

    @property
    def name(self) -> str:
        """Short lower-case name."""
        return "minc"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Longest first."""
        return _SUFFIXES

    @property
    def can(self) -> Capabilities:
        """Reading only."""
        return Capabilities(reads=True, writes=False, keeps=_KEEPS, access=_ACCESS)

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins as HDF5, but for ITK's."""
        return head.startswith(_HDF5_MAGIC) and b"ITKImage" not in head

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file."""
        shape = self.read(Source(path)).image.shape
        return (ImageEntry("0", " x ".join(map(str, reversed(shape)))),)

    def read(self, source: Source) -> Opened:
        """Read the header in a child process and make a lazy image in LPS.

        Values are real ones in float32 (per slice where the file scales so), or as stored with
        ``rescale="keep"`` or where scaling changes nothing. Raises ``SourceError``,
        ``FormatError``, ``GeometryError``, ``Unsupported``, ``UsageError`` for a selection other
        than the one image, and ``MissingDependency`` where h5py is not installed.
        """
        from spconvert.formats.isolated import (
            IsolatedReader,
            IsolatedSource,
            Request,
            isolated_layout,
        )
        from spconvert.model.image import SpatialImage
        from spconvert.pixels.raw import open_input

        path = source.path
        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{path} holds one image, number 0, without further levels")
        with open_input(path) as file:
            magic = file.read(len(_HDF5_MAGIC))
        if magic != _HDF5_MAGIC:
            raise FormatError(
                f"{path} is not a MINC 2 file: it begins with {magic!r}",
                hint="MINC 1 is NetCDF: mincconvert -2 makes MINC 2 of it"
                if magic.startswith(b"CDF")
                else "",
            )
        request = Request("minc", path, (("rescale", source.options.rescale),))
        with IsolatedReader(request) as reader:
            header = reader.header
        letters = _letters(header["order"], path)
        names = "".join(letter for letter in "tczyx" if letter in letters)
        layout = isolated_layout(header, path, tuple(names.index(letter) for letter in letters))
        image = SpatialImage(
            pixels=IsolatedSource(request, layout),
            axes=_axes(header, names),
            geometry=_geometry(header, source),
            name=_stem(path),
        )
        slope = header["slope"]
        return Opened(image, rescale=Rescale(*slope) if slope else None)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Raise ``Unsupported``: MINC is only read."""
        del image, options
        raise Unsupported(
            f"{target.path.name}: MINC is read and not written", hint="name the target .nii or .mha"
        )


def _letters(order: list[str], path: Path) -> str:
    """A letter per dimension, slowest first: index axes in file order are z, y, x."""
    spatial = [name for name in order if name in _SPATIAL]
    if len(spatial) != 3:
        raise Unsupported(f"{path}: MINC dimensions {', '.join(order)}: three of space expected")
    letters = iter("zyx")
    return "".join(
        next(letters) if name in _SPATIAL else {"time": "t"}.get(name, "c") for name in order
    )


def _axes(header: Mapping[str, Any], names: str) -> tuple[Axis, ...]:
    from spconvert.model.axes import LENGTH_UNITS, TIME_UNITS, Axis, unit_name

    stated = header["dimensions"]
    words = {unit_name(stated[name]["units"]) for name in header["order"] if name in _SPATIAL}
    unit = words.pop() if len(words) == 1 else None
    axes = []
    for name in names:
        if name == "t":
            time = stated["time"]
            word = unit_name(time["units"])
            step = time["step"] if isfinite(time["step"]) and time["step"] else 1.0
            start = time["start"] if isfinite(time["start"]) else 0.0
            axes.append(Axis("t", "time", word if word in TIME_UNITS else None, start, step))
        else:
            space = name != "c" and unit in LENGTH_UNITS
            axes.append(Axis.named(name, unit if space else None))
    return tuple(axes)


def _geometry(header: Mapping[str, Any], source: Source) -> Geometry:
    """World coordinates are sums of (start + step · i) · cosines, along right, front and top."""
    from spconvert.model.geometry import Geometry, identity_matrix, to_lps

    path = source.path
    spatial = [name for name in reversed(header["order"]) if name in _SPATIAL]
    cosines, starts, steps = [], [], []
    for name in spatial:
        dimension = header["dimensions"][name]
        unit = identity_matrix(3)[_SPATIAL.index(name)]
        cosines.append(tuple(dimension["cosines"] or unit))
        starts.append(dimension["start"])
        step = dimension["step"]
        impossible = not isfinite(step) or step == 0
        if impossible and not source.options.spacing_assigned:
            raise GeometryError(
                f"{path}: step {step} of {name}: a finite number other than 0 expected",
                hint="--spacing states the right one",
            )
        steps.append(1.0 if impossible else step)
    if any(len(vector) != 3 for vector in cosines):
        raise FormatError(f"{path}: direction cosines {cosines}: three numbers each expected")
    origin = [sum(s * c[i] for s, c in zip(starts, cosines, strict=True)) for i in range(3)]
    columns = [
        to_lps([-v + 0.0 if step < 0 else v for v in vector], "RAS")
        for vector, step in zip(cosines, steps, strict=True)
    ]
    spacing = tuple(map(abs, steps))
    lengths = [sum(v * v for v in column) ** 0.5 for column in columns]
    try:
        if all(abs(length - 1) <= _UNIT_LENGTH_TOLERANCE for length in lengths):
            rows = tuple(zip(*columns, strict=True))
            return Geometry(to_lps(origin, "RAS"), spacing, rows, "LPS")
        vectors = [[s * v for v in column] for s, column in zip(spacing, columns, strict=True)]
        return Geometry.from_columns(vectors, to_lps(origin, "RAS"), "LPS")
    except ValueError as error:
        raise GeometryError(f"{path}: {error}") from error


def _stem(path: Path) -> str:
    name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    suffix = next((s for s in _SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)] or name


PLUGIN: FormatPlugin = MincFormat()
