"""Run a case with both commands, and hold what happened against what must happen."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from cli.ended import listing
from faults.case import Case
from faults.runner import Run, Runner

_WORDS = re.compile(r"(error|hint|warning|note): |\S*x\.ome\.zarr: OME-Zarr ")
_CODE = re.compile(r"^warning: .*\[([a-z0-9-]+)\]$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Observed:
    """What happened, as far as the documentation tells it."""

    inspect: int | None
    convert: int | None
    warnings: tuple[str, ...]


def observe(case: Case, folder: Path, runner: Runner) -> Observed:
    """Make the file, run both commands, check all that holds for every case."""
    inside, out, work = (folder / name for name in ("in", "out", "work"))
    for place in (inside, out, work):
        place.mkdir()
    (out / "kept.txt").write_text("untouched")
    path = case.make(inside)
    sources, outputs = listing(inside), listing(out)
    named = case.names or path.name
    shown = runner.run(["inspect", *case.flags, "--", str(path)], work)
    _check(case, shown, case.inspect, named)
    target = out / "x.ome.zarr"
    words = [*case.flags, *case.convert_flags, "--progress", "none"]
    done = runner.run(["-i", str(path), "-o", str(target), *words], work)
    _check(case, done, case.convert, named)
    assert listing(inside) == sources, "the source was touched"
    if done.code != 0:
        assert listing(out) == outputs, "something was left in the output folder"
    else:
        assert sorted(p.name for p in out.iterdir()) == ["kept.txt", "x.ome.zarr"]
        _check_voxels(case, target)
    warned = tuple(sorted(set(_CODE.findall(done.err))))
    if done.code == 0:
        assert set(case.warns) <= set(warned), done.err
    return Observed(shown.code, done.code, warned if done.code == 0 else ())


def _check(case: Case, run: Run, code: int, named: str) -> None:
    """One error line and at most one hint, and no more memory than the case may take."""
    assert run.code == code, (run.code, run.err)
    assert run.grown < case.peak_mib << 20, f"{run.grown >> 20} MiB"
    lines = run.err.splitlines()
    assert all(c.isprintable() or c == "\n" for c in run.err), run.err
    assert all(_WORDS.match(line) for line in lines), run.err
    errors = [line for line in lines if line.startswith("error: ")]
    hints = [line for line in lines if line.startswith("hint: ")]
    assert len(errors) == (code != 0), run.err
    assert len(hints) <= len(errors), run.err
    if errors:
        assert run.out == ""
        assert named in errors[0]
        assert re.search(case.says, errors[0]), (case.says, errors[0])
        assert len(errors[0]) < 1500, len(errors[0])
        assert "fault in spconvert" not in run.err


def _check_voxels(case: Case, store: Path) -> None:
    """Read back by zarr, by the path that the metadata name."""
    attributes = json.loads((store / "zarr.json").read_text())["attributes"]
    first = attributes["ome"]["multiscales"][0]["datasets"][0]["path"]
    array = zarr.open_array(store / first, mode="r")
    if case.voxels is not None:
        np.testing.assert_array_equal(np.asarray(array[:]), case.voxels)
