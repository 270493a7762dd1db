"""Runs the command line again and again, each time in a process of its own with limits.

A Python process that has imported what the command imports waits for requests, a line of JSON
each, and forks for each: the child sets its limits, its arguments and its streams, and calls the
entry point of the installed command. So a run costs milliseconds in place of half a second, and
still is a process whose exit code, streams, memory and end are seen from outside.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

IMPORTS = (
    "google_crc32c",
    "h5py",
    "imagecodecs",
    "nrrd",
    "numcodecs",
    "numcodecs.blosc",
    "OpenEXR",
    "PIL.Image",
    "pydicom",
    "rich",
    "spconvert.actions.convert",
    "spconvert.actions.describe",
    "spconvert.cli.app",
    "spconvert.cli.convert",
    "spconvert.cli.inspect",
    "spconvert.stores.zarr_reader",
    "spconvert.stores.zarr_writer",
    "tifffile",
    "xml.etree.ElementTree",
    "zarr",
)


def serve() -> None:
    """Answer requests until there are no more."""
    for name in IMPORTS:
        importlib.import_module(name)
    from spconvert.formats.registry import PLUGINS

    for module in PLUGINS.values():
        importlib.import_module(module)
    base = _run({"argv": None, "folder": ".", "seconds": 10, "address_space": 2 << 30})["peak"]
    _answer({"base": base})
    for line in sys.stdin:
        _answer(_run(json.loads(line)))


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait, kill at the deadline; exit code, peak memory in bytes, and seconds."""
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(request)
    timed_out = False
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        if not timed_out and time.monotonic() - begun > request["seconds"]:
            timed_out = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.002)
    seconds = time.monotonic() - begun
    code = None if timed_out else os.waitstatus_to_exitcode(status)
    return {"code": code, "peak": usage.ru_maxrss << 10, "seconds": seconds}


def _become(request: dict[str, Any]) -> NoReturn:
    """Be the command: never returns."""
    os.setpgid(0, 0)
    code = 1
    try:
        if request["argv"] is None:
            code = 0
        else:
            resource.setrlimit(resource.RLIMIT_AS, (request["address_space"],) * 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            code = _command(request["argv"], Path(request["folder"]))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _command(argv: list[str], folder: Path) -> int:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        path = os.devnull if name == "stdin" else str(folder / name)
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(folder)
    sys.argv = ["spconvert", *argv]
    from spconvert.__main__ import main

    try:
        code = main()
        # As the interpreter does at its end: a thread that never ends is a fault.
        threading._shutdown()
        atexit._run_exitfuncs()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - what the interpreter would do
        sys.excepthook(*sys.exc_info())
        code = 1
    return code


if __name__ == "__main__":
    serve()
