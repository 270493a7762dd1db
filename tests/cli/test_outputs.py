"""Where an output may go: what is there stays, what fails leaves nothing, a full disk included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cli.ended import Ended, assert_refused, listing
from cli.volumes import small_volume, write_nrrd


@pytest.mark.parametrize("suffix", [".ome.zarr", ".zarr", ".nrrd", ".nhdr"])
def test_an_existing_output_is_refused_and_untouched(suffix, spconvert, volume, out):
    target = out / f"a{suffix}"
    assert spconvert("-i", volume, "-o", target).code == 0
    before = listing(out)
    ended = spconvert("-i", volume, "-o", target)
    assert_refused(ended, 5)
    assert f"{target} exists" in ended.error
    assert "--overwrite" in ended.hint
    assert listing(out) == before
    assert spconvert("-i", volume, "-o", target, "--skip-existing").code == 0
    assert listing(out) == before


@pytest.mark.parametrize("suffix", [".ome.zarr", ".nrrd", ".nhdr"])
def test_overwrite_replaces_an_output(suffix, spconvert, volume, out):
    target = out / f"a{suffix}"
    assert spconvert("-i", volume, "-o", target).code == 0
    names = [name for name, _, _ in listing(out)]
    (volume.parent / "other").mkdir()
    other = write_nrrd(volume.parent / "other" / "o.nrrd", small_volume("uint8"))
    assert spconvert("-i", other, "-o", target, "--overwrite").code == 0
    assert spconvert("inspect", target, "--get", "dtype").out == "uint8\n"
    assert [name for name, _, _ in listing(out)] == names


def test_overwrite_of_a_store_that_fails_keeps_the_old_one(spconvert, volume, tmp_path, out):
    target = out / "a.ome.zarr"
    assert spconvert("-i", volume, "-o", target).code == 0
    before = listing(out)
    bad = write_nrrd(tmp_path / "bad.nrrd", small_volume(), encoding="gzip")
    bad.write_bytes(bad.read_bytes()[:-20])
    assert_refused(spconvert("-i", bad, "-o", target, "--overwrite"), 3)
    assert listing(out) == before


def test_overwrite_never_removes_a_folder_that_is_no_store(spconvert, volume, out):
    precious = out / "a.ome.zarr" / "deep" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("keep me")
    before = listing(out)
    for flags in ((), ("--overwrite",)):
        assert_refused(spconvert("-i", volume, "-o", out / "a.ome.zarr", *flags), 5)
        assert listing(out) == before


def test_overwrite_of_a_header_does_not_take_a_data_file_of_another(spconvert, volume, out):
    (out / "a.raw.gz").write_bytes(b"of somebody else")
    before = listing(out)
    for flags in ((), ("--overwrite",)):
        ended = spconvert("-i", volume, "-o", out / "a.nhdr", *flags)
        assert_refused(ended, 5)
        assert "a.raw.gz" in ended.error
        assert listing(out) == before


def test_a_file_where_a_folder_is_meant_is_refused(spconvert, volume, out):
    (out / "a.ome.zarr").write_text("a file")
    (out / "file").write_text("another")
    before = listing(out)
    for target in (out / "a.ome.zarr", out / "file" / "a.ome.zarr", out / "file" / "a.nrrd"):
        assert_refused(spconvert("-i", volume, "-o", target), 5)
    assert listing(out) == before


def test_a_missing_folder_of_the_output_is_refused(spconvert, volume, out):
    ended = spconvert("-i", volume, "-o", out / "no" / "a.ome.zarr")
    assert_refused(ended, 5)
    assert "mkdir -p" in ended.hint
    assert listing(out) == []


@pytest.mark.parametrize("folder", ["/proc", "/sys", "/dev/null"])
def test_a_folder_where_nothing_can_be_written(folder, spconvert, volume):
    if not Path(folder).exists():
        pytest.skip(f"no {folder} on this system")
    for name in ("a.ome.zarr", "a.nrrd"):
        assert_refused(spconvert("-i", volume, "-o", Path(folder) / name), 5)


@pytest.mark.parametrize(
    "target", ["a" * 300 + ".ome.zarr", "a" * 300 + ".nrrd", "b" * 300 + "/a.nrrd"]
)
def test_a_name_that_is_too_long(target, spconvert, volume, out):
    assert_refused(spconvert("-i", volume, "-o", out / target), 5)
    assert listing(out) == []


def test_an_output_of_no_known_suffix(spconvert, volume, out):
    ended = spconvert("-i", volume, "-o", out / "a.xyzzy")
    assert_refused(ended, 3)
    assert "a.xyzzy.ome.zarr" in ended.hint
    assert "-f" not in ended.hint  # which is about the input


@pytest.mark.parametrize("suffix", [".ozx", ".ome.zarr.zip", ".zarr.zip"])
def test_a_store_in_one_file_is_refused_before_anything_is_written(suffix, spconvert, volume, out):
    ended = spconvert("-i", volume, "-o", out / f"a{suffix}")
    assert_refused(ended, 4)
    assert "a.ome.zarr" in ended.hint
    assert listing(out) == []


def test_the_output_may_not_be_the_input_nor_lie_in_it_nor_around_it(spconvert, volume, out):
    store = out / "a.ome.zarr"
    assert spconvert("-i", volume, "-o", store).code == 0
    before = listing(out), listing(volume.parent)
    link = out.parent / "link.nrrd"
    link.symlink_to(volume)
    for source, target in (
        (volume, volume),
        (link, volume),
        (volume, link),
        (volume, volume.parent / "." / volume.name),
        (store, store),
        (store, store / "b.ome.zarr"),
        (store, store / "s0" / "b.nrrd"),
    ):
        assert_refused(spconvert("-i", source, "-o", target, "--overwrite"), 2)
    inside = store / "volume.nrrd"
    inside.write_bytes(volume.read_bytes())
    assert_refused(spconvert("-i", inside, "-o", store, "--overwrite"), 2)
    inside.unlink()
    assert listing(out)[1:] == before[0][1:]
    assert listing(volume.parent) == before[1]


def test_memory_that_is_too_small_is_refused_with_what_is_needed(spconvert, volume, out):
    ended = spconvert("-i", volume, "-o", out / "a.ome.zarr", "--memory", "1MiB")
    assert_refused(ended, 8)
    assert "1 MiB" in ended.error
    assert "--memory" in ended.hint
    assert listing(out) == []


# -- a disk that is full ---------------------------------------------------------------------

LIMITED = (
    "import resource, sys; from spconvert.__main__ import main; "
    "resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); sys.exit(main())"
)


def with_file_limit(limit: int, *arguments: str | Path) -> Ended:
    """The command where no file may grow beyond ``limit`` bytes: EFBIG, as a quota would do."""
    code = LIMITED.format(limit=limit)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("limit", [0, 100, 4000, 60_000])
@pytest.mark.parametrize(
    "flags",
    [
        ("a.ome.zarr",),
        ("a.ome.zarr", "--ome-zarr-version", "0.4"),
        ("a.ome.zarr", "--no-shards"),
        ("a.nrrd",),
        ("a.nrrd", "--codec", "raw"),
        ("a.nhdr",),
    ],
)
def test_files_that_may_not_grow_end_the_run_with_nothing_left(limit, flags, tmp_path, out):
    noise = np.random.default_rng(3).integers(0, 2**15, (70, 80, 90)).astype(np.int16)
    path = write_nrrd(tmp_path / "noise.nrrd", noise)
    ended = with_file_limit(limit, "-i", path, "-o", out / flags[0], *flags[1:])
    assert_refused(ended, 5)
    assert "File too large" in ended.error
    assert listing(out) == []


def test_a_source_that_is_unpacked_beside_a_full_output_leaves_nothing(tmp_path, out):
    """A gzip stream must be unpacked first where its order is not the one of the chunks."""
    noise = np.random.default_rng(3).integers(0, 2**15, (70, 80, 90)).astype(np.int16)
    path = write_nrrd(tmp_path / "noise.nrrd", noise, encoding="gzip")
    ended = with_file_limit(9000, "-i", path, "-o", out / "a.ome.zarr", "--reorient", "RAS")
    assert_refused(ended, 5)
    assert listing(out) == []


def test_a_full_file_system_gets_its_space_back(spconvert, tmp_path, out):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", out], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        free = os.statvfs(out).f_bavail
        noise = np.random.default_rng(3).integers(0, 2**15, (70, 80, 190)).astype(np.int16)
        path = write_nrrd(tmp_path / "noise.nrrd", noise)
        for name in ("a.ome.zarr", "a.nrrd", "a.nhdr"):
            ended = spconvert("-i", path, "-o", out / name)
            assert_refused(ended, 5)
            assert "No space left" in ended.error
            assert listing(out) == []
            assert os.statvfs(out).f_bavail == free
    finally:
        subprocess.run(["umount", out], check=True)
