"""Signals and rivals: at whatever moment, nothing half-written is left, at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.ended import Ended, assert_refused

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
AT_ONCE = 4.0
"""Seconds; on a machine with nothing else to do it is less than 2."""
SLOW = ("-j", "1", "--codec", "gzip:6", "--no-shards")
"""Flags that make 128 MiB last for some seconds."""


def start(source: Path, target: Path, *flags: str, **how: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spconvert", "-i", source, "-o", target, *flags],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **how,
    )


def wait_until(ready: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.002)


def ended(run: subprocess.Popen[str]) -> Ended:
    out, err = run.communicate(timeout=30)
    return Ended(run.returncode, out, err)


def written(folder: Path) -> int:
    """How many files there are below a folder, some of which may vanish meanwhile."""
    return sum(len(files) for _, _, files in os.walk(folder))


@pytest.mark.parametrize("number", CODES, ids=lambda n: n.name)
@pytest.mark.parametrize("files", [1, 2, 3, 60])
def test_a_signal_ends_a_run_and_leaves_nothing(number, files, big_volume, out):
    run = start(big_volume, out / "a.ome.zarr", *SLOW)
    wait_until(lambda: written(out) >= files, run)
    begun = time.monotonic()
    run.send_signal(number)
    end = ended(run)
    assert time.monotonic() - begun < AT_ONCE
    assert end.code == CODES[number], end.err
    assert end.err.splitlines()[-1] == "interrupted: nothing half-written was left behind"
    assert "Traceback" not in end.err
    assert end.out == ""
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("target", ["a.nrrd", "a.nhdr"])
def test_a_signal_while_a_file_is_written_leaves_nothing(target, big_volume, out):
    for number, code in CODES.items():
        run = start(big_volume, out / target, "--codec", "gzip:9")
        wait_until(lambda: written(out) >= 2, run)
        run.send_signal(number)
        assert ended(run).code == code
        assert list(out.iterdir()) == []


def test_a_signal_that_finds_no_safe_moment_breaks_in(tmp_path, out):
    """One event and then a listener that sleeps: the signal must not wait for it."""
    script = (
        "import sys, time, spconvert.cli.convert as c\n"
        "from spconvert.cli.interrupts import patient\n"
        "c._check_given = lambda options: patience()\n"
        "def patience():\n"
        "    with patient():\n"
        "        print('asleep', file=sys.stderr, flush=True)\n"
        "        time.sleep(30)\n"
        "from spconvert.__main__ import main\n"
        "sys.exit(main())"
    )
    command = [sys.executable, "-c", script, "-i", tmp_path / "a.nrrd", "-o", out / "a.zarr"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stderr is not None
    assert run.stderr.readline() == "asleep\n"
    begun = time.monotonic()
    run.send_signal(signal.SIGTERM)
    assert ended(run).code == 143
    assert time.monotonic() - begun < AT_ONCE


def test_a_signal_in_a_run_that_replaces_a_store_keeps_the_old_one(
    spconvert, volume, big_volume, out
):
    target = out / "a.ome.zarr"
    assert spconvert("-i", volume, "-o", target).code == 0
    run = start(big_volume, target, *SLOW, "--overwrite")
    wait_until(lambda: written(out) >= 60, run)
    run.send_signal(signal.SIGINT)
    assert ended(run).code == 130
    assert [path.name for path in out.iterdir()] == ["a.ome.zarr"]
    assert spconvert("inspect", target, "--get", "shape").out == "5 7 6\n"


def test_a_job_that_was_started_to_ignore_ctrl_c_still_ends_by_it(big_volume, out):
    """As a shell does for a command with ``&`` behind it."""

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    run = start(big_volume, out / "a.ome.zarr", *SLOW, preexec_fn=ignore)
    wait_until(lambda: written(out) >= 10, run)
    run.send_signal(signal.SIGINT)
    assert ended(run).code == 130
    assert list(out.iterdir()) == []


def test_nohup_is_respected(big_volume, out):
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    run = start(big_volume, out / "a.ome.zarr", "-q", preexec_fn=ignore)
    wait_until(lambda: written(out) >= 2, run)
    run.send_signal(signal.SIGHUP)
    assert ended(run) == Ended(0, "", "")
    assert [path.name for path in out.iterdir()] == ["a.ome.zarr"]


def test_further_signals_do_not_disturb_the_cleaning_up(big_volume, out):
    run = start(big_volume, out / "a.ome.zarr", *SLOW)
    wait_until(lambda: written(out) >= 100, run)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        run.send_signal(number)
        time.sleep(0.003)
    end = ended(run)
    assert end.code in CODES.values()  # several may arrive at once, in an order of the system's
    assert "Traceback" not in end.err
    assert list(out.iterdir()) == []


def test_a_signal_at_start_up_is_quiet(big_volume, out):
    for milliseconds in (30, 60, 120):
        run = start(big_volume, out / "a.ome.zarr", *SLOW)
        time.sleep(milliseconds / 1000)
        run.send_signal(signal.SIGTERM)
        end = ended(run)
        assert end.code in {143, -signal.SIGTERM}
        assert "Traceback" not in end.err
        assert list(out.iterdir()) == []


def test_of_two_runs_on_one_output_the_second_is_refused_at_once(big_volume, out):
    target = out / "a.ome.zarr"
    first = start(big_volume, target, *SLOW)
    wait_until(lambda: written(out) >= 2, first)
    begun = time.monotonic()
    second = ended(start(big_volume, target, "--overwrite"))
    assert time.monotonic() - begun < AT_ONCE
    assert first.poll() is None
    assert_refused(second, 5)
    assert "another run is writing" in second.error
    first.send_signal(signal.SIGINT)
    assert ended(first).code == 130
    assert list(out.iterdir()) == []


def test_what_a_killed_run_left_does_not_disturb_the_next(spconvert, volume, big_volume, out):
    target = out / "a.ome.zarr"
    run = start(big_volume, target, *SLOW)
    wait_until(lambda: written(out) >= 40, run)
    run.kill()
    assert ended(run).code == -signal.SIGKILL
    assert not target.exists()
    assert spconvert("-i", volume, "-o", target).code == 0
    assert [path.name for path in out.iterdir()] == ["a.ome.zarr"]
