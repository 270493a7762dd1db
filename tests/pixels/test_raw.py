"""Raw sources: files on disk against the numpy array that they were made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from spconvert.errors import FormatError, SourceError
from spconvert.model.region import Region, blocks
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource, surplus_bytes
from spconvert.testing.pixel_source import PixelSourceContract

SHAPE = (3, 2, 5, 7, 11)  # t c z y x


def array_of(shape, dtype):
    count = int(np.prod(shape))
    return (np.arange(count) * 7 % 251).astype(dtype).reshape(shape)


def write_parts(folder, data, cuts, lead=b""):
    """The bytes of ``data`` in files cut at ``cuts``, each behind ``lead``."""
    parts = []
    ends = [*cuts, len(data)]
    start = 0
    for number, end in enumerate(ends):
        path = folder / f"part{number}.raw"
        path.write_bytes(lead + data[start:end] + b"tail")
        parts.append(FilePart(path, len(lead), end - start))
        start = end
    return tuple(parts)


def source_of(folder, array, order, stored, cuts=()):
    data = np.ascontiguousarray(array.transpose(order)).astype(stored).tobytes()
    layout = Layout(array.shape, np.dtype(stored), order)
    return RawSource(write_parts(folder, data, cuts, b"header"), layout)


@pytest.mark.parametrize(
    ("order", "stored", "cuts"),
    [
        ((0, 1, 2, 3, 4), "<i2", ()),
        ((0, 2, 3, 4, 1), ">i2", ()),  # interleaved components, other byte order
        ((4, 3, 2, 1, 0), "<f8", (1000, 1001, 9000)),  # several files, cut within an element
        ((1, 0, 2, 3, 4), "|u1", (77 * 5,)),
        ((0, 2, 3, 4, 1), ">c16", (4096,)),
    ],
)
class TestRawSource(PixelSourceContract):
    @pytest.fixture
    def expected(self, stored):
        return array_of(SHAPE, np.dtype(stored).newbyteorder("="))

    @pytest.fixture
    def source(self, expected, order, stored, cuts, tmp_path):
        return source_of(tmp_path, expected, order, stored, cuts)

    def test_many_threads_read_at_once(self, source, expected):
        regions = list(blocks(SHAPE, (1, 1, 2, 3, 4)))
        with ThreadPoolExecutor(4) as pool:
            for region, found in zip(regions, pool.map(source.read, regions), strict=True):
                np.testing.assert_array_equal(found, expected[region.slices])


def test_full_rows_and_planes_are_one_run():
    layout = Layout((4, 5, 6), np.dtype("<i2"), (0, 1, 2))
    assert list(layout.runs(Region((1, 0, 0), (3, 5, 6)))) == [(60, 120)]
    assert list(layout.runs(Region((1, 2, 0), (2, 4, 6)))) == [(84, 24)]
    assert list(layout.runs(Region((0, 1, 2), (2, 3, 4)))) == [(16, 4), (28, 4), (76, 4), (88, 4)]


def test_all_components_of_a_voxel_are_one_run():
    layout = Layout((3, 4, 5), np.dtype("|u1"), (1, 2, 0))  # c y x, components fastest
    assert list(layout.runs(Region((0, 1, 2), (3, 2, 4)))) == [(21, 6)]


def test_file_that_shrank_is_reported_with_both_sizes(tmp_path):
    array = array_of((4, 5, 6), "<i2")
    source = source_of(tmp_path, array, (0, 1, 2), "<i2")
    path = source.parts[0].path
    os.truncate(path, 100)
    with pytest.raises(SourceError, match="has 100 of 246 bytes"):
        source.read(Region.whole(array.shape))


def test_missing_folder_and_pipe_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("none", "No such file"), (".", "is a folder"), ("pipe", "a pipe")):
        with pytest.raises(SourceError, match=said):
            surplus_bytes(FilePart(tmp_path / name, 0, 1))


def test_part_longer_than_its_file_is_refused(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(10))
    assert surplus_bytes(FilePart(tmp_path / "a.raw", 2, 5)) == 3
    with pytest.raises(FormatError, match="has 6 of 7 bytes"):
        surplus_bytes(FilePart(tmp_path / "a.raw", 4, 7))


COUNT_BYTES = """
import json, sys
from pathlib import Path
import numpy as np
from spconvert.model.region import Region
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart, RawSource
def read_so_far():
    lines = Path("/proc/self/io").read_text().split("\\n")
    return int(lines[0].split()[1])
source = RawSource((FilePart(Path(sys.argv[1]), 0, 64 << 20),),
                   Layout((128, 512, 512), np.dtype("<i2"), (0, 1, 2)))
own = -read_so_far() + read_so_far()
before = read_so_far()
source.read(Region((10, 20, 30), (14, 28, 46)))
small = read_so_far() - before - own
before = read_so_far()
source.read(Region((10, 0, 0), (12, 512, 512)))
print(json.dumps([small, read_so_far() - before - own]))
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes by /proc/self/io")
def test_region_of_a_large_file_reads_its_own_bytes_only(tmp_path):
    path = tmp_path / "large.raw"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    done = subprocess.run(
        [sys.executable, "-c", COUNT_BYTES, str(path)], capture_output=True, check=True, text=True
    )
    small, planes = json.loads(done.stdout)
    # /proc/self/io itself is read in between: its length varies by a digit or two.
    assert abs(small - 4 * 8 * 16 * 2) <= 8
    assert abs(planes - 2 * 512 * 512 * 2) <= 8
