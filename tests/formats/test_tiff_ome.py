"""OME-XML of other programs: planes, files, units, positions, channels; and broken ones."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tifffile

from formats.contract import pixels
from spconvert.errors import ChoiceNeeded, FormatError, SourceError
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.formats.tiff import PLUGIN
from spconvert.model.axes import ChannelInfo

HEAD = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{}" UUID="urn:uuid:1">'
SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ramp(shape, dtype="uint16"):
    return (np.arange(np.prod(shape)).reshape(shape) % 251).astype(dtype)


def ome(body, schema=SCHEMA):
    return f"{HEAD.format(schema)}{body}</OME>".encode()


def image_xml(attributes="", inside="<TiffData/>", order="XYZCT", number=0, **sizes):
    extents = {"X": 7, "Y": 5, "Z": 1, "C": 1, "T": 1, **sizes}
    said = " ".join(f'Size{k}="{v}"' for k, v in extents.items())
    return (
        f'<Image ID="Image:{number}" Name="n{number}"><Pixels ID="Pixels:{number}" '
        f'DimensionOrder="{order}" Type="uint16" {said} {attributes}>{inside}</Pixels></Image>'
    )


def store(path, planes, xml, **options):
    with tifffile.TiffWriter(path) as file:
        file.write(planes, photometric="minisblack", metadata=None, description=xml, **options)
    return path


def read(path, select=None, **options):
    return PLUGIN.read(Source(path, select, options=ReadOptions(**options)))


def codes(opened):
    return [finding.code for finding in opened.findings]


# -- planes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["XYZCT", "XYZTC", "XYCTZ", "XYCZT", "XYTCZ", "XYTZC"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_dimension_order_is_unravelled(order, compression, tmp_path):
    sizes = {"Z": 2, "C": 3, "T": 4}
    outer = [sizes[name] for name in reversed(order[2:])]
    array = ramp((*outer, 5, 7))
    xml = ome(image_xml(order=order, **sizes))
    path = store(tmp_path / "a.ome.tif", array.reshape(24, 5, 7), xml, compression=compression)
    image = read(path).image
    letters = order[:1:-1].lower() + "yx"
    expected = array.transpose([letters.index(name) for name in "tczyx"])
    assert image.axis_names == "tczyx"
    np.testing.assert_array_equal(pixels(image), expected)
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), array)


def test_tiff_data_says_where_each_plane_is(tmp_path):
    array = ramp((5, 5, 7))
    runs = (
        '<TiffData IFD="3" FirstZ="0" PlaneCount="2"/><TiffData IFD="1" FirstZ="2"/>'
        '<TiffData IFD="0" FirstZ="3"/>'
    )
    path = store(tmp_path / "a.ome.tif", array, ome(image_xml(inside=runs, Z=4)))
    np.testing.assert_array_equal(pixels(read(path).image), array[[3, 4, 1, 0]])


def test_several_images_need_a_choice(tmp_path):
    array = ramp((5, 5, 7))
    xml = ome(
        image_xml(inside='<TiffData IFD="0" PlaneCount="3"/>', Z=3)
        + image_xml(inside='<TiffData IFD="3" PlaneCount="2"/>', number=1, T=2)
    )
    path = store(tmp_path / "a.ome.tif", array, xml)
    with pytest.raises(ChoiceNeeded, match=r"0 \(n0\), 1 \(n1\)"):
        read(path)
    assert [entry.select for entry in PLUGIN.images(path)] == ["0", "1"]
    np.testing.assert_array_equal(pixels(read(path, "0").image), array[:3])
    second = read(path, "n1").image
    assert second.axis_names == "tyx"
    np.testing.assert_array_equal(pixels(second), array[3:])


def test_samples_and_channels_make_one_axis(tmp_path):
    array = np.ascontiguousarray(ramp((2, 5, 7, 3), "uint8"))
    inside = '<Channel ID="a" SamplesPerPixel="3"/><Channel ID="b" SamplesPerPixel="3"/><TiffData/>'
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path,
        array,
        photometric="rgb",
        metadata=None,
        description=ome(image_xml(inside=inside, C=6)),
    )
    image = read(path).image
    assert image.axis_names == "cyx"
    np.testing.assert_array_equal(pixels(image), array.transpose(0, 3, 1, 2).reshape(6, 5, 7))


def test_files_of_tifffile_with_levels_read_the_same(tmp_path):
    path = tmp_path / "a.ome.tif"
    levels = [ramp((3, 2, 64 >> n, 48 >> n)) for n in range(3)]
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 0.25,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 2,
        "PhysicalSizeZUnit": "µm",
        "Channel": {"Name": ["a", "b", "c"]},
    }
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(
            levels[0],
            subifds=2,
            metadata=metadata,
            tile=(16, 16),
            compression="zlib",
            photometric="minisblack",
        )
        for level in levels[1:]:
            file.write(level, subfiletype=1, tile=(16, 16), photometric="minisblack")
    for number, level in enumerate(levels):
        opened = PLUGIN.read(Source(path, level=number))
        image = opened.image
        np.testing.assert_array_equal(pixels(image), level)
        factor = 2**number
        assert image.geometry.spacing == (0.25 * factor, 0.5 * factor, 2.0)
        shift = (factor - 1) / 2
        assert image.geometry.origin == (0.25 * shift, 0.5 * shift, 0.0)
        assert image.unit == "micrometer"
        assert [c.label for c in image.channels] == ["a", "b", "c"]
        assert [found.shape[-1] for found in opened.levels] == [48, 24, 12]


# -- spacing, time, positions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "spacing", "units"),
    [
        ('PhysicalSizeX="0.5" PhysicalSizeY="0.25"', (0.5, 0.25, 1.0), "micrometer"),
        ('PhysicalSizeX="2" PhysicalSizeXUnit="nm"', (2.0, 1.0, 1.0), "nanometer"),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="mm" PhysicalSizeZ="5"', (1, 1, 0.005), "millimeter"),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="pixel"', (0.5, 1.0, 1.0), None),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="\u03bcm"', (0.5, 1.0, 1.0), "micrometer"),
        ('PhysicalSizeX="0.5" PhysicalSizeXUnit="Å"', (0.5, 1.0, 1.0), "angstrom"),
        ("", (1.0, 1.0, 1.0), None),
    ],
)
def test_physical_sizes_have_the_unit_of_the_schema(attributes, spacing, units, tmp_path):
    xml = ome(image_xml(attributes, Z=2))
    image = read(store(tmp_path / "a.ome.tif", ramp((2, 5, 7)), xml)).image
    assert image.geometry.spacing == spacing
    assert image.unit == units


@pytest.mark.parametrize("bad", ["0", "-1", "nan", "inf", "wide", ""])
def test_physical_size_that_is_none_is_reported(bad, tmp_path):
    xml = ome(image_xml(f'PhysicalSizeX="{bad}" PhysicalSizeY="2"'))
    opened = read(store(tmp_path / "a.ome.tif", ramp((1, 5, 7)), xml))
    assert "ome-value" in codes(opened)
    assert opened.image.geometry.spacing == (1.0, 2.0)


def test_time_increment_and_start_are_read(tmp_path):
    inside = '<TiffData/><Plane TheZ="0" TheC="0" TheT="0" DeltaT="3"/>'
    xml = ome(image_xml('TimeIncrement="250" TimeIncrementUnit="ms"', inside, T=2))
    time = read(store(tmp_path / "a.ome.tif", ramp((2, 5, 7)), xml)).image.time
    assert (time.step, time.start, time.unit) == (250.0, 3000.0, "millisecond")


def planes_xml(positions):
    names = ("PositionX", "PositionY", "PositionZ")
    return "<TiffData/>" + "".join(
        f'<Plane TheZ="{z}" TheC="0" TheT="0" '
        + " ".join(
            f'{name}="{value}" {name}Unit="µm"' for name, value in zip(names, place, strict=True)
        )
        + "/>"
        for z, place in enumerate(positions)
    )


def test_positions_are_the_origin_where_they_agree(tmp_path):
    attributes = 'PhysicalSizeX="500" PhysicalSizeXUnit="nm" PhysicalSizeY="500"'
    attributes += ' PhysicalSizeYUnit="nm" PhysicalSizeZ="2000" PhysicalSizeZUnit="nm"'
    even = [(10.5, -4, 100 + 2 * z) for z in range(3)]
    cases = {
        "even": (even, (10500.0, -4000.0, 100000.0)),
        "stage moved": ([(10.5 + z, -4, 100 + 2 * z) for z in range(3)], (0, -4000.0, 100000.0)),
        "uneven": ([(10.5, -4, 100 + z * z) for z in range(3)], (10500.0, -4000.0, 0)),
    }
    for name, (positions, origin) in cases.items():
        xml = ome(image_xml(attributes, planes_xml(positions), Z=3))
        opened = read(store(tmp_path / "a.ome.tif", ramp((3, 5, 7)), xml))
        assert opened.image.geometry.origin == pytest.approx(origin), name
        assert ("plane-positions" in codes(opened)) == (name != "even")
        assert "origin-from-positions" in codes(opened)


def test_colours_are_red_green_blue_alpha(tmp_path):
    inside = '<Channel Name="a" Color="-16776961"/><Channel/><TiffData/>'
    image = read(store(tmp_path / "a.ome.tif", ramp((2, 5, 7)), ome(image_xml("", inside, C=2))))
    assert image.image.channels == (ChannelInfo("a", "FF0000"), ChannelInfo())


# -- sets of files ---------------------------------------------------------------------------------


def set_of(names):
    runs = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{z + 1}'
        "</UUID></TiffData>"
        for z, name in enumerate(names)
    )
    return ome(image_xml(inside=runs, Z=len(names)))


def test_missing_file_of_a_set_is_named(tmp_path):
    path = store(tmp_path / "a.ome.tif", ramp((1, 5, 7)), set_of(["a.ome.tif", "b.tif"]))
    with pytest.raises(SourceError, match=r"'b\.tif', which is not there"):
        read(path)
    store(tmp_path / "b.tif", ramp((1, 5, 7)) + 9, b"")
    image = read(path).image
    np.testing.assert_array_equal(pixels(image)[1], ramp((5, 7)) + 9)


@pytest.mark.parametrize("name", ["../b.tif", "/etc/hostname", "..\\b.tif", "http://x/b.tif", "l"])
def test_files_outside_the_folder_are_never_opened(name, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    store(tmp_path / "b.tif", ramp((1, 5, 7)), b"")
    (folder / "l").symlink_to(tmp_path / "b.tif")
    path = store(folder / "a.ome.tif", ramp((1, 5, 7)), set_of(["a.ome.tif", name]))
    with pytest.raises(SourceError, match=r"outside its folder|local file"):
        read(path)
    if name == "../b.tif":
        assert read(path, allow_external_data=True).image.shape == (2, 5, 7)
    body = f'<BinaryOnly MetadataFile="{name}" UUID="urn:uuid:9"/>'
    path = store(folder / "part.ome.tif", ramp((1, 5, 7)), ome(body))
    with pytest.raises(SourceError, match=r"outside its folder|local file"):
        read(path)


def test_renamed_file_is_still_itself(tmp_path):
    path = store(tmp_path / "a.ome.tif", ramp((1, 5, 7)), set_of(["old.ome.tif"]))
    np.testing.assert_array_equal(pixels(read(path).image), ramp((5, 7)))
    other = shutil.copy(path, tmp_path / "b.ome.tif")
    np.testing.assert_array_equal(pixels(read(other).image), ramp((5, 7)))


# -- what is wrong ---------------------------------------------------------------------------------


def test_promised_planes_that_are_not_there_are_refused(tmp_path):
    for sizes in ({"Z": 3}, {"Z": 3_000_000}, {"T": 2, "C": 2}):
        path = store(tmp_path / "a.ome.tif", ramp((2, 5, 7)), ome(image_xml(**sizes)))
        with pytest.raises(FormatError, match=r"promises .* planes"):
            read(path)
    for inside in ('<TiffData IFD="7"/>', '<TiffData IFD="1" PlaneCount="2"/>'):
        path = store(tmp_path / "a.ome.tif", ramp((2, 5, 7)), ome(image_xml(inside=inside, Z=2)))
        with pytest.raises(FormatError, match=r"promises|names page"):
            read(path)


def test_sizes_that_disagree_with_the_pages_are_reported(tmp_path):
    xml = ome(image_xml(Z=2, X=8, Y=50))
    opened = read(store(tmp_path / "a.ome.tif", ramp((2, 5, 7)), xml))
    assert "ome-disagrees" in codes(opened)
    np.testing.assert_array_equal(pixels(opened.image), ramp((2, 5, 7)))


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><OME>&j;</OME>"
).encode()

BROKEN = {
    "billion laughs": LAUGHS,
    "external entity": b'<!DOCTYPE OME [<!ENTITY x SYSTEM "file:///etc/hostname">]><OME>&x;</OME>',
    "cut off": ome(image_xml(Z=2))[:-20],
    "deep": b"<OME>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</OME>",
    "no number": ome(image_xml(Z="many")),
    "negative": ome(image_xml(Z="-2")),
    "zero": ome(image_xml(Z=0)),
    "huge": ome(image_xml(Z=3_000_000_000)),
    "huger": ome(image_xml(Z="9" * 40)),
    "order": ome(image_xml(order="XYZ")),
    "bytes": ome(image_xml(Z=2)).replace(b"n0", b"\xff\xfe"),
    "no sizes": ome("<Image><Pixels/></Image>"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_unusable_xml_leaves_the_pages(name, tmp_path):
    opened = read(store(tmp_path / "a.ome.tif", ramp((2, 5, 7)), BROKEN[name]))
    assert "ome-unreadable" in codes(opened)
    np.testing.assert_array_equal(pixels(opened.image), ramp((2, 5, 7)))


@pytest.mark.parametrize("text", [b"<OME/>", b"<html><OME></OME></html>", b"<x OME", b"OME>"])
def test_other_descriptions_are_no_ome(text, tmp_path):
    opened = read(store(tmp_path / "a.tif", ramp((2, 5, 7)), text))
    np.testing.assert_array_equal(pixels(opened.image), ramp((2, 5, 7)))
