"""Which format a path belongs to: by suffix, checked by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from spconvert.errors import FormatError, SourceError, UnknownFormat, UsageError
from spconvert.formats.registry import (
    PLUGINS,
    SUFFIXES,
    all_plugins,
    plugin_for_reading,
    plugin_for_writing,
    plugin_named,
    stem_of,
    suffix_of,
)


def test_the_table_says_what_the_plugins_claim():
    claimed = {suffix: plugin.name for plugin in all_plugins() for suffix in plugin.suffixes}
    assert claimed == SUFFIXES
    assert [plugin.name for plugin in all_plugins()] == list(PLUGINS)


@pytest.mark.parametrize(
    ("name", "suffix", "stem"),
    [
        ("a.nrrd", ".nrrd", "a"),
        ("A.NRRD", ".nrrd", "A"),
        ("a.seg.nrrd", ".seg.nrrd", "a"),
        ("a.ome.zarr", ".ome.zarr", "a"),
        ("a.ome.zarr.zip", ".ome.zarr.zip", "a"),
        ("a.b.zarr", ".zarr", "a.b"),
        ("a.unknown", "", "a"),
        ("nrrd", "", "nrrd"),
        ("", "", ""),
        ("\udcff.nrrd", ".nrrd", "\ufffd"),
    ],
)
def test_suffix_and_stem(name, suffix, stem):
    assert (suffix_of(Path(name)), stem_of(Path(name))) == (suffix, stem)


def test_content_decides_and_a_lying_suffix_is_found(tmp_path):
    (tmp_path / "a.ome.zarr").write_bytes(b"NRRD0004\n")
    plugin, findings = plugin_for_reading(tmp_path / "a.ome.zarr")
    assert plugin.name == "nrrd"
    assert [finding.code for finding in findings] == ["suffix-lies"]
    (tmp_path / "b").write_bytes(b"NRRD0004\n")
    plugin, findings = plugin_for_reading(tmp_path / "b")
    assert plugin.name == "nrrd"
    plugin, findings = plugin_for_reading(tmp_path / "b", "ome-zarr")
    assert (plugin.name, findings) == ("ome-zarr", ())


def test_errors_have_types(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"text")
    (tmp_path / "a").write_bytes(b"text")
    for path, error in (
        (tmp_path / "none", SourceError),
        (tmp_path / "a.nrrd", FormatError),
        (tmp_path / "a", UnknownFormat),
        (tmp_path, UnknownFormat),
    ):
        with pytest.raises(error, match=path.name):
            plugin_for_reading(path)
    with pytest.raises(UsageError, match="'xyzzy'"):
        plugin_named("xyzzy")
    with pytest.raises(UnknownFormat, match=r"a\.xyzzy"):
        plugin_for_writing(Path("a.xyzzy"))
