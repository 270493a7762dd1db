"""What is refused: one line, a hint, the right exit code, nothing left behind, nothing touched."""

from __future__ import annotations

import os

import numpy as np
import pytest

from cli.ended import assert_refused, listing
from cli.volumes import Place, small_volume, write_nrrd


@pytest.mark.parametrize("form", [("-i", "{i}", "-o", "{o}"), ("convert", "{i}", "{o}")])
def test_a_typo_in_a_flag_names_the_flag_that_was_meant(form, spconvert, volume, out):
    words = [word.format(i=volume, o=out / "a.ome.zarr") for word in form]
    ended = spconvert(*words, "--overwrit")
    assert_refused(ended, 2)
    assert ended.error == "no such option: --overwrit"
    assert "did you mean --overwrite" in ended.hint
    assert listing(out) == []


def test_a_typo_in_a_subcommand_names_the_one_that_was_meant(spconvert, volume):
    ended = spconvert("inspct", volume)
    assert_refused(ended, 2)
    assert "did you mean 'inspect'?" in ended.hint


def test_bare_paths_are_answered_with_how_to_convert(spconvert, volume, out):
    ended = spconvert(volume, out / "a.ome.zarr")
    assert_refused(ended, 2)
    assert "spconvert convert IN OUT" in ended.hint


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["-i", "a.nrrd"], "-o/--output is missing"),
        (["-o", "a.nrrd"], "-i/--input is missing"),
        (["convert", "a.nrrd"], "an input and an output are needed"),
        (["convert"], "missing argument 'IN... OUT'"),
        (["inspect"], "missing argument 'IN...'"),
        (["--spacing", "1,1,1", "convert", "a.nrrd", "b.nrrd"], "flags before 'convert'"),
        (["-q", "inspect", "a.nrrd"], "flags before 'inspect'"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--spacing"], "option '--spacing' requires an argument"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--level", "x"], "invalid value for '--level'"),
        (
            ["-i", "a.nrrd", "-o", "b.nrrd", "--shards", "64", "--no-shards"],
            "contradict each other",
        ),
        (["inspect", "a.nrrd", "--json", "--short"], "contradict each other"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--progress", "loud"], "--progress 'loud'"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "-j", "0"], "0 workers"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--memory", "lots"], "--memory 'lots' is no size"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--memory", "1e400"], "--memory '1e400'"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--memory", "0"], "--memory '0'"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--levels", "²"], "--levels '²'"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--levels", "0"], "--levels '0'"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--levels", "9" * 5000], "--levels '999"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--chunks", "9" * 5000], "--chunks '999"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--chunks", "z=0"], "'z=0' is no size"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--chunks", "z=1,z=2"], "names axis 'z' twice"),
        (["-i", "a.nrrd", "-o", "b.nrrd", "--chunks", ""], "--chunks has an empty value"),
    ],
)
def test_a_request_that_makes_no_sense_is_a_usage_error(arguments, error, spconvert):
    ended = spconvert(*arguments)
    assert_refused(ended, 2)
    assert error in ended.error


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--ome-zarr-version", "0.7"], "0.7 cannot be written"),
        (["--codec", "lzma"], "codec 'lzma' is not known"),
        (["--codec", "zstd:99"], "codec level 99"),
        (["--method", "bogus"], "method 'bogus' is not known"),
        (["--chunks", "t=4"], "axis 't': the image has z, y, x"),
        (["--chunks", "4", "--shards", "6"], "no multiples of the chunks"),
        (["--shards", "8", "--chunks", "4", "--ome-zarr-version", "0.4"], "has no shards"),
        (["--scale-factors", "2,3"], "no multiples of"),
        (["--scale-factors", "2", "--levels", "2"], "contradict each other"),
        (["--level", "3"], "level"),
        (["--level", "-1"], "level"),
        (["--select", "two"], "holds one image"),
        (["--reorient", "LPX"], "--reorient"),
        (["-f", "xyzzy"], "format 'xyzzy' is not known"),
    ],
)
def test_a_wrong_value_is_a_usage_error_that_says_what_was_expected(
    flags, error, spconvert, volume, out
):
    ended = spconvert("-i", volume, "-o", out / "a.ome.zarr", *flags)
    assert_refused(ended, 2)
    assert error in ended.error
    assert listing(out) == []


def test_an_input_that_does_not_exist(spconvert, out):
    ended = spconvert("-i", out.parent / "none.nrrd", "-o", out / "a.ome.zarr")
    assert_refused(ended, 3)
    assert "none.nrrd does not exist" in ended.error
    assert listing(out) == []


def test_a_link_that_points_nowhere(spconvert, tmp_path, out):
    link = tmp_path / "link.nrrd"
    link.symlink_to("nothing")
    ended = spconvert("-i", link, "-o", out / "a.ome.zarr")
    assert_refused(ended, 3)
    assert "the link points nowhere" in ended.hint


@pytest.mark.parametrize("what", ["input", "folder of the input", "folder of the output"])
def test_a_link_that_points_to_itself(what, spconvert, volume, tmp_path, out):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    source = {"input": loop, "folder of the input": loop / "a.nrrd"}.get(what, volume)
    target = loop / "a.nrrd" if what == "folder of the output" else out / "a.nrrd"
    ended = spconvert("-i", source, "-o", target)
    assert_refused(ended, 5 if what == "folder of the output" else 3)
    assert listing(out) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.nrrd", b""),
        ("byte.nrrd", b"N"),
        ("noise.nrrd", bytes(range(256)) * 4),
        ("noise.unknown", bytes(range(256)) * 4),
        ("empty.ome.zarr", b""),
        ("noise.ozx", b"PK\x03\x04" + bytes(100)),
        ("text.nrrd", b"hello\n"),
        ("magic.nrrd", b"NRRD0005\n"),
    ],
)
def test_what_is_no_image_is_refused(name, content, spconvert, tmp_path, out):
    path = tmp_path / name
    path.write_bytes(content)
    for arguments in (("-i", path, "-o", out / "a.ome.zarr"), ("inspect", path)):
        ended = spconvert(*arguments)
        assert_refused(ended, 3)
        assert name in ended.error
    assert listing(out) == []


@pytest.mark.parametrize("name", ["folder", "folder.nrrd", "folder.ome.zarr"])
def test_a_folder_that_is_no_store_is_refused(name, spconvert, tmp_path, out):
    (tmp_path / name).mkdir()
    for arguments in (
        ("-i", tmp_path / name, "-o", out / "a.ome.zarr"),
        ("inspect", tmp_path / name),
    ):
        ended = spconvert(*arguments)
        assert_refused(ended, 3)
        assert name in ended.error


@pytest.mark.parametrize("source", ["/dev/null", "/dev/zero", "/proc/self/mem"])
def test_a_device_is_no_image(source, spconvert, out):
    if not os.path.lexists(source):
        pytest.skip(f"no {source} on this system")
    assert_refused(spconvert("-i", source, "-o", out / "a.ome.zarr"), 3)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("suffix", [".ome.zarr", ".nrrd", ".nhdr"])
def test_a_truncated_file_leaves_nothing(encoding, suffix, spconvert, tmp_path, out):
    noise = np.random.default_rng(2).integers(0, 999, (40, 50, 60)).astype(np.int16)
    path = write_nrrd(tmp_path / "cut.nrrd", noise, encoding=encoding)
    path.write_bytes(path.read_bytes()[:-1000])
    ended = spconvert("-i", path, "-o", out / f"a{suffix}")
    assert_refused(ended, 3)
    assert "cut.nrrd" in ended.error
    assert listing(out) == []


def test_a_damaged_gzip_member_leaves_nothing(spconvert, tmp_path, out):
    path = write_nrrd(tmp_path / "bad.nrrd", small_volume(), encoding="gzip")
    data = bytearray(path.read_bytes())
    data[-6] ^= 255  # in the checksum
    path.write_bytes(data)
    assert_refused(spconvert("-i", path, "-o", out / "a.ome.zarr"), 3)
    assert listing(out) == []


def test_a_lying_suffix_is_a_warning_and_under_strict_an_error(spconvert, volume, out):
    lie = volume.rename(volume.with_name("lie.ome.zarr"))
    ended = spconvert("-i", lie, "-o", out / "a.nrrd", "--strict")
    assert_refused(ended, 3)
    assert "--strict" in ended.hint
    assert listing(out) == []
    ended = spconvert("-i", lie, "-o", out / "a.nrrd")
    assert ended.code == 0
    assert "[suffix-lies]" in ended.err


def test_strict_gives_each_warning_the_code_of_its_error(spconvert, volume, tmp_path, out):
    target = out / "a.ome.zarr"
    lost = spconvert("-i", volume, "-o", target, "--ome-zarr-version", "0.5", "--strict")
    assert_refused(lost, 4)
    other = write_nrrd(tmp_path / "other.nrrd", small_volume(shape=(3, 4, 5)))
    assert_refused(spconvert("-i", volume, "-o", target, "--like", other, "--strict"), 2)
    for flag in ("--strict", "--dry-run"):
        assert listing(out) == []
        lost = spconvert(
            *("-i", volume, "-o", target, "--ome-zarr-version", "0.4", "--strict", flag)
        )
        assert_refused(lost, 4)


def test_impossible_geometry_has_a_code_of_its_own(spconvert, tmp_path, out):
    nowhere = Place(origin=(0.5, float("inf"), 2.0))
    path = write_nrrd(tmp_path / "nowhere.nrrd", small_volume(), nowhere)
    ended = spconvert("-i", path, "-o", out / "a.ome.zarr")
    assert_refused(ended, 4)
    assert listing(out) == []
