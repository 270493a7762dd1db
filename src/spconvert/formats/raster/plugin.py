"""One raster format as a plugin: what a format's own module has to say, put into the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from spconvert.errors import FormatError, UsageError
from spconvert.formats.plugin import (
    Capabilities,
    Feature,
    ImageEntry,
    Opened,
    ReadOptions,
    Source,
    Target,
    WriteOptions,
)
from spconvert.formats.raster.picture import Picture, channels_of
from spconvert.formats.stack import is_stack, read_stack
from spconvert.model.axes import Axis, axes_named
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import Access, SpatialImage

Look = Callable[[Path, ReadOptions], Picture]
"""Parse and check the header of one file."""

Write = Callable[[SpatialImage, Target, WriteOptions], Iterable[Path]]
"""As ``FormatPlugin.write``."""


@dataclass(frozen=True, slots=True)
class RasterFormat:
    """A plugin; see ``formats.plugin.FormatPlugin``. Its functions are those of a module."""

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[bytes], bool]
    look: Look
    writer: Write | None = None
    keeps: frozenset[Feature] = frozenset({"channels"})
    access: Mapping[Access, str] = field(default_factory=dict)

    @property
    def can(self) -> Capabilities:
        """Pixels and colours always; the rest is up to the format."""
        return Capabilities(
            reads=True, writes=self.writer is not None, keeps=self.keeps, access=self.access
        )

    def sniff(self, head: bytes) -> bool:
        """Whether a file begins as this format does."""
        return self.recognise(head)

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The one image of the file; the frames of an animation are one image."""
        picture = self.look(path, ReadOptions())
        return (ImageEntry("0", " x ".join(map(str, reversed(picture.pixels.shape)))),)

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image; numbered files become one volume.

        A name such as ``slice_%04d.png`` or ``slice_*.png`` stands for all files of that folder
        that it fits; see ``formats.stack``. Raises ``SourceError``, ``FormatError``,
        ``GeometryError``, and ``UsageError`` for a selection other than the one image.
        """
        if source.select not in (None, "", "0") or source.level:
            raise UsageError(f"{source.path} holds one image, number 0, without further levels")
        if is_stack(source):
            return read_stack(self, source)
        picture = self.look(source.path, source.options)
        axes, geometry = _place(picture)
        pixels = picture.pixels
        if len(axes) > len(pixels.shape):
            from spconvert.pixels.stacked import StackedSource

            pixels = StackedSource((pixels,), [axis.name for axis in axes].index("z"))
        try:
            image = SpatialImage(
                pixels,
                axes,
                geometry,
                channels_of(picture.samples),
                self._stem(source.path),
                {} if source.options.metadata == "none" else {self.name: dict(picture.fields)},
            )
        except ValueError as error:
            raise FormatError(f"{source.path}: {error}") from error
        return Opened(image, picture.findings)

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write one picture, or a volume as numbered slices if the name says where the number goes.

        The bytes depend on the image and the codec only. Raises ``Unsupported`` for what the format
        cannot hold, ``UsageError`` for an unknown codec, ``LimitError`` if the source can only be
        scanned in another order, ``TargetError`` if a file cannot be written.
        """
        if self.writer is None:
            raise UsageError(f"{self.name} is read, not written", hint="PNG holds the same pixels")
        return self.writer(image, target, options)

    def _stem(self, path: Path) -> str:
        name = path.name
        for suffix in self.suffixes:
            if name.lower().endswith(suffix) and len(name) > len(suffix):
                return name[: -len(suffix)]
        return name


def _place(picture: Picture) -> tuple[tuple[Axis, ...], Geometry]:
    names = ("t" if picture.frames else "") + ("c" if len(picture.samples) > 1 else "")
    first = axes_named(names)
    if picture.frames and picture.frame_seconds:
        first = (replace(first[0], unit="second", step=picture.frame_seconds), *first[1:])
    if picture.placed is not None:
        return (*first, *picture.placed.axes), picture.placed.geometry
    spacing = picture.spacing or (1.0, 1.0)
    geometry = Geometry((0.0, 0.0), spacing, identity_matrix(2))
    return (*first, *axes_named("yx", picture.unit if picture.spacing else None)), geometry
