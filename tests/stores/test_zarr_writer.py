"""Arrays as they are stored, read back by zarr-python and tensorstore, and damaged ones by us."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from spconvert.errors import FormatError, TargetError, Unsupported
from spconvert.model.region import Region, block_region, grid_shape
from spconvert.stores.codecs import Codec, parse_codec
from spconvert.stores.zarr_array import ArraySpec
from spconvert.stores.zarr_reader import ArrayReader
from spconvert.stores.zarr_writer import ArrayWriter

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
CODECS = ["blosc", "blosc:lz4:3:noshuffle", "zstd:1", "gzip", "none"]
SHAPE, CHUNKS, SHARDS = (10, 13, 17), (3, 4, 5), (6, 4, 10)


def spec_of(array, zarr_format=3, codec="blosc", *, shards=None, chunks=CHUNKS):
    names = tuple("tczyx"[-array.ndim :])
    native = array.dtype.newbyteorder("=")
    return ArraySpec(
        "s0", array.shape, native, chunks, parse_codec(codec), zarr_format, names, shards
    )


def write(root, array, spec, *, block=None, order=None):
    """Through ``ArrayWriter``, blocks in any order, as ``run_plan`` does."""
    for key, document in spec.documents().items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document)
    writer = ArrayWriter(root, spec)
    extents = block or spec.chunks
    grid = list(itertools.product(*map(range, grid_shape(array.shape, extents))))
    for place in order or range(len(grid)):
        region = block_region(array.shape, extents, grid[place])
        writer.write(place, region, array[region.slices])
    return writer


def by_zarr(root, spec):
    return zarr.open_array(root / "s0", mode="r", zarr_format=spec.zarr_format)[...]


def by_tensorstore(root, spec):
    driver = "zarr" if spec.zarr_format == 2 else "zarr3"
    store = {"driver": driver, "kvstore": {"driver": "file", "path": str(root / "s0")}}
    return tensorstore.open(store, open=True, read=True).result().read().result()


def assert_reads_back(root, array, spec):
    for found in (by_zarr(root, spec), by_tensorstore(root, spec)):
        assert found.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, array)
    region = Region((1, 0, 2), (9, 13, 16)) if array.ndim == 3 else Region.whole(array.shape)
    ours = ArrayReader(root, spec).read(region)
    assert ours.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(ours, array[region.slices])


def noise(dtype, shape=SHAPE):
    rng = np.random.default_rng(8)
    array = rng.integers(0, 250, shape).astype(dtype)
    return array * np.array(1 - 2j, dtype) if np.dtype(dtype).kind == "c" else array


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("zarr_format", "shards"), [(2, None), (3, None), (3, SHARDS)])
def test_others_read_every_type_with_every_codec(tmp_path, dtype, codec, zarr_format, shards):
    array = noise(dtype)
    spec = spec_of(array, zarr_format, codec, shards=shards)
    writer = write(tmp_path, array, spec)
    assert_reads_back(tmp_path, array, spec)
    objects = [p for p in (tmp_path / "s0").rglob("*") if p.is_file() and p.name[0] not in ".z"]
    assert writer.stored_objects == len(objects)
    assert writer.stored_bytes == sum(p.stat().st_size for p in objects)


@pytest.mark.parametrize("codec", ["blosc:lz4hc", "blosc:blosclz", "blosc:zlib", "blosc:zstd:9"])
@pytest.mark.parametrize(("zarr_format", "shards"), [(2, None), (3, SHARDS)])
def test_others_read_every_blosc_compressor(tmp_path, codec, zarr_format, shards):
    array = noise("i2")
    spec = spec_of(array, zarr_format, codec, shards=shards)
    write(tmp_path, array, spec)
    assert_reads_back(tmp_path, array, spec)


@settings(max_examples=25)
@given(data=st.data())
def test_any_shape_with_any_chunks_and_shards_reads_back(tmp_path_factory, data):
    ndim = data.draw(st.integers(2, 5))
    extents = st.lists(st.integers(1, 9), min_size=ndim, max_size=ndim)
    shape = tuple(data.draw(extents))
    chunks = tuple(min(c, n) for c, n in zip(data.draw(extents), shape, strict=True))
    per_shard = data.draw(st.lists(st.integers(1, 3), min_size=ndim, max_size=ndim))
    shards = tuple(c * k for c, k in zip(chunks, per_shard, strict=True))
    chosen = data.draw(st.sampled_from([None, shards]))
    array = noise("i2", shape)
    spec = spec_of(array, codec="none", shards=chosen, chunks=chunks)
    blocks = np.prod(grid_shape(shape, chunks))
    order = data.draw(st.permutations(range(blocks))) if blocks < 40 else None
    root = tmp_path_factory.mktemp("store")
    write(root, array, spec, order=order)
    np.testing.assert_array_equal(by_zarr(root, spec), array)
    np.testing.assert_array_equal(by_tensorstore(root, spec), array)


def test_values_of_other_byte_order_and_layout_are_stored_alike(tmp_path):
    array = noise("i2")
    for name, other in {
        "native": array,
        "swapped": array.astype(">i2"),
        "Fortran": np.asfortranarray(array),
    }.items():
        (tmp_path / name).mkdir()
        write(tmp_path / name, other, spec_of(array))
    stored = [files(tmp_path / name) for name in ("native", "swapped", "Fortran")]
    assert stored[0] == stored[1] == stored[2]


def files(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("shards", [None, SHARDS])
def test_blocks_in_any_order_from_many_threads_give_the_same_bytes(tmp_path, shards):
    array = noise("i4")
    spec = spec_of(array, shards=shards)
    block = (6, 4, 17)
    grid = list(itertools.product(*map(range, grid_shape(SHAPE, block))))
    write(tmp_path / "one", array, spec, block=block)
    write(tmp_path / "back", array, spec, block=block, order=reversed(range(len(grid))))
    writer = ArrayWriter(tmp_path / "many", spec)
    with ThreadPoolExecutor(4) as threads:
        for place in np.random.default_rng(0).permutation(len(grid)):
            region = block_region(SHAPE, block, grid[place])
            threads.submit(writer.write, int(place), region, array[region.slices])
    (tmp_path / "many" / "s0" / "zarr.json").write_bytes(spec.documents()["s0/zarr.json"])
    assert files(tmp_path / "one") == files(tmp_path / "back") == files(tmp_path / "many")


# -- what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("zarr_format", "shards"), [(2, None), (3, None), (3, SHARDS)])
def test_array_of_zeros_has_no_objects_and_reads_as_zeros(tmp_path, dtype, zarr_format, shards):
    array = np.zeros(SHAPE, dtype)
    spec = spec_of(array, zarr_format, shards=shards)
    writer = write(tmp_path, array, spec)
    assert (writer.stored_objects, writer.stored_bytes) == (0, 0)
    assert [p.name for p in (tmp_path / "s0").iterdir()] in (["zarr.json"], [".zarray"])
    assert_reads_back(tmp_path, array, spec)


@pytest.mark.parametrize("shards", [None, SHARDS])
def test_single_voxel_is_found_among_chunks_that_are_left_out(tmp_path, shards):
    array = np.zeros(SHAPE, "i2")
    array[9, 12, 16] = 7  # the last voxel, in a chunk that is cut off on every side
    spec = spec_of(array, shards=shards)
    assert write(tmp_path, array, spec).stored_objects == 1
    assert_reads_back(tmp_path, array, spec)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c16"])
@pytest.mark.parametrize("value", [-0.0, np.nan, np.inf])
def test_minus_zero_and_nan_are_kept_bit_by_bit(tmp_path, dtype, value):
    array = np.zeros(SHAPE, dtype)
    array[4, 5, 6] = value
    spec = spec_of(array)
    assert write(tmp_path, array, spec).stored_objects == 1
    for found in (by_zarr(tmp_path, spec), by_tensorstore(tmp_path, spec)):
        assert found.tobytes() == array.tobytes()


# -- metadata ------------------------------------------------------------------------------------


def test_metadata_say_what_was_asked(tmp_path):
    spec = spec_of(noise("i2"), shards=SHARDS)
    write(tmp_path, noise("i2"), spec)
    array = zarr.open_array(tmp_path / "s0", mode="r")
    assert (array.chunks, array.shards) == (CHUNKS, SHARDS)
    assert array.metadata.dimension_names == ("z", "y", "x")
    assert array.fill_value == 0


def test_v2_metadata_are_strict_json_with_nested_keys():
    document = json.loads(spec_of(noise("c8"), 2).documents()["s0/.zarray"])
    assert document["dimension_separator"] == "/"
    assert document["dtype"] == "<c8"
    assert document["order"] == "C"


@pytest.mark.parametrize("dtype", ["g", "G", "U3", "S3", "M8[s]", "V4", "O"])
def test_types_that_zarr_does_not_have_are_refused(dtype):
    with pytest.raises(Unsupported, match="Zarr has no values of type"):
        ArraySpec("s0", (4,), np.dtype(dtype), (2,), Codec(), 3, ("x",))


def test_chunks_beyond_two_gigabytes_are_refused_for_blosc():
    large = (1 << 11, 1 << 10, 1 << 10)
    with pytest.raises(Unsupported, match="Blosc takes at most 2147483631") as error:
        ArraySpec("s0", large, np.dtype("u1"), large, Codec(), 3, ("z", "y", "x"))
    assert "--chunks" in error.value.hint
    ArraySpec("s0", large, np.dtype("u1"), large, Codec("zstd"), 3, ("z", "y", "x"))


# -- refusals and damage -------------------------------------------------------------------------


def test_disk_that_refuses_is_a_target_error_naming_the_chunk(tmp_path):
    array = noise("i2")
    for shards in (None, SHARDS):
        spec = spec_of(array, shards=shards)
        root = tmp_path / str(shards)
        (root / "s0").mkdir(parents=True)
        (root / "s0" / "c").write_bytes(b"a file where the folder goes")
        with pytest.raises(TargetError, match=r"cannot write .*s0/c/0/0/0: ") as error:
            ArrayWriter(root, spec).write(0, Region((0, 0, 0), (3, 4, 5)), array[:3, :4, :5])
        assert "free some space" in error.value.hint


def test_full_disk_is_a_target_error(tmp_path):
    array = noise("i2")
    folder = tmp_path / "s0" / "c" / "0" / "0"
    folder.mkdir(parents=True)
    (folder / "0").symlink_to("/dev/full")
    for shards in (None, SHARDS):
        writer = ArrayWriter(tmp_path, spec_of(array, codec="none", shards=shards))
        with pytest.raises(TargetError, match="No space left on device"):
            writer.write(0, Region((0, 0, 0), (3, 4, 5)), array[:3, :4, :5])


@pytest.fixture(params=["blosc", "zstd", "gzip", "none"])
def stored(request, tmp_path):
    array = noise("i2")
    spec = spec_of(array, codec=request.param)
    write(tmp_path, array, spec)
    return ArrayReader(tmp_path, spec), tmp_path / "s0" / "c" / "1" / "2" / "3"


REGION = Region((0, 0, 0), SHAPE)


@pytest.mark.parametrize("kept", [0, 1, 12, 17])
def test_truncated_chunk_is_a_format_error_naming_the_file(stored, kept):
    reader, path = stored
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FormatError, match="s0/c/1/2/3: a chunk"):
        reader.read(REGION)


def test_overwritten_chunk_is_a_format_error_naming_the_file(stored):
    reader, path = stored
    path.write_bytes(b"\xa5" * (path.stat().st_size + 1))
    with pytest.raises(FormatError, match="s0/c/1/2/3: a chunk"):
        reader.read(REGION)


def test_other_chunks_of_a_damaged_array_can_be_read(stored):
    reader, path = stored
    path.write_bytes(b"")
    first = Region((0, 0, 0), CHUNKS)
    np.testing.assert_array_equal(reader.read(first), noise("i2")[first.slices])


@pytest.fixture(params=["blosc", "zstd", "gzip", "none"])
def sharded(request, tmp_path):
    array = noise("i2")
    spec = spec_of(array, codec=request.param, shards=SHARDS)
    write(tmp_path, array, spec)
    return ArrayReader(tmp_path, spec), tmp_path / "s0" / "c" / "0" / "1" / "0"


@pytest.mark.parametrize("lost", [1, 4, 67, 90])
def test_truncated_shard_is_a_format_error_naming_the_file(sharded, lost):
    reader, path = sharded
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(FormatError, match="s0/c/0/1/0: "):
        reader.read(REGION)


@pytest.mark.parametrize("kept", [0, 3, 60])
def test_shard_too_short_for_its_index_is_a_format_error(sharded, kept):
    reader, path = sharded
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(FormatError, match=rf"s0/c/0/1/0: has {kept} bytes, 68 expected"):
        reader.read(REGION)


def test_wrong_checksum_of_the_index_is_a_format_error(sharded):
    reader, path = sharded
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="s0/c/0/1/0: the shard's index has a wrong checksum"):
        reader.read(REGION)


@pytest.mark.parametrize("entry", [(10**6, 10), (0, 10**12), (2**63 + 5, 10), (2**64 - 2, 9)])
def test_index_that_points_out_of_the_shard_is_a_format_error(sharded, entry):
    import google_crc32c

    reader, path = sharded
    data = path.read_bytes()
    index = np.frombuffer(data[-68:-4], "<u8").copy()
    index[:2] = entry
    table = index.tobytes()
    path.write_bytes(data[:-68] + table + int(google_crc32c.value(table)).to_bytes(4, "little"))
    with pytest.raises(FormatError, match="s0/c/0/1/0: has"):
        reader.read(REGION)
