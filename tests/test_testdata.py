"""The images that are shipped are the published ones, and each says where it is from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[1] / "testdata"
ENTRIES = json.loads((SHIPPED / "manifest.json").read_text(encoding="utf-8"))["entries"]


def test_every_shipped_file_is_the_published_one():
    actual = {
        path.relative_to(SHIPPED).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in SHIPPED.rglob("*")
        if path.is_file() and path.parent != SHIPPED
    }
    assert actual == {f["path"]: f["sha256"] for entry in ENTRIES for f in entry["files"]}


def test_every_shipped_image_has_its_origin_and_licence_in_the_readme():
    readme = (SHIPPED / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `")]
    named = {row.split("`")[1] for row in rows}
    assert {entry["path"] for entry in ENTRIES} <= named
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("|"))


def test_the_images_stay_small():
    assert sum(f["bytes"] for entry in ENTRIES for f in entry["files"]) < 15_000_000
