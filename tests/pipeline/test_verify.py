"""What was written is reread: a witness that cannot be talked into a wrong chunk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from pyramids import BUDGET, held, image_of, specs_of
from spconvert.errors import FormatError, VerificationError
from spconvert.model.geometry import Geometry
from spconvert.model.region import grid_shape
from spconvert.pipeline.events import ignore
from spconvert.pipeline.plan import PyramidOptions, plan_pyramid
from spconvert.pipeline.run import PyramidSink, run_plan
from spconvert.pipeline.verify import SAMPLED_CHUNKS, Witness, check_geometry, sampled_chunks
from spconvert.pixels.reduced import mean
from spconvert.stores.zarr_reader import ArrayReader
from spconvert.stores.zarr_writer import ArrayWriter


@pytest.fixture(params=["none", (16, 16, 16)])
def written(request, tmp_path):
    """A witness, the readers of what it saw being written, and where that is."""
    array = np.random.default_rng(6).integers(1, 3000, (37, 41, 33)).astype("i2")
    image = image_of(held(array), "zyx")
    options = PyramidOptions(chunks=(8, 8, 8), shards=request.param)
    plan = plan_pyramid(image, options, BUDGET, 2)
    specs = specs_of(plan, image, "none")
    witness = Witness(plan)
    sink = PyramidSink([ArrayWriter(tmp_path, spec) for spec in specs], mean, (witness,))
    with ThreadPoolExecutor(2) as threads:
        run_plan(plan, image.pixels, sink, threads, ignore)
    return witness, [ArrayReader(tmp_path, spec) for spec in specs], tmp_path


def test_faithful_store_is_verified_with_a_count(written):
    witness, readers, _ = written
    finding = witness.check(readers)
    assert (finding.severity, finding.code) == ("note", "verified")
    assert finding.message == "25 chunks of 4 levels read back as written"


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_chunk_that_changed_on_the_disk_is_named(written, level):
    witness, readers, root = written
    spec = readers[level].spec
    last = tuple(n - 1 for n in grid_shape(spec.shape, spec.objects))
    path = root / spec.object_key(last)
    data = np.frombuffer(path.read_bytes(), "u1").copy()
    chunks_per_object = prod(grid_shape(spec.objects, spec.chunks))
    index_bytes = 16 * chunks_per_object + 4 if spec.shards else 0
    data[: data.size - index_bytes] ^= 1
    path.write_bytes(data.tobytes())
    with pytest.raises(VerificationError, match=rf"level s{level} reads back otherwise") as error:
        witness.check(readers)
    assert "nothing was published" in error.value.hint


def test_chunk_that_is_missing_is_noticed(written):
    witness, readers, root = written
    (root / readers[0].spec.object_key((0, 0, 0))).unlink()
    with pytest.raises(VerificationError, match=r"chunk \(0, 0, 0\) of level s0"):
        witness.check(readers)


def test_chunk_that_was_cut_off_is_a_format_error(written):
    witness, readers, root = written
    path = root / readers[0].spec.object_key((0, 0, 0))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match="s0/c/0/0/0"):
        witness.check(readers)


def test_witness_that_saw_nothing_does_not_agree(written):
    witness, readers, _ = written
    with pytest.raises(VerificationError):
        Witness(witness.plan).check(readers)


def test_sample_has_the_first_and_the_last_chunk():
    found = sampled_chunks((1000, 1000, 1000), (64, 64, 64))
    assert len(found) == len(set(found)) == SAMPLED_CHUNKS
    assert found[0] == (0, 0, 0)
    assert found[-1] == (15, 15, 15)
    assert sampled_chunks((10, 10), (64, 64)) == [(0, 0)]
    assert sampled_chunks((3, 65), (1, 64)) == [(i, j) for i in range(3) for j in range(2)]


GEOMETRY = Geometry(
    (-90.5, 12.25, 300.0), (0.5, 0.75, 2.0), ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
)


def test_same_geometry_is_accepted():
    check_geometry([GEOMETRY, GEOMETRY], [GEOMETRY, replace(GEOMETRY)])


@pytest.mark.parametrize(
    "other",
    [
        replace(GEOMETRY, origin=(-90.5, 12.25, 300.0 + 1e-8)),
        replace(GEOMETRY, spacing=(0.5, 0.75 * (1 + 1e-8), 2.0)),
        replace(GEOMETRY, direction=((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))),
    ],
)
def test_other_geometry_is_refused_with_the_level(other):
    with pytest.raises(VerificationError, match=r"level 1: the geometry reads back .* voxels off"):
        check_geometry([GEOMETRY, GEOMETRY], [GEOMETRY, other])


def test_missing_level_is_refused():
    with pytest.raises(VerificationError, match="1 levels read back, 2 were written"):
        check_geometry([GEOMETRY, GEOMETRY], [GEOMETRY])
