"""MINC 2, against the manifest, nibabel, and the scaling that the format describes; and faults."""

from __future__ import annotations

import hashlib

import h5py
import nibabel
import numpy as np
import pytest

from formats.contract import make_image, pixels
from spconvert.errors import FormatError, GeometryError, SourceError, Unsupported, UsageError
from spconvert.formats.minc import PLUGIN
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions

ARRAY = np.random.default_rng(4).integers(0, 200, (4, 3, 2)).astype("u1")
COSINES = {"xspace": (0.8, 0.6, 0.0), "yspace": (-0.6, 0.8, 0.0), "zspace": (0.0, 0.0, 1.0)}
STARTS = {"xspace": -20.5, "yspace": 7.25, "zspace": 3.0, "time": 0.5, "vector_dimension": 0}
STEPS = {"xspace": 0.5, "yspace": -0.75, "zspace": 2.0, "time": 1.5, "vector_dimension": 1}


def saved(
    path, array=ARRAY, order="zspace,yspace,xspace", limits=(0.0, 255.0), low=None, high=None
):
    with h5py.File(path, "w") as file:
        for name in order.split(","):
            node = file.create_dataset(f"minc-2.0/dimensions/{name}", data=0)
            node.attrs["start"], node.attrs["step"] = STARTS[name], STEPS[name]
            node.attrs["length"] = np.uint32(array.shape[order.split(",").index(name)])
            node.attrs["spacing"] = np.bytes_(b"regular__")
            if name in COSINES:
                node.attrs["direction_cosines"] = COSINES[name]
                node.attrs["units"] = np.bytes_(b"mm")
            elif name == "time":
                node.attrs["units"] = np.bytes_(b"s")
        image = file.create_dataset("minc-2.0/image/0/image", data=array, chunks=array.shape)
        image.attrs["dimorder"] = np.bytes_(order.encode())
        if limits:
            image.attrs["valid_range"] = np.array(limits)
        for name, value in (("image-min", low), ("image-max", high)):
            if value is not None:
                node = file.create_dataset(f"minc-2.0/image/0/{name}", data=np.float64(value))
                if np.ndim(value):
                    node.attrs["dimorder"] = np.bytes_(
                        ",".join(order.split(",")[: np.ndim(value)]).encode()
                    )
    return path


def read(path, **options):
    return PLUGIN.read(Source(path, options=ReadOptions(**options)))


def test_real_file_reads_as_the_manifest_says(testdata, manifest):
    entry = next(e for e in manifest if e["path"].endswith(".mnc"))
    truth = entry["expected"]
    opened = PLUGIN.read(Source(testdata / entry["path"]))
    image, geometry = opened.image, opened.image.geometry
    array = pixels(image)
    assert (image.axis_names, array.dtype.name) == (truth["axes"], truth["dtype"])
    assert list(array.shape) == truth["shape"]
    assert hashlib.sha256(array.tobytes()).hexdigest() == truth["voxel_sha256"]
    assert [*geometry.origin] == truth["origin"]
    assert [*geometry.spacing] == truth["spacing"]
    assert [[*row] for row in geometry.direction] == truth["direction"]
    assert (geometry.space == "LPS") == truth["orientation_known"]
    assert image.unit == "millimeter"
    stored = PLUGIN.read(Source(testdata / entry["path"], options=ReadOptions(rescale="keep")))
    real = pixels(stored.image) * opened.rescale.slope + opened.rescale.intercept
    np.testing.assert_array_equal(real.astype("f4"), array)
    assert PLUGIN.sniff((testdata / entry["path"]).read_bytes()[:1024])


@pytest.mark.parametrize(
    "order",
    [
        "zspace,yspace,xspace",
        "xspace,zspace,yspace",
        "yspace,xspace,zspace",
        "time,zspace,yspace,xspace",
    ],
)
@pytest.mark.parametrize("per_slice", [False, True])
def test_any_order_reads_as_nibabel_says(order, per_slice, tmp_path):
    array = np.stack([ARRAY, ARRAY + 3]) if order.startswith("time") else ARRAY
    low, high = (-1.5, 40.25)
    if per_slice:
        low = np.linspace(-1.5, 2, array.shape[0])
        high = low + np.linspace(3, 80, array.shape[0])
    path = saved(tmp_path / "a.mnc", array, order, low=low, high=high)
    opened = read(path)
    oracle = nibabel.load(str(path))
    np.testing.assert_allclose(pixels(opened.image), np.asarray(oracle.dataobj), rtol=1e-6)
    # nibabel's index axes are the file's, ours are the reverse of its spatial ones.
    affine = oracle.affine[:, [2, 1, 0, 3]]
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    np.testing.assert_allclose(opened.image.geometry.affine, lps, atol=1e-12)
    assert min(opened.image.geometry.spacing) > 0
    assert (opened.rescale is None) == per_slice
    if "t" in opened.image.axis_names:
        time = opened.image.time
        assert (time.start, time.step, time.unit) == (0.5, 1.5, "second")


def test_scaling_that_changes_nothing_keeps_the_type(tmp_path):
    path = saved(tmp_path / "a.mnc", low=0.0, high=255.0)
    assert read(path).image.dtype == np.uint8
    np.testing.assert_array_equal(pixels(read(path).image), ARRAY)
    path = saved(tmp_path / "b.mnc")
    assert read(path).image.dtype == np.uint8
    path = saved(tmp_path / "c.mnc", ARRAY.astype(">f4"), low=0.0, high=7.0)
    np.testing.assert_array_equal(pixels(read(path).image), ARRAY.astype("f4"))


def test_stored_values_are_kept_on_request(tmp_path):
    path = saved(tmp_path / "a.mnc", low=0.0, high=7.0)
    image = read(path, rescale="keep").image
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(pixels(image), ARRAY)


def test_vectors_are_channels(tmp_path):
    array = np.arange(72, dtype="u1").reshape(4, 3, 2, 3)
    path = saved(tmp_path / "a.mnc", array, "zspace,yspace,xspace,vector_dimension")
    image = read(path).image
    assert image.axis_names == "czyx"
    np.testing.assert_array_equal(pixels(image), np.moveaxis(array, -1, 0))


def changed(path, node, attribute, value):
    with h5py.File(path, "r+") as file:
        file[f"minc-2.0/{node}"].attrs[attribute] = value
    return path


@pytest.mark.parametrize(
    ("node", "attribute", "value", "error"),
    [
        ("dimensions/xspace", "step", 0.0, GeometryError),
        ("dimensions/xspace", "step", np.nan, GeometryError),
        ("dimensions/xspace", "start", np.inf, GeometryError),
        ("dimensions/xspace", "spacing", np.bytes_(b"irregular"), Unsupported),
        ("dimensions/xspace", "direction_cosines", (0.0, 0.0, 1.0), GeometryError),
        ("dimensions/xspace", "direction_cosines", (0.0, 0.0, 0.0), GeometryError),
        ("dimensions/xspace", "direction_cosines", (1.0, 0.0), FormatError),
        ("image/0/image", "dimorder", np.bytes_(b"zspace,yspace"), FormatError),
        ("image/0/image", "dimorder", np.bytes_(b"zspace,yspace,yspace"), FormatError),
        ("image/0/image", "dimorder", np.bytes_(b"zspace,yspace,wspace"), Unsupported),
        ("image/0/image", "valid_range", (3.0, 3.0), FormatError),
        ("image/0/image", "valid_range", (np.nan, 3.0), FormatError),
        ("image/0/image-max", "dimorder", np.bytes_(b"time"), FormatError),
    ],
)
def test_impossible_headers_are_refused(node, attribute, value, error, tmp_path):
    path = saved(tmp_path / "a.mnc", low=0.0, high=7.0)
    with pytest.raises(error, match=r"a\.mnc"):
        read(changed(path, node, attribute, value))


def test_assigned_spacing_replaces_an_impossible_one(tmp_path):
    path = changed(saved(tmp_path / "a.mnc"), "dimensions/xspace", "step", 0.0)
    assert read(path, spacing_assigned=True).image.geometry.spacing == (1.0, 0.75, 2.0)


@pytest.mark.parametrize("content", [b"", b"x", b"CDF\1" + bytes(200), b"\x89HDF\r\n\x1a\n" * 9])
def test_other_bytes_are_refused(content, tmp_path):
    path = tmp_path / "a.mnc"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.mnc"):
        read(path)


def test_missing_file_folder_selection_and_writing_are_refused(tmp_path):
    for path in (tmp_path / "none.mnc", tmp_path):
        with pytest.raises(SourceError, match=path.name):
            read(path)
    path = saved(tmp_path / "a.mnc")
    with pytest.raises(UsageError, match="one image"):
        PLUGIN.read(Source(path, level=1))
    with pytest.raises(Unsupported, match="not written"):
        PLUGIN.write(make_image(), Target(tmp_path / "b.mnc", tmp_path), WriteOptions())
