"""Whole pyramids as zarr-python and tensorstore read them, and runs that fail in the middle."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pyramids import (
    BUDGET,
    by_tensorstore,
    by_zarr,
    gzip_source,
    held,
    image_of,
    stored_files,
    write_pyramid,
)
from spconvert.errors import FormatError, SourceError, TargetError
from spconvert.pipeline.events import Advanced, Found, Started, ignore
from spconvert.pipeline.plan import PyramidOptions, plan_pyramid
from spconvert.pipeline.run import PyramidSink, run_plan
from spconvert.pixels.opened import ArraySource
from spconvert.pixels.reduced import REDUCERS


def chunked(names, edge, **options):
    return PyramidOptions(chunks=tuple(edge if n in "zyx" else 1 for n in names), **options)


def with_factors(names, edge, *factors):
    made = tuple(tuple(f if n in "zyx" else 1 for n in names) for f in factors)
    return chunked(names, edge, scale_factors=made)


SHAPES = {
    "zyx": ((37, 65, 51), None),
    "yx": ((150, 133), None),
    "cyx": ((3, 66, 81), (1, 2, 0)),
    "czyx": ((2, 20, 34, 41), (1, 2, 3, 0)),
    "tczyx": ((2, 3, 17, 33, 20), None),
    "x slowest": ((37, 65, 51), (2, 1, 0)),
}
LAYOUTS = {
    "plain": lambda names: chunked(names, 16),
    "sharded": lambda names: chunked(names, 8, shards=chunked(names, 16).chunks),
    "uneven": lambda names: with_factors(names, 15, 2, 6),
    "by three": lambda names: with_factors(names, 7, 3),
}


def noise(shape, dtype="i2"):
    return np.random.default_rng(6).integers(-3000, 3000, shape).astype(dtype)


def reduced_levels(array, plan, method="mean"):
    """Each level from the whole level before: what the definition says."""
    levels = [array]
    for level in plan.levels[1:]:
        levels.append(REDUCERS[method].reduce(levels[-1], level.step))
    return levels


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("access", ["random", "sequential"])
def test_every_level_is_the_reduction_of_the_one_before(tmp_path, case, layout, access):
    shape, order = SHAPES[case]
    names = "zyx" if case == "x slowest" else case
    array = noise(shape)
    source = held(array, order) if access == "random" else gzip_source(tmp_path, array, order)
    assert source.access == access
    stores = []
    for workers in (1, 4):
        root = tmp_path / str(workers)
        plan = write_pyramid(root, image_of(source, names), LAYOUTS[layout](names), workers=workers)
        assert len(plan.levels) > 1
        stores.append(stored_files(root))
    expected = reduced_levels(array, plan)
    for found in (by_zarr(root, plan), by_tensorstore(root, plan)):
        for level, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(level, wanted)
    write_pyramid(tmp_path / "again", image_of(source, names), LAYOUTS[layout](names), workers=4)
    assert stores[0] == stores[1] == stored_files(tmp_path / "again")


@pytest.mark.parametrize("codec", ["blosc", "zstd:3", "gzip", "none"])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["?", "u1", "u8", "f2", "f4", "c8", "c16"])
def test_every_type_reaches_every_store(tmp_path, codec, zarr_format, dtype):
    array = noise((20, 33, 18)).astype(dtype)
    plan = write_pyramid(
        tmp_path,
        image_of(held(array), "zyx"),
        chunked("zyx", 16),
        codec=codec,
        zarr_format=zarr_format,
    )
    expected = reduced_levels(array, plan)
    for found in (by_zarr(tmp_path, plan), by_tensorstore(tmp_path, plan, zarr_format)):
        for level, wanted in zip(found, expected, strict=True):
            assert level.dtype == array.dtype
            np.testing.assert_array_equal(level, wanted)


# -- the ramp ------------------------------------------------------------------------------------

RAMPS = {
    "halved": chunked("zyx", 8),
    "per axis": PyramidOptions(chunks=(8, 8, 8), scale_factors=((1, 2, 3), (2, 2, 9), (4, 6, 9))),
    "sharded": chunked("zyx", 8, shards=(16, 16, 16)),
}


@pytest.mark.parametrize("method", list(REDUCERS))
@pytest.mark.parametrize("case", RAMPS)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("access", ["random", "sequential"])
def test_ramp_reads_back_the_index_that_each_level_claims(tmp_path, method, case, axis, access):
    """GEOMETRY.md: sample i of a level sits at f·i + c, c = (f − 1)/2 for mean, 0 for nearest."""
    shape = (37, 45, 53)
    ramp = np.broadcast_to(
        np.arange(shape[axis], dtype="f8").reshape([-1 if a == axis else 1 for a in range(3)]),
        shape,
    ).copy()
    source = held(ramp) if access == "random" else gzip_source(tmp_path, ramp)
    plan = write_pyramid(tmp_path, image_of(source, "zyx"), RAMPS[case], method=method)
    assert len(plan.levels) > 2
    for found in (by_zarr(tmp_path, plan), by_tensorstore(tmp_path, plan)):
        for level, values in zip(plan.levels, found, strict=True):
            f = level.factors[axis]
            offset = (f - 1) / 2 if REDUCERS[method].anchor == "center" else 0.0
            claimed = f * np.arange(level.shape[axis]) + offset
            profile = np.moveaxis(values, axis, 0).reshape(level.shape[axis], -1)
            whole = shape[axis] // f  # windows that lie in the image entirely
            assert (profile[:whole] == claimed[:whole, None]).all()
            tail = profile[whole:] - claimed[whole:, None]
            assert (np.abs(tail) <= offset).all()


# -- what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize("shards", ["none", (16, 16, 16)])
def test_empty_parts_are_left_out_at_every_level_and_read_as_zeros(tmp_path, shards):
    array = np.zeros((64, 65, 66), "i2")
    array[63, 64, 65] = 800
    source = held(array)
    plan = write_pyramid(tmp_path, image_of(source, "zyx"), chunked("zyx", 8, shards=shards))
    for level in plan.levels:
        objects = [p for p in (tmp_path / level.path).rglob("*") if p.is_file()]
        assert len(objects) == 2  # zarr.json and the one with the voxel
    for found in (by_zarr(tmp_path, plan), by_tensorstore(tmp_path, plan)):
        for level, wanted in zip(found, reduced_levels(array, plan), strict=True):
            np.testing.assert_array_equal(level, wanted)


@pytest.mark.parametrize("value", [-0.0, np.nan])
def test_minus_zero_and_nan_are_kept(tmp_path, value):
    array = np.zeros((16, 16, 16), "f4")
    array[8:, 8:, 8:] = value
    source = held(array)
    plan = write_pyramid(tmp_path, image_of(source, "zyx"), chunked("zyx", 8))
    for found in (by_zarr(tmp_path, plan), by_tensorstore(tmp_path, plan)):
        assert found[0].tobytes() == array.tobytes()
        assert found[1].tobytes() == np.ascontiguousarray(array[::2, ::2, ::2]).tobytes()


# -- events --------------------------------------------------------------------------------------


@dataclass
class Kept:
    """Targets that keep what they get, and count."""

    blocks: list = field(default_factory=list)
    fail_at: int = -1
    error: type[BaseException] = TargetError
    delay: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, sequence, region, pixels):
        time.sleep(self.delay)
        with self.lock:
            place = len(self.blocks)
            self.blocks.append((sequence, region, pixels.copy()))
        if place == self.fail_at:
            raise self.error(f"block {place} refused")


def run(image, targets, options, *, workers=2, listener=ignore, reduce=REDUCERS["mean"].reduce):
    plan = plan_pyramid(image, options, BUDGET, workers)
    sinks = [targets, *(Kept() for _ in plan.levels[1:])]
    with ThreadPoolExecutor(plan.workers, thread_name_prefix="under-test") as threads:
        run_plan(plan, image.pixels, PyramidSink(sinks, reduce), threads, listener)
    return plan, sinks


@pytest.mark.parametrize("access", ["random", "sequential"])
def test_progress_begins_with_the_total_and_ends_there(tmp_path, access):
    array = noise((40, 41, 42))
    source = held(array) if access == "random" else gzip_source(tmp_path, array)
    events = []
    run(image_of(source, "zyx"), Kept(), chunked("zyx", 8), listener=events.append)
    assert events[0] == Started("write", array.nbytes)
    done = [event.done_bytes for event in events[1:]]
    assert done == sorted(done)
    assert events[-1] == Advanced(array.nbytes)


def test_what_a_stream_finds_behind_its_voxels_is_told(tmp_path):
    source = gzip_source(tmp_path, noise((20, 21, 22)))
    with source.parts[0].path.open("ab") as file:
        file.write(b"tail")
    events = []
    run(image_of(source, "zyx"), Kept(), chunked("zyx", 8), listener=events.append)
    assert [event.finding.code for event in events if isinstance(event, Found)] == ["trailing-data"]


def test_blocks_of_each_level_cover_it_once_and_are_numbered_for_shards():
    array = noise((40, 41, 42))
    options = chunked("zyx", 8, shards=(16, 16, 16))
    plan, sinks = run(image_of(held(array), "zyx"), Kept(), options, workers=4)
    for level, sink, wanted in zip(plan.levels, sinks, reduced_levels(array, plan), strict=True):
        count = np.zeros(level.shape, int)
        for _, region, pixels in sink.blocks:
            count[region.slices] += 1
            np.testing.assert_array_equal(pixels, wanted[region.slices])
        assert (count == 1).all()
        if level.shards is not None:
            assert sorted(s for s, _, _ in sink.blocks) == list(range(len(sink.blocks)))


# -- failures ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failing(ArraySource):
    """An array whose disk breaks from one row on."""

    from_row: int = 0

    def read(self, region):
        if region.stop[0] > self.from_row:
            time.sleep(0.02)
            raise SourceError(f"row {region.start[0]} cannot be read")
        return super().read(region)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    left = [t.name for t in threading.enumerate() if t.name.startswith("under-test")]
    assert left == []


@pytest.mark.parametrize("row", [0, 20, 39])
@pytest.mark.parametrize("workers", [1, 4])
def test_source_that_fails_ends_the_run_with_its_error(row, workers):
    source = Failing(noise((40, 41, 42)), from_row=row)
    with pytest.raises(SourceError, match="cannot be read"):
        run(image_of(source, "zyx"), Kept(), chunked("zyx", 8), workers=workers)


@pytest.mark.parametrize("lost", [9, 2000, 30000])
@pytest.mark.parametrize("shards", ["none", (16, 16, 16)])
def test_broken_stream_ends_the_run_with_its_error(tmp_path, lost, shards):
    source = gzip_source(tmp_path, noise((40, 41, 42)))
    path = source.parts[0].path
    path.write_bytes(path.read_bytes()[:-lost])
    options = chunked("zyx", 8, shards=shards)
    before = open_files()
    with pytest.raises(FormatError, match=r"has \d+ of 137760 bytes|checksum") as error:
        run(image_of(source, "zyx"), Kept(delay=0.001), options)
    assert open_files() == before
    del error


def open_files():
    import psutil

    return {file.path for file in psutil.Process().open_files()}


@pytest.mark.parametrize("access", ["random", "sequential"])
@pytest.mark.parametrize("at", [0, 5, 15])
@pytest.mark.parametrize("workers", [1, 4])
def test_target_that_fails_ends_the_run_with_the_first_cause(tmp_path, access, at, workers):
    array = noise((40, 41, 42))
    source = held(array) if access == "random" else gzip_source(tmp_path, array)
    target = Kept(fail_at=at)
    options = chunked("zyx", 8, shards=(16, 16, 16))
    before = open_files()
    with pytest.raises(TargetError, match=f"block {at} refused"):
        run(image_of(source, "zyx"), target, options, workers=workers)
    assert at < len(target.blocks) < blocks_of(image_of(source, "zyx"), options, workers)
    assert open_files() == before


def blocks_of(image, options, workers):
    return plan_pyramid(image, options, BUDGET, workers).levels[0].block_count


@pytest.mark.parametrize("access", ["random", "sequential"])
def test_coarse_level_that_fails_ends_the_run(tmp_path, access):
    array = noise((40, 41, 42))
    source = held(array) if access == "random" else gzip_source(tmp_path, array)
    image = image_of(source, "zyx")
    plan = plan_pyramid(image, chunked("zyx", 8), BUDGET, 2)
    sinks = [Kept(), Kept(fail_at=3), *(Kept() for _ in plan.levels[2:])]
    with (
        ThreadPoolExecutor(2, thread_name_prefix="under-test") as threads,
        pytest.raises(TargetError, match="block 3 refused"),
    ):
        run_plan(plan, source, PyramidSink(sinks, REDUCERS["mean"].reduce), threads, ignore)


@pytest.mark.parametrize("access", ["random", "sequential"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_interrupt_while_listening_lets_what_has_begun_end(tmp_path, access, error):
    array = noise((40, 41, 42))
    source = held(array) if access == "random" else gzip_source(tmp_path, array)
    target = Kept(delay=0.002)
    seen = []

    def interrupted(event):
        seen.append(event)
        if len(seen) == 4:
            raise error

    with pytest.raises(error):
        run(image_of(source, "zyx"), target, chunked("zyx", 8), listener=interrupted)
    assert len(target.blocks) < blocks_of(image_of(source, "zyx"), chunked("zyx", 8), 2)


def test_no_more_blocks_are_in_flight_than_planned():
    """A task may run ahead of the oldest one, but not by the whole image."""
    array = noise((8, 8, 4000))
    release = threading.Event()
    started = []

    @dataclass(frozen=True)
    class Slow(ArraySource):
        def read(self, region):
            started.append(region.start[2])
            if region.start[2] == 0:
                assert release.wait(10)
            return super().read(region)

    threading.Timer(0.3, lambda: (started.append(-1), release.set())).start()
    options = chunked("zyx", 8, levels=1)
    source = replace(Slow(array))
    run(image_of(source, "zyx"), Kept(), options, workers=3)
    assert started.index(-1) <= 3 + 2
    assert len(started) > 10
