"""Plans worked out by hand, and what must hold for every plan."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramids import image_of
from spconvert.errors import LimitError, UsageError
from spconvert.model.region import blocks, grid_shape
from spconvert.pipeline.factors import next_step
from spconvert.pipeline.plan import (
    MIB,
    RESERVED_BYTES,
    PyramidOptions,
    default_chunks,
    plan_pyramid,
)
from spconvert.pipeline.run import slab_regions


@dataclass(frozen=True)
class Described:
    """A source that only says what it is: a plan must not need more."""

    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: tuple[int, ...]
    access: str
    storage_order: tuple[int, ...]

    def read(self, region):
        raise AssertionError(region)


def described(shape, dtype="i2", access="random", order=None, chunks=None):
    order = tuple(range(len(shape))) if order is None else order
    own = chunks or tuple(1 if axis == order[0] else n for axis, n in enumerate(shape))
    return Described(tuple(shape), np.dtype(dtype), own, access, order)


def plan_of(shape, names="zyx", options=None, *, spacing=None, budget=256, workers=2, **source):
    image = image_of(described(shape, **source), names, spacing)
    return plan_pyramid(image, options or PyramidOptions(), budget * MIB, workers)


def factors(plan):
    return [level.factors for level in plan.levels]


# -- which levels --------------------------------------------------------------------------------


def test_isotropic_volume_is_halved_until_it_fits_a_chunk():
    plan = plan_of((256, 256, 256))
    assert factors(plan) == [(1, 1, 1), (2, 2, 2), (4, 4, 4)]
    assert [level.shape for level in plan.levels] == [(256,) * 3, (128,) * 3, (64,) * 3]
    assert [level.path for level in plan.levels] == ["s0", "s1", "s2"]


def test_finest_axes_are_halved_first_until_all_are_alike():
    # x 0.5, y 0.5, z 2: x and y alone for two steps, then they reach z's 2 mm.
    plan = plan_of((512, 512, 512), spacing=(0.5, 0.5, 2.0))
    assert factors(plan) == [(1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8), (4, 8, 8), (8, 8, 8)]


def test_axes_within_the_root_of_two_go_together():
    root = 2**0.5
    assert factors(plan_of((128, 128, 128), spacing=(1.0, 1.0, root))) == [(1,) * 3, (2,) * 3]
    assert factors(plan_of((128, 128, 128), spacing=(1.0, 1.0, root * 1.001)))[:2] == [
        (1, 1, 1),
        (1, 2, 2),
    ]


def test_axis_that_fits_a_chunk_has_no_say_and_is_not_halved():
    # z has the finest spacing, but its 20 voxels fit a chunk.
    plan = plan_of((20, 256, 256), spacing=(1.0, 1.0, 0.1))
    assert factors(plan) == [(1, 1, 1), (1, 2, 2), (1, 4, 4)]


def test_spacing_decides_and_not_the_number_of_voxels():
    plan = plan_of((128, 1024, 128), spacing=(1.0, 8.0, 1.0))
    assert factors(plan)[1] == (2, 1, 2)


def test_next_step_of_hand_worked_cases():
    assert next_step((100, 100), (64, 64), (1.0, 1.0)) == (2, 2)
    assert next_step((100, 100), (64, 64), (1.5, 1.0)) == (1, 2)
    assert next_step((100, 50), (64, 64), (1.5, 1.0)) == (2, 1)
    assert next_step((64, 64), (64, 64), (1.0, 1.0)) == (1, 1)


def test_time_and_channels_are_never_reduced():
    plan = plan_of((300, 200, 100, 130, 130), "tczyx")
    assert {f[:2] for f in factors(plan)} == {(1, 1)}
    assert plan.levels[-1].shape == (300, 200, 50, 65, 65) or plan.levels[-1].shape[:2] == (
        300,
        200,
    )
    assert {level.chunks[:2] for level in plan.levels} == {(1, 1)}


def test_image_that_fits_a_chunk_has_one_level():
    assert len(plan_of((64, 64, 64)).levels) == 1
    assert len(plan_of((1, 1, 1)).levels) == 1


def test_odd_sizes_are_rounded_up():
    plan = plan_of((65, 129, 257))
    assert [level.shape for level in plan.levels] == [
        (65, 129, 257),
        (33, 65, 129),
        (33, 33, 65),
        (33, 33, 33),
    ]


def test_planes_have_larger_chunks():
    assert default_chunks(image_of(described((3, 2000, 2000)), "cyx")) == (1, 512, 512)
    assert default_chunks(image_of(described((1, 2000, 2000)), "zyx")) == (512,) * 3
    assert default_chunks(image_of(described((20, 200, 200)), "zyx")) == (64,) * 3


def test_asked_number_of_levels_is_kept_as_far_as_there_are_voxels():
    assert len(plan_of((256, 256, 256), options=PyramidOptions(levels=2)).levels) == 2
    assert factors(plan_of((32, 32, 32), options=PyramidOptions(levels=3)))[-1] == (4, 4, 4)
    deepest = plan_of((4, 4, 4), options=PyramidOptions(levels=9))
    assert [level.shape for level in deepest.levels] == [(4,) * 3, (2,) * 3, (1,) * 3]


# -- scale factors -------------------------------------------------------------------------------


def asked(*given):
    return PyramidOptions(scale_factors=given)


def test_scale_factors_are_relative_to_level_0():
    plan = plan_of((100, 100, 100), options=asked((1, 2, 2), (3, 6, 2)))
    assert factors(plan) == [(1, 1, 1), (1, 2, 2), (3, 6, 2)]
    assert [level.step for level in plan.levels] == [(1, 1, 1), (1, 2, 2), (3, 3, 1)]
    assert [level.shape for level in plan.levels] == [(100,) * 3, (100, 50, 50), (34, 17, 50)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (((2, 2, 2), (3, 3, 3)), "no multiples"),
        (((4, 4, 4), (2, 2, 2)), "no multiples"),
        (((2, 2, 2), (2, 2, 2)), "no coarser"),
        (((1, 1, 1),), "no coarser"),
        (((2, 2),), "do not fit the axes"),
        (((0, 2, 2),), "do not fit the axes"),
        (((-2, 2, 2),), "do not fit the axes"),
        (((101, 2, 2),), "exceed the size"),
    ],
)
def test_scale_factors_that_make_no_sense_are_usage_errors(given, message):
    with pytest.raises(UsageError, match=message):
        plan_of((100, 100, 100), options=asked(*given))


def test_scale_factors_of_time_and_channels_are_usage_errors():
    for place in (0, 1):
        wrong = tuple(2 if a in (place, 3) else 1 for a in range(4))
        with pytest.raises(UsageError, match="time and channels"):
            plan_of((8, 8, 100, 100), "tcyx", asked(wrong))


@pytest.mark.parametrize("chunks", [(64, 64), (0, 64, 64), (64, 64, 64, 64), (-1, 1, 1)])
def test_chunks_that_make_no_sense_are_usage_errors(chunks):
    with pytest.raises(UsageError, match="chunks"):
        plan_of((100, 100, 100), options=PyramidOptions(chunks=chunks))


# -- chunks and shards ---------------------------------------------------------------------------


def test_chunks_are_never_larger_than_their_level():
    plan = plan_of((20, 100, 200))
    assert [level.chunks for level in plan.levels] == [(20, 64, 64), (20, 50, 64), (20, 50, 50)]


def test_shards_are_made_where_there_are_many_chunks():
    plan = plan_of((512, 512, 512), options=PyramidOptions(shards="auto"))
    assert [level.shards for level in plan.levels] == [(256,) * 3, None, None, None]


def test_asked_shards_are_multiples_of_the_chunks_and_no_larger_than_the_level():
    plan = plan_of((200, 100, 50), options=PyramidOptions(chunks=(32,) * 3, shards=(128, 64, 64)))
    assert plan.levels[0].shards == (128, 64, 64)
    assert plan.levels[-1].shards == plan.levels[-1].chunks
    with pytest.raises(UsageError, match="no multiples"):
        plan_of((200, 100, 50), options=PyramidOptions(chunks=(32,) * 3, shards=(100,) * 3))


# -- purity --------------------------------------------------------------------------------------


def test_same_question_gives_the_same_plan():
    first, second = (plan_of((300, 200, 100), spacing=(0.3, 0.7, 2.0)) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


def test_plan_of_64_gib_takes_milliseconds():
    begun = time.perf_counter()
    plan = plan_of((4096, 4096, 2048), options=PyramidOptions(shards="auto"))
    assert prod(plan.levels[0].shape) * 2 == 64 << 30
    assert time.perf_counter() - begun < 0.05


def test_plan_of_a_million_chunks_takes_milliseconds():
    begun = time.perf_counter()
    plan = plan_of((6400, 6400, 6400), "zyx", access="sequential", budget=1 << 14)
    assert prod(grid_shape(plan.levels[0].shape, plan.levels[0].chunks)) == 10**6
    assert time.perf_counter() - begun < 0.05


# -- memory --------------------------------------------------------------------------------------


def numbers(error):
    words = error.value.message.replace(":", "").split()
    return [int(word) for word in words if word.isdigit()]


@pytest.mark.parametrize("access", ["random", "sequential"])
@pytest.mark.parametrize(
    ("shape", "names", "order"),
    [
        ((512, 512, 512), "zyx", None),
        ((3, 700, 900), "cyx", (1, 2, 0)),
        ((40, 2048, 2048), "zyx", None),
        ((5, 2, 65, 300, 301), "tczyx", None),
        ((129, 130, 131), "zyx", (2, 1, 0)),
    ],
)
def test_refusal_states_the_memory_that_is_just_enough(access, shape, names, order):
    source = {"dtype": "f8", "access": access, "order": order}
    with pytest.raises(LimitError, match="MiB are needed") as error:
        plan_of(shape, names, budget=1, workers=4, **source)
    given, needed = numbers(error)
    assert given == 1
    assert f"--memory {needed}MiB" in error.value.hint
    plan_of(shape, names, budget=needed, workers=4, **source)
    with pytest.raises(LimitError):
        plan_of(shape, names, budget=needed - 1, workers=4, **source)


@pytest.mark.parametrize("access", ["random", "sequential"])
def test_more_memory_is_never_refused_where_less_was_enough(access):
    source = {"dtype": "u2", "access": access}
    with pytest.raises(LimitError) as error:
        plan_of((100, 900, 1100), budget=1, workers=8, **source)
    for budget in range(numbers(error)[1], 300, 7):
        plan_of((100, 900, 1100), budget=budget, workers=8, **source)


def test_few_bytes_cost_workers_and_slabs_before_they_are_refused():
    wide = plan_of((512, 512, 512), budget=512, workers=8, access="sequential")
    assert (wide.slabs_alive, wide.workers) == (2, 8)
    tight = plan_of((512, 512, 512), budget=96, workers=8, access="sequential")
    assert tight.slabs_alive == 1
    assert tight.workers < 8
    assert plan_of((512, 512, 512), budget=56, workers=8).workers < 8


SIZES = st.sampled_from([1, 2, 3, 17, 63, 64, 65, 100, 130, 257, 300])


@st.composite
def questions(draw):
    names = draw(st.sampled_from(["yx", "zyx", "cyx", "tzyx", "czyx", "tczyx"]))
    shape = tuple(draw(SIZES) if n in "zyx" else draw(st.integers(1, 4)) for n in names)
    space = [n for n in names if n in "zyx"]
    spacing = tuple(draw(st.sampled_from([0.25, 0.9, 1.0, 3.0])) for _ in space)
    chunks = tuple(draw(st.sampled_from([7, 15, 16, 64])) if n in "zyx" else 1 for n in names)
    order = tuple(draw(st.permutations(range(len(names)))))
    own = tuple(draw(st.integers(1, n)) for n in shape)
    source = described(
        shape,
        draw(st.sampled_from(["u1", "i2", "f8"])),
        draw(st.sampled_from(["random", "sequential"])),
        order,
        own,
    )
    sizes = list(zip(names, shape, strict=True))
    step = tuple(min(draw(st.integers(1, 3)), n) if a in "zyx" else 1 for a, n in sizes)
    further = tuple(
        s * 2 if n >= s * 2 and a in "zyx" else s for (a, n), s in zip(sizes, step, strict=True)
    )
    own_factors = None
    if draw(st.booleans()) and max(step) > 1 and further != step:
        own_factors = (step, further)
    shards = draw(st.sampled_from(["none", "auto", tuple(c * 2 for c in chunks)]))
    options = PyramidOptions(chunks=chunks, shards=shards, scale_factors=own_factors)
    budget = draw(st.sampled_from([64, 80, 256, 1024])) * MIB
    return image_of(source, names, spacing), options, budget, draw(st.integers(1, 8))


@given(question=questions())
def test_every_plan_keeps_its_promises(question):
    image, options, budget, workers = question
    try:
        plan = plan_pyramid(image, options, budget, workers)
    except LimitError:
        return
    assert 0 < plan.peak_bytes <= budget - RESERVED_BYTES
    assert 1 <= plan.workers <= workers
    assert plan.levels[0].shape == image.shape
    assert plan.voxels == sum(prod(level.shape) for level in plan.levels)
    following = [*(level.step for level in plan.levels[1:]), (1,) * len(image.shape)]
    for level, after in zip(plan.levels, following, strict=True):
        assert level.shape == grid_shape(image.shape, level.factors)
        for axis, extent in enumerate(level.block):
            assert extent % level.chunks[axis] == 0
            assert extent % after[axis] == 0
        assert sum(region.size for region in blocks(level.shape, level.block)) == prod(level.shape)
        assert level.block_count == prod(grid_shape(level.shape, level.block))
    for finer, coarser in pairwise(plan.levels):
        assert coarser.factors == tuple(
            a * b for a, b in zip(finer.factors, coarser.step, strict=True)
        )
        assert coarser.shape == grid_shape(finer.shape, coarser.step)
        for axis, (child, parent) in enumerate(zip(finer.block, coarser.block, strict=True)):
            whole = parent >= coarser.shape[axis]
            assert whole or parent * coarser.step[axis] % child == 0


@given(question=questions())
def test_slabs_of_a_stream_are_runs_of_whole_blocks_front_to_back(question):
    image, options, budget, workers = question
    if image.pixels.access != "sequential":
        return
    try:
        plan = plan_pyramid(image, options, budget, workers)
    except LimitError:
        return
    order = image.pixels.storage_order
    end = 0
    for region in slab_regions(plan, order):
        strides, stride = {}, 1
        for axis in reversed(order):
            strides[axis] = stride
            stride *= image.shape[axis]
        first = sum(region.start[a] * strides[a] for a in order)
        last = sum((region.stop[a] - 1) * strides[a] for a in order)
        assert first == end
        assert last - first + 1 == region.size
        end = last + 1
        for axis, block in enumerate(plan.levels[0].block):
            assert region.start[axis] % block == 0
            assert region.stop[axis] % block == 0 or region.stop[axis] == image.shape[axis]
    assert end == prod(image.shape)


# -- blocks that suit the file -------------------------------------------------------------------


def test_raw_rows_are_read_whole():
    assert plan_of((512, 512, 512)).levels[0].block[2] == 512
    assert plan_of((512, 512, 512), order=(2, 1, 0)).levels[0].block[0] == 512


def test_rows_that_are_too_long_are_read_in_long_parts():
    block = plan_of((512, 512, 8192)).levels[0].block
    assert block == (64, 64, 1024)  # 8 MiB of int16


@pytest.mark.parametrize("access", ["random", "sequential"])
def test_interleaved_components_are_read_whole(access):
    plan = plan_of((3, 2048, 2048), "cyx", dtype="u1", order=(1, 2, 0), access=access, budget=512)
    if plan.slab is None:
        assert plan.levels[0].block[0] == 3
    else:
        assert plan.slab[0] == 3
        assert plan.slab[2] == 2048


def test_blocks_grow_to_the_chunks_of_a_store():
    assert plan_of((1024,) * 3, access="chunked", chunks=(96,) * 3).levels[0].block == (
        64,
        192,
        192,
    )
    assert plan_of((1024,) * 3, access="chunked", chunks=(128,) * 3).levels[0].block == (
        128,
        128,
        256,
    )
    assert (
        plan_of((1024,) * 3, access="chunked", chunks=(256,) * 3, budget=1024).levels[0].block
        == (256,) * 3
    )


def test_store_of_one_chunk_is_decoded_once_where_the_memory_allows():
    assert (
        plan_of((300,) * 3, access="chunked", chunks=(300,) * 3, budget=1024).levels[0].block_count
        == 1
    )


def test_chunks_of_a_store_count_as_memory_before_and_after_decoding():
    with pytest.raises(LimitError) as error:
        plan_of((1024,) * 3, access="chunked", chunks=(512,) * 3)
    assert numbers(error)[1] > 512


def test_planes_that_are_decoded_whole_are_read_a_slab_at_a_time():
    plan = plan_of((256, 1024, 1024), access="chunked", chunks=(1, 1024, 1024), budget=1024)
    assert plan.slab == (64, 1024, 1024)


def test_a_slab_that_does_not_fit_is_refused_so_that_it_is_unpacked_first():
    with pytest.raises(LimitError):
        plan_of((256, 8192, 8192), access="chunked", chunks=(1, 8192, 8192), budget=256)
