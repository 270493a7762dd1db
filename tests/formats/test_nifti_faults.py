"""Bad NIfTI: FAULTS 21 to 35 and the NIfTI row of the table, each by its error class or finding."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import pixels, written
from spconvert.errors import FormatError, GeometryError, SourceError, SpconvertError, Unsupported
from spconvert.formats.nifti import PLUGIN
from spconvert.formats.nifti.fields import STRUCTURES
from spconvert.formats.nifti.header import read_header
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.model.finding import Finding
from spconvert.model.region import Region, slabs

nib = pytest.importorskip("nibabel")

SHAPE = (4, 3, 2)
VOXELS = np.arange(24, dtype="<i2").reshape(SHAPE)


def header(version="nifti1", *, magic=b"n+1", **changes):
    """A small correct header, but for the changes: names of fields, or (name, index)."""
    structure = STRUCTURES[version]
    values = np.zeros((), structure)
    size = structure.itemsize
    values["sizeof_hdr"] = size
    values["dim"] = [3, *SHAPE[::-1], 1, 1, 1, 1]
    values["datatype"], values["bitpix"] = 4, 16
    values["pixdim"] = [1, 0.5, 0.75, 2, 0, 0, 0, 0]
    values["vox_offset"] = size + 4 if magic.startswith(b"n+") else 0
    if version != "analyze":
        values["magic"] = magic
        values["sform_code"], values["qform_code"] = 1, 0
        values["srow"] = [[0.5, 0, 0, 1], [0, 0.75, 0, 2], [0, 0, 2, 3]]
    for name, value in changes.items():
        values[name] = value
    return values


def single(path, *, data=None, behind=bytes(4), **changes):
    """A single file with such a header."""
    body = VOXELS.tobytes() if data is None else data
    content = header(**changes).tobytes() + behind + body
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def opened(path, **options):
    return PLUGIN.read(Source(path, options=ReadOptions(**options)))


def codes(path, **options):
    return [f.code for f in opened(path, **options).findings]


def refused(path, error, match, **options):
    """The error, and that it is one line which names the file."""
    with pytest.raises(error, match=match) as caught:
        pixels(opened(path, **options).image)
    assert type(caught.value) is error
    assert path.stem.split(".")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_correct_header_is_read(tmp_path):
    found = opened(single(tmp_path / "a.nii"))
    np.testing.assert_array_equal(pixels(found.image), VOXELS)
    assert found.image.geometry.origin == (-1.0, -2.0, 3.0)
    assert not found.findings


def test_structures_are_those_of_nibabel():
    for version, theirs in (
        ("nifti1", nib.Nifti1Header),
        ("nifti2", nib.Nifti2Header),
        ("analyze", nib.AnalyzeHeader),
    ):
        ours = STRUCTURES[version]
        assert ours.itemsize == theirs.template_dtype.itemsize
        for name in set(ours.names) & set(theirs.template_dtype.names):
            assert ours.fields[name][1] == theirs.template_dtype.fields[name][1], name
            if name not in ("magic", "orient"):  # theirs are two parts, and a character
                assert ours[name].base == theirs.template_dtype[name].base
        if version != "analyze":
            for name, first in (("quatern", "quatern_b"), ("qoffset", "qoffset_x")):
                assert ours.fields[name][1] == theirs.template_dtype.fields[first][1]
            assert ours.fields["srow"][1] == theirs.template_dtype.fields["srow_x"][1]


# -- 21 to 35 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 1, 4, 47, 48 - 1])
def test_21_short_file_is_refused_before_any_voxel(keep, tmp_path):
    path = single(tmp_path / "a.nii", data=VOXELS.tobytes()[:keep])
    with pytest.raises(FormatError, match=f"has {keep} of 48 bytes of voxels"):
        opened(path)


@pytest.mark.parametrize(
    "dim", [[3, 32000, 32000, 32000], [7, *[32000] * 7], [4, 30000, 30000, 30000, 30000]]
)
def test_22_huge_sizes_are_refused_by_the_bytes_there_are(dim, tmp_path):
    for name in ("a.nii", "a.nii.gz"):
        path = single(tmp_path / name, dim=dim + [1] * (8 - len(dim)))
        refused(path, FormatError, r"bytes")


def test_22_sizes_of_nifti2_that_overflow_are_refused(tmp_path):
    dim = [3, 2**62, 2**62, 2, 1, 1, 1, 1]
    path = single(tmp_path / "a.nii", version="nifti2", magic=b"n+2\0\r\n\x1a\n", dim=dim)
    refused(path, FormatError, r"2\^63")


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("size", [-1, -32768, 0])
def test_23_25_negative_and_zero_sizes_are_refused(axis, size, tmp_path):
    dim = [3, 2, 3, 4, 1, 1, 1, 1]
    dim[axis] = size
    path = single(tmp_path / "a.nii", dim=dim)
    refused(path, FormatError, rf"dim\[{axis}\] is {size}")


@pytest.mark.parametrize("ndim", [0, 8, 9, -1, 1000])
def test_24_impossible_dimension_is_refused(ndim, tmp_path):
    path = single(tmp_path / "a.nii", dim=[ndim, 2, 3, 4, 1, 1, 1, 1])
    refused(path, FormatError, rf"dim\[0\] is {ndim}")


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("forms", [(1, 0), (0, 1), (0, 0)])
def test_26_impossible_spacing_is_refused_unless_assigned(value, forms, tmp_path):
    path = single(
        tmp_path / "a.nii",
        pixdim=[1, 0.5, value, 2, 0, 0, 0, 0],
        sform_code=forms[0],
        qform_code=forms[1],
    )
    refused(path, GeometryError, r"pixdim\[2\]")
    found = opened(path, spacing_assigned=True)
    assert "spacing-impossible" in [f.code for f in found.findings]
    assert found.image.geometry.spacing == (0.5, 0.75 if forms[0] else 1.0, 2.0)


def test_26_negative_spacing_goes_into_the_direction(tmp_path):
    changes = {"pixdim": [1, 0.5, -0.75, 2, 0, 0, 0, 0], "sform_code": 0}
    for code in (0, 1):
        path = single(tmp_path / "a.nii", **changes, qform_code=code)
        assert "negative-spacing" in codes(path)
        geometry = opened(path).image.geometry
        assert geometry.spacing == (0.5, 0.75, 2.0)
        assert np.linalg.det(geometry.direction) == -1


@pytest.mark.parametrize("value", [-500, -1, 1, 200, 347, 352.5, 1e30, np.nan, np.inf, 1e9, 399])
def test_27_impossible_offset_is_refused(value, tmp_path):
    path = single(tmp_path / "a.nii", vox_offset=value)
    refused(path, FormatError, r"vox_offset|bytes of voxels")
    refused(single(tmp_path / "a.nii.gz", vox_offset=value), FormatError, r"vox_offset|bytes")


def test_27_offset_behind_the_end_of_a_compressed_file_is_refused_at_once(tmp_path):
    path = single(tmp_path / "b.nii.gz", vox_offset=4000)
    with pytest.raises(FormatError, match="begin at byte 4000"):
        opened(path)


def test_27_unaligned_and_missing_offsets_are_reported(tmp_path):
    path = single(tmp_path / "a.nii", vox_offset=355, data=b"\0\0\0" + VOXELS.tobytes())
    assert codes(path) == ["voxel-offset"]
    np.testing.assert_array_equal(pixels(opened(path).image), VOXELS)
    path = single(tmp_path / "b.nii", vox_offset=0)
    assert codes(path) == ["voxel-offset"]
    np.testing.assert_array_equal(pixels(opened(path).image), VOXELS)


@pytest.mark.parametrize("code", [0, 1, 3, 255, 1536, 2048, -4, 5000])
def test_28_unknown_types_are_refused(code, tmp_path):
    path = single(tmp_path / "a.nii", datatype=code)
    refused(path, FormatError, f"datatype {code}")


@pytest.mark.parametrize(
    ("slope", "intercept"), [(np.nan, 0), (np.inf, 0), (-np.inf, 1), (2, np.nan), (2, np.inf)]
)
def test_29_impossible_slope_is_reported_and_not_applied(slope, intercept, tmp_path):
    path = single(tmp_path / "a.nii", scl_slope=slope, scl_inter=intercept)
    found = opened(path)
    assert [(f.severity, f.code) for f in found.findings] == [("warning", "rescale-unusable")]
    assert found.rescale is None
    np.testing.assert_array_equal(pixels(found.image), VOXELS)


def test_slope_of_zero_means_none(tmp_path):
    found = opened(single(tmp_path / "a.nii", scl_slope=0, scl_inter=7))
    assert (found.rescale, found.findings) == (None, ())


def test_30_bomb_stops_at_the_declared_size(tmp_path):
    path = tmp_path / "a.nii.gz"
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(header().tobytes() + bytes(4) + VOXELS.tobytes())
    zeros = bytes(1 << 20)
    bomb += b"".join(packer.compress(zeros) for _ in range(512)) + packer.flush()
    path.write_bytes(bomb)
    image = opened(path).image
    findings: list[Finding] = []
    cuts = list(slabs(image.shape, 2, 1 << 20, order=image.pixels.storage_order))
    (found,) = image.pixels.scan(cuts, findings.append)
    np.testing.assert_array_equal(found, VOXELS)
    assert [f.code for f in findings] == ["surplus-data"]


def test_31_truncated_gzip_is_refused(tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (30, 40, 50)).astype("u1")
    path = single(
        tmp_path / "a.nii.gz",
        data=noise.tobytes(),
        dim=[3, 50, 40, 30, 1, 1, 1, 1],
        datatype=2,
    )
    whole = path.read_bytes()
    for keep in (len(whole) // 2, len(whole) - 1, len(whole) - 8):
        path.write_bytes(whole[:keep])
        refused(path, FormatError, "bytes of voxels|checksum")
    path.write_bytes(whole[:100])
    refused(path, FormatError, "not a NIfTI file|bytes")
    flipped = bytearray(whole)
    flipped[-6] ^= 1
    path.write_bytes(flipped)
    refused(path, FormatError, "gzip")


def test_32_name_that_lies_about_gzip_is_read_by_content(tmp_path):
    plain = single(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(plain)
    (tmp_path / "c.nii").write_bytes(gzip.compress(plain))
    for name in ("b.nii.gz", "c.nii"):
        assert codes(tmp_path / name) == ["suffix-lies"]
        np.testing.assert_array_equal(pixels(opened(tmp_path / name).image), VOXELS)
    (tmp_path / "d.nii.gz").write_bytes(b"no gzip, and no header")
    refused(tmp_path / "d.nii.gz", FormatError, "not a NIfTI file")
    (tmp_path / "e.nii.gz").write_bytes(b"\x1f\x8b\x08" + os.urandom(400))
    refused(tmp_path / "e.nii.gz", FormatError, "gzip|not a NIfTI")


@pytest.mark.parametrize("content", [b"", b"x", b"n+1\0", bytes(347), bytes(348), b"\1\2" * 400])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr"])
def test_33_empty_and_other_files_are_refused(content, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, FormatError, "not a NIfTI file|sizeof_hdr")


def test_34_disagreement_is_a_warning_in_the_unit_of_the_file(tmp_path):
    changes = {"qform_code": 1, "quatern": [0, 0, 0]}
    near, far = [1.09, 2, 3], [1.11, 2, 3]
    assert codes(single(tmp_path / "a.nii", **changes, qoffset=near)) == []
    assert codes(single(tmp_path / "b.nii", **changes, qoffset=far)) == ["xform-disagree"]
    # In micrometres 0.1 mm is 100, in metres 0.0001.
    assert codes(single(tmp_path / "c.nii", **changes, qoffset=far, xyzt_units=3)) == []
    assert codes(single(tmp_path / "d.nii", **changes, qoffset=near, xyzt_units=1)) == [
        "xform-disagree"
    ]


def test_35_half_a_pair_is_refused_and_named(tmp_path):
    path = tmp_path / "a.hdr"
    path.write_bytes(header(magic=b"ni1").tobytes())
    refused(path, SourceError, r"a\.img")
    path.with_suffix(".img").write_bytes(VOXELS.tobytes())
    np.testing.assert_array_equal(pixels(opened(path).image), VOXELS)
    path.unlink()
    refused(tmp_path / "a.img", SourceError, r"a\.hdr")


# -- the rest of the row -------------------------------------------------------------------------


def test_surplus_data_is_reported(tmp_path):
    path = single(tmp_path / "a.nii", data=VOXELS.tobytes() + b"more")
    assert codes(path) == ["surplus-data"]
    np.testing.assert_array_equal(pixels(opened(path).image), VOXELS)


@pytest.mark.parametrize("size", [0, 347, 349, 540, -348])
def test_wrong_header_size_is_refused(size, tmp_path):
    path = single(tmp_path / "a.nii", sizeof_hdr=size)
    refused(path, FormatError, "sizeof_hdr|magic")


@pytest.mark.parametrize("magic", [b"n+3", b"nii", b"\0", b"N+1"])
def test_wrong_magic_is_refused_in_a_single_file(magic, tmp_path):
    path = single(tmp_path / "a.nii", magic=magic, vox_offset=352)
    refused(path, FormatError, "magic")


def test_magic_of_nifti2_that_a_text_transfer_broke_is_refused(tmp_path):
    path = single(tmp_path / "a.nii", version="nifti2", magic=b"n+2\0\n\x1a\n", vox_offset=544)
    refused(path, FormatError, "magic")


@pytest.mark.parametrize("version", ["nifti1", "nifti2"])
def test_big_endian_is_read_as_it_is(version, tmp_path):
    magic = {"nifti1": b"n+1", "nifti2": b"n+2\0\r\n\x1a\n"}[version]
    values = header(version, magic=magic, dim=[4, 2, 3, 4, 1, 1, 1, 1])
    swapped = values.astype(STRUCTURES[version].newbyteorder(">")).tobytes()
    path = tmp_path / "a.nii"
    path.write_bytes(swapped + bytes(4) + VOXELS.astype(">i2").tobytes())
    image = opened(path).image
    np.testing.assert_array_equal(pixels(image)[0], VOXELS)
    assert image.dtype.isnative
    assert read_header(path).order == ">"


def test_singular_sform_gives_way_to_a_qform_and_is_refused_without(tmp_path):
    flat = {"srow": [[0.5, 0, 0, 1], [0, 0.75, 0, 2], [0, 0, 0, 3]]}
    refused(single(tmp_path / "a.nii", **flat), GeometryError, "sform")
    path = single(tmp_path / "b.nii", **flat, qform_code=1)
    assert codes(path) == ["xform-unusable"]
    assert opened(path).image.geometry.spacing == (0.5, 0.75, 2.0)
    nan = {"srow": [[np.nan, 0, 0, 1], [0, 0.75, 0, 2], [0, 0, 2, 3]]}
    refused(single(tmp_path / "c.nii", **nan), GeometryError, "sform")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_origin_that_is_no_number_is_refused(value, tmp_path):
    rows = {"srow": [[0.5, 0, 0, value], [0, 0.75, 0, 2], [0, 0, 2, 3]]}
    refused(single(tmp_path / "a.nii", **rows), GeometryError, "origin")
    changes = {"sform_code": 0, "qform_code": 1, "qoffset": [0, value, 0]}
    refused(single(tmp_path / "b.nii", **changes), GeometryError, "origin")
    refused(single(tmp_path / "c.nii", **changes | {"quatern": [value, 0, 0]}), GeometryError, "c")


def test_quaternion_longer_than_one_is_made_a_half_turn(tmp_path):
    changes = {"sform_code": 0, "qform_code": 1, "quatern": [0, 1.0000001, 0]}
    geometry = opened(single(tmp_path / "a.nii", **changes)).image.geometry
    assert geometry.direction == ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))


def test_codes_beyond_the_standard_are_reported(tmp_path):
    assert codes(single(tmp_path / "a.nii", sform_code=9)) == ["xform-code"]
    assert "xform-code" in codes(single(tmp_path / "b.nii", sform_code=-2))
    found = opened(single(tmp_path / "c.nii", sform_code=-2)).image
    assert found.geometry.space == "unknown"


def block(size, code, content):
    return struct.pack("<2i", size, code) + content


def test_extensions_are_read_within_their_bounds(tmp_path):
    good = block(32, 6, b"said".ljust(24, b"\0"))
    behind = b"\1\0\0\0" + good
    path = single(tmp_path / "a.nii", behind=behind, vox_offset=352 + 32)
    kept = opened(path).image.extra["nifti"]["extensions"]
    assert [e["code"] for e in kept] == [6]
    np.testing.assert_array_equal(pixels(opened(path).image), VOXELS)
    for size in (-16, 0, 7, 48, 2**31 - 1):
        bad = b"\1\0\0\0" + block(size, 6, b"said".ljust(24, b"\0"))
        path = single(tmp_path / "b.nii", behind=bad, vox_offset=352 + 32)
        refused(path, FormatError, f"extension 1 .code 6. has {size} bytes")
    odd = b"\1\0\0\0" + block(24, 6, bytes(16)) + bytes(8)
    path = single(tmp_path / "c.nii", behind=odd, vox_offset=352 + 32)
    assert codes(path) == ["extension-size"]


def test_extensions_of_a_pair_are_read_and_given_back(tmp_path):
    path = tmp_path / "a.hdr"
    good = block(32, 6, b"said".ljust(24, b"\0"))
    path.write_bytes(header(magic=b"ni1").tobytes() + b"\1\0\0\0" + good)
    path.with_suffix(".img").write_bytes(VOXELS.tobytes())
    copy = written(PLUGIN, opened(path).image, tmp_path / "b.nii")
    assert [e.get_content() for e in nib.load(copy).header.extensions] == [b"said"]


def test_megabytes_of_extensions_are_not_kept(tmp_path):
    large = block(2 << 20, 6, bytes((2 << 20) - 8))
    path = single(tmp_path / "a.nii.gz", behind=b"\1\0\0\0" + large, vox_offset=352 + (2 << 20))
    assert codes(path) == ["extension-dropped"]
    found = opened(path).image
    assert found.extra["nifti"]["extensions"] == []
    np.testing.assert_array_equal(pixels(found), VOXELS)


@pytest.mark.parametrize(
    "comment",
    [
        b'{"spconvert":',
        b'{"spconvert":[]}',
        b'{"spconvert":{"axes":"xyz"}}',
        b'{"spconvert":{"axes":7}}',
        b'{"spconvert":{"spacing":[1,2,3]}}',
        b'{"spconvert":{"origin":[0,0,0],"spacing":[0,1,1],"direction":[[1,0,0],[0,1,0],[0,0,1]]}}',
        b'{"spconvert":{"unit":"parsecs"}}',
        b'{"spconvert":{"unit":"nanometer"}}',
        b'{"spconvert":{"time":{"start":0}}}',
        b'{"spconvert":{"channels":[["a"]]}}',
        b'{"spconvert":{"channels":[["a","<b>"]]}}',
        b'{"spconvert":' + b"[" * 3000,
        b'{"spconvert":{"origin":[NaN,0,0],"spacing":[1,1,1],"direction":[[1]]}}',
    ],
)
def test_broken_comment_of_ours_is_a_warning(comment, tmp_path):
    size = -(-(len(comment) + 8) // 16) * 16
    behind = b"\1\0\0\0" + block(size, 6, comment.ljust(size - 8, b"\0"))
    path = single(tmp_path / "a.nii", behind=behind, vox_offset=352 + size)
    assert codes(path) == ["supplement-unreadable"]
    np.testing.assert_array_equal(pixels(opened(path).image), VOXELS)


def test_comment_about_other_axes_is_not_used(tmp_path):
    comment = b'{"spconvert":{"axes":"yx","channels":[["a",""],["b",""]]}}'
    behind = b"\1\0\0\0" + block(80, 6, comment.ljust(72, b"\0"))
    image = opened(single(tmp_path / "a.nii", behind=behind, vox_offset=352 + 80)).image
    assert (image.axis_names, image.channels) == ("zyx", ())


def test_image_file_that_is_a_link_out_of_the_folder_needs_leave(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(VOXELS.tobytes())
    (folder / "a.hdr").write_bytes(header(magic=b"ni1").tobytes())
    (folder / "a.img").symlink_to(tmp_path / "secret")
    refused(folder / "a.hdr", SourceError, "outside its folder")
    found = opened(folder / "a.hdr", allow_external_data=True).image
    np.testing.assert_array_equal(pixels(found), VOXELS)


def test_short_image_file_and_one_that_is_no_file_are_refused(tmp_path):
    path = tmp_path / "a.hdr"
    path.write_bytes(header(magic=b"ni1").tobytes())
    data = path.with_suffix(".img")
    data.write_bytes(VOXELS.tobytes()[:-1])
    refused(path, FormatError, r"a\.img has 47 of 48")
    data.unlink()
    data.mkdir()
    refused(path, SourceError, "folder")


def test_time_step_and_start_that_are_no_numbers_are_reported(tmp_path):
    dim = [4, 2, 3, 2, 2, 1, 1, 1]
    for step, start, found in (
        (0.0, 0.0, ["time-step-unknown"]),
        (np.nan, np.inf, ["time-step-unknown", "time-start-unknown"]),
        (-2.0, 1.0, ["time-step-unknown"]),
    ):
        pixdim = [1, 0.5, 0.75, 2, step, 0, 0, 0]
        path = single(tmp_path / "a.nii", dim=dim, pixdim=pixdim, toffset=start, xyzt_units=10)
        assert codes(path) == found
        time = opened(path).image.time
        assert (time.step, time.unit) == (1.0, None), "no second is invented"


@pytest.mark.parametrize("units", [32, 40, 48, 56, 5, 7])
def test_units_that_are_none_are_reported(units, tmp_path):
    pixdim = [1, 0.5, 0.75, 2, 3, 0, 0, 0]
    changes = {"dim": [4, 2, 3, 2, 2, 1, 1, 1], "pixdim": pixdim, "xyzt_units": units}
    path = single(tmp_path / "a.nii", **changes)
    assert codes(path) == ["unknown-unit"]
    image = opened(path).image
    assert (image.unit, image.time.unit) == (None, None)


def test_colours_of_components_are_refused(tmp_path):
    changes = {"dim": [5, 2, 2, 1, 1, 3, 1, 1], "datatype": 128}
    refused(single(tmp_path / "a.nii", **changes), Unsupported, "colours")


def test_six_dimensions_are_one_list_of_components(tmp_path):
    dim = [6, 2, 3, 1, 1, 2, 2, 1]
    path = single(tmp_path / "a.nii", dim=dim, intent_code=1004)
    image = opened(path).image
    assert (image.axis_names, image.shape) == ("tczyx", (1, 4, 1, 3, 2))
    assert [c.label for c in image.channels] == ["xx", "xy", "yx", "yy"]
    copy = written(PLUGIN, image, tmp_path / "b.nii")
    assert nib.load(copy).shape == (2, 3, 1, 1, 2, 2)
    np.testing.assert_array_equal(pixels(opened(copy).image), pixels(image))


@pytest.mark.parametrize(("forms", "names"), [((0, 0), "yx"), ((1, 0), "zyx")])
def test_one_line_and_one_slice(forms, names, tmp_path):
    for dim, size in (([1, 24], 1), ([2, 4, 6], 6)):
        path = single(tmp_path / "a.nii", dim=dim + [1] * (8 - len(dim)), sform_code=forms[0])
        image = opened(path).image
        assert image.axis_names == names
        assert image.space_shape[-2] == size
        copy = written(PLUGIN, image, tmp_path / "b.nii")
        assert opened(copy).image.geometry == image.geometry


def test_slice_without_a_third_column_gets_a_normal(tmp_path):
    rows = [[0, 0.75, 0, 1], [0.5, 0, 0, 2], [0, 0, 0, 3]]
    path = single(tmp_path / "a.nii", dim=[2, 4, 6, 1, 1, 1, 1, 1], srow=rows)
    geometry = opened(path).image.geometry
    assert geometry.spacing == (0.5, 0.75, 2.0)
    assert geometry.direction[2] == (0.0, 0.0, -1.0)


def test_analyze_scale_of_spm_is_reported_and_not_applied(tmp_path):
    path = tmp_path / "a.hdr"
    path.write_bytes(header("analyze", magic=b"", funused=[0.25, 0, 0]).tobytes())
    path.with_suffix(".img").write_bytes(VOXELS.tobytes())
    found = opened(path)
    assert [f.code for f in found.findings] == ["orientation-unknown", "factor-ignored"]
    np.testing.assert_array_equal(pixels(found.image), VOXELS)


def test_names_of_patients_in_analyze_are_left_out(tmp_path):
    path = tmp_path / "a.hdr"
    changes = {"patient_id": b"4711", "exp_date": b"010170", "descrip": b"T1", "originator": b"\1"}
    path.write_bytes(header("analyze", magic=b"", **changes).tobytes())
    path.with_suffix(".img").write_bytes(VOXELS.tobytes())
    kept = opened(path).image.extra["nifti"]
    assert "patient_id" not in kept
    assert "exp_date" not in kept
    assert kept["descrip"] == "T1"
    assert opened(path, metadata="all").image.extra["nifti"]["patient_id"] == "4711"


def test_edited_extra_does_no_harm(tmp_path):
    path = single(tmp_path / "a.nii")
    for name, value in product(
        ("dim", "pixdim", "srow", "qform_code", "extensions", "descrip", "version", "quatern"),
        (None, "x", 7, [1, 2], {"a": 1}, [[None]], -1e300, [{"code": "x", "data": "*"}]),
    ):
        image = opened(path).image
        extra = {"nifti": {**image.extra["nifti"], name: value}}
        image = type(image)(image.pixels, image.axes, image.geometry, extra=extra)
        found = opened(written(PLUGIN, image, tmp_path / "b.nii")).image
        assert found.geometry == image.geometry, (name, value)
        np.testing.assert_array_equal(pixels(found), VOXELS)


# -- any bytes -----------------------------------------------------------------------------------


@given(
    st.sampled_from(["nifti1", "nifti2", "analyze"]),
    st.lists(st.tuples(st.integers(0, 539), st.binary(min_size=1, max_size=8)), max_size=4),
    st.booleans(),
)
def test_only_our_errors_escape_for_any_header(tmp_path_factory, version, edits, zipped):
    folder = tmp_path_factory.mktemp("any")
    magic = {"nifti1": b"n+1", "nifti2": b"n+2\0\r\n\x1a\n", "analyze": b""}[version]
    data = bytearray(header(version, magic=magic).tobytes() + bytes(4))
    for at, piece in edits:
        data[at : at + len(piece)] = piece
    path = folder / ("a.hdr" if version == "analyze" else "a.nii")
    content = bytes(data) if version == "analyze" else bytes(data) + VOXELS.tobytes()
    path.write_bytes(gzip.compress(content) if zipped else content)
    if version == "analyze":
        path.with_suffix(".img").write_bytes(VOXELS.tobytes())
    PLUGIN.sniff(path.read_bytes()[:1024])
    try:
        image = opened(path).image
        image.pixels.read(Region.whole(image.shape))
        written(PLUGIN, image, folder / "b.nii")
    except SpconvertError:
        return
    back = opened(folder / "b.nii").image
    assert back.geometry.deviation_from(image.geometry) < 1e-6


def test_any_field_at_its_limits_is_read_or_refused(tmp_path):
    messages = []
    for version, magic in (("nifti1", b"n+1"), ("nifti2", b"n+2\0\r\n\x1a\n")):
        structure = STRUCTURES[version]
        for name in structure.names:
            kind = structure[name].base
            values = (
                [0, -1, np.iinfo(kind).min, np.iinfo(kind).max]
                if kind.kind == "i"
                else [0, 255]
                if kind.kind == "u"
                else [np.nan, np.inf, -np.inf, np.finfo(kind).max, np.finfo(kind).tiny]
                if kind.kind == "f"
                else [b"\xff" * kind.itemsize]
            )
            for value in values:
                path = single(
                    tmp_path / "a.nii", version=version, **({"magic": magic} | {name: value})
                )
                try:
                    image = opened(path).image
                    assert image.pixels.read(Region.whole(image.shape)).shape == image.shape
                    written(PLUGIN, image, tmp_path / "b.nii")
                except SpconvertError as error:
                    messages.append(str(error))
    assert messages
    assert all(str(tmp_path / "a.nii") in message for message in messages)
