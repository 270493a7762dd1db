"""Writes the large input: a CT-like int16 volume as a raw NRRD, the same bytes on every run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HEADER = """NRRD0004
type: int16
dimension: 3
space: left-posterior-superior
sizes: {n} {n} {n}
space directions: (0.7,0,0) (0,0.8,0) (0,0,1.25)
kinds: domain domain domain
endian: little
encoding: raw
space origin: (-179.2,-204.8,12.5)

"""


def write(path: Path, n: int) -> None:
    """Air, a body of soft tissue with a few denser balls, and noise; n³ voxels, slice by slice."""
    random = np.random.default_rng(20261101)
    y, x = np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j]
    balls = random.uniform((-0.5, -0.5, -0.5, 0.03, 200), (0.5, 0.5, 0.5, 0.2, 900), (40, 5))
    with path.open("wb") as file:
        file.write(HEADER.format(n=n).encode())
        for z in np.linspace(-1, 1, n):
            plane = np.where((x / 0.9) ** 2 + (y / 0.7) ** 2 + (z / 1.1) ** 2 < 1, 40.0, -1000.0)
            for bz, by, bx, radius, value in balls:
                if abs(z - bz) < radius:
                    plane[(x - bx) ** 2 + (y - by) ** 2 + (z - bz) ** 2 < radius**2] = value
            noise = random.normal(0, np.where(plane > -1000, 12.0, 4.0))
            file.write((plane + noise).round().clip(-1024, 3071).astype("<i2").tobytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
