"""Whole stores through the plugin: the real ones of the test data, and broken ones."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import zarr

from spconvert.errors import (
    ChoiceNeeded,
    FormatError,
    SourceError,
    SpconvertError,
    Unsupported,
    UsageError,
)
from spconvert.formats.omezarr import PLUGIN, is_store
from spconvert.formats.plugin import Source, Target, WriteOptions
from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry
from spconvert.model.region import Region
from spconvert.omezarr.group import root_documents
from spconvert.omezarr.multiscale import Level, Multiscale
from spconvert.omezarr.versions import VERSIONS

IDS = [
    "v01_bioformats_int8", "v02_metadata_only", "v03_written.ome.zarr", "v04_zyx_float64",
    "v04_tczyx", "v05_tczyx", "v05_pyramid", "v04_neuroglancer_translation",
    "v05_neuroglancer_translation", "v06_anisotropic_rotation.zarr", "v06_affine_metadata.zarr",
    "v06_sequence_metadata.zarr", "v04_nifti2_zarr", "v04_bf2raw_two_images", "v04_zip",
    "v05_sharded.ome.zarr", "v05_prostate_ozx", "v05_valid_ozx",
]  # fmt: skip


@pytest.fixture(params=IDS)
def entry(request, testdata, manifest):
    found = [e for e in manifest if e["id"] == request.param]
    if not found:
        pytest.skip(f"{request.param} is not in this selection of the test data")
    return found[0] | {"at": testdata / found[0]["path"]}


def expected_geometry(entry):
    """The manifest's, judged by our reading order: see the review of each entry."""
    expected = entry["expected"]
    match entry["id"]:
        case "v06_anisotropic_rotation.zarr":  # a system called "world" is reached by an affine
            expected = expected["other_systems"]["world"]
        case "v05_prostate_ozx":  # the labels' direction, the translation as the LPS origin
            turned = expected["lps_from_orientation"]
            expected = expected | {"direction": turned["direction"]}
        case "v04_nifti2_zarr":  # the extra array's affine, RAS; its attributes repeat it
            attributes = json.loads((entry["at"] / "nifti" / ".zattrs").read_text())
            lps = np.array(attributes["Affine"]) * [[-1], [-1], [1]]
            spacing = np.linalg.norm(lps[:, :3], axis=0)
            expected = {"origin": lps[:, 3], "spacing": spacing, "direction": lps[:, :3] / spacing}
    return expected


def test_real_stores_are_read_as_the_reference_readers_do(entry):
    expected = entry["expected"]
    select = PLUGIN.images(entry["at"])[0].select
    opened = PLUGIN.read(Source(entry["at"], select))
    image = opened.image
    assert (image.axis_names, list(image.shape)) == (expected["axes"], expected["shape"])
    assert image.dtype == np.dtype(expected["dtype"])
    assert [list(level.shape) for level in opened.levels] == expected["levels"]
    if "units" in expected:
        assert [axis.unit for axis in image.axes] == expected["units"]
    if "time" in expected:
        assert image.time.step == pytest.approx(expected["time"]["spacing"])
        assert image.time.start == expected["time"]["origin"]
    geometry = expected_geometry(entry)
    np.testing.assert_allclose(image.geometry.origin, geometry["origin"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(image.geometry.spacing, geometry["spacing"], rtol=1e-6)
    np.testing.assert_allclose(image.geometry.direction, geometry["direction"], atol=1e-6)
    anatomical = expected["orientation_known"] or entry["id"] == "v04_nifti2_zarr"
    assert image.geometry.space == ("LPS" if anatomical else "unknown")


def test_real_voxels_are_read(entry):
    if entry["id"] == "v05_pyramid":
        pytest.skip("500 MB: its chunks are read in another test")
    select = PLUGIN.images(entry["at"])[0].select
    pixels = PLUGIN.read(Source(entry["at"], select)).image.pixels
    values = pickle.loads(pickle.dumps(pixels)).read(Region.whole(pixels.shape))  # noqa: S301
    if entry["expected"]["all_fill_value"]:
        assert not values.any()
    else:
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        digest = hashlib.sha256(little.tobytes()).hexdigest()
        assert digest == entry["expected"]["voxel_sha256"]


def test_a_large_store_is_read_by_region(testdata):
    path = testdata / "ome_zarr" / "v05_pyramid"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    opened = PLUGIN.read(Source(path, level=2))
    assert opened.image.geometry.spacing == (4.0, 4.0, 2.0)
    region = Region((0, 100, 5), (2, 110, 50))
    assert opened.image.pixels.read(region).shape == (2, 10, 45)


def test_several_images_need_a_choice(testdata):
    path = testdata / "ome_zarr" / "v04_bf2raw_two_images"
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    assert [entry.select for entry in PLUGIN.images(path)] == ["0", "1"]
    with pytest.raises(ChoiceNeeded, match="0, 1"):
        PLUGIN.read(Source(path))
    assert PLUGIN.read(Source(path, "1")).image.name == "bf2raw 2"


def test_labels_can_be_selected_by_path(testdata):
    path = testdata / "ome_zarr" / "test_ngff_image_v04.ome.zarr.zip"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    assert PLUGIN.read(Source(path, "labels/blobs")).image.name == "blobs"
    with pytest.raises(FormatError, match="inside the store"):
        PLUGIN.read(Source(path, "../x"))


def test_zip_files_are_recognised_by_their_content(testdata):
    for name in ("valid.ozx", "test_ngff_image_v04.ome.zarr.zip"):
        path = testdata / "ome_zarr" / name
        if not path.is_file():
            pytest.skip(f"{path} is not there")
        assert PLUGIN.sniff(path.read_bytes()[:1024])
        assert is_store(path)
    assert not PLUGIN.sniff(b"PK\x03\x04" + b"word/document.xml" * 10)
    assert not is_store(testdata / "manifest.json")


SHAPE = (5, 9, 12)


def write_store(root, version="0.5", values=None, **array):
    """A tiny store of three unlike sizes and spacings, oblique, with one marker voxel."""
    turned = ((0.8, -0.6, 0.0), (0.6, 0.8, 0.0), (0.0, 0.0, 1.0))
    geometry = Geometry((-11.0, 7.5, 300.0), (0.5, 0.75, 2.0), turned, "LPS")
    levels = (Level("s0", (1.0,) * 3, (0.0,) * 3), Level("s1", (1.0, 2.0, 2.0), (0.0, 0.5, 0.5)))
    image = Multiscale(axes_named("zyx", "millimeter"), geometry, levels, "head")
    module = VERSIONS[version]
    if values is None:
        values = np.zeros(SHAPE, "int16")
        values[1, 3, 7] = 99
    root.mkdir()
    names = {} if module.zarr_format == 2 else {"dimension_names": ["z", "y", "x"]}
    for key, data in root_documents(module, module.encode(image)).items():
        (root / key).write_bytes(data)
    for path, level in (("s0", values), ("s1", values[:, ::2, ::2])):
        made = zarr.create_array(
            root / path, shape=level.shape, dtype=level.dtype, chunks=(2, 4, 4),
            zarr_format=module.zarr_format, **names, **array,
        )  # fmt: skip
        made[...] = level
    return root


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", [{}, {"compressors": None}, {"shards": (4, 8, 8)}])
def test_our_stores_come_back(tmp_path, version, options):
    if version == "0.4" and "shards" in options:
        pytest.skip("Zarr v2 has no shards")
    opened = PLUGIN.read(Source(write_store(tmp_path / "a.zarr", version, **options)))
    pixels = opened.image.pixels
    assert opened.image.geometry.origin == (-11.0, 7.5, 300.0)
    assert (opened.levels[0].chunks, opened.levels[0].shards) == ((2, 4, 4), options.get("shards"))
    values = pixels.read(Region((1, 2, 3), (3, 9, 12)))
    assert np.argwhere(values).tolist() == [[0, 1, 4]]
    assert opened.levels[1].spacing == (1.0, 1.5, 2.0)
    np.testing.assert_allclose(opened.levels[1].origin, (-11.0 - 0.025, 7.5 + 0.45, 300.0))
    assert opened.findings == ()


def test_the_header_is_read_without_zarr(tmp_path):
    root = write_store(tmp_path / "a.zarr", "0.6")
    script = (
        "import sys; from pathlib import Path\n"
        "from spconvert.formats.omezarr import PLUGIN\n"
        "from spconvert.formats.plugin import Source\n"
        "opened = PLUGIN.read(Source(Path(sys.argv[1])))\n"
        "assert opened.image.shape == (5, 9, 12)\n"
        "assert not {'zarr', 'numcodecs', 'nrrd', 'dask'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(root)], check=True)


def test_axes_in_another_order_are_transposed(tmp_path):
    root = write_store(tmp_path / "a.zarr", "0.5")
    document = json.loads((root / "zarr.json").read_text())
    multiscale = document["attributes"]["ome"]["multiscales"][0]
    multiscale["axes"] = [{"name": n, "type": "space"} for n in "xyz"]
    del document["attributes"]["spconvert"]
    (root / "zarr.json").write_text(json.dumps(document))
    opened = PLUGIN.read(Source(root))
    assert opened.image.shape == SHAPE[::-1]
    assert opened.levels[0].chunks == (4, 4, 2)
    assert opened.image.pixels.storage_order == (2, 1, 0)
    values = opened.image.pixels.read(Region((7, 3, 1), (9, 5, 2)))
    assert values.shape == (2, 2, 1)
    assert np.argwhere(values).tolist() == [[0, 0, 0]]


def test_big_endian_values_arrive_in_native_order(tmp_path):
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(">i4")
    root = write_store(tmp_path / "a.zarr", "0.4", values)
    read = PLUGIN.read(Source(root)).image.pixels.read(Region.whole(SHAPE))
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, values)


def test_a_missing_chunk_is_the_fill_value(tmp_path):
    root = write_store(tmp_path / "a.zarr", fill_value=7)
    (root / "s0" / "c" / "0" / "0" / "1").unlink()
    values = PLUGIN.read(Source(root)).image.pixels.read(Region((0, 0, 0), (2, 4, 8)))
    assert (values[:, :, 4:] == 7).all()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("codec", ["default", "none", "blosc", "gzip"])
@pytest.mark.parametrize("damage", ["short", "empty", "noise"])
def test_a_damaged_chunk_names_the_array(tmp_path, version, codec, damage):
    from numcodecs import Blosc, GZip
    from zarr.codecs import BloscCodec, GzipCodec

    choices = {
        "default": {},
        "none": {"compressors": None},
        "blosc": {"compressors": Blosc() if version == "0.4" else BloscCodec()},
        "gzip": {"compressors": GZip() if version == "0.4" else GzipCodec()},
    }
    values = np.random.default_rng(1).integers(0, 999, SHAPE).astype("int16")
    root = write_store(tmp_path / "a.zarr", version, values, **choices[codec])
    chunk = root / "s0" / ("1.1.1" if version == "0.4" else "c/1/1/1")
    data = chunk.read_bytes()
    noise = np.random.default_rng(2).bytes(len(data) // 2)
    chunk.write_bytes({"short": data[: len(data) // 2], "empty": b"", "noise": noise}[damage])
    pixels = PLUGIN.read(Source(root)).image.pixels
    with pytest.raises(FormatError, match="s0") as caught:
        pixels.read(Region.whole(SHAPE))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["header", "cut"])
def test_a_damaged_frame_in_a_shard_is_found(tmp_path, damage):
    from zarr.codecs import BloscCodec

    values = np.random.default_rng(1).integers(0, 999, SHAPE).astype("int16")
    options = {"shards": (6, 12, 12), "compressors": BloscCodec(cname="zstd")}
    root = write_store(tmp_path / "a.zarr", "0.5", values, **options)
    shard = root / "s0" / "c" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[12:16] = (2**30).to_bytes(4, "little")  # encoded bytes of the first frame
    shard.write_bytes(data if damage == "header" else data[: len(data) // 2])
    for region in (Region.whole(SHAPE), Region((0, 0, 0), (1, 1, 1))):
        with pytest.raises(FormatError, match="s0"):
            PLUGIN.read(Source(root)).image.pixels.read(region)


def change(path, **members):
    path.write_text(json.dumps(json.loads(path.read_text()) | members))


@pytest.mark.parametrize(
    "members",
    [
        {"shape": [5, 9]},
        {"shape": [0, 9, 12]},
        {"shape": [5, -9, 12]},
        {"shape": [2**40] * 3},
        {"shape": "x"},
        {"chunk_grid": {"name": "rectilinear"}},
        {"chunk_grid": None},
        {"data_type": "string"},
        {"data_type": {"name": "numpy.datetime64"}},
        {"codecs": [{"name": "sharding_indexed"}]},
        {"codecs": 3},
        {"node_type": "group"},
        {"dimension_names": ["z"]},
        {"zarr_format": 4},
    ],
)
def test_array_metadata_that_make_no_sense_are_refused(tmp_path, members):
    root = write_store(tmp_path / "a.zarr")
    change(root / "s0" / "zarr.json", **members)
    with pytest.raises(SpconvertError) as caught:
        PLUGIN.read(Source(root))
    assert isinstance(caught.value, FormatError)


def test_object_arrays_are_refused(tmp_path):
    root = write_store(tmp_path / "a.zarr", "0.4")
    change(root / "s0" / ".zarray", dtype="|O", filters=[{"id": "pickle", "protocol": 5}])
    with pytest.raises(FormatError, match="numbers expected"):
        PLUGIN.read(Source(root))


def test_an_unknown_codec_is_reported_when_pixels_are_read(tmp_path):
    root = write_store(tmp_path / "a.zarr")
    change(root / "s0" / "zarr.json", codecs=[{"name": "bytes"}, {"name": "brotli-x"}])
    opened = PLUGIN.read(Source(root))
    assert opened.levels[0].codecs == "brotli-x"
    with pytest.raises(FormatError, match="brotli-x"):
        opened.image.pixels.read(Region.whole(SHAPE))


def test_a_missing_level_is_left_out_or_refused(tmp_path):
    root = write_store(tmp_path / "a.zarr")
    shutil.rmtree(root / "s1")
    opened = PLUGIN.read(Source(root))
    assert [level.path for level in opened.levels] == ["s0"]
    assert [finding.code for finding in opened.findings] == ["level-missing"]
    shutil.rmtree(root / "s0")
    with pytest.raises(FormatError, match="s0 is missing"):
        PLUGIN.read(Source(root))


def test_levels_that_grow_are_refused(tmp_path):
    root = write_store(tmp_path / "a.zarr")
    change(root / "s1" / "zarr.json", shape=[5, 90, 12])
    with pytest.raises(FormatError, match="falling sizes"):
        PLUGIN.read(Source(root))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe\x00", b"[]", b"[" * 100_000, b'{"a":' * 50_000, b"null",
     b'{"zarr_format": 3, "node_type": "group", "attributes": 3}',
     b'{"zarr_format": 3, "node_type": "group"}', b'{"x": ' + b"9" * 10_000 + b"}"],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_broken_root_metadata_are_one_clear_line(tmp_path, data):
    root = write_store(tmp_path / "a.zarr")
    (root / "zarr.json").write_bytes(data)
    with pytest.raises(FormatError) as caught:
        PLUGIN.read(Source(root))
    assert "a.zarr" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_store_and_an_array_are_refused_with_a_hint(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="not an OME-Zarr") as caught:
        PLUGIN.read(Source(tmp_path / "empty"))
    assert caught.value.hint
    root = write_store(tmp_path / "a.zarr")
    with pytest.raises(FormatError, match="is a Zarr array"):
        PLUGIN.read(Source(root / "s0"))
    with pytest.raises(SourceError):
        PLUGIN.read(Source(tmp_path / "none.zarr"))


def test_metadata_of_both_zarr_formats_are_noticed(tmp_path):
    root = write_store(tmp_path / "a.zarr")
    (root / ".zattrs").write_text("{}")
    assert [f.code for f in PLUGIN.read(Source(root)).findings] == ["zarr-formats-mixed"]


def test_a_level_that_is_not_there_is_a_usage_error(tmp_path):
    root = write_store(tmp_path / "a.zarr")
    for level in (2, -1):
        with pytest.raises(UsageError, match="no level") as caught:
            PLUGIN.read(Source(root, level=level))
        assert "0 to 1" in caught.value.hint


def test_a_plugin_does_not_write_stores(tmp_path):
    image = PLUGIN.read(Source(write_store(tmp_path / "a.zarr"))).image
    with pytest.raises(Unsupported):
        PLUGIN.write(image, Target(tmp_path / "b.zarr", tmp_path), WriteOptions())
