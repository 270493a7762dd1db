"""Pyramids made by the pipeline alone: images in memory or in a real gzip file, plain folders."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorstore
import zarr

from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry, identity_matrix
from spconvert.model.image import SpatialImage
from spconvert.pipeline.events import ignore
from spconvert.pipeline.plan import PyramidOptions, plan_pyramid
from spconvert.pipeline.run import PyramidSink, run_plan
from spconvert.pixels.inflated import CompressedPart, InflatedSource
from spconvert.pixels.layout import Layout
from spconvert.pixels.opened import ArraySource
from spconvert.pixels.reduced import reducer
from spconvert.stores.codecs import parse_codec
from spconvert.stores.zarr_array import ArraySpec
from spconvert.stores.zarr_writer import ArrayWriter

BUDGET = 128 << 20


def image_of(source, names, spacing=None):
    """An image with this source; ``spacing`` in x, y, z order."""
    ndim = sum(n in "zyx" for n in names)
    geometry = Geometry((0.0,) * ndim, spacing or (1.0,) * ndim, identity_matrix(ndim))
    return SpatialImage(source, axes_named(names), geometry)


def gzip_source(folder, array, order=None):
    """A gzip file with the array's values in storage order ``order``, and its source."""
    order = tuple(range(array.ndim)) if order is None else order
    path = Path(folder) / "voxels.gz"
    path.write_bytes(gzip.compress(array.transpose(order).tobytes(), 1))
    layout = Layout(array.shape, array.dtype, order)
    return InflatedSource((CompressedPart(path, 0, array.nbytes),), "gzip", layout)


def held(array, order=None):
    """The array as a source whose memory has the storage order ``order``."""
    if order is None:
        return ArraySource(array)
    return ArraySource(np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order)))


def specs_of(plan, image, codec="zstd:1", zarr_format=3):
    return [
        ArraySpec(
            level.path,
            level.shape,
            image.dtype,
            level.chunks,
            parse_codec(codec),
            zarr_format,
            tuple(image.axis_names),
            level.shards,
        )
        for level in plan.levels
    ]


def write_pyramid(
    root, image, options=None, *, codec="zstd:1", zarr_format=3, method="mean", workers=2
):
    """Plan and run. Returns the plan."""
    options = options or PyramidOptions()
    plan = plan_pyramid(image, options, BUDGET, workers)
    specs = specs_of(plan, image, codec, zarr_format)
    for spec in specs:
        for key, document in spec.documents().items():
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(document)
    sink = PyramidSink([ArrayWriter(root, spec) for spec in specs], reducer(method).reduce)
    with ThreadPoolExecutor(plan.workers) as threads:
        run_plan(plan, image.pixels, sink, threads, ignore)
    return plan


def by_zarr(root, plan):
    """Every level as zarr-python reads it."""
    return [zarr.open_array(root / level.path, mode="r")[...] for level in plan.levels]


def by_tensorstore(root, plan, zarr_format=3):
    """Every level as tensorstore reads it."""
    driver = "zarr" if zarr_format == 2 else "zarr3"
    levels = []
    for level in plan.levels:
        store = {"driver": driver, "kvstore": {"driver": "file", "path": str(root / level.path)}}
        levels.append(tensorstore.open(store, open=True, read=True).result().read().result())
    return levels


def stored_files(root):
    """Every file below ``root`` with its bytes."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
