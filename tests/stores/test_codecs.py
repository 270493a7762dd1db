"""Codecs against numcodecs and the standard library, and against damaged bytes."""

from __future__ import annotations

import gzip
import json

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spconvert.errors import FormatError, UsageError
from spconvert.stores.codecs import (
    Codec,
    decode,
    encoder,
    parse_codec,
    v2_compressor,
    v3_codecs,
)

CODECS = [
    "blosc",
    "blosc:lz4",
    "blosc:lz4hc:3:bitshuffle",
    "blosc:blosclz:5:noshuffle",
    "blosc:zlib:2:shuffle",
    "blosc:zstd:0",
    "zstd",
    "zstd:1",
    "gzip",
    "gzip:9",
    "none",
]
DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]


def values(dtype):
    rng = np.random.default_rng(1)
    return np.sort(rng.integers(0, 99, 6 * 7 * 8)).reshape(6, 7, 8).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", CODECS)
def test_numcodecs_decodes_what_was_encoded(text, dtype):
    array, codec = values(dtype), parse_codec(text)
    data = encoder(codec, array.dtype)(array)
    compressor = v2_compressor(codec, array.dtype)
    json.dumps(compressor)
    decoded = numcodecs.get_codec(dict(compressor)).decode(data) if compressor else data
    assert bytes(decoded) == array.tobytes()
    assert decode(codec, data, array.nbytes) == array.tobytes()


@pytest.mark.parametrize("text", CODECS)
def test_what_numcodecs_encoded_is_decoded(text):
    array, codec = values("i2"), parse_codec(text)
    compressor = v2_compressor(codec, array.dtype)
    data = numcodecs.get_codec(dict(compressor)).encode(array) if compressor else array.tobytes()
    assert decode(codec, bytes(data), array.nbytes) == array.tobytes()


def test_gzip_is_that_of_the_standard_library_without_a_time():
    array = values("i2")
    data = encoder(Codec("gzip"), array.dtype)(array)
    assert gzip.decompress(data) == array.tobytes()
    assert data[4:8] == bytes(4)


@pytest.mark.parametrize(
    ("dtype", "shuffle"),
    [
        ("u1", "noshuffle"),
        ("?", "noshuffle"),
        ("i2", "bitshuffle"),
        ("u8", "bitshuffle"),
        ("f2", "shuffle"),
        ("f8", "shuffle"),
        ("c8", "shuffle"),
    ],
)
def test_auto_shuffle_follows_the_type(dtype, shuffle):
    assert Codec().for_dtype(np.dtype(dtype)).shuffle == shuffle
    kept = Codec(shuffle="bitshuffle").for_dtype(np.dtype(dtype))
    assert kept.shuffle == "bitshuffle"


@pytest.mark.parametrize("text", CODECS)
def test_label_parses_to_the_same_codec(text):
    codec = parse_codec(text)
    assert parse_codec(codec.label) == codec
    decided = codec.for_dtype(np.dtype("i2"))
    assert parse_codec(decided.label) == decided


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lzma",
        "blosc:snappy",
        "blosc:zstd:10",
        "blosc:zstd:-1",
        "blosc:zstd:1:sideways",
        "blosc:zstd:1:shuffle:more",
        "zstd:23",
        "zstd:fast",
        "zstd:1:2",
        "gzip:10",
        "gzip:",
        "none:1",
    ],
)
def test_codec_that_does_not_exist_is_a_usage_error_with_those_that_do(text):
    with pytest.raises(UsageError) as error:
        parse_codec(text)
    assert "zstd[:LEVEL]" in error.value.hint


@given(text=st.text(alphabet="bloscztdgipnne:0123456789", max_size=20))
def test_any_word_parses_or_is_a_usage_error(text):
    try:
        parse_codec(text)
    except UsageError:
        return


# -- damage --------------------------------------------------------------------------------------


def encoded(text):
    array = np.random.default_rng(5).integers(0, 9, (16, 16, 16)).astype("i2")
    return parse_codec(text), encoder(parse_codec(text), array.dtype)(array), array


@pytest.mark.parametrize("text", CODECS)
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_chunk_that_was_cut_off_is_a_format_error(text, kept):
    codec, data, array = encoded(text)
    with pytest.raises(FormatError, match="chunk"):
        decode(codec, data[: int(len(data) * kept)], array.nbytes)


@pytest.mark.parametrize("text", CODECS)
@pytest.mark.parametrize("other", [-2, 2, 8192])
def test_chunk_of_another_size_is_a_format_error(text, other):
    codec, data, array = encoded(text)
    with pytest.raises(FormatError, match="chunk"):
        decode(codec, data, array.nbytes + other)


@pytest.mark.parametrize("name", ["blosc", "zstd", "gzip"])
@pytest.mark.parametrize("data", [b"", b"\0", b"not compressed at all, by anyone", bytes(64)])
def test_other_bytes_are_a_format_error(name, data):
    with pytest.raises(FormatError, match="chunk"):
        decode(parse_codec(name), data, 8192)


@pytest.mark.parametrize("text", ["gzip", "zstd"])
def test_bomb_stops_at_the_size_of_a_chunk(text):
    bomb = np.zeros(64 << 20, "u1")
    data = encoder(parse_codec(text), bomb.dtype)(bomb)
    with pytest.raises(FormatError, match="chunk"):
        decode(parse_codec(text), data, 4096)


@given(data=st.data(), text=st.sampled_from(["zstd", "gzip"]))
def test_one_damaged_byte_is_an_error_or_the_right_length(data, text):
    codec, stored, array = encoded(text)
    place = data.draw(st.integers(0, len(stored) - 1))
    damaged = bytearray(stored)
    damaged[place] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(codec, bytes(damaged), array.nbytes)
    except FormatError:
        return
    assert len(found) == array.nbytes


# -- metadata ------------------------------------------------------------------------------------


def test_metadata_of_the_default_codec():
    codec = Codec()
    assert v2_compressor(codec, np.dtype("i2")) == {
        "id": "blosc",
        "cname": "zstd",
        "clevel": 1,
        "shuffle": 2,
        "blocksize": 1 << 20,
    }
    assert v3_codecs(codec, np.dtype("f4")) == [
        {"name": "bytes", "configuration": {"endian": "little"}},
        {
            "name": "blosc",
            "configuration": {
                "cname": "zstd",
                "clevel": 1,
                "shuffle": "shuffle",
                "typesize": 4,
                "blocksize": 1 << 20,
            },
        },
    ]


def test_single_bytes_have_no_byte_order():
    assert v3_codecs(Codec("none", 0), np.dtype("u1")) == [{"name": "bytes"}]
