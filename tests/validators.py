"""Other people's OME-Zarr validators as an assertion: ``validators_accept(store, "0.5")``.

They run in an environment of their own (``make validators``), named by SPCONVERT_VALIDATORS as
the path of its Python, and in one process per test session, because importing them takes seconds.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
VERSIONS = {
    "ome-zarr-models": ("0.4", "0.5", "0.6"),
    "yaozarrs": ("0.4", "0.5"),
    "ngff-zarr": ("0.4", "0.5", "0.6"),
}
"""The versions of OME-Zarr that each tool knows."""


@dataclass(frozen=True)
class _Server:
    """The running process and, for each tool that it cannot run, why."""

    process: subprocess.Popen[str]
    missing: dict[str, str | None]

    def ask(self, **request: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the validators died or took too long: {request}, {self.process.poll()}"
        return dict(json.loads(line))

    def stop(self) -> None:
        self.process.communicate()


def _python() -> Path | None:
    """The Python that has the validators; a name that is given must be right."""
    named = os.environ.get("SPCONVERT_VALIDATORS")
    if named:
        assert Path(named).exists(), f"SPCONVERT_VALIDATORS={named}: no such file"
        return Path(named)
    usual = HERE.parent / ".venv-validators" / "bin" / "python"
    return usual if usual.exists() else None


@cache
def _server() -> _Server | None:
    python = _python()
    if python is None:
        return None
    process = subprocess.Popen(
        [python, HERE / "validator_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert process.stdout is not None
    server = _Server(process, json.loads(process.stdout.readline())["tools"])
    atexit.register(server.stop)
    return server


def verdict(tool: str, store: Path, version: str) -> tuple[bool, str]:
    """Whether one tool accepts a store, and what it printed; skips where it is not installed."""
    server = _server()
    if server is None:
        pytest.skip("no validators: SPCONVERT_VALIDATORS is not set (`make validators`)")
    if reason := server.missing[tool]:
        pytest.skip(f"{tool}: {reason}")
    answer = server.ask(tool=tool, store=str(store), version=version)
    return answer["accepted"], answer["output"]


def validators_accept(store: Path, version: str) -> None:
    """Assert that every tool that knows ``version`` ("0.4", "0.5", "0.6") accepts the store.

    Skips where there are no validators at all; a single tool that is not installed is passed over
    (``test_validators.py`` reports it). Raises ``AssertionError`` with the tool's own words.
    """
    server = _server()
    if server is None:
        pytest.skip("no validators: SPCONVERT_VALIDATORS is not set (`make validators`)")
    for tool, versions in VERSIONS.items():
        if version in versions and server.missing[tool] is None:
            accepted, output = verdict(tool, store, version)
            assert accepted, f"{tool} rejects {store} as OME-Zarr {version}:\n{output}"
