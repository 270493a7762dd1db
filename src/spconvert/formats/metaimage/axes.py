"""The axes of a MetaImage: x, y, z, t with interleaved channels, unless ``AxisNames`` says else."""

from __future__ import annotations

from dataclasses import dataclass

from spconvert.errors import FormatError
from spconvert.formats.metaimage.header import Header
from spconvert.model.image import AXIS_ORDER
from spconvert.model.region import Shape


@dataclass(frozen=True, slots=True)
class FileAxes:
    """Letters of the axes, fastest first, and their sizes; channels are the fastest if any."""

    letters: str
    sizes: tuple[int, ...]

    @property
    def names(self) -> str:
        """The model's axes, in array order."""
        return "".join(letter for letter in AXIS_ORDER if letter in self.letters)

    @property
    def shape(self) -> Shape:
        """Extents of the model's array."""
        return tuple(self.sizes[self.letters.index(name)] for name in self.names)

    @property
    def storage_order(self) -> tuple[int, ...]:
        """The model's axes from slowest to fastest in the file."""
        return tuple(self.names.index(letter) for letter in reversed(self.letters))

    @property
    def placed(self) -> str:
        """The letters that have a coordinate: all but the channels."""
        return self.letters.replace("c", "")


def default_letters(dimension: int, channels: int) -> str:
    """What the axes are where the header does not say."""
    return ("c" if channels > 1 else "") + "xyzt"[:dimension]


def file_axes(header: Header) -> FileAxes:
    """The axes of a file.

    Raises ``FormatError`` for an ``AxisNames`` that does not fit dimension and channels.
    """
    dimension = len(header.sizes)
    letters = header.texts.get("AxisNames")
    if letters is None:
        letters = default_letters(dimension, header.channels)
    else:
        letters = "".join(letters.split())
        legal = {"xy", "xyz", "xyt", "xyzt"}
        spatial = letters.removeprefix("c")
        if spatial not in legal or len(spatial) != dimension:
            raise FormatError(
                f"{header.path}: AxisNames {letters[:40]!r} for {dimension} dimensions"
            )
        if header.channels > 1 and spatial == letters:
            raise FormatError(
                f"{header.path}: AxisNames {letters!r} for {header.channels} channels"
            )
    sizes = ((header.channels,) if letters.startswith("c") else ()) + header.sizes
    return FileAxes(letters, sizes)
