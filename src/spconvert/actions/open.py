"""Open any readable file as a SpatialImage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spconvert.formats.plugin import FormatPlugin, Opened, Source
from spconvert.formats.registry import as_text, plugin_for_reading
from spconvert.formats.stack import is_stack, read_stack
from spconvert.model.finding import Finding
from spconvert.model.image import SpatialImage


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """An opened file and the plugin that reads it."""

    plugin: FormatPlugin | None
    """``None`` for an image that was in memory."""
    source: Source | None
    opened: Opened

    @property
    def image(self) -> SpatialImage:
        """The image, lazily."""
        return self.opened.image

    @property
    def level(self) -> int:
        """Which resolution level this is."""
        return self.source.level if self.source else 0

    @property
    def provenance(self) -> dict[str, Any]:
        """Name, format and size of the file, for the record."""
        if self.source is None or self.plugin is None:
            return {"format": "array"}
        path = self.source.path
        facts: dict[str, Any] = {"name": as_text(path.name), "format": self.plugin.name}
        if path.is_file():
            facts["bytes"] = path.stat().st_size
        return facts

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed so far."""
        return self.opened.findings


def open_file(source: Source, format_name: str | None = None) -> OpenedFile:
    """Read the header of ``source`` with the plugin that knows it.

    Raises ``SourceError``, ``FormatError``, ``GeometryError``, ``ChoiceNeeded``, ``UsageError``.
    """
    plugin, findings = plugin_for_reading(source.path, format_name)
    opened = read_source(plugin, source)
    image = replace(opened.image, name=as_text(opened.image.name))
    merged = replace(opened, image=image, findings=(*findings, *opened.findings))
    return OpenedFile(plugin, source, merged)


def read_source(plugin: FormatPlugin, source: Source) -> Opened:
    """Read one file, or several files as one volume. Raises what the plugin raises."""
    # A DICOM series is put together by its positions; anything else by the names of its files.
    if is_stack(source) and plugin.name != "dicom":
        return read_stack(plugin, source)
    return plugin.read(source)


def already_open(image: SpatialImage) -> OpenedFile:
    """An image in memory, as if it had been read from a file."""
    return OpenedFile(None, None, Opened(image))


def open_image(
    path: str | Path,
    *,
    select: str | None = None,
    level: int = 0,
    format: str | None = None,  # noqa: A002 - the word that users know
) -> SpatialImage:
    """Open a file as a lazy ``SpatialImage``: only its header is read.

    ``select`` chooses among several images, ``level`` a resolution level (0 is the finest),
    ``format`` names the plugin instead of suffix and content. Raises as ``open_file`` does.
    """
    return open_file(Source(Path(path), select, level), format).image
