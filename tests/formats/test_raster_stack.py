"""Numbered pictures as volumes: which files, in which order, with which place; and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import SimpleITK as sitk

from formats.contract import OBLIQUE, ArraySource, make_image, pixels
from spconvert.errors import FormatError, GeometryError, SourceError, UsageError
from spconvert.formats.plugin import ReadOptions, Source, Target, WriteOptions
from spconvert.formats.raster.bmp import PLUGIN as BMP
from spconvert.formats.raster.png import PLUGIN
from spconvert.formats.stack import natural_key, numbering_findings, stack, stack_paths
from spconvert.model.axes import axes_named
from spconvert.model.geometry import Geometry
from spconvert.model.image import SpatialImage
from spconvert.model.region import Region


def save(folder, name, value, shape=(4, 6), dtype="uint8"):
    array = np.full(shape, value, dtype)
    (folder / name).write_bytes(imagecodecs.png_encode(array))


@pytest.fixture
def series(tmp_path):
    """Ten slices, each filled with its number; names without leading zeros."""
    for number in range(1, 11):
        save(tmp_path, f"slice_{number}.png", number)
    save(tmp_path, "other_3.png", 99)
    (tmp_path / "slice_x.png").mkdir()
    return tmp_path


def codes(opened):
    return [finding.code for finding in opened.findings]


@pytest.mark.parametrize("pattern", ["slice_%d.png", "slice_*.png", "slice_?*.png", "[s]lice_*"])
def test_pattern_reads_a_volume_in_natural_order(series, pattern):
    opened = PLUGIN.read(Source(series / pattern))
    image = opened.image
    assert (image.axis_names, image.shape, image.name) == ("zyx", (10, 4, 6), "slice")
    assert pixels(image)[:, 0, 0].tolist() == list(range(1, 11))
    assert codes(opened) == ["z-spacing-unknown"]
    assert image.geometry == Geometry.identity(3)
    assert image.pixels.chunks == (1, 4, 6)
    part = image.pixels.read(Region((8, 1, 2), (10, 3, 4)))
    np.testing.assert_array_equal(part[:, 0, 0], [9, 10])


def test_list_of_files_in_any_order_is_the_same_volume(series):
    paths = [series / f"slice_{n}.png" for n in (10, 2, 7, 1)]
    image = PLUGIN.read(Source(paths[0], more_paths=tuple(paths[1:]))).image
    assert pixels(image)[:, 0, 0].tolist() == [1, 2, 7, 10]


def test_printf_width_means_at_least_that_many_digits(tmp_path):
    for name in ("a_0001.png", "a_0002.png", "a_12345.png", "a_3.png", "a_00004.png"):
        save(tmp_path, name, 1)
    found = stack_paths(Source(tmp_path / "a_%04d.png"))
    assert [path.name for path in found] == ["a_0001.png", "a_0002.png", "a_12345.png"]


def test_name_of_a_file_is_no_pattern(tmp_path):
    save(tmp_path, "100%d [a]*.png", 5)
    save(tmp_path, "1004 a.png", 6)
    assert PLUGIN.read(Source(tmp_path / "100%d [a]*.png")).image.shape == (4, 6)


def test_pattern_is_looked_up_in_its_own_folder_only(tmp_path):
    (tmp_path / "a1").mkdir()
    save(tmp_path / "a1", "b1.png", 1)
    with pytest.raises(SourceError, match="No such file"):
        PLUGIN.read(Source(tmp_path / "a*" / "b*.png"))
    with pytest.raises(SourceError, match="no file"):
        PLUGIN.read(Source(tmp_path / "a1" / "c%d.png"))
    with pytest.raises(UsageError, match="no pattern"):
        PLUGIN.read(Source(tmp_path / "a1" / "c%d_%d.png"))


def test_gaps_in_the_numbering_are_named(series):
    for number in (3, 6, 7):
        (series / f"slice_{number}.png").unlink()
    opened = PLUGIN.read(Source(series / "slice_%d.png"))
    assert codes(opened) == ["z-spacing-unknown", "slices-missing"]
    assert "3 of 10 slices are missing: number 3, 6, 7;" in opened.findings[1].message
    assert opened.image.shape == (7, 4, 6)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a10.png", "a20.png", "a40.png"], "1 of 4 slices are missing: number 30;"),
        (["a1.png", "a3.png", "a5.png"], None),
        (["a1.png", "a999999999999.png"], None),
        (["a1.png", "a2.png", "a999999999999.png"], "number 3, 4, 5, 6, 7, 8, 9, 10, ...;"),
        (["a1.png"], None),
        (["a_t1_z1.png", "a_t1_z2.png"], None),
        (["a_t1_z1.png", "a_t2_z2.png"], "2 numbers vary"),
        (["a1.png", "b2.png"], "more than a number"),
    ],
)
def test_numbering_is_judged_by_its_own_step(names, expected):
    found = numbering_findings(names)
    if expected is None:
        assert found == ()
    else:
        assert expected in found[0].message


def test_natural_order_compares_numbers_as_numbers():
    names = ["a10", "a9b2", "a9b10", "a9", "a010", "b", "A1"]
    paths = sorted((Path(n) for n in names), key=natural_key)
    assert [p.name for p in paths] == ["A1", "a9", "a9b2", "a9b10", "a010", "a10", "b"]


def test_file_of_another_size_or_type_is_named(series):
    save(series, "slice_4.png", 0, (4, 7))
    with pytest.raises(GeometryError, match=r"slice_4\.png .*shape \(4, 7\), and \(4, 6\)"):
        PLUGIN.read(Source(series / "slice_%d.png"))
    save(series, "slice_4.png", 0, dtype="uint16")
    with pytest.raises(GeometryError, match=r"slice_4\.png .*type uint16, and uint8"):
        PLUGIN.read(Source(series / "slice_%d.png"))
    save(series, "slice_4.png", 0, (4, 6, 3))
    with pytest.raises(GeometryError, match=r"slice_4\.png .*axes cyx, and yx"):
        PLUGIN.read(Source(series / "slice_%d.png"))
    (series / "slice_4.png").write_text("no picture")
    with pytest.raises(FormatError, match=r"slice_4\.png is not a PNG"):
        PLUGIN.read(Source(series / "slice_%d.png"))


def test_a_file_given_twice_is_refused(series):
    path = series / "slice_1.png"
    with pytest.raises(UsageError, match="twice"):
        PLUGIN.read(Source(path, more_paths=(path,)))


def test_findings_of_many_files_are_told_once(tmp_path, testdata):
    data = (testdata / "png" / "2th_cthead1.png").read_bytes()
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(data)
    opened = PLUGIN.read(Source(tmp_path / "%d.png"))
    assert codes(opened) == ["screen-resolution", "z-spacing-unknown"]
    assert opened.findings[0].message.endswith("(and 3 more files)")
    assert opened.image.geometry.spacing == (1000 / 2835, 1000 / 2835, 1.0)
    assert [axis.unit for axis in opened.image.axes] == [None, "millimeter", "millimeter"]


def write(image, path, plugin=PLUGIN, **options):
    return list(plugin.write(image, Target(path, path.parent), WriteOptions(**options)))


@pytest.mark.parametrize("names", ["zyx", "czyx"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_volume_becomes_slices_and_comes_back_exactly(names, dtype, tmp_path):
    image = make_image(names, dtype)
    files = write(image, tmp_path / "vol_%03d.png")
    assert [f.name for f in files] == [f"vol_{n:03d}.png" for n in range(5)]
    opened = PLUGIN.read(Source(tmp_path / "vol_%03d.png"))
    assert codes(opened) == []
    assert opened.image.axes == image.axes
    assert opened.image.geometry.deviation_from(OBLIQUE) < 1e-12
    assert opened.image.geometry.spacing == OBLIQUE.spacing
    np.testing.assert_array_equal(pixels(opened.image), pixels(image))
    for number, file in enumerate(files):
        itk = sitk.ReadImage(str(file))
        found = sitk.GetArrayFromImage(itk)
        found = np.moveaxis(found, -1, 0) if names == "czyx" else found
        np.testing.assert_array_equal(found, pixels(image)[..., number, :, :])
        assert itk.GetSpacing() == OBLIQUE.spacing[:2]


def test_one_slice_of_a_volume_keeps_its_place(tmp_path):
    write(make_image("zyx", "uint8"), tmp_path / "vol_%d.png")
    image = PLUGIN.read(Source(tmp_path / "vol_3.png")).image
    assert (image.axis_names, image.shape) == ("zyx", (1, 7, 6))
    np.testing.assert_allclose(image.geometry.origin, OBLIQUE.physical((0, 0, 3)))
    assert image.geometry.space == "LPS"
    again = write(image, tmp_path / "one.png")
    assert PLUGIN.read(Source(again[0])).image.geometry == image.geometry


def test_missing_slice_of_a_placed_series_is_an_error(tmp_path):
    write(make_image("zyx", "uint8"), tmp_path / "vol_%d.png")
    (tmp_path / "vol_2.png").unlink()
    with pytest.raises(GeometryError, match=r"vol_3\.png lies at"):
        PLUGIN.read(Source(tmp_path / "vol_%d.png"))


def test_placed_stack_keeps_one_decoded_plane_in_all(tmp_path):
    write(make_image("zyx", "uint8"), tmp_path / "vol_%d.png")
    source = PLUGIN.read(Source(tmp_path / "vol_%d.png")).image.pixels
    assert {plane.access for plane in source.planes} == {"whole"}


def test_other_formats_give_numbered_slices_too(tmp_path):
    image = make_image("zyx", "uint8")
    write(image, tmp_path / "vol_%d.bmp", BMP)
    opened = BMP.read(Source(tmp_path / "vol_*.bmp"))
    np.testing.assert_array_equal(pixels(opened.image), pixels(image))
    assert codes(opened) == ["z-spacing-unknown"]


def test_slices_with_a_place_of_any_format_become_a_volume():
    def slice_at(origin, direction=OBLIQUE.direction):
        array = np.zeros((1, 3, 4), "int16")
        place = Geometry(tuple(origin), OBLIQUE.spacing, direction, "LPS")
        return SpatialImage(ArraySource(array), axes_named("zyx", "millimeter"), place)

    origins = [OBLIQUE.physical((0, 0, n)).tolist() for n in range(3)]
    volume, findings = stack([slice_at(o) for o in origins], ["a", "b", "c"])
    assert volume.geometry.deviation_from(OBLIQUE) < 1e-12
    assert volume.shape == (3, 3, 4)
    assert [f.code for f in findings] == ["stack-names"]
    with pytest.raises(GeometryError, match="c lies at"):
        stack([slice_at(o) for o in (origins[0], origins[1], origins[1])], ["a", "b", "c"])
    volume = replace(slice_at(origins[0]), pixels=ArraySource(np.zeros((2, 3, 4), "int16")))
    with pytest.raises(FormatError, match="a holds a volume"):
        stack([volume], ["a"])


@pytest.mark.parametrize(("assigned", "severity"), [(False, "warning"), (True, "note")])
def test_unknown_distance_is_no_warning_where_the_caller_assigns_one(assigned, severity, series):
    options = ReadOptions(spacing_assigned=assigned)
    opened = PLUGIN.read(Source(series / "slice_%d.png", options=options))
    assert [f.severity for f in opened.findings] == [severity]
