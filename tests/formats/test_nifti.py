"""NIfTI there and back: real files, own files, and what nibabel and SimpleITK read in them."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import (
    OBLIQUE,
    ArraySource,
    FormatContract,
    make_image,
    pixels,
    written,
)
from geometries import CODES, from_itk, rotation_of
from spconvert.errors import LimitError, Unsupported, UsageError
from spconvert.formats.nifti import PLUGIN
from spconvert.formats.plugin import ReadOptions, Rescale, Source, Target, WriteOptions
from spconvert.model.axes import ChannelInfo, axes_named
from spconvert.model.geometry import Geometry, code_direction
from spconvert.model.image import SpatialImage

nib = pytest.importorskip("nibabel")

DTYPES = (
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "complex64",
    "complex128",
)
AXES = ("zyx", "yx", "czyx", "tzyx", "tczyx", "cyx", "tyx", "tcyx")
KEEP = ReadOptions(rescale="keep")


class TestSingle(FormatContract):
    plugin = PLUGIN
    suffix = ".nii"
    axes = AXES

    @pytest.fixture(params=[None, "nifti2", "raw"])
    def codec(self, request):
        return request.param


class TestCompressed(FormatContract):
    plugin = PLUGIN
    suffix = ".nii.gz"
    axes = ("zyx", "tczyx")

    @pytest.fixture(params=[None, "gzip:6", "nifti2,gzip:9"])
    def codec(self, request):
        return request.param


class TestPair(FormatContract):
    plugin = PLUGIN
    suffix = ".hdr"
    axes = ("zyx", "cyx")

    @pytest.fixture(params=[None, "nifti2"])
    def codec(self, request):
        return request.param

    def test_every_cut_of_a_file_is_refused_or_read_whole(self, tmp_path):
        """Of the voxels: what follows the 348 bytes of a header may be left out by right."""
        path = written(PLUGIN, make_image(), tmp_path / "a.hdr")
        data = path.with_suffix(".img")
        whole = data.read_bytes()
        for keep in (0, 1, len(whole) // 2, len(whole) - 1):
            data.write_bytes(whole[:keep])
            with pytest.raises(Exception, match=rf"a\.img has {keep} of {len(whole)} bytes"):
                PLUGIN.read(Source(path))


@pytest.mark.parametrize("name", ["b.img", "b.hdr.gz", "b.img.gz", "B.HDR", "B.IMG"])
def test_either_file_of_a_pair_can_be_named(name, tmp_path):
    path = written(PLUGIN, make_image(), tmp_path / name)
    image = PLUGIN.read(Source(path)).image
    assert (image.name.lower(), image.geometry) == ("b", OBLIQUE)
    np.testing.assert_array_equal(pixels(image), pixels(make_image()))
    tail = ".gz" if name.endswith(".gz") else ""
    ends = (".HDR", ".IMG") if name.isupper() else (".hdr", ".img")
    assert {p.name for p in tmp_path.iterdir()} == {f"{name[0]}{end}{tail}" for end in ends}
    if not name.isupper():
        loaded = nib.load(tmp_path / f"b.hdr{tail}")
        np.testing.assert_array_equal(np.asarray(loaded.dataobj).T, pixels(image))


# -- real files ----------------------------------------------------------------------------------


def entries(manifest):
    return [e for e in manifest if e["format"] == "nifti"]


def digest(array):
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def in_file_order(image, array, names):
    """The array with the axes of the manifest; a slice in space is a volume of one for us."""
    if "z" not in names and "z" in image.axis_names:
        array = array[0]
        ours = image.axis_names.replace("z", "")
    else:
        ours = image.axis_names
    return array.transpose([ours.index(name) for name in names])


def test_every_real_file_reads_as_the_manifest_says(testdata, manifest):
    assert entries(manifest)
    for entry in entries(manifest):
        truth = entry["expected"]
        opened = PLUGIN.read(Source(testdata / entry["path"], options=KEEP))
        image = opened.image
        array = in_file_order(image, pixels(image), truth["axes"])
        assert list(array.shape) == truth["shape"], entry["id"]
        assert array.dtype.name == truth["dtype"], entry["id"]
        assert digest(array) == truth["voxel_sha256"], entry["id"]
        np.testing.assert_allclose(image.geometry.origin, truth["origin"], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(image.geometry.spacing, truth["spacing"], rtol=1e-9)
        if truth["grid"] == "regular":
            np.testing.assert_allclose(
                image.geometry.direction, truth["direction"], rtol=0, atol=1e-9
            )
        if "affine_lps" in truth:
            np.testing.assert_allclose(image.geometry.affine, truth["affine_lps"], atol=1e-9)
        assert (image.geometry.space == "LPS") == truth["orientation_known"], entry["id"]
        assert image.unit == {"mm": "millimeter", "unknown": None}[truth["units"][0]]
        assert image.geometry.is_sheared == (truth["grid"] == "sheared")
        if "time" in truth and truth["time"]["spacing"]:
            assert image.time.step == pytest.approx(truth["time"]["spacing"], rel=1e-7)
            assert image.time.start == truth["time"]["origin"]
            assert image.time.unit == {"sec": "second", "unknown": None}[truth["units"][1]]


def test_every_slope_is_applied_as_the_manifest_says(testdata, manifest, is_full_set):
    seen = 0
    for entry in entries(manifest):
        truth = entry["expected"].get("rescale")
        path = testdata / entry["path"]
        opened = PLUGIN.read(Source(path, options=ReadOptions(rescale="apply")))
        if truth is None:
            assert opened.rescale is None
            continue
        seen += 1
        assert opened.rescale.slope == pytest.approx(truth["slope"], rel=1e-10)
        assert opened.rescale.intercept == pytest.approx(truth["intercept"], rel=1e-10)
        assert opened.image.dtype == np.float32, "never float64 for int16"
        found = in_file_order(opened.image, pixels(opened.image), entry["expected"]["axes"])
        exact = nib.load(path).get_fdata(dtype=np.float64).T
        assert digest(exact) == truth["voxel_sha256"]
        np.testing.assert_array_equal(found, exact.astype(np.float32))
        np.testing.assert_array_equal(pixels(PLUGIN.read(Source(path)).image), pixels(opened.image))
    assert seen > 5 or not is_full_set


def own_comment(extension):
    return extension.get_content() and b'"spconvert"' in bytes(extension.get_content())


def test_every_real_file_comes_back_with_the_same_header(testdata, manifest, tmp_path):
    """Bit for bit, but for byte order and the fields that nifti1.h calls unused."""
    for entry in entries(manifest):
        path = testdata / entry["path"]
        image = PLUGIN.read(Source(path, options=KEEP)).image
        image = replace(image, extra=json.loads(json.dumps(image.extra)))
        kind = ".hdr" if path.suffix == ".hdr" else ".nii"
        copy = written(PLUGIN, image, tmp_path / f"back{kind}")
        back = PLUGIN.read(Source(copy, options=KEEP)).image
        assert (back.geometry, back.axes) == (image.geometry, image.axes), entry["id"]
        assert back.channels == image.channels
        np.testing.assert_array_equal(pixels(back), pixels(image))
        before, after = nib.load(path), nib.load(copy)
        skipped = {"data_type", "extents", "session_error", "regular", "glmax", "glmin"}
        skipped |= {"vox_offset", "db_name", "magic", "sizeof_hdr", "dim", "pixdim"}
        if before.header["scl_slope"] == 0 or np.isnan(before.header["scl_slope"]):
            skipped |= {"scl_slope", "scl_inter"}
        for name in set(before.header.keys()) - skipped:
            old, new = before.header[name], after.header[name]
            assert old.tolist() == new.tolist(), (entry["id"], name)
        n = before.header["dim"][0]
        assert before.shape == after.shape
        assert before.header["dim"][: n + 1].tolist() == after.header["dim"][: n + 1].tolist()
        last = max(4, n + 1)
        np.testing.assert_array_equal(
            before.header["pixdim"][:last][: n + 1], after.header["pixdim"][:last][: n + 1]
        )
        np.testing.assert_array_equal(before.affine, after.affine)
        old = [(e.get_code(), e.get_content()) for e in before.header.extensions]
        assert [(e.get_code(), e.get_content()) for e in after.header.extensions] == old


# -- nibabel and SimpleITK on what we write ------------------------------------------------------

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.mark.parametrize("codec", ["nifti1", "nifti2"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_comes_back_and_nibabel_reads_it(dtype, codec, tmp_path):
    image = make_image("zyx", dtype)
    path = written(PLUGIN, image, tmp_path / "a.nii", codec)
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(path)).image), pixels(image))
    loaded = nib.load(path)
    assert type(loaded).__name__ == {"nifti1": "Nifti1Image", "nifti2": "Nifti2Image"}[codec]
    np.testing.assert_array_equal(np.asarray(loaded.dataobj).T, pixels(image))
    assert loaded.get_data_dtype() == dtype
    np.testing.assert_allclose(RAS @ loaded.affine, OBLIQUE.affine, rtol=1e-6, atol=1e-6)


def test_bool_becomes_bytes_and_half_floats_are_refused(tmp_path):
    path = written(PLUGIN, make_image("zyx", "bool"), tmp_path / "a.nii")
    assert PLUGIN.read(Source(path)).image.dtype == np.uint8
    with pytest.raises(Unsupported, match="float16"):
        written(PLUGIN, make_image("zyx", "float16"), tmp_path / "b.nii")


def directions():
    rng = np.random.default_rng(11)
    oblique = [rotation_of(rng.normal(size=4)) * rng.choice([-1, 1], 3) for _ in range(60)]
    return [
        *(code_direction(code) for code in CODES),
        *(tuple(map(tuple, matrix.tolist())) for matrix in oblique),
    ]


def test_all_directions_survive_and_others_read_the_same(tmp_path):
    array = np.arange(60, dtype="int16").reshape(5, 4, 3)
    rng = np.random.default_rng(12)
    for direction in directions():
        geometry = Geometry(
            tuple(rng.uniform(-300, 300, 3).tolist()),
            tuple(rng.uniform(0.1, 5, 3).tolist()),
            direction,
            "LPS",
        )
        image = SpatialImage(ArraySource(array), axes_named("zyx", "millimeter"), geometry)
        path = written(PLUGIN, image, tmp_path / "a.nii")
        back = PLUGIN.read(Source(path))
        assert back.image.geometry == geometry  # by the comment, to the last bit
        assert not back.findings
        for wanted in ("sform", "qform"):
            options = ReadOptions(nifti_xform=wanted)
            found = PLUGIN.read(Source(path, options=options)).image.geometry
            assert geometry.deviation_from(found) < 3e-4 / min(geometry.spacing)
        itk = sitk.ReadImage(str(path))
        assert geometry.deviation_from(from_itk(itk)) < 1e-3
        np.testing.assert_array_equal(sitk.GetArrayFromImage(itk), array)
        loaded = nib.load(path)
        np.testing.assert_allclose(RAS @ loaded.affine, geometry.affine, rtol=3e-7, atol=3e-5)
        np.testing.assert_allclose(loaded.get_qform(), loaded.get_sform(), rtol=0, atol=2e-4)
        assert loaded.header["qform_code"] == loaded.header["sform_code"] == 1
        again = PLUGIN.read(Source(written(PLUGIN, back.image, tmp_path / "b.nii"))).image
        assert again.geometry == geometry
        assert (tmp_path / "a.nii").read_bytes() == (tmp_path / "b.nii").read_bytes()


def test_nifti2_holds_float64_without_a_comment(tmp_path):
    path = written(PLUGIN, make_image(), tmp_path / "a.nii", "nifti2")
    assert not nib.load(path).header.extensions
    assert PLUGIN.read(Source(path)).image.geometry.deviation_from(OBLIQUE) < 1e-15
    assert nib.load(path).affine[0, 3] == 90.5


def test_comment_that_the_header_denies_is_not_used(tmp_path):
    path = written(PLUGIN, make_image(), tmp_path / "a.nii")
    loaded = nib.load(path)
    moved = loaded.affine.copy()
    moved[0, 3] += 0.01
    header = loaded.header.copy()
    nib.save(nib.Nifti1Image(np.asarray(loaded.dataobj), moved, header), tmp_path / "b.nii")
    opened = PLUGIN.read(Source(tmp_path / "b.nii"))
    assert [f.code for f in opened.findings] == ["supplement-stale"]
    assert opened.image.geometry.origin[0] == pytest.approx(-90.51, abs=1e-5)


def test_files_of_nibabel_and_simpleitk_read_as_they_say(tmp_path):
    rng = np.random.default_rng(8)
    for number in range(10):
        direction = rotation_of(rng.normal(size=4)) * rng.choice([-1, 1], 3)
        array = rng.integers(0, 99, (4, 3, 2)).astype("int16")
        itk = sitk.GetImageFromArray(array)
        itk.SetOrigin(rng.normal(size=3).tolist())
        itk.SetSpacing(rng.uniform(0.1, 4, 3).tolist())
        itk.SetDirection(direction.ravel().tolist())
        name = ("itk.nii", "itk.nii.gz", "itk.hdr")[number % 3]
        sitk.WriteImage(itk, str(tmp_path / name))
        image = PLUGIN.read(Source(tmp_path / name)).image
        assert image.geometry.deviation_from(from_itk(itk)) < 1e-4
        assert image.unit == "millimeter"
        np.testing.assert_array_equal(pixels(image), array)
        affine = np.vstack([rng.normal(size=(3, 4)), [0, 0, 0, 1]])
        order = "><"[number % 2]
        kind = (nib.Nifti1Image, nib.Nifti2Image)[number // 2 % 2]
        header = kind.header_class(endianness=order)
        header.set_data_dtype("int16")
        nib.save(kind(array.T, affine, header), tmp_path / "nib.nii")
        image = PLUGIN.read(Source(tmp_path / "nib.nii")).image
        np.testing.assert_allclose(image.geometry.affine, RAS @ affine, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(pixels(image), array)


@pytest.mark.parametrize("seed", range(4))
def test_qform_alone_is_the_affine_of_nibabel(seed, tmp_path):
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = rotation_of(rng.normal(size=4)) * [1.5, -0.7, 3]
    affine[:3, 3] = rng.normal(size=3)
    made = nib.Nifti1Image(np.zeros((2, 3, 4), "u1"), None)
    made.header.set_qform(affine, 1)
    made.header["sform_code"] = 0
    nib.save(made, tmp_path / "a.nii")
    loaded = nib.load(tmp_path / "a.nii")
    assert loaded.header["sform_code"] == 0
    image = PLUGIN.read(Source(tmp_path / "a.nii")).image
    np.testing.assert_allclose(image.geometry.affine, RAS @ loaded.affine, atol=1e-6)


@given(st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: sum(v * v for v in q) > 1e-3))
def test_quaternion_of_any_rotation_gives_it_back(quaternion):
    from spconvert.formats.nifti.xforms import quaternion_of, rotation

    matrix = rotation_of(np.array(quaternion))
    found = quaternion_of(matrix)
    assert found[0] >= 0
    np.testing.assert_allclose(rotation(found), matrix, atol=1e-14)


def test_a_sheared_image_is_in_the_sform_alone(tmp_path):
    tilted = replace(OBLIQUE, direction=((1.0, 0.0, 0.0), (0.0, 1.0, -0.28), (0.0, 0.0, 0.96)))
    image = replace(make_image(), geometry=tilted)
    findings = []
    options = WriteOptions(finding=findings.append)
    PLUGIN.write(image, Target(tmp_path / "a.nii", tmp_path), options)
    assert "sform-only" in [f.code for f in findings]
    loaded = nib.load(tmp_path / "a.nii")
    assert (loaded.header["qform_code"], loaded.header["sform_code"]) == (0, 1)
    np.testing.assert_allclose(RAS @ loaded.affine, tilted.affine, rtol=1e-6)
    opened = PLUGIN.read(Source(tmp_path / "a.nii"))
    assert opened.image.geometry == tilted
    assert [f.code for f in opened.findings] == ["sheared"]
    with pytest.raises(RuntimeError):  # refused, not misplaced
        sitk.ReadImage(str(tmp_path / "a.nii"))


# -- axes, components, units, times --------------------------------------------------------------


@pytest.mark.parametrize("names", [("red", "green", "blue"), ("red", "green", "blue", "alpha")])
@pytest.mark.parametrize("axes", ["cyx", "czyx", "tczyx"])
def test_colours_are_written_as_colours(names, axes, tmp_path):
    sizes = {"t": 2, "c": len(names), "z": 3, "y": 4, "x": 5}
    shape = tuple(sizes[n] for n in axes)
    array = np.arange(np.prod(shape)).reshape(shape).astype("u1")
    channels = tuple(ChannelInfo(n) for n in names)
    geometry = Geometry.identity(2) if "z" not in axes else OBLIQUE
    image = SpatialImage(ArraySource(array), axes_named(axes), geometry, channels)
    path = written(PLUGIN, image, tmp_path / "a.nii.gz")
    loaded = np.asarray(nib.load(path).dataobj)
    assert loaded.dtype.names == ("R", "G", "B", "A")[: len(names)]
    for i, name in enumerate(loaded.dtype.names):
        plane = np.take(array, i, axes.index("c"))
        np.testing.assert_array_equal(loaded[name].T, plane)
    back = PLUGIN.read(Source(path)).image
    assert back.axis_names == axes
    assert [c.label for c in back.channels] == list(names)
    np.testing.assert_array_equal(pixels(back), array)


def test_vectors_are_vectors_for_simpleitk(tmp_path):
    image = make_image("czyx", "float32")
    path = written(PLUGIN, image, tmp_path / "a.nii")
    itk = sitk.ReadImage(str(path))
    assert itk.GetNumberOfComponentsPerPixel() == 3
    np.testing.assert_array_equal(np.moveaxis(sitk.GetArrayFromImage(itk), -1, 0), pixels(image))
    assert nib.load(path).header["intent_code"] == 1007
    back = PLUGIN.read(Source(path)).image
    assert back.axis_names == "czyx"
    bare = replace(image, channels=tuple(ChannelInfo(n, "00FF00") for n in ("DAPI", "µ", "")))
    back = PLUGIN.read(Source(written(PLUGIN, bare, tmp_path / "b.nii"))).image
    assert back.channels == bare.channels


def test_vectors_of_simpleitk_have_components_named_x_y_z(tmp_path):
    array = np.random.default_rng(1).normal(size=(4, 5, 6, 3)).astype("float32")
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=True), str(tmp_path / "a.nii"))
    image = PLUGIN.read(Source(tmp_path / "a.nii")).image
    assert [c.label for c in image.channels] == ["x", "y", "z"]
    np.testing.assert_array_equal(pixels(image).reshape(3, 4, 5, 6), np.moveaxis(array, -1, 0))


@pytest.mark.parametrize(
    "unit", ["millimeter", "micrometer", "meter", None, "nanometer", "centimeter", "inch"]
)
@pytest.mark.parametrize(
    "time", ["second", "millisecond", "microsecond", None, "minute", "nanosecond"]
)
def test_units_come_back_and_are_right_for_others(unit, time, tmp_path):
    image = make_image("tzyx").with_unit(unit)
    axes = tuple(
        replace(a, unit=time, start=0.1, step=2.2) if a.name == "t" else a for a in image.axes
    )
    image = replace(image, axes=axes)
    path = written(PLUGIN, image, tmp_path / "a.nii")
    back = PLUGIN.read(Source(path)).image
    assert (back.axes, back.geometry) == (image.axes, image.geometry)
    header = nib.load(path).header
    found = header.get_xyzt_units()
    metres = {"mm": 1e-3, "micron": 1e-6, "meter": 1.0, "unknown": 1e-3}[found[0]]
    ours = {"nanometer": 1e-9, "centimeter": 1e-2, "inch": 0.0254, "micrometer": 1e-6, "meter": 1.0}
    expected = np.array(OBLIQUE.spacing) * ours.get(unit, 1e-3)
    np.testing.assert_allclose(np.array(header.get_zooms()[:3]) * metres, expected, rtol=1e-6)
    seconds = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}[found[1]]
    factor = {"minute": 60, "nanosecond": 1e-9, "millisecond": 1e-3, "microsecond": 1e-6}
    assert header.get_zooms()[3] * seconds == pytest.approx(2.2 * factor.get(time, 1.0), rel=1e-6)
    assert (found[0] == "unknown") == (unit is None)


def test_image_without_anatomy_shows_others_its_spacing_only(tmp_path):
    unknown = replace(OBLIQUE, space="unknown")
    image = replace(make_image(unit="micrometer"), geometry=unknown)
    path = written(PLUGIN, image, tmp_path / "a.nii")
    header = nib.load(path).header
    assert (header["qform_code"], header["sform_code"]) == (0, 0)
    assert header.get_zooms() == (0.5, 0.75, 2.5)
    assert PLUGIN.read(Source(path)).image.geometry == unknown


def test_positions_of_a_patient_that_became_unknown_are_not_given_back(testdata, tmp_path):
    image = PLUGIN.read(Source(testdata / "nifti" / "anatomical.nii")).image
    bare = replace(image, geometry=replace(image.geometry, space="unknown"))
    path = written(PLUGIN, bare, tmp_path / "a.nii")
    assert nib.load(path).header["sform_code"] == 0
    assert PLUGIN.read(Source(path)).image.geometry == bare.geometry


def test_moved_image_gets_new_transforms_and_keeps_codes(testdata, tmp_path):
    image = PLUGIN.read(Source(testdata / "nifti" / "hippo.nii.gz")).image
    moved = replace(image, geometry=replace(image.geometry, origin=(1.5, 2.25, -3.0)))
    path = written(PLUGIN, moved, tmp_path / "a.nii.gz")
    loaded = nib.load(path)
    assert (loaded.header["qform_code"], loaded.header["sform_code"]) == (4, 4)
    np.testing.assert_allclose(loaded.affine[:3, 3], [-1.5, -2.25, -3.0])
    np.testing.assert_allclose(loaded.get_qform(), loaded.get_sform())
    assert PLUGIN.read(Source(path)).image.geometry == moved.geometry


def disagreeing(tmp_path):
    made = nib.Nifti1Image(np.zeros((4, 5, 6), "u1"), None)
    made.set_sform(np.diag([2.0, 3.0, 4.0, 1.0]), 4)
    made.set_qform(np.diag([-2.0, 3.0, 4.0, 1.0]), 1)
    nib.save(made, tmp_path / "a.nii")
    return tmp_path / "a.nii"


def test_sform_and_qform_that_disagree_are_both_kept(tmp_path):
    path = disagreeing(tmp_path)
    opened = PLUGIN.read(Source(path))
    found = [f for f in opened.findings if f.code == "xform-disagree"]
    assert len(found) == 1
    assert found[0].severity == "warning"
    assert "sform is used" in found[0].message
    assert "12 mill" in found[0].message
    assert opened.image.geometry.direction[0][0] == -1.0
    by_qform = PLUGIN.read(Source(path, options=ReadOptions(nifti_xform="qform"))).image
    assert by_qform.geometry.direction[0][0] == 1.0
    copy = nib.load(written(PLUGIN, opened.image, tmp_path / "b.nii"))
    np.testing.assert_array_equal(copy.get_qform(), nib.load(path).get_qform())
    np.testing.assert_array_equal(copy.get_sform(), nib.load(path).get_sform())
    chosen = PLUGIN.read(Source(written(PLUGIN, by_qform, tmp_path / "c.nii")))
    assert chosen.image.geometry == by_qform.geometry
    assert not chosen.findings


def test_transform_that_is_asked_for_but_not_set_is_reported(testdata):
    path = testdata / "nifti" / "RAS.nii.gz"
    opened = PLUGIN.read(Source(path, options=ReadOptions(nifti_xform="qform")))
    assert "xform-missing" in [f.code for f in opened.findings]
    assert opened.image.geometry == PLUGIN.read(Source(path)).image.geometry


def test_large_sizes_make_nifti2_and_nifti1_refuses_them(tmp_path):
    array = np.arange(40000 * 2, dtype="u1").reshape(1, 2, 40000)
    image = SpatialImage(ArraySource(array), axes_named("zyx"), OBLIQUE)
    path = written(PLUGIN, image, tmp_path / "a.nii")
    assert type(nib.load(path)).__name__ == "Nifti2Image"
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(path)).image), array)
    with pytest.raises(Unsupported, match="40000"):
        written(PLUGIN, image, tmp_path / "b.nii", "nifti1")


@pytest.mark.parametrize("codec", ["zip", "bz2", "gzip", "gzip:0", "analyze"])
def test_codec_that_does_not_fit_is_refused(codec, tmp_path):
    with pytest.raises(UsageError, match=f"(?i){codec}"):
        written(PLUGIN, make_image(), tmp_path / "a.nii", codec)


def test_source_in_another_order_must_be_spooled_first(tmp_path):
    names = tuple(ChannelInfo(n) for n in ("red", "green", "blue"))
    image = replace(make_image("czyx", "uint8"), channels=names)
    first = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "a.nii.gz"))).image
    assert first.pixels.access == "sequential"
    assert written(PLUGIN, first, tmp_path / "b.nii.gz").exists()
    with pytest.raises(LimitError, match="axis order"):
        written(PLUGIN, replace(first, channels=()), tmp_path / "c.nii.gz")


# -- slope, intent, extensions, Analyze ----------------------------------------------------------


def test_kept_slope_is_given_back_and_an_applied_one_is_not(testdata, tmp_path):
    path = testdata / "nifti" / "functional.nii"
    stored = PLUGIN.read(Source(path, options=KEEP)).image
    again = PLUGIN.read(Source(written(PLUGIN, stored, tmp_path / "a.nii"), options=KEEP))
    assert again.rescale == PLUGIN.read(Source(path)).rescale
    np.testing.assert_array_equal(pixels(again.image), pixels(stored))
    real = PLUGIN.read(Source(path)).image
    again = PLUGIN.read(Source(written(PLUGIN, real, tmp_path / "b.nii")))
    assert again.rescale is None
    np.testing.assert_array_equal(pixels(again.image), pixels(real))
    cast = replace(stored, pixels=ArraySource(pixels(stored).astype("int32")))
    assert PLUGIN.read(Source(written(PLUGIN, cast, tmp_path / "c.nii"))).rescale is None


@pytest.mark.parametrize("kind", ["nifti1", "nifti2"])
def test_whole_slopes_give_integers(kind, tmp_path):
    made = {"nifti1": nib.Nifti1Image, "nifti2": nib.Nifti2Image}[kind](
        np.arange(24, dtype="int16").reshape(2, 3, 4), np.eye(4)
    )
    nib.save(made, tmp_path / "a.nii")
    data = bytearray((tmp_path / "a.nii").read_bytes())
    at, form = (112, "<f4") if kind == "nifti1" else (176, "<f8")
    data[at : at + 2 * int(form[2])] = np.array([2.0, -1024.0], form).tobytes()
    (tmp_path / "a.nii").write_bytes(data)
    opened = PLUGIN.read(Source(tmp_path / "a.nii"))
    assert opened.rescale == Rescale(2.0, -1024.0)
    assert opened.image.dtype == np.int32
    np.testing.assert_array_equal(pixels(opened.image), nib.load(tmp_path / "a.nii").get_fdata().T)


def test_labels_are_noted_and_their_intent_is_kept(tmp_path):
    made = nib.Nifti1Image(np.ones((2, 3, 4), "u1"), np.eye(4))
    made.header.set_intent("label", name="atlas")
    made.header["descrip"] = b"by hand"
    made.header.set_dim_info(1, 0, 2)
    nib.save(made, tmp_path / "a.nii")
    opened = PLUGIN.read(Source(tmp_path / "a.nii"))
    assert [f.code for f in opened.findings] == ["label-image"]
    header = nib.load(written(PLUGIN, opened.image, tmp_path / "b.nii")).header
    assert header.get_intent()[0] == "label"
    assert header["intent_name"] == b"atlas"
    assert header["descrip"] == b"by hand"
    assert header.get_dim_info() == (1, 0, 2)


def with_extensions(path, *extensions):
    made = nib.Nifti1Image(np.ones((2, 3, 4), "u1"), np.eye(4))
    for code, content in extensions:
        made.header.extensions.append(nib.nifti1.Nifti1Extension(code, content))
    made.header["db_name"] = b"Doe^Jane"
    nib.save(made, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_extensions_that_may_name_a_patient_are_left_out_by_default(name, tmp_path):
    path = with_extensions(tmp_path / name, (4, b"<AFNI/>"), (6, b"said"), (44, b"{}"))
    opened = PLUGIN.read(Source(path))
    assert [f.code for f in opened.findings] == ["metadata-left-out"]
    assert "AFNI, MRS" in opened.findings[0].message
    assert "Doe" not in json.dumps(opened.image.extra)
    copy = nib.load(written(PLUGIN, opened.image, tmp_path / "b.nii"))
    assert [e.get_content() for e in copy.header.extensions] == [b"said"]
    whole = PLUGIN.read(Source(path, options=ReadOptions(metadata="all")))
    assert not whole.findings
    copy = nib.load(written(PLUGIN, whole.image, tmp_path / "c.nii"))
    assert [e.get_code() for e in copy.header.extensions] == [4, 6, 44]
    assert copy.header["db_name"] == b"Doe^Jane"
    none = PLUGIN.read(Source(path, options=ReadOptions(metadata="none"))).image
    assert none.extra == {}


def test_analyze_is_read_without_orientation(tmp_path):
    array = np.arange(24, dtype="int16").reshape(2, 3, 4)
    made = nib.AnalyzeImage(array.T, np.diag([-2.0, 3.0, 4.0, 1.0]))
    made.header.set_zooms((2.0, 3.0, 4.0))
    nib.save(made, tmp_path / "a.hdr")
    opened = PLUGIN.read(Source(tmp_path / "a.hdr"))
    image = opened.image
    assert image.extra["nifti"]["version"] == "analyze"
    assert image.geometry == Geometry((0.0,) * 3, (2.0, 3.0, 4.0), Geometry.identity(3).direction)
    assert [f.code for f in opened.findings] == ["orientation-unknown"]
    np.testing.assert_array_equal(pixels(image), array)
    path = written(PLUGIN, image, tmp_path / "b.hdr", "analyze")
    assert isinstance(nib.load(path), nib.AnalyzeImage)
    np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj).T, array)
    again = PLUGIN.read(Source(path)).image
    assert (again.geometry, again.axes) == (image.geometry, image.axes)
    pair = PLUGIN.read(Source(written(PLUGIN, image, tmp_path / "c.hdr"))).image
    assert pair.extra["nifti"]["version"] == "nifti1"
    assert pair.geometry == image.geometry


def test_analyze_refuses_what_it_cannot_hold(tmp_path):
    bare = Geometry.identity(3)
    for image, what in (
        (make_image(), "patient space"),
        (replace(make_image(dtype="uint16"), geometry=bare), "uint16"),
        (replace(make_image("czyx"), geometry=bare), "czyx"),
    ):
        with pytest.raises(Unsupported, match=what):
            written(PLUGIN, image, tmp_path / "a.hdr", "analyze")


# -- cost ----------------------------------------------------------------------------------------

COST = """
import resource, sys
from pathlib import Path
from spconvert.formats.nifti import PLUGIN
from spconvert.formats.plugin import Source, Target, WriteOptions
from spconvert.model.region import Region
def read_so_far():
    return int(Path("/proc/self/io").read_text().split()[1])
path = Path(sys.argv[1])
PLUGIN.read(Source(path))  # imports
before = read_so_far()
image = PLUGIN.read(Source(path)).image
image.pixels.read(Region((10, 20, 30), (14, 28, 46)))
print(read_so_far() - before)
options = WriteOptions(budget=24 << 20)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(PLUGIN.write(image, Target(path.with_name("z.nii.gz"), path.parent), options))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
image = PLUGIN.read(Source(path.with_name("z.nii.gz"))).image
list(PLUGIN.write(image, Target(path.with_name("y.nii.gz"), path.parent), options))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)
print(sorted({"nibabel", "SimpleITK", "zarr"} & set(sys.modules)))
"""


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts bytes by /proc/self/io")
def test_region_costs_its_bytes_and_writing_a_bounded_memory(tmp_path):
    path = tmp_path / "large.nii"
    header = nib.Nifti1Header()
    header.set_data_dtype("int16")
    header.set_data_shape((512, 512, 256))
    header["vox_offset"], header["sform_code"] = 352, 1
    header["srow_x"][0] = header["srow_y"][1] = header["srow_z"][2] = 1
    header["scl_slope"], header["scl_inter"] = 0.5, 1.0
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        file.truncate(352 + (128 << 20))
    done = subprocess.run(
        [sys.executable, "-c", COST, str(path)], capture_output=True, check=True, text=True
    )
    counted, raw, packed, imported = done.stdout.split("\n")[:4]
    assert int(counted) < 4 * 8 * 16 * 2 + 4096 + 300  # voxels, the header's page, /proc/self/io
    assert int(raw) < 60  # MiB
    assert int(packed) < 80
    assert imported == "[]"


def test_gzip_is_read_exactly_once(tmp_path, monkeypatch):
    """One pass for the voxels, and the first page once more for the header."""
    from spconvert.pixels import inflated

    array = np.random.default_rng(3).integers(0, 9999, (40, 64, 64)).astype("int16")
    image = SpatialImage(ArraySource(array), axes_named("zyx"), OBLIQUE)
    path = written(PLUGIN, image, tmp_path / "a.nii.gz")
    opened = []
    original = inflated.open_input
    monkeypatch.setattr(inflated, "open_input", lambda p: opened.append(p) or original(p))
    found = PLUGIN.read(Source(path)).image
    assert opened == []
    np.testing.assert_array_equal(pixels(found), array)
    assert opened == [path]
    assert gzip.decompress(path.read_bytes())[-array.nbytes :] == array.tobytes()
