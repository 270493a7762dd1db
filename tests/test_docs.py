"""The documentation says what the program does: codes, flags, and commands that run."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from spconvert.actions.open import open_file
from spconvert.errors import ChoiceNeeded, GeometryError
from spconvert.formats.plugin import Feature, Source
from spconvert.formats.registry import PLUGINS, all_plugins

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted(
    page.relative_to(DOCS).as_posix()
    for folder in ("tutorial", "how-to")
    for page in (DOCS / folder).glob("*.md")
)
SHIPPED = REPOSITORY / "testdata"
DATA = {
    "how-to/convert-dicom.md": {"mr-series": "dicom/mr_pmod_noniso_rescale"},
    "how-to/convert-microscopy.md": {
        "mini-t1-head.tif": "tiff/mini-t1-head.tif",
        "multipage.tif": "tiff/multipage.tif",
        "ome_multifile_master": "tiff/ome_multifile_master",
    },
    "how-to/stack-slices.md": {"mini-t1-head.tif": "tiff/mini-t1-head.tif"},
}
"""The images that a page speaks of, by the names that it gives them; else the main example."""
BLOCK = re.compile(r'^```bash(?: title="exits with (\d+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def codes_in(path: Path) -> set[str]:
    """Codes of the findings that a module makes; a code made of parts is left out."""
    calls = (
        n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)
    )
    place = {"warning": 0, "note": 0, "_say": 0, "Finding": 1}
    found = set()
    for call in calls:
        made = call.func.attr if isinstance(call.func, ast.Attribute) else None
        at = place.get(call.func.id if isinstance(call.func, ast.Name) else made or "")
        if at is not None and len(call.args) > at and isinstance(call.args[at], ast.Constant):
            found.add(call.args[at].value)
    return found


def test_every_code_of_a_finding_is_in_the_reference_and_no_other():
    made = set().union(*map(codes_in, (REPOSITORY / "src").rglob("*.py")))
    page = (DOCS / "reference" / "findings.md").read_text(encoding="utf-8")
    lost = {f"{feature}-lost" for feature in get_args(Feature)}
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE)) == made - lost


def test_every_feature_that_can_be_lost_is_in_the_reference():
    page = (DOCS / "reference" / "findings.md").read_text(encoding="utf-8")
    section = page.partition("## What the target cannot hold\n")[2]
    assert set(re.findall(r"`([a-z-]+)-lost`", section)) == set(get_args(Feature))


def test_the_table_of_formats_says_what_the_plugins_say():
    spec = importlib.util.spec_from_file_location("formats_table", DOCS / "formats_table.py")
    formats_table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(formats_table)
    page = formats_table.PAGE.read_text(encoding="utf-8")
    assert page == formats_table.updated(page), "run: make formats-table"


def test_what_must_be_decoded_whole_or_in_order_says_why():
    for plugin in all_plugins():
        if plugin.can.reads and plugin.name in PLUGINS:
            assert plugin.can.access, plugin.name
        assert all(plugin.can.access.values()), plugin.name


def test_no_image_costs_more_to_read_than_the_table_says(testdata, manifest):
    seen = set()
    for entry in manifest:
        try:
            file = open_file(Source(testdata / entry["path"]))
        except (ChoiceNeeded, GeometryError):
            continue
        assert file.image.pixels.access in file.plugin.can.access, entry["id"]
        seen.add(file.plugin.name)
    assert {"nifti", "tiff", "dicom", "png", "metaimage", "vtk"} <= seen


def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spconvert", *command, "--help"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )
    return done.stdout


def test_every_flag_is_in_the_reference_and_every_flag_there_exists():
    page = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    shown = set(
        FLAG.findall(help_of() + help_of("convert") + help_of("inspect") + help_of("formats"))
    )
    shown -= {"--help", "--install-completion", "--show-completion"}
    assert set(FLAG.findall(page)) == shown


def test_every_page_whose_commands_run_is_named_with_its_data():
    assert set(DATA) <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_they_stand(page, tmp_path):
    """In order, in one folder that holds the page's images and nothing else."""
    for name, origin in DATA.get(page, {"MR-head.nrrd": "nrrd/MR-head.nrrd"}).items():
        copy = shutil.copytree if (SHIPPED / origin).is_dir() else shutil.copy
        copy(SHIPPED / origin, tmp_path / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    blocks = BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    assert blocks
    for exit_code, block in blocks:
        done = subprocess.run(
            ["bash", "-eu", "-c", block],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == int(exit_code or 0), block + done.stderr
    assert not (tmp_path / "failed.txt").exists()
    assert not list(tmp_path.glob(".*"))
