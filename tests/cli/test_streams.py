"""Streams, terminals, locales and file names: data on stdout, words on stderr, no noise."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from cli.ended import assert_refused
from cli.volumes import small_volume, write_nrrd

COMMAND = f"{sys.executable} -m spconvert"


def shell(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``$S`` is the command and ``$1`` the first argument."""
    return subprocess.run(
        ["bash", "-c", script, "bash", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "S": COMMAND},
        timeout=60,
    )


# -- streams ---------------------------------------------------------------------------------


def test_data_go_to_stdout_and_words_to_stderr(spconvert, volume, out):
    done = spconvert("-i", volume, "-o", out / "a.ome.zarr")
    assert (done.code, done.out) == (0, "")
    assert f"{out / 'a.ome.zarr'}: OME-Zarr 0.6; 6x7x5 int16;" in done.err
    plan = spconvert("-i", volume, "-o", out / "b.ome.zarr", "--dry-run", "-q")
    assert "would write" in plan.out
    assert plan.err == ""
    shown = spconvert("inspect", volume, "--json")
    assert json.loads(shown.out)["format"] == "nrrd"
    assert shown.err == ""


@pytest.mark.parametrize("what", ["inspect $1", "inspect $1 --json", "--help", "--version"])
def test_a_reader_that_goes_away_is_no_failure_of_ours(what, volume):
    # `true` is gone at once; `head -1` after a line of more than a pipe holds at a time.
    for reader in ("sleep 0 <&-", "head -1 >/dev/null"):
        done = shell(f"{{ sleep 0.2; $S {what}; echo ${{PIPESTATUS[0]}} >&2; }} | {reader}", volume)
        assert done.stderr.strip() in {"0", "141"}
    done = shell(f"set -o pipefail; $S {what} | true", volume)
    assert done.returncode in {0, 141}
    assert done.stderr == ""


def test_closed_streams_are_no_failure(volume, out):
    for n, closed in enumerate((">&-", "2>&-", "<&-", ">&- 2>&- <&-")):
        target = out / f"a{n}.ome.zarr"
        done = shell(f'$S -i "$1" -o "$2" {closed}', volume, target)
        assert done.returncode == 0, (closed, done.stderr)
        assert (target / "zarr.json").is_file()
        assert shell(f'$S inspect "$1" {closed}', volume).returncode == 0
        assert shell(f'$S inspect "$1" {closed}', volume.with_name("none")).returncode == 3
        assert shell(f"$S --version {closed}").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_stdout_is_said_and_behind_stderr_is_not(volume, out):
    for what in ('inspect "$1"', "--version", '-i "$1" -o "$2" --dry-run'):
        done = shell(f"$S {what} >/dev/full", volume, out / "b.ome.zarr")
        assert done.returncode == 5, done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: cannot write to standard output")
    assert shell('$S -i "$1" -o "$2" 2>/dev/full', volume, out / "a.ome.zarr").returncode == 0
    assert shell('$S inspect "$1" 2>/dev/full', volume.with_name("none")).returncode == 3


@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "20"},
        {"LANG": "C", "LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"NO_COLOR": "1"},
        {"TERM": "dumb"},
        {"TERM": ""},
        {"FORCE_COLOR": "1"},
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"},
    ],
    ids=lambda e: "-".join(f"{k}={v}" for k, v in e.items()),
)
def test_every_surrounding_gets_words_without_control_characters(
    environment, process, tmp_path, out
):
    fiji = ["space units: " + " ".join(['"um"'] * 3)]
    path = write_nrrd(tmp_path / "µ⟂.nrrd", small_volume(), lines=fiji)
    plain = {"CI": "", "NO_COLOR": "", "FORCE_COLOR": "", **environment}
    runs = [
        process("inspect", path, **plain),
        process("-i", path, "-o", out / "a.ome.zarr", **plain),
        process("-i", path, "-o", out / "a.ome.zarr", **plain),
    ]
    assert [done.code for done in runs] == [0, 0, 5]
    for done in runs:
        words = done.out + done.err
        assert "Traceback" not in words
        assert not [c for c in words if unicodedata.category(c) == "Cc" and c != "\n"]


# -- file names ------------------------------------------------------------------------------

NAMES = ["a b", "ä–山🧠", "new\nline", "-dash", "--spacing", "100%", "hash#", "'\"$x`", "x" * 246]


@pytest.mark.parametrize("name", NAMES, ids=lambda n: repr(n[:10]))
def test_any_file_name_works(name, process, volume, out):
    source = volume.rename(out / f"{name}.nrrd")
    target = f"{name[:240]}.ome.zarr"
    done = process("-i", source.name, "-o", target, cwd=out)
    assert done.code == 0, done.err
    assert len(done.err.splitlines()) == 2  # the choice of a version, the summary
    back = process("convert", "--", target, f"{name[:240]}2.nrrd", cwd=out)
    assert back.code == 0, back.err
    found = {path.name for path in out.iterdir()}
    assert found == {source.name, target, f"{name[:240]}2.nrrd"}
    shown = process("inspect", "--json", "--", target, cwd=out)
    assert json.loads(shown.out)["path"] == target


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("locale", [{"LC_ALL": "C.UTF-8"}, {"PYTHONIOENCODING": "utf-8:strict"}])
def test_a_file_name_that_is_no_utf8_works(locale, process, volume, out):
    name = os.fsencode(volume.parent) + b"/\xe9\xff.nrrd"
    volume.rename(os.fsdecode(name))
    store, file = os.fsencode(out) + b"/\xe8.ome.zarr", os.fsencode(out) + b"/\xe8.nrrd"
    for source, target in ((name, store), (store, file)):
        done = process("-i", source, "-o", target, **locale)
        assert done.code == 0, done.err
        shown = process("inspect", target, "--json", **locale)
        facts = json.loads(shown.out.encode())
        assert facts["images"][0]["shape"] == [5, 7, 6]
        assert process("inspect", target, **locale).code == 0
    document = json.loads((Path(os.fsdecode(store)) / "zarr.json").read_bytes().decode())
    assert "\ufffd" in document["attributes"]["ome"]["multiscales"][0]["name"]
    ended = process("-i", name, "-o", store, **locale)
    assert_refused(ended, 5)


def test_what_a_header_holds_cannot_command_the_terminal(spconvert, tmp_path):
    evil = "k\x1b]0;title\x07:=\x1b[31mred\x9b31m\x7f\rover"
    path = write_nrrd(tmp_path / "evil.nrrd", small_volume(), lines=[evil, "# \x1b[2J"])
    for flags in ((), ("-v",), ("--json",), ("--short",), ("--get", "extra")):
        shown = spconvert("inspect", path, *flags)
        assert shown.code == 0
        assert not [c for c in shown.out if unicodedata.category(c) in {"Cc", "Cf"} and c != "\n"]


def test_a_working_folder_that_is_gone_is_one_line(volume, out):
    gone = out / "gone"
    gone.mkdir()
    done = shell('cd "$2" && rmdir "$2" && $S -i "$1" -o a.ome.zarr', volume, gone)
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    done = shell('mkdir "$2" && cd "$2" && rmdir "$2" && $S inspect "$1" --short', volume, gone)
    assert done.returncode == 0


# -- progress --------------------------------------------------------------------------------


def read_all(terminal: int) -> str:
    """What was drawn since; empty when nobody draws any more."""
    try:
        return os.read(terminal, 65536).decode("utf-8", "replace")
    except OSError:  # how Linux says that the other end is closed
        return ""


def on_terminal(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Run with stderr on a pseudo terminal; the exit code and all that was drawn."""
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "spconvert", *arguments],
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        env={
            k: v for k, v in {**os.environ, "TERM": "xterm", "CI": "", **environment}.items() if v
        },
    )
    os.close(theirs)
    drawn = ""
    while part := read_all(ours):
        drawn += part
    os.close(ours)
    return run.wait(timeout=60), drawn


def test_on_a_terminal_there_is_a_bar_that_goes_away(big_volume, out):
    code, drawn = on_terminal("-i", big_volume, "-o", out / "a.ome.zarr")
    assert code == 0
    assert "a.ome.zarr: writing" in drawn
    assert "━" in drawn
    assert drawn.rstrip().splitlines()[-1].endswith(" s")
    assert "\x1b[?25h" in drawn  # the cursor is back


@pytest.mark.parametrize(
    ("flags", "environment"),
    [
        (("--progress", "none"), {}),
        (("--progress", "plain"), {}),
        (("-q",), {}),
        ((), {"TERM": "dumb"}),
        ((), {"CI": "true"}),
    ],
)
def test_a_bar_that_is_not_wanted_is_not_drawn(flags, environment, volume, out):
    code, drawn = on_terminal("-i", volume, "-o", out / "a.ome.zarr", *flags, **environment)
    assert code == 0
    assert "\x1b" not in drawn
    assert ("OME-Zarr 0.6" in drawn) == ("-q" not in flags)


def test_no_color_means_a_bar_without_colours(big_volume, out):
    code, drawn = on_terminal("-i", big_volume, "-o", out / "a.ome.zarr", NO_COLOR="1")
    assert code == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", drawn)


def test_a_hostile_name_on_a_bar_is_drawn_without_control_characters(volume, out):
    name = "a\x1b[31m[red]b\n.ome.zarr"
    code, drawn = on_terminal("-i", volume, "-o", out / name, "--progress", "bar")
    assert code == 0
    assert "\x1b[31m[red]" not in drawn


def test_elsewhere_there_is_a_plain_line_now_and_then(spconvert, volume, out, monkeypatch):
    monkeypatch.setattr("spconvert.cli.progress._PLAIN_SECONDS", 0.0)
    done = spconvert("-i", volume, "-o", out / "a.ome.zarr")
    assert "a.ome.zarr: writing 100 %" in done.err


def test_an_interrupted_bar_gives_the_cursor_back(big_volume, out):
    slow = ("--codec", "gzip:9", "--no-shards")
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [sys.executable, "-m", "spconvert", "-i", big_volume, "-o", out / "a.ome.zarr", *slow],
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "CI": ""},
    )
    os.close(theirs)
    drawn, stopped = "", False
    while part := read_all(ours):
        drawn += part
        if "writing" in drawn and not stopped:
            run.send_signal(signal.SIGINT)
            stopped = True
    os.close(ours)
    assert run.wait(timeout=30) == 130
    assert drawn.rstrip().endswith("interrupted: nothing half-written was left behind")
    assert "\x1b[?25h" in drawn
    assert list(out.iterdir()) == []
