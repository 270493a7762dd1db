"""What users type as values is parsed, or refused with a ``UsageError``; nothing else escapes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spconvert.cli import values
from spconvert.errors import SourceError, UsageError

PARSERS = {
    "spacing": lambda text: values.parse_vector("--spacing", text),
    "direction": values.parse_direction,
    "affine": values.parse_affine,
    "unit": values.parse_unit,
    "time step": values.parse_time_step,
    "bytes": values.parse_bytes,
    "sizes": lambda text: values.parse_sizes("--chunks", text),
    "levels": values.parse_levels,
    "scale factors": values.parse_scale_factors,
    "shards": values.parse_shards,
}
TYPED = st.text(st.sampled_from("0123456789.,;=-+eE xyzctµumGiB²٣∞\tnaif"), max_size=24)


@pytest.mark.parametrize("name", PARSERS)
@given(text=TYPED | st.text(max_size=12).filter(lambda t: "\0" not in t))
@example(text="9" * 5000)
@example(text="1e999")
@example(text="٣")
@example(text="²")
@example(text="")
def test_any_text_is_parsed_or_refused(name, text):
    with contextlib.suppress(UsageError, SourceError):
        PARSERS[name](text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("512", 512),
        ("2GiB", 2 << 30),
        ("2 GiB", 2 << 30),
        ("1.5GB", 1_500_000_000),
        ("512M", 512 << 20),
        ("512mib", 512 << 20),
        ("3k", 3072),
        ("1e6", 1_000_000),
        ("1T", 1 << 40),
        ("10B", 10),
    ],
)
def test_sizes_of_memory(text, size):
    assert values.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "0", "0.1", "1e400", "1PiB", "1,5GiB", "1 2"])
def test_sizes_of_memory_that_are_none(text):
    with pytest.raises(UsageError, match="--memory"):
        values.parse_bytes(text)


def test_numbers_are_read_to_the_last_bit():
    edit = values.parse_vector("--origin", "0.1,-1.2999954223632812,3e-308")
    assert edit.values == (0.1, -1.2999954223632812, 3e-308)
    rows = values.parse_direction("0.1 0.2 0.3\n0.4 0.5 0.6\n0.7 0.8 0.9")
    assert rows == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (0.7, 0.8, 0.9))


@pytest.mark.parametrize("text", ["2,", ";", "q=2"])
def test_the_hint_about_scale_factors_shows_some(text):
    with pytest.raises(UsageError) as caught:
        values.parse_scale_factors(text)
    shown = caught.value.hint.removeprefix("for example --scale-factors ").split(" or ")
    assert [len(values.parse_scale_factors(factors.strip("'"))) for factors in shown] == [2, 2]


def test_sizes_per_axis_and_scale_factors():
    sizes = values.parse_sizes("--chunks", "z=32, y=128,x=64")
    assert (sizes.default, dict(sizes.by_name)) == (None, {"z": 32, "y": 128, "x": 64})
    assert [f.default for f in values.parse_scale_factors("2,4,8")] == [2, 4, 8]
    named = values.parse_scale_factors("z=1,y=2,x=2;z=2,y=4,x=4")
    assert [dict(f.by_name) for f in named] == [
        {"z": 1, "y": 2, "x": 2},
        {"z": 2, "y": 4, "x": 4},
    ]
    assert values.parse_shards("auto") == "auto"
    assert values.parse_levels("auto") is None
    assert values.parse_levels("3") == 3
