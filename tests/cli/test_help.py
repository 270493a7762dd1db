"""Help, verbosity, dry runs, completion: what is said, how much of it, and how it reads."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from cli.ended import assert_refused, listing
from cli.volumes import Place, small_volume, write_nrrd
from spconvert.cli.options import ConvertOptions


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ("convert", "--help")])
def test_help_says_that_geometry_flags_assign_and_in_what_order(arguments, spconvert):
    shown = spconvert(*arguments)
    assert (shown.code, shown.err) == (0, "")
    words = " ".join(shown.out.split())
    assert "The geometry flags assign, they never resample" in words
    assert "The order of vectors is always x,y,z; coordinates of patients are LPS" in words
    for field in fields(ConvertOptions):
        assert f"--{field.name.replace('_', '-')}" in shown.out
    titles = [line for line in shown.out.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles[:5] == [
        "Options:",
        "Input:",
        "Geometry (assigned, never resampled; x,y,z; LPS):",
        "Pyramid and store:",
        "Run:",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_help_fits_the_terminal(width, process):
    shown = process("--help", COLUMNS=str(width))
    assert shown.code == 0
    longest = max(len(line) for line in shown.out.splitlines())
    assert longest <= max(width, 50)


def test_the_command_alone_shows_help(spconvert):
    shown = spconvert()
    assert shown.code == 2
    assert shown.out.startswith("Usage: spconvert")
    assert shown.err == ""


def test_version_is_the_one_of_the_package(process):
    from spconvert import __version__

    for arguments in (("--version",), ("--version", "--debug"), ("convert", "--version")):
        shown = process(*arguments)
        if arguments[0] == "convert":
            assert_refused(shown, 2)
        else:
            assert (shown.code, shown.out, shown.err) == (0, f"spconvert {__version__}\n", "")


def test_no_variable_changes_what_a_command_does(process, volume):
    shown = process("inspect", volume, "--short", SPCONVERT_VERSION="1", SPCONVERT_DEBUG="1")
    assert shown.out.startswith(f"{volume}  nrrd")


def test_both_forms_of_a_conversion_do_the_same(spconvert, volume, out):
    flags = ("--spacing", "1,2,3", "--chunks", "4", "--ome-zarr-version", "0.5")
    assert spconvert("-i", volume, "-o", out / "a.ome.zarr", *flags).code == 0
    assert spconvert("convert", volume, out / "b.ome.zarr", *flags).code == 0
    assert spconvert(*flags, "-o", out / "c.ome.zarr", "-i", volume).code == 0
    assert spconvert("convert", *flags, volume, out / "d.ome.zarr").code == 0
    trees = [
        {p.relative_to(s): p.read_bytes() for p in s.rglob("*") if p.is_file()}
        for s in sorted(out.iterdir())
    ]
    assert len(trees) == 4
    assert all(tree == trees[0] for tree in trees)


# -- how much is said ------------------------------------------------------------------------


def test_quiet_says_nothing_but_errors(spconvert, volume, out):
    target = out / "a.ome.zarr"
    done = spconvert("-i", volume, "-o", target, "-q", "--ome-zarr-version", "0.4")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert_refused(spconvert("-i", volume, "-o", target, "-q"), 5)
    assert spconvert("-i", volume, "-o", target, "-q", "--skip-existing").err == ""


def test_the_summary_says_what_was_written(spconvert, volume, out):
    done = spconvert("-i", volume, "-o", out / "a.ome.zarr")
    version, summary = done.err.splitlines()
    assert version.startswith("note: OME-Zarr 0.6: the direction is not the identity")
    for fact in (
        f"{out / 'a.ome.zarr'}: OME-Zarr 0.6",
        "6x7x5 int16",
        "spacing 0.5, 0.75, 2.5 mm",
        "origin -90.5, 12.25, 300.125",
        "orientation LPS+",
        "1 level",
        "KiB",
    ):
        assert fact in summary
    assert summary.endswith(" s")


def test_verbose_adds_the_plan_the_memory_and_the_notes(spconvert, volume, out):
    done = spconvert(
        *("-i", volume, "-o", out / "a.ome.zarr", "-v"),
        *("--memory", "300MiB", "-j", "1", "--levels", "2", "--chunks", "4"),
    )
    assert done.code == 0
    assert "level s0: 6x7x5, factors 1,1,1, chunks 4x4x4" in done.err
    assert "level s1: " in done.err
    assert "budget 300.0 MiB" in done.err
    assert "workers: 1" in done.err
    assert "[verified]" in done.err
    done = spconvert("-i", volume, "-o", out / "a.nrrd", "-v")
    assert "[verified]" in done.err


def test_debug_shows_the_traceback_of_an_error(spconvert, volume, out):
    for words in (("--debug", "convert"), ("convert", "--debug")):
        ended = spconvert(*words, volume, out / "no" / "a.nrrd")
        assert ended.code == 5
        assert "Traceback" in ended.err
        assert ended.err.rstrip().splitlines()[-2].startswith("error: ")


def test_a_fault_of_ours_is_said_to_be_one(volume):
    script = (
        "import sys, spconvert.cli.convert as c\n"
        "def fail(*_): raise ZeroDivisionError('by zero\\n\\x1b[31m')\n"
        "c.convert_one = fail\n"
        "from spconvert.__main__ import main\n"
        "sys.exit(main())"
    )
    command = [sys.executable, "-c", script, "convert", volume, volume.with_suffix(".zarr")]
    for flags in ([], ["--debug"]):
        done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert ("Traceback" in done.stderr) == bool(flags)
        if not flags:
            assert "error: ZeroDivisionError: by zero" in done.stderr
            assert "fault in spconvert" in done.stderr
            assert "\x1b" not in done.stderr


# -- dry run ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["auto", "0.4", "0.5", "0.6"])
def test_a_dry_run_prints_the_plan_and_writes_nothing(version, spconvert, volume, out):
    flags = ("--ome-zarr-version", version, "--chunks", "4", "--scale-factors", "2")
    shown = spconvert("-i", volume, "-o", out / "a.ome.zarr", *flags, "--dry-run")
    assert shown.code == 0
    assert listing(out) == []
    wrote = "0.6" if version == "auto" else version
    assert shown.out.startswith(f"would write {out / 'a.ome.zarr'}: OME-Zarr {wrote}\n")
    for fact in ("s0: 6x7x5, factors 1,1,1, chunks 4x4x4", "s1: 3x4x3, factors 2,2,2", "memory"):
        assert fact in shown.out


def test_a_dry_run_of_a_file_and_of_a_reorientation_writes_nothing(spconvert, volume, out):
    shown = spconvert("-i", volume, "-o", out / "a.nrrd", "--dry-run", "--reorient", "RAS")
    assert shown.code == 0
    assert shown.out.startswith(f"would write {out / 'a.nrrd'}: nrrd")
    shown = spconvert("-i", volume, "-o", out / "a.zarr", "--dry-run", "--reorient", "SRP")
    assert "s0: 5x6x7" in shown.out
    assert listing(out) == []


def test_a_dry_run_is_refused_for_what_the_run_would_be(spconvert, volume, out):
    for flags, code in (
        (("--spacing", "0"), 2),
        (("--memory", "1MiB"), 8),
        (("--codec", "bogus"), 2),
        (("--ome-zarr-version", "0.5", "--strict"), 4),
    ):
        assert_refused(spconvert("-i", volume, "-o", out / "a.zarr", "--dry-run", *flags), code)


def test_strict_passes_where_there_is_no_warning(spconvert, tmp_path, out):
    plain = write_nrrd(
        tmp_path / "p.nrrd",
        small_volume(),
        Place(direction=((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))),
    )
    assert spconvert("-i", plain, "-o", out / "a.ome.zarr", "--strict").code == 0


# -- completion ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_completion_scripts_are_made(kind, process):
    shown = process(_SPCONVERT_COMPLETE=f"source_{kind}")
    assert shown.code == 0, shown.err
    assert "_SPCONVERT_COMPLETE" in shown.out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("spconvert --spa", {"--spacing", "--space"}),
        ("spconvert ins", {"inspect"}),
        ("spconvert inspect --sh", {"--short"}),
        ("spconvert convert --ov", {"--overwrite"}),
    ],
)
def test_completion_offers_flags_and_commands(typed, offered, process):
    words = typed.split(" ")
    shown = process(
        _SPCONVERT_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1)
    )
    assert shown.code == 0
    assert offered <= set(shown.out.split())
    assert shown.err == ""


def test_the_installed_command_is_this_one():
    command = Path(sys.executable).with_name("spconvert")
    if not command.exists():
        pytest.skip(f"no {command}: the package is not installed as a command")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("spconvert ")
