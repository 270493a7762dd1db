"""The layers of docs/explanation/architecture.md hold, and the model needs NumPy alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

IMPORT_ALL_WITH_NUMPY_ONLY = """
import importlib, pkgutil, sys

ALLOWED = sys.stdlib_module_names | {"numpy", "spconvert"}

class OnlyNumpy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)
        return None

sys.meta_path.insert(0, OnlyNumpy())
package = importlib.import_module(sys.argv[1])
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_the_contracts_of_pyproject_hold():
    """Exactly what `make layers` runs: no contract is broken and none is ignored."""
    pytest.importorskip("importlinter")
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
    assert "ignore_imports" not in (REPOSITORY / "pyproject.toml").read_text()


@pytest.mark.parametrize("package", ["spconvert.model", "spconvert.testing"])
def test_it_imports_where_only_numpy_is_installed(package):
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL_WITH_NUMPY_ONLY, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_no_module_is_a_drawer_for_whatever_fits_nowhere():
    modules = {path.stem for path in (REPOSITORY / "src").rglob("*.py")}
    assert not modules & {"utils", "util", "helpers", "common", "core", "misc", "manager"}
