"""How the tests of the command line run it: in this process, or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.ended import Command, Ended
from cli.volumes import small_volume, write_nrrd
from spconvert.cli.app import run


@pytest.fixture
def spconvert(capsys) -> Command:
    """Run the command line in this process."""

    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = run([str(a) for a in arguments])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return call


@pytest.fixture
def process() -> Command:
    """Run the command as a process; bytes that are no UTF-8 are kept as surrogates."""

    def call(*arguments: str | Path | bytes, cwd: Path | None = None, **environment: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "spconvert", *arguments],
            capture_output=True,
            check=False,
            cwd=cwd,
            env={k: v for k, v in {**os.environ, **environment}.items() if v},
            timeout=60,
        )
        words = [text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr)]
        return Ended(done.returncode, *words)

    return call


@pytest.fixture
def volume(tmp_path) -> Path:
    """A small oblique int16 volume, raw, alone in its folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    return write_nrrd(folder / "volume.nrrd", small_volume())


@pytest.fixture
def out(tmp_path) -> Path:
    """An empty folder for outputs."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def big_volume(tmp_path_factory) -> Path:
    """128 MiB of noise, which no codec makes small; long enough to be interrupted."""
    noise = np.random.default_rng(1).integers(0, 2**15, (256, 512, 512), dtype=np.int16)
    return write_nrrd(tmp_path_factory.mktemp("big") / "big.nrrd", noise)
