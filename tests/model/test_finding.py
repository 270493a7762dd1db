"""Findings are data that go into JSON as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from spconvert.model.finding import note, warning


def test_a_place_is_made_of_keys_and_indices():
    assert warning("surplus-data", "4 bytes too many", "datasets", 0).where == ("datasets", 0)


@pytest.mark.parametrize("part", [Path("a.nrrd"), None, 1.0, b"a", True])
def test_a_place_that_json_has_no_word_for_is_refused(part):
    with pytest.raises(TypeError, match="where holds"):
        note("surplus-data", "4 bytes too many", part)
