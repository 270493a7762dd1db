"""What a conversion is asked to do: frozen values, independent of how they were typed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spconvert.actions.assign import GeometryEdit
from spconvert.errors import UsageError
from spconvert.formats.plugin import Source
from spconvert.model.image import SpatialImage
from spconvert.model.region import Shape

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class PerAxis:
    """Positive integers per axis, by name, or one for all axes that the caller means."""

    default: int | None = None
    by_name: Mapping[str, int] = field(default_factory=dict)

    def resolved(self, axis_names: str, otherwise: Shape, *, only: str) -> Shape:
        """One number per array axis: named, else the default on axes of ``only``, else as given.

        Raises ``UsageError`` for an axis that the image does not have.
        """
        unknown = sorted(set(self.by_name) - set(axis_names))
        if unknown:
            raise UsageError(f"axis {unknown[0]!r}: the image has {', '.join(axis_names)}")
        general = [self.default if n in only else None for n in axis_names]
        return tuple(
            self.by_name.get(name, value or fallback)
            for name, value, fallback in zip(axis_names, general, otherwise, strict=True)
        )


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """How an OME-Zarr store is to be written; ``None`` leaves a choice to the planner."""

    version: str = "auto"
    chunks: PerAxis | None = None
    shards: PerAxis | Literal["auto", "none"] = "auto"
    codec: str | None = None
    levels: int | None = None
    scale_factors: tuple[PerAxis, ...] | None = None
    method: str = "mean"


@dataclass(frozen=True, slots=True)
class Request:
    """One conversion."""

    source: Source | SpatialImage
    """A file, or an image that is open already."""
    target: Path
    source_format: str | None = None
    target_format: str | None = None
    edit: GeometryEdit = field(default_factory=GeometryEdit)
    reorient: str | None = None
    """Orientation code to bring the voxel axes closest to, e.g. "LPS"."""
    store: StoreRequest = field(default_factory=StoreRequest)
    dtype: str | None = None
    """NumPy name of the type that the values become, e.g. "uint8"; ``None`` keeps theirs."""
    overwrite: bool = False
    memory: int | None = None
    """Budget in bytes; ``None``: chosen from the machine."""
    workers: int | None = None
    """Threads; ``None``: as many as there are processors."""
    strict: bool = False
    """Whether a warning ends the conversion."""
    refuse_loss: bool = False
    """Whether it ends if the target cannot hold something of the image."""
    dry_run: bool = False
    """Plan only; nothing is written."""

    def __post_init__(self) -> None:
        """Raises ``UsageError`` for workers or memory that are no positive numbers."""
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"{self.workers} workers: at least one is needed")
        if self.memory is not None and self.memory < 1:
            raise UsageError(f"a memory budget of {self.memory} bytes: at least 1 is needed")


def default_memory() -> int:
    """A quarter of the machine's memory, between 256 MiB and 2 GiB."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        total = 4096 * MIB
    return max(256 * MIB, min(2048 * MIB, total // 4))
