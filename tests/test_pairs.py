"""Every format to every other one, and through OME-Zarr and back: no voxel moves in silence."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from formats.contract import make_image, pixels
from spconvert.actions.convert import convert
from spconvert.actions.open import open_file
from spconvert.actions.request import Request
from spconvert.errors import Unsupported
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.formats.registry import (
    SUFFIXES,
    all_plugins,
    plugin_for_writing,
    plugin_named,
    suffix_of,
)
from spconvert.model.geometry import identity_matrix
from truth import manifest_entries, truths

NAMES = (
    "a.nrrd", "a.nhdr", "a.seg.nrrd", "a.nii", "a.nii.gz", "a.hdr", "a.mha", "a.mhd", "a.vtk",
    "a.gipl", "a.gipl.gz", "a.ome.tif", "a.tif", "a.btf", "a_%04d.png", "a_%03d.jp2", "a_%d.exr",
    "a_%04d.pgm", "a_%04d.bmp", "a_%04d.webp", "a_%04d.jpg", "a.ome.zarr",
)  # fmt: skip
"""What is written: every format that has a writer, in every layout that it has."""

KINDS = (
    ("zyx", "int16"),
    ("zyx", "uint8"),
    ("zyx", "float32"),
    ("yx", "uint8"),
    ("yx", "uint16"),
    ("cyx", "uint8"),
    ("czyx", "uint8"),
    ("czyx", "float32"),
    ("tzyx", "int16"),
    ("tczyx", "uint16"),
)
"""Axes and types; not every format holds every kind, but then it says so before it writes."""

KEEP = ReadOptions(rescale="keep", metadata="all")
WITHIN = 1e-5
"""How far the marker may move, in the unit of the image (millimetres)."""

MOVED = frozenset({"origin-lost", "spacing-lost", "direction-lost", "shear-lost"})
"""Findings after which a voxel may be somewhere else."""


def read(path):
    return open_file(Source(path, options=KEEP)).image


def marker_position(image):
    """Where the marker is, by the values of the file: they decide which index it has."""
    array = pixels(image)
    found = np.argwhere(array == array.max())
    assert len(found) == 1
    index = [found[0][axis] for axis in image.space_axes]
    return image.geometry.physical(index[::-1])


@cache
def written(folder, name, axes, dtype):
    """The made image as a file of this format, or ``None`` if it cannot hold it."""
    path = folder / f"{axes}-{dtype}" / name
    path.parent.mkdir(exist_ok=True)
    try:
        convert(Request(make_image(axes, dtype), path))
    except Unsupported:
        return None
    return path


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    return lambda name, axes, dtype: written(folder, name, axes, dtype)


def converted(source, target):
    """What was read, what reads back, and the codes of what was said; ``None`` if refused."""
    image = read(source)
    refusal = None
    try:
        done = convert(Request(Source(source, options=KEEP), target))
    except Unsupported as error:
        refusal = error
    if refusal is not None:
        assert refusal.hint, f"{refusal}: what can the user do?"
        assert list(target.parent.iterdir()) == []
        return None
    return image, read(target), {finding.code for finding in done.findings}


def test_every_writer_is_in_the_matrix():
    writers = {plugin.name for plugin in all_plugins() if plugin.can.writes}
    assert writers == {plugin_for_writing(Path(name)).name for name in NAMES}


@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(NAMES, 2)))
def test_every_pair_keeps_the_marker_or_says_what_is_lost(source, target, made, tmp_path):
    for axes, dtype in KINDS:
        path = made(source, axes, dtype)
        if path is None:
            continue
        folder = tmp_path / f"{axes}-{dtype}"
        folder.mkdir()
        pair = converted(path, folder / target)
        if pair is None:
            continue
        before, after, codes = pair
        assert after.dtype == before.dtype
        if source.endswith(".jpg") or "pixels-changed" in codes:
            continue
        np.testing.assert_array_equal(pixels(after).squeeze(), pixels(before).squeeze())
        if not codes & MOVED:
            moved = np.abs(marker_position(after) - marker_position(before)).max()
            assert moved <= WITHIN, (axes, dtype, codes)
        if "space-assumed" not in codes:
            assert after.geometry.space == before.geometry.space
        if not codes & {"unit-lost", "unit-assumed"}:
            assert after.unit == before.unit
        if before.time and not codes & {"time-lost", "time-step-lost"}:
            assert (after.time.start, after.time.step) == (before.time.start, before.time.step)
            assert after.time.unit == before.time.unit


def assert_identity(before, after, keeps):
    """All that a format claims to keep came back."""
    assert (after.axis_names, after.shape, after.dtype) == (
        before.axis_names,
        before.shape,
        before.dtype,
    )
    np.testing.assert_array_equal(pixels(after), pixels(before))
    wanted, found = before.geometry, after.geometry
    for feature in {"origin", "spacing", "direction"} & keeps:
        assert getattr(found, feature) == getattr(wanted, feature)
    assert found.space == wanted.space
    if "unit" in keeps:
        assert after.unit == before.unit
    if "time-step" in keeps:
        assert after.time == before.time
    if "channels" in keeps:
        assert after.channels == before.channels


def through_store(source, folder, name):
    """The image of ``source``, and the same after OME-Zarr and back to the format of ``name``."""
    convert(Request(source, folder / "between.ome.zarr"))
    back = folder / name
    convert(Request(Source(folder / "between.ome.zarr", options=KEEP), back))
    return open_file(source).image, read(back)


@pytest.mark.parametrize("name", [n for n in NAMES if not n.endswith(".jpg")])
def test_a_made_image_comes_back_through_a_store(name, made, tmp_path):
    held = 0
    for axes, dtype in KINDS:
        path = made(name, axes, dtype)
        if path is None:
            continue
        folder = tmp_path / f"{axes}-{dtype}"
        folder.mkdir()
        pair = through_store(Source(path, options=KEEP), folder, f"back-{name}")
        assert_identity(*pair, plugin_for_writing(path).can.keeps)
        held += 1
    assert held


WRITTEN_AS = {
    "nrrd": ".nrrd",
    "nifti": ".nii",
    "tiff": ".ome.tif",
    "png": ".png",
    "metaimage": ".mha",
    "vtk": ".vtk",
    "gipl": ".gipl.gz",
}
"""The suffix under which images of a format are given back."""

STORAGE = {
    "nrrd": {"magic", "encoding", "endian", "data file", "datafile", "byte skip", "line skip"},
    "nifti": {"dim", "scl_slope"},  # unused members of dim may be 0 or 1, and so may no slope
    "tiff": {"dialect", "ImageJ", "loop", "min", "max"},
    "metaimage": {
        "TransformMatrix",
        "Offset",
        "ElementSpacing",
        "ElementSize",
        "AnatomicalOrientation",
        "CenterOfRotation",
    },
}
"""Fields that say how a file is stored, or its geometry in digits: a new file is stored anew."""


def kept_extra(image, name):
    """The header fields of a format, flat, without those of ``STORAGE``."""
    extra = dict(image.extra.get(name) or {})
    extra |= extra.pop("fields", {})
    return {key: value for key, value in extra.items() if key not in STORAGE.get(name, ())}


IMAGES = [
    (truth, name)
    for entry in manifest_entries()
    for truth in truths(entry)
    if (name := SUFFIXES.get(suffix_of(truth.path))) in WRITTEN_AS
]


@pytest.mark.parametrize(("truth", "name"), IMAGES, ids=[f"{t.id}-{t.select}" for t, _ in IMAGES])
def test_a_real_image_comes_back_through_a_store(truth, name, tmp_path):
    source = Source(truth.path, truth.select, options=KEEP)
    before, after = through_store(source, tmp_path, f"back{WRITTEN_AS[name]}")
    keeps = plugin_named(name).can.keeps
    assert_identity(before, after, keeps)
    if "extra" in keeps:
        assert kept_extra(after, name) == kept_extra(before, name)


def seen_by_simpleitk(path):
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    (index,) = np.argwhere(array == array.max()).tolist()
    return image.TransformIndexToPhysicalPoint(index[::-1])


def seen_by_nibabel(path):
    image = nib.load(path)
    array = np.asarray(image.dataobj)
    (index,) = np.argwhere(array == array.max()).tolist()
    return np.diag([-1, -1, 1]) @ nib.affines.apply_affine(image.affine, index)


def seen_by_tifffile(path):
    """PhysicalSize, and the positions of the planes: all that OME has for a place."""
    with tifffile.TiffFile(path) as file:
        array = file.asarray()
        pixels_of = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    (index,) = np.argwhere(array == array.max()).tolist()
    assert {pixels_of[f"PhysicalSize{axis}Unit"] for axis in "XYZ"} == {"mm"}
    plane = pixels_of["Plane"][index[0]]
    inside = [
        pixels_of[f"PhysicalSize{axis}"] * i for axis, i in zip("XY", index[:0:-1], strict=True)
    ]
    start = [plane[f"Position{axis}"] for axis in "XYZ"]
    return np.add(start, [*inside, 0.0])


READERS = {
    **dict.fromkeys(("a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.vtk"), (seen_by_simpleitk,)),
    **dict.fromkeys(("a.gipl", "a.gipl.gz"), (seen_by_simpleitk,)),
    **dict.fromkeys(("a.nii", "a.nii.gz", "a.hdr"), (seen_by_simpleitk, seen_by_nibabel)),
    "a.ome.tif": (seen_by_tifffile,),
}


@pytest.mark.parametrize("target", READERS)
@pytest.mark.parametrize("source", ["a.nrrd", "a.nii.gz", "a.mha", "a.ome.tif", "a.ome.zarr"])
def test_others_find_the_marker_where_it_was(source, target, made, tmp_path):
    for dtype in ("int16", "uint8", "float32"):
        folder = tmp_path / dtype
        folder.mkdir()
        before, _, codes = converted(made(source, "zyx", dtype), folder / target)
        geometry = before.geometry
        if "direction-lost" in codes:
            # OME has a true position for each plane, and no more than a size for its pixels.
            along_z = geometry.direction if target == "a.ome.tif" else identity_matrix(3)
            rows = [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]
            direction = tuple((*row, z[2]) for row, z in zip(rows, along_z, strict=True))
            geometry = replace(geometry, direction=direction)
        wanted = marker_position(replace(before, geometry=geometry))
        for seen in READERS[target]:
            np.testing.assert_allclose(seen(folder / target), wanted, rtol=0, atol=WITHIN)
