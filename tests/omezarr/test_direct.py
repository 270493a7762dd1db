"""Arrays that are decoded without zarr-python have the values that zarr-python reads."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spconvert.errors import FormatError
from spconvert.model.region import Region
from spconvert.omezarr.group import _array_info
from spconvert.omezarr.source import ZarrSource
from spconvert.stores.location import open_location
from spconvert.stores.zarr_direct import NotDirect, read_direct

SHAPE = (9, 14, 21)
REGIONS = [Region.whole(SHAPE), Region((3, 5, 7), (9, 6, 20)), Region((1, 1, 1), (1, 4, 2))]


def compressors(codec, zarr_format):
    import numcodecs
    from zarr import codecs

    if codec == "none":
        return None
    if zarr_format == 2:
        made = {"blosc": numcodecs.Blosc("zstd", 1, 2), "zstd": numcodecs.Zstd(2)}
        return {**made, "gzip": numcodecs.GZip(1), "zlib": numcodecs.Zlib(1)}[codec]
    return {
        "blosc": codecs.BloscCodec(cname="lz4", shuffle="shuffle"),
        "zstd": codecs.ZstdCodec(),
        "gzip": codecs.GzipCodec(),
        "zstd+crc": [codecs.ZstdCodec(), codecs.Crc32cCodec()],
    }[codec]


def stored(tmp_path, zarr_format=3, codec="zstd", dtype="int16", **settings):
    """An array at "0" and its source; zarr-python's own view of it comes as the third."""
    import zarr

    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=zarr_format)
    settings = {"chunks": (4, 5, 8), "fill_value": 0, **settings}
    array = group.create_array(
        "0",
        shape=SHAPE,
        dtype=dtype,
        compressors=compressors(codec, zarr_format),
        **settings,
    )
    random = np.random.default_rng(3)
    array[:] = random.integers(0, 2 if dtype == "bool" else 120, SHAPE).astype(dtype)
    return array, source(tmp_path)


def source(tmp_path):
    location = open_location(tmp_path / "a.zarr")
    info = _array_info(location, "0", "0")
    return ZarrSource(location, "0", info, (0, 1, 2))


def check(array, pixels):
    for region in REGIONS:
        found = read_direct(pixels.location, "0", pixels.info.direct, region)
        np.testing.assert_array_equal(found, array[region.slices])
        assert found.dtype == pixels.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", ">i4", "float32", ">f8", "complex64"])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("codec", ["none", "blosc", "zstd", "gzip"])
def test_values_are_those_of_zarr(tmp_path, zarr_format, codec, dtype):
    if zarr_format == 3 and dtype.startswith(">"):
        from zarr.codecs import BytesCodec

        settings = {"serializer": BytesCodec(endian="big"), "dtype": dtype[1:]}
    else:
        settings = {"dtype": dtype}
    check(*stored(tmp_path, zarr_format, codec, **settings))


@pytest.mark.parametrize("index", ["start", "end"])
@pytest.mark.parametrize("codec", ["none", "blosc", "zstd"])
def test_values_in_shards_are_those_of_zarr(tmp_path, codec, index):
    from zarr.codecs import BytesCodec, ShardingCodec

    inner = compressors(codec, 3)
    sharding = ShardingCodec(
        chunk_shape=(4, 5, 8),
        codecs=[BytesCodec(), *([inner] if inner else [])],
        index_location=index,
    )
    check(*stored(tmp_path, codec="none", chunks=(8, 5, 16), serializer=sharding))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(("separator", "kind"), [(".", "v2"), ("/", "v2"), (".", "default")])
def test_all_keys_of_chunks_are_found(tmp_path, zarr_format, separator, kind):
    if zarr_format == 2 and kind == "default":
        pytest.skip("Zarr v2 has no other keys")
    keys = {"name": kind, "separator": separator}
    check(*stored(tmp_path, zarr_format, chunk_key_encoding=keys))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "fill"), [("int16", 7), ("float32", 2.5), ("float32", float("nan")), ("bool", True)]
)
def test_chunks_that_are_not_stored_have_the_fill_value(tmp_path, zarr_format, dtype, fill):
    array, pixels = stored(tmp_path, zarr_format, dtype=dtype, fill_value=fill)
    for path in (tmp_path / "a.zarr" / "0").rglob("*"):
        if path.is_file() and not path.name.startswith(("zarr", ".z")) and "1" in path.name:
            path.unlink()
    np.testing.assert_array_equal(pixels.read(Region.whole(SHAPE)), array[:])


@pytest.mark.parametrize(
    ("zarr_format", "settings"),
    [
        (2, {"codec": "zlib"}),
        (2, {"order": "F"}),
        (3, {"codec": "zstd+crc"}),
    ],
)
def test_other_arrays_are_left_to_zarr(tmp_path, zarr_format, settings):
    array, pixels = stored(tmp_path, zarr_format, **settings)
    assert pixels.info.direct is None
    np.testing.assert_array_equal(pixels.read(Region.whole(SHAPE)), array[:])


def test_a_transposed_array_is_left_to_zarr(tmp_path):
    from zarr.codecs import TransposeCodec

    array, pixels = stored(tmp_path, filters=[TransposeCodec(order=(2, 1, 0))])
    assert pixels.info.direct is None
    np.testing.assert_array_equal(pixels.read(Region.whole(SHAPE)), array[:])


@given(data=st.data())
def test_a_damaged_chunk_is_wrong_nowhere_but_where_zarr_says_so(tmp_path_factory, data):
    """Whatever happens to a chunk, our decoder gives zarr's values or leaves the chunk to it."""
    tmp_path = tmp_path_factory.mktemp("damaged")
    codec = data.draw(st.sampled_from(["none", "zstd", "gzip"]))
    array, pixels = stored(tmp_path, codec=codec)
    path = tmp_path / "a.zarr" / "0" / "c" / "1" / "1" / "1"
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    region = Region((4, 5, 8), (8, 10, 16))
    try:
        found = read_direct(pixels.location, "0", pixels.info.direct, region)
    except NotDirect:
        return
    np.testing.assert_array_equal(found, array[region.slices])


def test_damage_is_reported_as_zarr_reports_it(tmp_path):
    _, pixels = stored(tmp_path, codec="gzip")
    path = tmp_path / "a.zarr" / "0" / "c" / "1" / "1" / "1"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match="array 0: the chunks in"):
        pixels.read(Region.whole(SHAPE))


def test_pixels_are_read_without_importing_zarr(tmp_path):
    stored(tmp_path, codec="blosc")
    code = (
        "import sys; from spconvert.stores.location import open_location\n"
        "from spconvert.omezarr.group import _array_info\n"
        "from spconvert.omezarr.source import ZarrSource\n"
        "from spconvert.model.region import Region\n"
        f"place = open_location({str(tmp_path / 'a.zarr')!r})\n"
        "pixels = ZarrSource(place, '0', _array_info(place, '0', '0'), (0, 1, 2))\n"
        f"pixels.read(Region.whole({SHAPE}))\n"
        "assert 'zarr' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
