"""The header fields that the model has no place for: kept as text in ``extra``, and given back.

``extra["metaimage"]`` is ``{"fields": {name: value}}``. ITK copies DICOM attributes into the
MetaImages it writes ("0010|0010 = ..."): those that may name a patient are left out by default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spconvert.formats.metaimage.fields import KNOWN, OF_SPACE, OF_THE_SAMPLES
from spconvert.formats.metaimage.header import Header
from spconvert.formats.metaimage.intensity import INTERCEPT, SLOPE
from spconvert.formats.plugin import ReadOptions
from spconvert.model.finding import Finding, note
from spconvert.model.image import SpatialImage

_LONGEST_VALUE = 4000
"""Characters; MetaIO reads lines of up to 22,000 bytes."""

_PERSONAL = re.compile(
    r"(0010|0008[|,_ ](0050|008[01]|009[0-9a-f]|10[0-7][0-9a-f]))[|,_ ]?|"
    r"patient|physician|operator|birth|person|institution|accession|address",
    re.IGNORECASE,
)
"""DICOM's patient group, and the names of people and places in its study group."""


def extra_of(header: Header, options: ReadOptions) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """What to keep of a header, as JSON values, and a note of what was left out.

    An intensity function that was applied is gone: it must not be applied again.
    """
    gone = {*OF_THE_SAMPLES, *((SLOPE, INTERCEPT) if options.rescale == "apply" else ())}
    others = {name: _json_text(text) for name, text in header.texts.items() if name not in gone}
    if options.metadata == "none":
        return {}, ()
    if options.metadata == "all":
        return {"metaimage": {"fields": others}}, ()
    kept = {name: text for name, text in others.items() if not _PERSONAL.search(name)}
    dropped = len(others) - len(kept)
    found = note("identity-dropped", f"{header.path.name}: {dropped} fields about people left out")
    return {"metaimage": {"fields": kept}}, ((found,) if dropped else ())


def kept_fields(image: SpatialImage) -> dict[str, str]:
    """The remembered fields that do not say how or where the samples are, fit to be written."""
    kept = image.extra.get("metaimage")
    fields = kept.get("fields") if isinstance(kept, Mapping) else None
    if not isinstance(fields, Mapping):
        return {}
    return {
        name: value
        for name, value in fields.items()
        if isinstance(name, str) and isinstance(value, str) and _is_line(name, value)
    }


def _is_line(name: str, value: str) -> bool:
    """Whether the field would be read again as it is, and does not contradict ours."""
    known = KNOWN.get(name.lower(), name)
    return (
        known not in OF_THE_SAMPLES
        and known not in OF_SPACE
        and re.fullmatch(r"[^=:\s#/][^=:]*", name) is not None
        and name == name.strip()
        and value == value.strip()
        and (name + value).isprintable()
        and len(value) <= _LONGEST_VALUE
    )


def _json_text(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
