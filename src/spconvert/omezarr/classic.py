"""The form of a multiscale in 0.4 and 0.5: axes, and scale and translation per dataset.

It has no home for a direction: the nearest labels stand on the axes (RFC-4), and the exact
geometry is in the ``spconvert`` attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spconvert.errors import FormatError, Unsupported
from spconvert.omezarr.attribute import decode_attribute
from spconvert.omezarr.axes import ReadAxes, decode_axes, encode_axes
from spconvert.omezarr.fields import items, members, place
from spconvert.omezarr.image import assemble, dataset_path, encode_head, finish, first_multiscale
from spconvert.omezarr.levels import Sampling, encode_levels
from spconvert.omezarr.multiscale import Decoded, Multiscale
from spconvert.omezarr.orientation import array_words
from spconvert.omezarr.placement import Clues, place_image
from spconvert.omezarr.transforms import AffineMap, parse


def encode_multiscale(multiscale: Multiscale) -> dict[str, Any]:
    """The JSON object of a multiscale."""
    datasets = [
        {
            "path": level.path,
            "coordinateTransformations": [
                {"type": "scale", "scale": list(level.scale)},
                {"type": "translation", "translation": list(level.translation)},
            ],
        }
        for level in encode_levels(multiscale)
    ]
    return {
        **encode_head(multiscale),
        "axes": encode_axes(multiscale.axes, array_words(multiscale.geometry)),
        "datasets": datasets,
    }


def decode_group(
    holder: Mapping[str, Any],
    attributes: Mapping[str, Any],
    version: str,
    nifti: bytes | None,
    where: tuple[str, ...] = (),
) -> Decoded:
    """The image in ``holder``, the object with "multiscales" ("ome", or all attributes).

    Raises ``FormatError`` or ``GeometryError``.
    """
    place_of = (*where, "multiscales")
    document, findings = first_multiscale(holder.get("multiscales"), *place_of)
    axes = decode_axes(document.get("axes"), *place_of, 0, "axes")
    samplings = _samplings(document, axes, (*place_of, 0))
    exact, found = decode_attribute(attributes)
    clues = clues_of(axes, samplings[0])
    geometry, placed = place_image(
        Clues(**clues, exact=exact, multiscale=document, attributes=attributes, nifti=nifti)
    )
    multiscale = assemble(document, axes, samplings, geometry, exact)
    all_findings = (*findings, *axes.findings, *found, *placed)
    decoded = Decoded(multiscale, version, all_findings, axes.order)
    return finish(multiscale, holder.get("omero"), exact, decoded)


def clues_of(axes: ReadAxes, level0: Sampling) -> dict[str, Any]:
    """The members of ``Clues`` that come from the axes and the first dataset."""
    stored = [axes.order[i] for i in axes.space]
    return {
        "scale": tuple(level0.scale[i] for i in axes.space),
        "translation": tuple(level0.translation[i] for i in axes.space),
        "labels": axes.labels,
        "stored": tuple(sorted(stored).index(i) for i in stored),
    }


def _samplings(
    document: Mapping[str, Any], axes: ReadAxes, where: tuple[str | int, ...]
) -> tuple[Sampling, ...]:
    datasets = items(document.get("datasets"), *where, "datasets")
    if not datasets:
        raise FormatError(f"{place(where)}.datasets is empty: one dataset at least expected")
    above = document.get("coordinateTransformations")
    common = None
    if above is not None:
        common = _list_map(above, axes, (*where, "coordinateTransformations"))
    result = []
    for i, value in enumerate(datasets):
        spot = (*where, "datasets", i)
        entry = members(value, *spot)
        written = entry.get("coordinateTransformations")
        own = _list_map(written, axes, (*spot, "coordinateTransformations"))
        whole = own if common is None else own.then(common)
        result.append(sampling_of(dataset_path(entry, *spot), whole, axes, spot))
    return tuple(result)


def _list_map(value: object, axes: ReadAxes, where: tuple[str | int, ...]) -> AffineMap:
    """A list of transformations, the first applied first."""
    names = [axes.axes[axes.order.index(i)].name for i in range(len(axes.order))]
    try:
        sequence = {"type": "sequence", "transformations": items(value, *where)}
        return parse(sequence, names, names, where)
    except Unsupported as error:
        raise FormatError(str(error)) from error


def sampling_of(
    path: str, whole: AffineMap, axes: ReadAxes, where: tuple[str | int, ...]
) -> Sampling:
    """Scale and translation of a map that has nothing else, in the model's order.

    Raises ``FormatError`` if it has.
    """
    linear = whole.linear
    scale = linear.diagonal().tolist()
    if linear.shape != (len(axes.order),) * 2 or (linear != 0).sum() > sum(s != 0 for s in scale):
        raise FormatError(f"{place(where)}: a scale and a translation expected, nothing else")
    return Sampling(path, axes.arranged(scale), axes.arranged(whole.offset.tolist()))
