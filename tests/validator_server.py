"""Runs other people's OME-Zarr validators, one request a line; see ``validators.py``.

It runs in an environment of its own, which has the tools and not necessarily spconvert.
Request: ``{"tool", "store", "version"}``. Answer: ``{"accepted", "output"}``. The first line it
prints is ``{"tools": {name: reason why not, or null}}``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import os
import signal
import sys
import traceback
from pathlib import Path

DEADLINE_SECONDS = 120


def ome_zarr_models(store: str, version: str) -> None:
    """``ome-zarr-models validate STORE``."""
    tool = importlib.import_module("ome_zarr_models._cli")
    tool.validate(store, version)


def yaozarrs(store: str, _version: str) -> None:
    """``yaozarrs validate STORE``."""
    tool = importlib.import_module("yaozarrs._cli")
    sys.exit(tool.main(["validate", store]))


def ngff_zarr(store: str, version: str) -> None:
    """``ngff_zarr.from_ome_zarr(STORE, validate=True)``, all levels opened."""
    tool = importlib.import_module("ngff_zarr")
    multiscales = tool.from_ome_zarr(store, validate=True, version=version)
    if not multiscales.images:
        sys.exit("no level was found")


TOOLS = {
    "ome-zarr-models": (ome_zarr_models, ("ome_zarr_models",)),
    "yaozarrs": (yaozarrs, ("yaozarrs", "fsspec")),
    "ngff-zarr": (ngff_zarr, ("ngff_zarr", "jsonschema")),
}


def missing(modules: tuple[str, ...]) -> str | None:
    """Why a tool cannot run here, or ``None``."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed for {sys.executable}"
    return None


def run(tool: str, store: str, version: str) -> dict[str, object]:
    """What a tool says of a store; whatever it prints or raises is its answer."""
    said = io.StringIO()
    accepted = True
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            TOOLS[tool][0](store, version)
        except SystemExit as stop:
            accepted = not stop.code
            print(stop.code or "", file=said)
        except Exception:  # noqa: BLE001  a validator's own errors are its verdict
            accepted = False
            traceback.print_exc(file=said)
    return {"accepted": accepted, "output": said.getvalue().strip()}


def main() -> None:
    """Answer until stdin ends; a tool that hangs takes the process with it."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints below Python must not reach the answers
    tools = {name: missing(modules) for name, (_, modules) in TOOLS.items()}
    print(json.dumps({"tools": tools}), file=answers, flush=True)
    for line in sys.stdin:
        if hasattr(signal, "alarm"):
            signal.alarm(DEADLINE_SECONDS)
        request = json.loads(line)
        answer = run(request["tool"], str(Path(request["store"])), request["version"])
        print(json.dumps(answer), file=answers, flush=True)
        if hasattr(signal, "alarm"):
            signal.alarm(0)


if __name__ == "__main__":
    main()
