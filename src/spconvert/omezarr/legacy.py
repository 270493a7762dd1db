"""OME-Zarr 0.1 to 0.3: no transformations; and no axes before 0.3, where they are names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spconvert.errors import FormatError
from spconvert.omezarr.attribute import Exact, decode_attribute
from spconvert.omezarr.axes import decode_axes
from spconvert.omezarr.classic import clues_of
from spconvert.omezarr.fields import items, members
from spconvert.omezarr.image import assemble, dataset_path, finish, first_multiscale
from spconvert.omezarr.levels import Sampling
from spconvert.omezarr.multiscale import Decoded
from spconvert.omezarr.placement import Clues, place_image

_AXES_BEFORE_03 = ["t", "c", "z", "y", "x"]


def decode(attributes: Mapping[str, Any], version: str, nifti: bytes | None = None) -> Decoded:
    """What the attributes of a group say: scale 1 and translation 0 for every level.

    The levels' true factors are nowhere written; ``group`` takes them from the arrays' shapes.
    Raises ``FormatError``.
    """
    document, findings = first_multiscale(attributes.get("multiscales"), "multiscales")
    written = document.get("axes", _AXES_BEFORE_03)
    axes = decode_axes(written, "multiscales", 0, "axes")
    count = len(axes.axes)
    where = ("multiscales", 0, "datasets")
    samplings = [
        Sampling(dataset_path(members(e, *where, i), *where, i), (1.0,) * count, (0.0,) * count)
        for i, e in enumerate(items(document.get("datasets"), *where))
    ]
    if not samplings:
        raise FormatError("multiscales[0].datasets is empty: one dataset at least expected")
    exact, found = decode_attribute(attributes)
    clues = Clues(
        **clues_of(axes, samplings[0]),
        exact=Exact(),
        multiscale=document,
        attributes=attributes,
        nifti=nifti,
    )
    geometry, placed = place_image(clues)
    multiscale = assemble(document, axes, samplings, geometry, exact)
    all_findings = (*findings, *axes.findings, *found, *placed)
    decoded = Decoded(multiscale, version, all_findings, axes.order)
    return finish(multiscale, attributes.get("omero"), exact, decoded)
