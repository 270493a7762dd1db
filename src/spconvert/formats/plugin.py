"""What a format plugin is: a stateless object that turns files into a SpatialImage and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from spconvert.model.finding import Finding, Report, ignore_finding
from spconvert.model.image import Access, SpatialImage

Feature = Literal[
    "volume",
    "time",
    "channels",
    "origin",
    "spacing",
    "direction",
    "shear",
    "unit",
    "time-step",
    "levels",
    "labels",
    "extra",
]
"""What a format can hold beside the voxels of a 2-D image."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a plugin does. What it does not keep is reported as lost before writing."""

    reads: bool
    writes: bool
    keeps: frozenset[Feature]
    access: Mapping[Access, str] = field(default_factory=dict)
    """Every kind of access that its pixel sources have, with which files have it; for "whole" and
    "sequential" also why. The table of formats in the reference is made of it."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read where a file leaves a choice; a plugin ignores what its format does not know."""

    allow_external_data: bool = False
    """Whether a detached header may name data files outside its own folder."""
    follow_symlinks: bool = False
    """Whether links inside a store may lead out of it."""
    spacing_assigned: bool = False
    """Whether the caller assigns a spacing: an impossible one in the file (zero, no number) is
    then replaced by 1 and reported, instead of refused."""
    nifti_xform: Literal["auto", "sform", "qform"] = "auto"
    """Which of NIfTI's two transforms to take; ``auto``: as nibabel and ITK do, by the codes."""
    rescale: Literal["auto", "apply", "keep"] = "auto"
    """Slope and intercept: ``keep`` gives stored values, ``apply`` real ones as floats, ``auto``
    integers where slope and intercept are integers and the results fit, else float32."""
    dims: str | None = None
    """Names of the axes of a bare array or TIFF, e.g. "tczyx"; ``None``: as the format says."""
    on_uneven_slices: Literal["error", "warn"] = "error"
    """What to do about slices whose distances differ, or of which some are missing."""
    metadata: Literal["all", "safe", "none"] = "safe"
    """Which header fields to keep: ``safe`` leaves out whatever may name a patient."""


@dataclass(frozen=True, slots=True)
class Source:
    """What to read: a path, and which image of it."""

    path: Path
    select: str | None = None
    """Name or number of the image, series or store member, where there are several."""
    level: int = 0
    """Resolution level, 0 is the finest; only for formats that keep levels."""
    options: ReadOptions = ReadOptions()
    more_paths: tuple[Path, ...] = ()
    """Further files that belong to the same image, in any order: slices of a stack or series."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """Real value = slope · stored value + intercept."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True)
class Opened:
    """An image, lazily, and what was noticed while reading its header."""

    image: SpatialImage
    findings: tuple[Finding, ...] = ()
    levels: tuple[LevelInfo, ...] = ()
    """Empty for formats without resolution levels."""
    rescale: Rescale | None = None
    """What the file says of slope and intercept, whether or not it was applied."""
    labels: tuple[str, ...] = ()
    """Label images that belong to the image: what to give as ``Source.select`` to read one."""


@dataclass(frozen=True, slots=True)
class LevelInfo:
    """How one resolution level is stored; see the JSON of ``inspect``."""

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    codecs: str
    spacing: tuple[float, ...]
    """x, y, z."""
    origin: tuple[float, ...]
    """x, y, z, of the level as a stand-alone image (direction applied)."""


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image of a file or folder that may hold several."""

    select: str
    """What to give as ``Source.select``."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a file is written until it is published, and what it will be called."""

    path: Path
    """The final name; its suffix decides on details such as a detached header."""
    folder: Path
    """An empty scratch folder: the plugin writes ``folder / path.name`` and any sibling data
    files there; the caller moves them beside ``path`` when all is well."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How to write; a plugin ignores what its format does not know."""

    codec: str | None = None
    """Encoding by name ("gzip", "raw"), or ``None`` for the format's default."""
    budget: int = 256 << 20
    """Bytes of pixels that may be held at once."""
    report: Progress = field(default=lambda _done: None)
    """Called with the bytes of pixels written so far."""
    finding: Report = ignore_finding
    """Called with what turns up while the pixels are read."""


class Progress(Protocol):
    """A listener for bytes done."""

    def __call__(self, done: int, /) -> None:
        """``done`` bytes of pixels have been written so far."""
        ...


class FormatPlugin(Protocol):
    """One format. Importing its module is cheap: libraries are imported inside the methods."""

    @property
    def name(self) -> str:
        """Short lower-case name: "nrrd"."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Lower-case suffixes with their dots, longest first: (".seg.nrrd", ".nrrd", ".nhdr")."""
        ...

    @property
    def can(self) -> Capabilities:
        """What the plugin reads, writes and keeps."""
        ...

    def sniff(self, head: bytes) -> bool:
        """Whether the first bytes of a file (up to 1 KiB) are this format's."""
        ...

    def images(self, path: Path) -> tuple[ImageEntry, ...]:
        """The images that a file or folder holds; header reads only."""
        ...

    def read(self, source: Source) -> Opened:
        """Read the header and make a lazy image; no pixel is read.

        Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``ChoiceNeeded``.
        """
        ...

    def write(self, image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
        """Write ``image`` into ``target.folder`` and return the files written, the main one first.

        Raises ``Unsupported`` before writing if the format cannot hold the image.
        """
        ...
