"""Every bad input of the catalogue, through the command, in a process with limits.

The table of all cases in the documentation is written from here; see ``faults/page.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from faults.case import Case
from faults.catalogue import CASES, SECTIONS
from faults.check import Observed, observe
from faults.page import PAGE, WRITE, rendered, row
from faults.runner import Forked, Installed, Runner

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="limits need POSIX")

SAMPLE = tuple(cases[0] for cases in SECTIONS.values())


@pytest.fixture(scope="session")
def forked() -> Iterator[Runner]:
    with Forked() as runner:
        yield runner


@pytest.fixture(scope="session")
def page() -> Iterator[dict[str, Observed]]:
    """What happened so far; written to the documentation at the end if that is asked for."""
    seen: dict[str, Observed] = {}
    yield seen
    if WRITE in os.environ and len(seen) == len(CASES):
        PAGE.write_text(rendered(seen), encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_bad_input_ends_as_promised(case: Case, tmp_path, forked, page):
    seen = page[case.id] = observe(case, tmp_path, forked)
    if WRITE not in os.environ:
        assert row(case, seen) in PAGE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.id)
def test_the_installed_command_does_the_same(case: Case, tmp_path):
    observe(case, tmp_path, Installed())


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_installed_command_does_the_same_in_every_case(case: Case, tmp_path):
    observe(case, tmp_path, Installed())


def test_every_number_of_the_catalogue_is_there_and_none_twice():
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    numbers = {case.number.rstrip("abcdefghij") for case in CASES}
    assert {str(n) for n in range(1, 88)} <= numbers


def test_the_page_lists_every_case_in_order_and_nothing_else():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    listed = [line.split(" | ")[:2] for line in lines if line.startswith("| ")]
    listed = [[n.removeprefix("| "), name] for n, name in listed if n != "| number"]
    assert listed == [[case.number, case.name] for case in CASES]
