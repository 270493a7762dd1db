"""Broken and hostile TIFF files: refused in one line, in bounded time and memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.contract import pixels
from spconvert.errors import FormatError, LimitError, SourceError, SpconvertError
from spconvert.formats.plugin import Source
from spconvert.formats.tiff import PLUGIN, ifd

SHORT, LONG, LONG8 = 3, 4, 16
WIDTH, HEIGHT, BITS, CODEC, PHOTO, OFFSETS = 256, 257, 258, 259, 262, 273
SAMPLES, ROWS, COUNTS, TILE_W, TILE_H = 277, 278, 279, 322, 323


def tags_of(width=4, height=3, data=12, **changed):
    """Entries of a small page whose pixels lie at byte 8."""
    values = {
        WIDTH: (LONG, width),
        HEIGHT: (LONG, height),
        BITS: (SHORT, 8),
        CODEC: (SHORT, 1),
        PHOTO: (SHORT, 1),
        OFFSETS: (LONG, 8),
        SAMPLES: (SHORT, 1),
        ROWS: (LONG, height),
        COUNTS: (LONG, data),
    }
    for name, value in changed.items():
        tag = int(name[1:])
        if value is None:
            values.pop(tag, None)
        else:
            values[tag] = value
    return values


def directory(values, following=0, order="<"):
    """A classic IFD; each value is (type, number) or (type, count, number)."""
    body = b""
    for tag, value in sorted(values.items()):
        kind, count, number = value if len(value) == 3 else (value[0], 1, value[1])
        packed = struct.pack(order + ("H2x" if kind == SHORT and count == 1 else "I"), number)
        body += struct.pack(f"{order}HHI", tag, kind, count) + packed
    return struct.pack(f"{order}H", len(values)) + body + struct.pack(f"{order}I", following)


def tiff(*directories, data=bytes(range(12)), order="<"):
    """Header, data, then the directories, each the successor of the one before."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    start = 8 + len(data)
    body = b""
    for number, values in enumerate(directories):
        size = len(directory(values, order=order))
        last = number == len(directories) - 1
        following = 0 if last else start + len(body) + size
        body += directory(values, following, order)
    return magic + struct.pack(f"{order}I", start) + data + body


def refused(tmp_path, content, match, kind=FormatError):
    path = tmp_path / "hostile.tif"
    path.write_bytes(content)
    begun = time.perf_counter()
    with pytest.raises(kind, match=match) as caught:
        pixels(PLUGIN.read(Source(path)).image)
    assert time.perf_counter() - begun < 2
    assert "hostile.tif" in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def test_the_small_file_is_sound(tmp_path):
    path = tmp_path / "a.tif"
    for order in "<>":
        path.write_bytes(tiff(tags_of(), tags_of(), order=order))
        image = PLUGIN.read(Source(path)).image
        assert image.shape == (2, 3, 4)
        np.testing.assert_array_equal(pixels(image)[1], np.arange(12).reshape(3, 4))


HEADS = {
    "empty": b"",
    "one byte": b"I",
    "magic only": b"II*\0",
    "header only": b"II*\0\x08\0\0\0",
    "no page": b"II*\0\0\0\0\0",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "other version": b"II\x2b\0\x04\0\0\0" + bytes(20),
    "first page beyond the end": b"II*\0\xff\xff\xff\x7f" + bytes(50),
    "BigTIFF beyond the end": b"II+\0\x08\0\0\0" + b"\xff" * 8,
    "no tags": b"II*\0\x08\0\0\0\0\0\0\0\0\0",
}


@pytest.mark.parametrize("name", HEADS)
def test_files_that_are_no_tiff_are_refused(name, tmp_path):
    refused(tmp_path, HEADS[name], "not a TIFF|has no page|page 1 ")


def test_circles_of_pages_end(tmp_path):
    one = tiff(tags_of())
    to_itself = one[:-4] + struct.pack("<I", 20)
    refused(tmp_path, to_itself, "page 2 is at byte 20, where another page is")
    two = tiff(tags_of(), tags_of())
    refused(tmp_path, two[:-4] + struct.pack("<I", 20), "page 3 .* circle")
    sub = tags_of(t330=(LONG, 20))
    refused(tmp_path, tiff(sub), "circle")


def test_next_page_beyond_the_end_is_refused(tmp_path):
    whole = tiff(tags_of())
    refused(tmp_path, whole[:-4] + struct.pack("<I", 1 << 30), "page 2 .* at byte 1073741824")


def test_more_tags_than_the_file_has_room_for_are_refused(tmp_path):
    whole = bytearray(tiff(tags_of()))
    whole[20:22] = b"\xff\xff"
    refused(tmp_path, bytes(whole), "65535 tags")
    whole[20:22] = b"\x00\x02"
    refused(tmp_path, bytes(whole), "512 tags")


PAGES = {
    "zero width": (tags_of(width=0), "0 x 3"),
    "zero height": (tags_of(height=0), "4 x 0"),
    "no width": (tags_of(t256=None), "0 x 3"),
    "huge": (tags_of(width=10**6, height=10**6), "cannot hold"),
    "overflow": (tags_of(width=2**31 - 1, height=2**31 - 1), "cannot hold|pieces"),
    "no samples": (tags_of(t277=(SHORT, 0)), "0 samples"),
    "many samples": (tags_of(t277=(SHORT, 60000)), "cannot hold"),
    "odd bits": (tags_of(t258=(SHORT, 77)), "77 bits"),
    "no bits": (tags_of(t258=(SHORT, 0)), "0 bits"),
    "half of a float": (tags_of(t339=(SHORT, 3)), "8 bits per sample of format 3"),
    "unknown format": (tags_of(t339=(SHORT, 9)), "of format 9"),
    "unknown compression": (tags_of(t259=(SHORT, 4711)), "unknown compression 4711"),
    "no offsets": (tags_of(t273=None), "0 of 1 strips"),
    "no offsets, tiles": (tags_of(t322=(SHORT, 16), t323=(SHORT, 16), t273=None), "0 of 1"),
    "data beyond the end": (tags_of(t273=(LONG, 10**6)), "data up to byte 1000012"),
    "count beyond the end": (tags_of(t279=(LONG, 10**8)), "data up to byte"),
    "too little data": (tags_of(t279=(LONG, 5)), "has 5 of 12|cannot hold"),
    "no data": (tags_of(t279=(LONG, 0)), "cannot hold"),
    "too few strips": (tags_of(t278=(LONG, 1)), "1 of 3 strips"),
    "zero tile": (tags_of(t322=(SHORT, 0), t323=(SHORT, 16)), "tiles of 0 x 16"),
    "small tile": (tags_of(t322=(SHORT, 2), t323=(SHORT, 2)), "1 of 4 strips or tiles"),
    "table beyond the end": (tags_of(t273=(LONG, 1 << 28, 8)), "tag 273 ends at byte"),
    "huge table": (tags_of(t258=(SHORT, 1 << 31, 8)), "tag 258"),
}


@pytest.mark.parametrize("name", PAGES)
def test_impossible_pages_are_refused(name, tmp_path):
    values, match = PAGES[name]
    refused(tmp_path, tiff(values), match, SpconvertError)


def test_missing_counts_follow_from_the_sizes(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(tags_of(t279=None)))
    np.testing.assert_array_equal(
        pixels(PLUGIN.read(Source(path)).image), np.arange(12).reshape(3, 4)
    )
    refused(tmp_path, tiff(tags_of(t279=None, t259=(SHORT, 5))), "0 of 1 strips")


def test_too_many_pages_end_the_walk(tmp_path, monkeypatch):
    monkeypatch.setattr(ifd, "MAX_PAGES", 50)
    refused(tmp_path, tiff(*[tags_of()] * 60), "more than 50 pages", LimitError)


def test_ten_thousand_pages_are_walked_in_seconds(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(*[tags_of()] * 10_000))
    begun = time.perf_counter()
    image = PLUGIN.read(Source(path)).image
    assert time.perf_counter() - begun < 8
    assert image.shape == (10_000, 3, 4)


# -- data ------------------------------------------------------------------------------------------


def deflated(data, **changed):
    return tiff(
        tags_of(data=len(data), t259=(SHORT, 8), **changed),
        data=data + bytes(len(data) % 2),
    )


def test_bad_compressed_data_are_refused(tmp_path):
    good = zlib.compress(bytes(range(12)))
    path = tmp_path / "a.tif"
    path.write_bytes(deflated(good))
    assert pixels(PLUGIN.read(Source(path)).image).max() == 11
    bad = good[:4] + b"\xff\xff\xff" + good[7:]
    refused(tmp_path, deflated(bad), "strip or tile 1 is broken")
    refused(tmp_path, deflated(good[:9]), "strip or tile 1 is broken")
    refused(tmp_path, deflated(b"no deflate at all!"), "strip or tile 1 is broken")
    refused(tmp_path, deflated(zlib.compress(bytes(5))), "strip or tile 1 is broken")


@pytest.mark.parametrize("code", [2, 3, 4, 5, 6, 7, 8, 32773, 34712, 34887, 34925, 34926, 50001])
def test_random_bytes_under_any_codec_are_an_error_or_pixels(code, tmp_path):
    rng = np.random.default_rng(code)
    path = tmp_path / "a.tif"
    for _ in range(8):
        data = rng.bytes(200)
        bits = 1 if code in (2, 3, 4) else 8
        path.write_bytes(
            tiff(
                tags_of(40, 30, data=200, t259=(SHORT, code), t258=(SHORT, bits)),
                data=data,
            )
        )
        try:
            found = pixels(PLUGIN.read(Source(path)).image)
        except SpconvertError:
            continue
        assert found.shape == (30, 40)


BOMB = """
import resource, sys
from pathlib import Path
from spconvert.errors import SpconvertError
from spconvert.formats.tiff import PLUGIN
from spconvert.formats.plugin import Source
from spconvert.model.region import Region
import tifffile, imagecodecs
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        image = PLUGIN.read(Source(Path(path))).image
        image.pixels.read(Region.whole(image.shape))
        print("read")
    except SpconvertError as error:
        print(type(error).__name__)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
"""


def test_bombs_stop_at_the_declared_size(tmp_path):
    """A strip of 12 bytes that inflates to 512 MiB, as deflate, and one of LZMA and zstd."""
    import imagecodecs

    files = []
    packed = {
        8: zlib.compress(bytes(512 << 20)),
        34925: imagecodecs.lzma_encode(bytes(128 << 20)),
        34926: imagecodecs.zstd_encode(bytes(128 << 20)),
    }
    for code, data in packed.items():
        path = tmp_path / f"{code}.tif"
        path.write_bytes(
            tiff(tags_of(data=len(data), t259=(SHORT, code)), data=data + bytes(len(data) % 2))
        )
        files.append(str(path))
    laughs = tmp_path / "laughs.ome.tif"
    entities = "".join(f'<!ENTITY x{n + 1} "{f"&x{n};" * 10}">' for n in range(9))
    text = f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY x0 "lol">{entities}]><OME>&x9;</OME>'
    tifffile.imwrite(laughs, np.zeros((3, 4), "u1"), description=text, metadata=None)
    done = subprocess.run(
        [sys.executable, "-c", BOMB, *files, str(laughs)],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    *outcomes, grown = done.stdout.split()
    assert outcomes[-1] == "read"
    assert int(grown) < 100  # MiB


def test_truncated_tiles_and_strips_are_refused(tmp_path):
    array = np.random.default_rng(3).integers(0, 255, (3, 64, 64)).astype("u1")
    path = tmp_path / "a.tif"
    for options in ({"tile": (16, 16)}, {"compression": "zlib"}, {"rowsperstrip": 8}):
        tifffile.imwrite(path, array, metadata=None, photometric="minisblack", **options)
        whole = path.read_bytes()
        for keep in range(0, len(whole), 997):
            path.write_bytes(whole[:keep])
            try:
                found = pixels(PLUGIN.read(Source(path)).image)
            except FormatError:
                continue
            assert keep > len(whole) - 100  # a text behind the last pixel
            np.testing.assert_array_equal(found, array)


def test_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    array = np.random.default_rng(3).integers(0, 255, (64, 64)).astype("u1")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, metadata=None, compression="zlib", rowsperstrip=8)
    image = PLUGIN.read(Source(path)).image
    os.truncate(path, 1000)
    with pytest.raises(SpconvertError):
        pixels(image)
    path.unlink()
    with pytest.raises(SourceError):
        pixels(image)


def test_imagej_that_promises_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 4, 5), "u1"), imagej=True, metadata={"axes": "ZYX"})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"slices=3", b"slices=9"))
    with pytest.raises(FormatError, match="promises 9 planes"):
        PLUGIN.read(Source(path))
    path.write_bytes(whole.replace(b"slices=3", b"slices=-"))
    assert PLUGIN.read(Source(path)).image.shape == (3, 4, 5)


LIES = (
    b'{"shape": [1000000000, 20, 24]}',
    b'{"shape": [3, 20, 24, 0]}',
    b'{"shape": [-3, 20, 24]}',
    b'{"shape": [], "axes": "ZYX"}',
    b'{"shape": "many"}',
    b'{"shape": [3, 20, 24], "axes": 7}',
    b"shape=(9,20,24)",
    b"ImageJ=1\nimages=1000000000\nslices=1000000000\nframes=1000000000",
    b"ImageJ=1\nspacing=nan\nunit=\xff\xfe\nfinterval=inf\nxorigin=1e999",
    b"ImageJ=1\nslices=3\nspconvert={" + b"[" * 5000,
    b'ImageJ=1\nslices=3\nspconvert={"version": 1, "axes": "zyx"}',
    b"Aperio Image Library v1|MPP = 1e999",
    b"Aperio Image Library v1|MPP = 0.0.1",
    b"<?xml version='1.0'?><scn xmlns='http://www.leica-microsystems.com/scn/2010/10/01'/>",
    b"state.configPath='x'\nscanimage.SI.version=5",
)


@pytest.mark.parametrize("text", LIES)
def test_descriptions_that_lie_are_an_error_or_the_pages(text, tmp_path):
    path = tmp_path / "a.tif"
    array = np.arange(3 * 20 * 24, dtype="u2").reshape(3, 20, 24)
    for options in ({}, {"compression": "zlib"}):
        tifffile.imwrite(
            path, array, photometric="minisblack", description=text, metadata=None, **options
        )
        begun = time.perf_counter()
        try:
            for entry in PLUGIN.images(path):
                image = PLUGIN.read(Source(path, entry.select)).image
                assert np.isfinite(image.geometry.affine).all()
                assert pixels(image).max() <= array.max()
        except SpconvertError as error:
            assert "\n" not in error.message  # noqa: PT017 (or no error at all)
        assert time.perf_counter() - begun < 2


# -- fuzz ------------------------------------------------------------------------------------------

SEEDS = {
    "plain": {"metadata": None},
    "tiles": {"metadata": None, "tile": (16, 16), "compression": "zlib"},
    "imagej": {"imagej": True},
    "shaped": {"metadata": {"axes": "ZYX"}},
    "ome": {"ome": True, "compression": "lzw"},
}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    found = {}
    for name, options in SEEDS.items():
        path = folder / f"{name}.tif"
        tifffile.imwrite(path, np.zeros((3, 20, 24), "u2"), photometric="minisblack", **options)
        found[name] = path.read_bytes()
    return found


@given(data=st.data())
@settings(max_examples=150)
def test_any_damage_is_an_error_of_ours_or_pixels(seeds, data, tmp_path_factory):
    content = bytearray(seeds[data.draw(st.sampled_from(sorted(seeds)))])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from([0, 1, 2, 127, 128, 254, 255, place % 256]))
    path = tmp_path_factory.getbasetemp() / "fuzz.tif"
    Path(path).write_bytes(bytes(content))
    try:
        for entry in PLUGIN.images(path):
            image = PLUGIN.read(Source(path, entry.select)).image
            if image.nbytes < 1 << 26:
                pixels(image)
    except SpconvertError as error:
        assert "\n" not in error.message  # noqa: PT017 (or no error at all)
