"""The documentation says what the program does: codes, flags, and commands that run."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = sorted(
    page.relative_to(DOCS).as_posix()
    for folder in ("tutorial", "how-to")
    for page in (DOCS / folder).glob("*.md")
)
BLOCK = re.compile(r'^```bash(?: title="exits with (\d+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def codes_in(path: Path) -> set[str]:
    """Codes of the findings that a module makes; a code made of parts is left out."""
    calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
    place = {"warning": 0, "note": 0, "Finding": 1}
    return {
        call.args[place[call.func.id]].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id in place
        and len(call.args) > place[call.func.id]
        and isinstance(call.args[place[call.func.id]], ast.Constant)
    }


def test_every_code_of_a_finding_is_in_the_reference_and_no_other():
    made = set().union(*map(codes_in, (REPOSITORY / "src").rglob("*.py")))
    page = (DOCS / "reference" / "findings.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == made


def test_every_feature_that_can_be_lost_is_in_the_reference():
    plugin = (REPOSITORY / "src" / "spconvert" / "formats" / "plugin.py").read_text()
    features = re.findall(r'"([a-z-]+)"', plugin.partition("Feature = Literal[")[2].split("]")[0])
    page = (DOCS / "reference" / "findings.md").read_text()
    assert set(re.findall(r"`([a-z-]+)-lost`", page)) == set(features)


def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "spconvert", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )
    return done.stdout


def test_every_flag_is_in_the_reference_and_every_flag_there_exists():
    page = (DOCS / "reference" / "command-line.md").read_text()
    shown = set(FLAG.findall(help_of() + help_of("convert") + help_of("inspect")))
    shown -= {"--help", "--install-completion", "--show-completion"}
    assert set(FLAG.findall(page)) == shown


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_they_stand(page, mr_head, tmp_path):
    """In order, in one folder that holds MR-head.nrrd and nothing else."""
    shutil.copy(mr_head, tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    blocks = BLOCK.findall((DOCS / page).read_text())
    assert blocks
    for exit_code, block in blocks:
        done = subprocess.run(
            ["bash", "-eu", "-c", block],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == int(exit_code or 0), block + done.stderr
    assert not (tmp_path / "failed.txt").exists()
    assert not list(tmp_path.glob(".*"))
