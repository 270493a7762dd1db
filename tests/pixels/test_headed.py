"""Files of a header and voxels, plain or gzipped; data files beside a header; order for writing."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from spconvert.errors import FormatError, LimitError, SourceError
from spconvert.model.region import Region
from spconvert.pixels.external import DataFile, external_file, numbered_names, raw_source
from spconvert.pixels.headed import read_head, sniffed_head, voxels_behind
from spconvert.pixels.layout import Layout
from spconvert.pixels.opened import ArraySource
from spconvert.pixels.ordered import check_order, in_file_order

ARRAY = np.arange(60, dtype=">i2").reshape(5, 4, 3)
LAYOUT = Layout((5, 4, 3), np.dtype(">i2"), (0, 1, 2))


@pytest.mark.parametrize("encode", [bytes, gzip.compress])
@pytest.mark.parametrize("behind", [b"", b"tail" * 100])
@pytest.mark.parametrize("trailer", [False, True])
def test_voxels_behind_a_header_are_read(encode, behind, trailer, tmp_path):
    path = tmp_path / "a"
    content = encode(b"h" * 50 + ARRAY.tobytes() + behind)
    path.write_bytes(content)
    file = read_head(path, 50)
    assert (file.head, file.gzipped) == (b"h" * 50, encode is gzip.compress)
    assert sniffed_head(content[:1024], 50)[:50] == file.head
    source, findings = voxels_behind(file, 50, LAYOUT, trailer=trailer)
    found = [*findings]
    if hasattr(source, "scan"):
        (array,) = source.scan([Region.whole(LAYOUT.shape)], found.append)
    else:
        array = source.read(Region.whole(LAYOUT.shape))
    np.testing.assert_array_equal(array, ARRAY)
    assert [f.code for f in found] == (["surplus-data"] if behind and not trailer else [])


def test_checksum_behind_a_trailer_is_checked(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(ARRAY.tobytes() + b"tail")[:-8] + bytes(8))
    source, _ = voxels_behind(read_head(path, 4), 0, LAYOUT, trailer=True)
    with pytest.raises(FormatError, match="broken gzip"):
        list(source.scan([Region.whole(LAYOUT.shape)]))


def test_broken_gzip_at_the_beginning_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"\x1f\x8b" + b"\xff" * 40)
    with pytest.raises(FormatError, match="broken gzip"):
        read_head(tmp_path / "a", 10)
    assert sniffed_head(b"\x1f\x8b" + b"\xff" * 40, 10) == b""


def test_data_files_stay_in_the_folder_of_their_header(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for path in (folder / "a.raw", tmp_path / "b.raw"):
        path.write_bytes(ARRAY.tobytes())
    header = folder / "a.hdr"
    assert external_file(header, "a.raw", allow_external=False) == folder / "a.raw"
    assert external_file(header, "../b.raw", allow_external=True) == folder / "../b.raw"
    for name in ("../b.raw", "/etc/hostname", "http://a/b", "none.raw", "a\0b", "a.hdr"):
        with pytest.raises(SourceError, match=r"a\.hdr|none\.raw"):
            external_file(header, name, allow_external=False)


def test_numbered_names_know_one_number_and_nothing_else():
    assert numbered_names(Path("a"), "x%03d.raw", range(8, 11)) == [
        "x008.raw",
        "x009.raw",
        "x010.raw",
    ]
    for pattern in ("x.raw", "x%s", "x%n", "%d%d", "100%%%d", "%999d"):
        with pytest.raises(FormatError, match="exactly one number"):
            numbered_names(Path("a"), pattern, [1])


def test_raw_voxels_may_end_with_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"head" + ARRAY.tobytes())
    source, found = raw_source([DataFile(tmp_path / "a", 0, LAYOUT.nbytes)], -1, LAYOUT)
    np.testing.assert_array_equal(source.read(Region.whole(LAYOUT.shape)), ARRAY)
    assert found == ()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("budget", [1, 100, 10_000])
def test_values_come_in_the_order_of_the_file(order, budget):
    pieces = list(in_file_order(ArraySource(ARRAY), order, budget))
    flat = np.concatenate([piece.reshape(-1) for piece in pieces])
    np.testing.assert_array_equal(flat, ARRAY.transpose(order).reshape(-1))


def test_sequential_sources_keep_their_order(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(ARRAY.tobytes()))
    source, _ = voxels_behind(read_head(tmp_path / "a", 4), 0, LAYOUT)
    check_order(source, (0, 1, 2), "test")
    with pytest.raises(LimitError, match="axis order"):
        check_order(source, (2, 1, 0), "test")
