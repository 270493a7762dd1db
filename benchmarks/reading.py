"""Reading speed per format against the library a user would otherwise call; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from measure import Cost, run

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "build" / "bench"
LARGE = FOLDER / "ct-512.nrrd"
INPUTS = FOLDER / "reading"
DOCUMENT = HERE.parent / "docs" / "explanation" / "performance.md"
MARKS = "<!-- reading-output -->\n", "<!-- /reading-output -->"
MIB = 1 << 20
OURS = ("ours-slabs", "ours-threads", "ours-array")


@dataclass(frozen=True, slots=True)
class Case:
    """One input and who else reads it."""

    title: str
    name: str
    """Of the input, see ``inputs.py``."""
    peers: tuple[str, ...]


CASES = (
    Case("NRRD raw", "raw.nrrd", ("pynrrd", "SimpleITK")),
    Case("NRRD gzip", "gzip.nrrd", ("pynrrd", "SimpleITK")),
    Case("NIfTI `.nii`", "plain.nii", ("nibabel", "SimpleITK")),
    Case("NIfTI `.nii.gz`, level 1", "gzip-1.nii.gz", ("nibabel", "SimpleITK")),
    Case("NIfTI `.nii.gz`, level 6", "gzip-6.nii.gz", ("nibabel", "SimpleITK")),
    Case("MGH `.mgz`", "volume.mgz", ("nibabel",)),
    Case("MetaImage raw", "raw.mha", ("SimpleITK",)),
    Case("MetaImage zlib", "zlib.mha", ("SimpleITK",)),
    Case("VTK binary", "binary.vtk", ("SimpleITK",)),
    Case("GIPL", "volume.gipl", ("SimpleITK",)),
    Case("MRC", "volume.mrc", ("SimpleITK",)),
    Case("TIFF strips, uncompressed", "strips.tif", ("tifffile", "SimpleITK")),
    Case("TIFF strips, LZW", "lzw.tif", ("tifffile", "SimpleITK")),
    Case("TIFF tiles, deflate + predictor", "deflate.tif", ("tifffile", "SimpleITK")),
    Case("TIFF tiles, Zstandard", "zstd.tif", ("tifffile",)),
    Case("TIFF, ImageJ", "imagej.tif", ("tifffile",)),
    Case("OME-TIFF tiles, deflate", "deflate.ome.tif", ("tifffile",)),
    Case("DICOM series, raw", "raw.dicom", ("pydicom", "SimpleITK")),
    Case("DICOM series, RLE", "rle.dicom", ("pydicom", "SimpleITK")),
    Case("DICOM series, JPEG-LS", "jpegls.dicom", ("pydicom", "SimpleITK")),
    Case("PNG slices, 16 bit", "png", ("imageio", "Pillow", "SimpleITK")),
    Case("OME-Zarr 0.4, Blosc", "v2-blosc.ome.zarr", ("zarr-python",)),
    Case("OME-Zarr 0.4, gzip", "v2-gzip.ome.zarr", ("zarr-python",)),
    Case("OME-Zarr 0.5, Blosc", "v3-blosc.ome.zarr", ("zarr-python",)),
    Case("OME-Zarr 0.5, Zstandard", "v3-zstd.ome.zarr", ("zarr-python",)),
    Case("OME-Zarr 0.5, uncompressed", "v3-plain.ome.zarr", ("zarr-python",)),
    Case("OME-Zarr 0.5, shards, Blosc", "v3-sharded.ome.zarr", ("zarr-python",)),
)


@dataclass(slots=True)
class Figures:
    """What one reader needed for one input."""

    processes: list[Cost] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Inside of a process that had imported everything."""
    found: str = ""
    """Number of voxels and their sum."""
    failure: str = ""


class Server:
    """A reader that is asked again and again."""

    def __init__(self, reader: str, source: Path, log: Path) -> None:
        self._words = log.open("w")
        self._process = subprocess.Popen(
            [*command(reader, source), "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
        )
        self.found = self._answer()

    def seconds(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        self._process.communicate()
        self._words.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def command(reader: str, source: Path) -> list[str]:
    return [sys.executable, str(HERE / "readers.py"), reader, str(source)]


def measured(case: Case, pairs: int) -> dict[str, Figures]:
    """All readers in turn, again and again: drift of the machine meets all of them alike."""
    source = INPUTS / case.name
    log = FOLDER / "reader.log"
    figures = {reader: Figures() for reader in (*OURS, *case.peers)}
    servers = {}
    for reader, held in figures.items():
        server = Server(reader, source, log)
        held.found = server.found
        if server.found:
            servers[reader] = server
        else:
            server.close()
            held.failure = (log.read_text().strip().splitlines() or ["no answer"])[-1][:100]
    for _ in range(pairs):
        for reader, server in servers.items():
            figures[reader].seconds.append(server.seconds())
    for server in servers.values():
        server.close()
    for _ in range(pairs):
        for reader in servers:
            if reader in {"ours-slabs", *case.peers}:
                cost = run(command(reader, source), None, log)
                figures[reader].processes.append(cost)
                figures[reader].failure = cost.failure or figures[reader].failure
    return figures


def row(case: Case, peer: str, figures: dict[str, Figures]) -> str:
    """One line of the table: medians, and the median of the ratios of the pairs."""
    ours, theirs = figures["ours-slabs"], figures[peer]
    name = f"| {case.title} | {peer} |"
    for held, who in ((ours, "spconvert"), (theirs, peer)):
        if held.failure:
            return f"{name} {who} fails: {held.failure} ||||||||||"
    wall = [median(c.wall for c in held.processes) for held in (ours, theirs)]
    peak = [median(c.peak for c in held.processes) / MIB for held in (ours, theirs)]
    pairs = zip(ours.processes, theirs.processes, strict=True)
    whole = median(b.wall / a.wall for a, b in pairs)
    inside = [median(figures[reader].seconds) for reader in (*OURS, peer)]
    best = median(
        b / min(a) for *a, b in zip(*(figures[r].seconds for r in (*OURS[:2], peer)), strict=True)
    )
    array = median(
        b / a for a, b in zip(figures["ours-array"].seconds, theirs.seconds, strict=True)
    )
    same = "" if ours.found == theirs.found else " (other values)"
    return (
        f"{name} {wall[0]:.2f} | {wall[1]:.2f} | **{whole:.1f}** | "
        + " | ".join(f"{s:.3f}" for s in inside)
        + f" | **{best:.1f}** | {array:.1f} | {peak[0]:.0f} | {peak[1]:.0f}{same} |"
    )


HEAD = (
    "| input | library | process: ours | library | ratio | inside: slabs | 2 threads | one array "
    "| library | ratio | ratio, one array | peak: ours | library |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


CONVERSION_HEAD = (
    "Converted to OME-Zarr with the defaults, whole processes:\n\n"
    "| input | wall | CPU | peak |\n|---|---:|---:|---:|"
)


def conversion(case: Case, pairs: int) -> str:
    """What converting an input costs, medians: CPU above wall says that both cores were busy."""
    source, output = INPUTS / case.name, FOLDER / "output.ome.zarr"
    named = source / "*.png" if case.name == "png" else source
    words = [str(Path(sys.executable).parent / "spconvert"), "-i", str(named), "-o", str(output)]
    costs = [run(words, output, FOLDER / "spconvert.log") for _ in range(pairs)]
    failure = next((cost.failure for cost in costs if cost.failure), "")
    if failure:
        return f"| {case.title} | fails: {failure} |||"
    wall, cpu, peak = (median(getattr(c, name) for c in costs) for name in ("wall", "cpu", "peak"))
    return f"| {case.title} | {wall:.2f} | {cpu:.2f} | {peak / MIB:.0f} |"


def make_inputs(cases: list[Case]) -> None:
    """Write what is missing, each in a process of its own: this one has to stay small."""
    INPUTS.mkdir(parents=True, exist_ok=True)
    if not LARGE.exists():
        part = LARGE.with_suffix(".part")
        subprocess.run([sys.executable, HERE / "volume.py", part, "512"], check=True)
        part.rename(LARGE)
    for case in cases:
        if not (INPUTS / case.name).exists():
            subprocess.run(
                [sys.executable, HERE / "inputs.py", LARGE, INPUTS, case.name],
                check=True,
                stdout=subprocess.DEVNULL,
            )


def put_into_document(text: str) -> None:
    """Replace what stands between the markers of the page on performance."""
    before, rest = DOCUMENT.read_text().split(MARKS[0])
    _, after = rest.split(MARKS[1])
    DOCUMENT.write_text(f"{before}{MARKS[0]}{text}{MARKS[1]}{after}")


def main() -> None:
    """Make the inputs, run the cases, print the table, keep all figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="run the inputs whose name contains this")
    parser.add_argument("--pairs", type=int, default=5, help="how often each side reads")
    parser.add_argument("--document", action="store_true", help="put the table into the docs")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name]
    make_inputs(cases)
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    said = (
        f"{machine}, load {os.getloadavg()[0]:.1f} at the start. 512 x 512 x 256 voxels of 16 bits "
        "(128 MiB); seconds and MiB, medians.\n"
    )
    print(f"{said}\n{HEAD}", flush=True)
    rows, kept = [], {}
    for case in cases:
        figures = measured(case, options.pairs)
        for peer in case.peers:
            rows.append(row(case, peer, figures))
            print(rows[-1], flush=True)
        kept[case.title] = {reader: asdict(held) for reader, held in figures.items()}
    (FOLDER / "reading.json").write_text(json.dumps(kept, indent=1))
    print(f"\n{CONVERSION_HEAD}", flush=True)
    converted = []
    for case in cases:
        converted.append(conversion(case, min(3, options.pairs)))
        print(converted[-1], flush=True)
    if options.document:
        tables = [said, HEAD, *rows, "", CONVERSION_HEAD, *converted, ""]
        put_into_document("\n".join(tables))


if __name__ == "__main__":
    main()
