"""Stores in folders and zip files: what is read, and what is never read."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import zarr

from spconvert.errors import FormatError, SourceError
from spconvert.stores.location import open_array, open_location


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "a.zarr"
    (root / "s0" / "c").mkdir(parents=True)
    (root / "zarr.json").write_bytes(b"{}")
    for name in ("10", "2", "0"):
        (root / "s0" / "c" / name).write_bytes(b"0123456789" * 10)
    return root


def packed(folder, target, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder).as_posix())
    return target


@pytest.fixture(params=["folder", "stored", "deflated"])
def location(request, folder, tmp_path):
    methods = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
    if request.param == "folder":
        return open_location(folder)
    return open_location(packed(folder, tmp_path / "a.ozx", methods[request.param]))


def test_keys_are_read_whole_and_in_part(location):
    data = b"0123456789" * 10
    assert location.read("s0/c/2") == data
    for start, stop in ((3, 7), (95, None), (-4, None), (0, 10**9), (50, 20), (200, 300)):
        assert location.read("s0/c/2", start, stop) == data[start:stop]


def test_what_is_not_there_is_none(location):
    for key in ("s0/c/3", "s0", "s0/c", "zarr.json/x", "none/none"):
        assert location.read(key) is None
    assert location.names("none") == ()
    assert location.names("zarr.json") == ()


def test_names_come_in_natural_order(location):
    assert location.names("s0/c") == ("0", "2", "10")
    assert location.names() == ("s0", "zarr.json")


def test_a_location_pickles(location):
    assert pickle.loads(pickle.dumps(location)).read("zarr.json") == b"{}"  # noqa: S301


@pytest.mark.parametrize(
    "key", ["../secret", "s0/../../secret", "/etc/hostname", "s0\\..", "", "."]
)
def test_no_key_leads_out_of_a_folder(folder, key):
    (folder.parent / "secret").write_bytes(b"secret")
    with pytest.raises(SourceError, match="out of the store"):
        open_location(folder).read(key)


def test_links_out_of_a_store_are_refused_unless_asked_for(folder):
    (folder.parent / "secret").write_bytes(b"secret")
    (folder / "s0" / "c" / "1").symlink_to(folder.parent / "secret")
    (folder / "s0" / "c" / "4").symlink_to("2")
    (folder / "s1").symlink_to(folder.parent)
    (folder / "loop").symlink_to("loop")
    location = open_location(folder)
    for key in ("s0/c/1", "s1/secret", "loop"):
        with pytest.raises(SourceError):
            location.read(key)
    with pytest.raises(SourceError):
        location.names("s1")
    assert location.read("s0/c/4", 0, 3) == b"012"
    assert open_location(folder, follow_symlinks=True).read("s0/c/1") == b"secret"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    assert open_location(folder).read("pipe") is None


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "a\\b", "a//b", "./x", "nul\0x"], ids=repr
)
def test_a_zip_file_with_a_name_that_leads_out_is_refused(tmp_path, name):
    path = tmp_path / "a.ozx"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = name
        archive.writestr(info, b"x")
    with pytest.raises(FormatError, match="leads out"):
        open_location(path)


def test_duplicate_names_are_refused(tmp_path):
    path = tmp_path / "a.ozx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zarr.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("zarr.json", b"{ }")
    with pytest.raises(FormatError, match="two members"):
        open_location(path)


def test_encrypted_members_are_refused(folder, tmp_path):
    path = packed(folder, tmp_path / "a.ozx")
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="encrypted"):
        open_location(path)


def test_a_bomb_is_refused_by_its_directory(folder, tmp_path):
    path = packed(folder, tmp_path / "a.ozx", zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FormatError, match="inflate"):
        open_location(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_found(folder, tmp_path, method):
    path = packed(folder, tmp_path / "a.ozx", method)
    member = zipfile.ZipFile(path).getinfo("s0/c/2")
    data = bytearray(path.read_bytes())
    data[member.header_offset + 30 + len(member.filename) + 3] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FormatError, match="s0/c/2"):
        open_location(path).read("s0/c/2")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused_by_name(folder, tmp_path, method):
    path = packed(folder, tmp_path / "a.ozx", method)
    with pytest.raises(FormatError, match="stored or deflated"):
        open_location(path).read("zarr.json")


def test_truncated_and_mutated_zip_files_raise_only_our_errors(folder, tmp_path):
    whole = packed(folder, tmp_path / "a.ozx", zipfile.ZIP_DEFLATED).read_bytes()
    path = tmp_path / "b.ozx"
    variants = [whole[:n] for n in range(0, len(whole), 7)]
    truncated = len(variants)
    for i in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[i] ^= 0xFF
        variants.append(bytes(changed))
    refused = 0
    for data in variants:
        path.write_bytes(data)
        try:
            location = open_location(path)
            for key in ("zarr.json", "s0/c/10"):
                location.read(key)
        except (FormatError, SourceError):
            refused += 1
    assert refused > truncated  # many a changed byte is a time stamp


def test_what_cannot_be_opened_is_a_source_error(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        open_location(tmp_path / "none.zarr")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError):
        open_location(tmp_path / "dangling")
    (tmp_path / "text.zarr").write_bytes(b"text")
    with pytest.raises(FormatError, match="zip"):
        open_location(tmp_path / "text.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_reads_through_a_location(tmp_path, zarr_format):
    values = np.arange(3 * 5 * 7, dtype="int16").reshape(3, 5, 7)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    array = group.create_array("s0", shape=values.shape, chunks=(2, 2, 4), dtype="int16")
    array[...] = values
    for target in (tmp_path / "a.zarr", packed(tmp_path / "a.zarr", tmp_path / "a.ozx")):
        location = open_location(target)
        np.testing.assert_array_equal(open_array(location, "s0", zarr_format)[...], values)
        seen = zarr.open_group(location.zarr_store(), mode="r")
        assert list(seen.array_keys()) == ["s0"]
        with pytest.raises(ValueError, match="read-only"):
            seen["s0"][0, 0, 0] = 1
