"""An output is seen whole under its name or not at all, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spconvert.errors import TargetError, UsageError
from spconvert.stores import publish as module
from spconvert.stores.publish import (
    check_apart,
    check_target,
    is_zarr_store,
    publish,
    workspace,
)


@pytest.fixture(params=["one step", "two steps"])
def system(request, monkeypatch):
    """With Linux's rename that exchanges, and as on a system that has none."""
    if request.param == "two steps":
        monkeypatch.setattr(module, "_LINUX", False)
    elif sys.platform != "linux":
        pytest.skip("renameat2 is Linux's")
    return request.param


def make_store(folder, text="{}"):
    folder.mkdir()
    (folder / "zarr.json").write_text(text)
    return folder


def hidden(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".spconvert")]


def convert(target, text, *, overwrite=False, before=lambda: None):
    """Publish a small store, as the actions do."""
    check_target(target, overwrite=overwrite)
    with workspace(target) as work:
        make_store(work.output, text)
        work.scratch.mkdir()
        (work.scratch / "voxels").write_bytes(b"scratch")
        before()
        publish(work, (work.output,), overwrite=overwrite)


# -- a new name ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("system")
def test_store_appears_whole_and_nothing_else_remains(tmp_path):
    target = tmp_path / "image.ome.zarr"
    convert(target, "new", before=lambda: _absent(target))
    assert [p.name for p in tmp_path.iterdir()] == ["image.ome.zarr"]
    assert [p.name for p in target.iterdir()] == ["zarr.json"]


def _absent(path):
    assert not os.path.lexists(path)


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize(
    "name", ["a b", "ünïcode", "new\nline", "-dash", "%s#?", "x" * 255, "'quoted'"]
)
def test_odd_names_are_published(tmp_path, name):
    target = tmp_path / name
    convert(target, "new")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_published_folder_has_the_usual_permissions(tmp_path):
    mask = os.umask(0o022)
    try:
        convert(tmp_path / "image.zarr", "new")
    finally:
        os.umask(mask)
    assert (tmp_path / "image.zarr").stat().st_mode & 0o777 == 0o755


def test_workspace_is_private_and_beside_the_target(tmp_path):
    with workspace(tmp_path / "image.zarr") as work:
        assert work.folder.parent == tmp_path
        assert work.folder.name.startswith(".spconvert-")
        assert work.folder.name.endswith(".partial")
        assert work.folder.stat().st_mode & 0o777 == 0o700
        assert list(work.folder.iterdir()) == []


# -- what is there already -----------------------------------------------------------------------


def test_existing_target_is_refused_with_a_hint(tmp_path):
    for target in (make_store(tmp_path / "store"), tmp_path / "file", tmp_path / "dangling"):
        if target.name == "file":
            target.write_bytes(b"mine")
        if target.name == "dangling":
            target.symlink_to("nowhere")
        with pytest.raises(TargetError, match=f"{target.name} exists") as error:
            check_target(target, overwrite=False)
        assert "--overwrite" in error.value.hint


def test_folder_that_is_no_store_is_never_replaced(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(TargetError):
            check_target(home, overwrite=overwrite)
    with pytest.raises(TargetError, match="a folder but not a Zarr store"):
        check_target(home, overwrite=True)


def test_files_and_stores_may_be_replaced(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    check_target(tmp_path / "file", overwrite=True)
    for name in module.ZARR_DOCUMENTS:
        folder = tmp_path / name.strip(".")
        folder.mkdir()
        assert not is_zarr_store(folder)
        (folder / name).write_text("{}")
        assert is_zarr_store(folder)
        check_target(folder, overwrite=True)


def test_missing_folder_and_file_in_its_place_are_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for parent in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(TargetError, match="does not exist"):
            check_target(parent / "image.zarr", overwrite=True)


def test_folder_that_is_not_writable_is_refused(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    try:
        if os.access(locked, os.W_OK):
            pytest.skip("this user may write everywhere: run the tests as another than root")
        with pytest.raises(TargetError, match="locked is not writable"):
            check_target(locked / "image.zarr", overwrite=False)
        with pytest.raises(TargetError, match="cannot write"), workspace(locked / "image.zarr"):
            pass
    finally:
        locked.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that refuses even root")
def test_folder_that_refuses_even_root_is_a_target_error():
    with (
        pytest.raises(TargetError, match=r"cannot write /proc/.*lock: "),
        workspace(Path("/proc/image.zarr")),
    ):
        pass


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("old", ["store", "file", "link to a store"])
def test_overwriting_leaves_the_new_store_alone(tmp_path, old):
    target = tmp_path / "image.zarr"
    elsewhere = tmp_path / "elsewhere"
    if old == "store":
        make_store(target, "old")
        (target / "s0").mkdir()
    elif old == "file":
        target.write_text("old")
    else:
        target.symlink_to(make_store(elsewhere, "old"))
    convert(target, "new", overwrite=True)
    assert [p.name for p in target.iterdir()] == ["zarr.json"]
    assert (target / "zarr.json").read_text() == "new"
    assert hidden(tmp_path) == []
    if old == "link to a store":
        assert not target.is_symlink()
        assert (elsewhere / "zarr.json").read_text() == "old"


def test_old_store_is_there_until_the_new_one_is(tmp_path):
    if sys.platform != "linux":
        pytest.skip("exchanging in one step is Linux's")
    target = make_store(tmp_path / "image.zarr", "0")
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            try:
                seen.add((target / "zarr.json").read_text())
            except OSError as error:
                seen.add(repr(error))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(1, 30):
            convert(target, str(number), overwrite=True)
    finally:
        stop.set()
        watcher.join()
    assert seen <= {str(number) for number in range(30)}
    assert len(seen) > 1


@pytest.mark.usefixtures("system")
def test_target_that_appears_meanwhile_stays_as_it_is(tmp_path):
    target = tmp_path / "image.zarr"
    with pytest.raises(TargetError, match="exists"):
        convert(target, "new", before=lambda: make_store(target, "theirs"))
    assert (target / "zarr.json").read_text() == "theirs"
    assert hidden(tmp_path) == []


@pytest.mark.usefixtures("system")
def test_foreign_folder_that_appears_meanwhile_is_not_overwritten(tmp_path):
    target = tmp_path / "image.zarr"

    def appear():
        target.mkdir()
        (target / "letter").write_text("mine")

    with pytest.raises(TargetError, match="a folder but not a Zarr store"):
        convert(target, "new", overwrite=True, before=appear)
    assert (target / "letter").read_text() == "mine"


@pytest.mark.parametrize("overwrite", [False, True])
def test_parent_that_vanishes_is_a_target_error(tmp_path, overwrite):
    parent = tmp_path / "parent"
    parent.mkdir()
    with pytest.raises(TargetError, match="cannot write"):
        convert(
            parent / "image.zarr", "new", overwrite=overwrite, before=lambda: shutil.rmtree(parent)
        )


# -- detached data files -------------------------------------------------------------------------


def detached(target, text, *, overwrite=False, before=lambda: None, names=("a.raw", "b.raw")):
    check_target(target, overwrite=overwrite)
    with workspace(target) as work:
        work.output.write_text(text)
        siblings = [work.folder / name for name in names]
        for sibling in siblings:
            sibling.write_text(text)
        before()
        publish(work, (*siblings, work.output), overwrite=overwrite)


def contents(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}


@pytest.mark.usefixtures("system")
def test_data_files_are_published_with_their_header(tmp_path):
    detached(tmp_path / "image.nhdr", "1")
    assert contents(tmp_path) == {"image.nhdr": "1", "a.raw": "1", "b.raw": "1"}
    detached(tmp_path / "image.nhdr", "2", overwrite=True)
    assert contents(tmp_path) == {"image.nhdr": "2", "a.raw": "2", "b.raw": "2"}
    assert hidden(tmp_path) == []


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("taken", ["image.nhdr", "a.raw", "b.raw"])
def test_one_name_that_is_taken_changes_nothing(tmp_path, taken):
    with pytest.raises(TargetError, match=f"{taken} exists"):
        detached(
            tmp_path / "image.nhdr", "new", before=lambda: (tmp_path / taken).write_text("mine")
        )
    assert contents(tmp_path) == {taken: "mine"}


@pytest.mark.usefixtures("system")
def test_folder_with_the_name_of_a_data_file_is_not_replaced(tmp_path):
    make_store(tmp_path / "b.raw", "mine")
    with pytest.raises(TargetError, match=r"b\.raw is a folder"):
        detached(tmp_path / "image.nhdr", "new", overwrite=True)
    assert (tmp_path / "b.raw" / "zarr.json").read_text() == "mine"
    assert contents(tmp_path) == {}


@pytest.mark.usefixtures("system")
def test_data_files_go_back_if_the_last_one_is_refused(tmp_path):
    (tmp_path / "a.raw").write_text("mine")
    names = ("a.raw", "lost.raw")

    def lose():
        next(tmp_path.glob(".spconvert-*/lost.raw")).unlink()  # so its rename fails

    with pytest.raises(TargetError, match="cannot write"):
        detached(tmp_path / "image.nhdr", "new", overwrite=True, before=lose, names=names)
    assert contents(tmp_path) == {"a.raw": "mine"}
    assert hidden(tmp_path) == []


# -- errors, other runs, runs that died ----------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_workspace_is_removed_whatever_happens(tmp_path, error):
    def fail():
        raise error

    with pytest.raises(error):
        convert(tmp_path / "image.zarr", "new", before=fail)
    assert list(tmp_path.iterdir()) == []


def test_failed_overwrite_keeps_the_old_store(tmp_path):
    target = make_store(tmp_path / "image.zarr", "old")

    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(target, "new", overwrite=True, before=fail)
    assert (target / "zarr.json").read_text() == "old"
    assert hidden(tmp_path) == []


HOLD = """
import pathlib, sys, time
from spconvert.stores.publish import workspace
with workspace(pathlib.Path(sys.argv[1])) as work:
    work.output.mkdir()
    (work.output / "s0").write_bytes(b"half")
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that is writing the same target."""
    target = tmp_path / "image.zarr"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield target, process
        process.kill()


def test_second_process_on_one_target_is_refused_at_once(holder):
    target, process = holder
    with pytest.raises(TargetError, match="another run is writing") as error, workspace(target):
        pass
    assert "wait" in error.value.hint
    convert(target.with_name("other.zarr"), "new")
    process.communicate()
    convert(target, "new")
    assert hidden(target.parent) == []


def test_leftovers_of_a_killed_run_are_removed_by_the_next(holder):
    target, process = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert sorted(name.split(".")[-1] for name in hidden(target.parent)) == ["lock", "partial"]
    assert not target.exists()
    with workspace(target) as work:
        assert list(work.folder.iterdir()) == []
    assert hidden(target.parent) == []


def test_link_in_place_of_the_workspace_is_not_followed(tmp_path):
    target = tmp_path / "image.zarr"
    with workspace(target) as work:
        folder = work.folder
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("mine")
    folder.symlink_to(mine)
    convert(target, "new")
    assert (mine / "letter").read_text() == "mine"
    assert hidden(tmp_path) == []


# -- source and target ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"),
    [("a", "a"), ("a", "./b/../a"), ("a", "a/inside"), ("a/inside", "a"), ("a", "link")],
)
def test_target_that_touches_the_source_is_a_usage_error(tmp_path, source, target):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(UsageError, match="overlap"):
        check_apart(tmp_path / source, tmp_path / target)


def test_names_that_only_begin_alike_are_apart(tmp_path):
    check_apart(tmp_path / "image", tmp_path / "image2")
    check_apart(tmp_path / "image.nrrd", tmp_path / "image")


@pytest.mark.parametrize("which", ["source", "target"])
def test_loop_of_links_is_left_to_who_opens_it(tmp_path, which):
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    pair = {"source": tmp_path / "a", "target": tmp_path / "b"} | {which: loop / "image"}
    check_apart(pair["source"], pair["target"])
    with pytest.raises(TargetError, match="does not exist"):
        check_target(loop / "image", overwrite=False)


def test_name_that_is_too_long_is_a_target_error(tmp_path):
    with pytest.raises(TargetError):
        check_target(tmp_path / ("x" * 300) / "image", overwrite=False)


GONE = """
import os, pathlib, sys
from spconvert.errors import TargetError
from spconvert.stores.publish import check_apart
os.rmdir(os.getcwd())
try:
    check_apart(pathlib.Path("/a"), pathlib.Path("b"))
except TargetError as error:
    print(error)
"""


def test_working_folder_that_is_gone_is_a_target_error(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", GONE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("cannot write b: ")
