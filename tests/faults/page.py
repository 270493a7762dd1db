"""The page of the reference that lists every case and what happened: written from the tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from faults.case import Case
from faults.catalogue import SECTIONS
from faults.check import Observed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "faults.md"
WRITE = "SPCONVERT_WRITE_FAULTS"
"""Environment variable that has the tests write the page in place of comparing it."""

_SENTENCES = (
    "# Bad input",
    "",
    (
        "What `spconvert inspect` and a conversion do with files that are broken, that lie or that "
        "attack."
    ),
    (
        "Each row is a test: both commands run in a process with 2 GiB of address space and 10 "
        "seconds, must end with these exit codes, say one `error:` line that names the file and at "
        "most one hint, stay within 100 MiB above what a process has after its imports, and leave "
        "source and output folder as they were."
    ),
    (
        "Where a conversion ends with 0, the voxels that it stored are compared with those of the "
        "file; the findings are the [warnings](findings.md) that it gave."
    ),
    "The exit codes are those of the [command line](command-line.md).",
    "",
    '"Promised" is what was laid down before the readers were written; "W" is a warning.',
    (
        '"(tables)" marks cases for which two rules were laid down and the stronger one counts: '
        "what the bytes contradict is 3, an impossible place in space is 4, and a choice between "
        "several series is 2."
    ),
    "",
    f"This page is written by the tests: `{WRITE}=1 pytest -n 0 tests/test_faults.py`.",
    "",
)
_COLUMNS = (
    "\n## {}\n\n"
    "| number | case | promised | inspect | convert | findings |\n|---|---|---|---|---|---|\n"
)


def row(case: Case, seen: Observed) -> str:
    """One line of the page."""
    found = ", ".join(f"`{code}`" for code in seen.warnings)
    return (
        f"| {case.number} | {case.name} | {case.promised} | {seen.inspect} | {seen.convert} "
        f"| {found} |"
    )


def rendered(seen: Mapping[str, Observed]) -> str:
    """The whole page; ``seen`` has every case by its id."""
    parts = ["\n".join(_SENTENCES)]
    for heading, cases in SECTIONS.items():
        parts.append(_COLUMNS.format(heading))
        parts.extend(f"{row(case, seen[case.id])}\n" for case in cases)
    return "".join(parts)
