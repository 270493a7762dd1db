"""Whole conversions by spconvert and by ngff-zarr, side by side, interleaved; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from measure import Cost, run

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "build" / "bench"
OURS = str(Path(sys.executable).parent / "spconvert")
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison: the flags beside input and output, for each side."""

    title: str
    source: Path
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    pairs: int
    same_levels: bool = True
    """Whether spconvert is told to write as many levels as the peer does by itself."""


SMALL = REPOSITORY / "testdata" / "nrrd" / "MR-head.nrrd"
LARGE = FOLDER / "ct-512.nrrd"
SAME = ("--ome-zarr-version", "0.5", "--no-shards", "--chunks", "128", "--method", "mean")
BIN_SHRINK = ("-c", "128", "-m", "itkwasm_bin_shrink")
ZSTD = ((*SAME, "--codec", "zstd:3"), (*BIN_SHRINK, "--codec", "zstd", "--compression-level", "3"))
BLOSC = (
    (*SAME, "--codec", "blosc:zstd:1:shuffle"),
    (*BIN_SHRINK, "--codec", "blosc:zstd", "--compression-level", "1"),
)
# Its default reader for NRRD, compiled to WebAssembly, traps on inputs of this size.
ITK = ("--input-backend", "itk")
CASES = (
    Case("MR-head, each with its defaults", SMALL, (), (), 5, same_levels=False),
    Case("MR-head, mean, zstd level 3, chunks 128", SMALL, *ZSTD, 5),
    Case("256 MiB, each with its defaults", LARGE, (), ITK, 3, same_levels=False),
    Case("256 MiB, mean, zstd level 3, chunks 128", LARGE, ZSTD[0], (*ZSTD[1], *ITK), 3),
    Case("256 MiB, mean, blosc-zstd level 1, chunks 128", LARGE, BLOSC[0], (*BLOSC[1], *ITK), 3),
)


def levels_of(store: Path) -> int:
    """How many levels an OME-Zarr 0.5 store has."""
    attributes = json.loads((store / "zarr.json").read_text())["attributes"]
    return len(attributes["ome"]["multiscales"][0]["datasets"])


def commands(case: Case, peer: str, output: Path) -> tuple[list[str], list[str]]:
    """Both command lines; the peer runs once to learn its number of levels (and to warm up)."""
    theirs = [peer, "-q", "-i", str(case.source), "-o", str(output), *case.theirs]
    first = run(theirs, output, FOLDER / "peer.log")
    more = []
    if case.same_levels and not first.failure:
        more = ["--levels", str(levels_of(output))]
    ours = [OURS, "-i", str(case.source), "-o", str(output), *case.ours, *more]
    run(ours, output, FOLDER / "spconvert.log")
    return ours, theirs


def compare(case: Case, peer: str) -> dict[str, list[Cost]]:
    """Runs A B A B ...: drift of the machine meets both sides alike."""
    output = FOLDER / "output.ome.zarr"
    ours, theirs = commands(case, peer, output)
    costs: dict[str, list[Cost]] = {"spconvert": [], "ngff-zarr": []}
    for _ in range(case.pairs):
        costs["spconvert"].append(run(ours, output, FOLDER / "spconvert.log"))
        costs["ngff-zarr"].append(run(theirs, output, FOLDER / "peer.log"))
    return costs


def row(name: str, costs: list[Cost]) -> str:
    """Medians of one side, or how it fails."""
    failures = [cost.failure for cost in costs if cost.failure]
    if failures:
        return f"| {name} | fails {len(failures)} of {len(costs)}: {failures[0]} | | | | |"
    wall, cpu, peak, written = (
        median(getattr(cost, field) for cost in costs)
        for field in ("wall", "cpu", "peak", "written")
    )
    sizes = f"{peak / MIB:.0f} | {written / MIB:.1f} | {costs[0].files}"
    return f"| {name} | {wall:.2f} | {cpu:.2f} | {sizes} |"


def ratios(costs: dict[str, list[Cost]]) -> str:
    """The peer's cost over ours, pair by pair, and the median of these ratios."""
    pairs = list(zip(costs["spconvert"], costs["ngff-zarr"], strict=True))
    if any(a.failure or b.failure for a, b in pairs):
        return "No ratio: a run failed."
    wall = [b.wall / a.wall for a, b in pairs]
    cpu = median(b.cpu / a.cpu for a, b in pairs)
    peak = median(b.peak / a.peak for a, b in pairs)
    each = ", ".join(f"{ratio:.1f}" for ratio in wall)
    return f"Ratio: wall **{median(wall):.1f}** ({each}), CPU {cpu:.1f}, peak memory {peak:.1f}."


def start_up() -> str:
    """CPU seconds of the two commands that only answer a question, medians of five."""
    said = []
    for flag in ("--version", "--help"):
        costs = [run([OURS, flag], None, FOLDER / "flag.log") for _ in range(5)]
        milliseconds = f"{median(cost.cpu for cost in costs) * 1000:.0f} ms"
        said.append(f"`spconvert {flag}` {costs[0].failure or milliseconds}")
    return "Start-up, CPU: " + ", ".join(said) + "."


def main() -> None:
    """Make the inputs, run the cases, print the tables, keep all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, help="the ngff-zarr command to compare with")
    parser.add_argument("--only", default="", help="run the cases whose title contains this")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    cases = [case for case in CASES if options.only in case.title]
    if any(case.source == LARGE for case in cases) and not LARGE.exists():
        # In a process of its own: a child's peak memory counts from its parent's.
        part = LARGE.with_suffix(".part")
        subprocess.run(
            [sys.executable, Path(__file__).with_name("volume.py"), part, "512"], check=True
        )
        part.rename(LARGE)
    peer = subprocess.run(
        [Path(options.peer).with_name("pip"), "show", "ngff-zarr"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[1]
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}.")
    print(f"Peer: ngff-zarr, {peer}. Medians; seconds and MiB.\n\n{start_up()}\n")
    kept = {}
    for case in cases:
        costs = compare(case, options.peer)
        print(f"### {case.title}\n")
        print("| | wall | CPU | peak | output | files |\n|---|---:|---:|---:|---:|---:|")
        print("\n".join(row(name, runs) for name, runs in costs.items()))
        print(f"\n{ratios(costs)}\n", flush=True)
        kept[case.title] = {name: [asdict(cost) for cost in runs] for name, runs in costs.items()}
    (FOLDER / "results.json").write_text(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
