"""NRRD headers: spaces, kinds, skips, data files, units, times; and the faults of the catalogue."""

from __future__ import annotations

import bz2
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.contract import pixels
from spconvert.errors import FormatError, GeometryError, SourceError, SpconvertError, Unsupported
from spconvert.formats.nrrd import PLUGIN
from spconvert.formats.nrrd.kinds import COMPONENT_KINDS
from spconvert.formats.plugin import ReadOptions, Source
from spconvert.model.region import Region

ARRAY = np.random.default_rng(2).integers(-500, 500, (4, 3, 2)).astype("<i2")
BASIC = {"type": "short", "dimension": 3, "sizes": "2 3 4", "endian": "little", "encoding": "raw"}
SPACED = {
    **BASIC,
    "space": "left-posterior-superior",
    "space directions": "(0.5,0,0) (0,0.75,0) (0,0,-2)",
    "space origin": "(1.5,2.5,3.5)",
}
DATA = ARRAY.tobytes()


def header_of(fields, lines=()):
    named = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return ("\n".join(["NRRD0004", *named, *lines]) + "\n").encode()


@pytest.fixture
def read(tmp_path):
    """Write a header with these fields and the data, and read the file."""

    def make(fields, data=DATA, lines=(), name="a.nrrd", **source):
        (tmp_path / name).write_bytes(header_of(fields, lines) + b"\n" + data)
        return PLUGIN.read(Source(tmp_path / name, options=ReadOptions(**source)))

    return make


def codes(opened):
    return [finding.code for finding in opened.findings]


# -- space and orientation -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "signs", "anatomical"),
    [
        ("right-anterior-superior", (-1, -1, 1), True),
        ("RAS", (-1, -1, 1), True),
        ("left-anterior-superior", (1, -1, 1), True),
        ("LAS", (1, -1, 1), True),
        ("left-posterior-superior", (1, 1, 1), True),
        ("LPS", (1, 1, 1), True),
        ("scanner-xyz", (1, 1, 1), False),
        ("3D-right-handed", (1, 1, 1), False),
        ("3D-left-handed", (1, 1, 1), False),
    ],
)
@pytest.mark.parametrize("timed", [False, True])
def test_every_space_is_read(space, signs, anatomical, timed, read):
    fields = {**SPACED, "space": space, "space directions": "(0,0.5,0.1) (1,0,0) (0,-0.1,2)"}
    data = DATA
    if timed:
        fields |= {
            "space": space + ("T" if len(space) == 3 else "-time"),
            "dimension": 4,
            "sizes": "2 3 4 2",
            "space directions": "(0,0.5,0.1,0) (1,0,0,0) (0,-0.1,2,0) (0,0,0,2.5)",
            "space origin": "(1.5,2.5,3.5,10)",
            "space units": '"mm" "mm" "mm" "ms"',
        }
        data = DATA * 2
    opened = read(fields, data)
    geometry = opened.image.geometry
    assert geometry.space == ("LPS" if anatomical else "unknown")
    assert geometry.origin == tuple(s * o for s, o in zip(signs, (1.5, 2.5, 3.5), strict=True))
    np.testing.assert_allclose(
        geometry.linear, np.array([[0, 1, 0], [0.5, 0, -0.1], [0.1, 0, 2]]) * np.c_[[*signs]]
    )
    unit = "millimeter" if anatomical or timed else None
    assert opened.image.unit == unit
    assert opened.image.axis_names == ("tzyx" if timed else "zyx")
    if timed:
        time = opened.image.time
        assert (time.start, time.step, time.unit) == (10.0, 2.5, "millisecond")
    assert codes(opened) == []


def test_domain_axes_of_a_four_dimensional_space_are_space_and_time(read):
    fields = {
        **BASIC,
        "dimension": 4,
        "sizes": "2 3 4 2",
        "space dimension": 4,
        "kinds": "domain domain domain domain",
        "space directions": "(1,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,0,3)",
        "space origin": "(1,2,3,4)",
    }
    opened = read(fields, DATA * 2)
    assert (opened.image.axis_names, opened.image.time.step) == ("tzyx", 3.0)
    assert opened.image.geometry.origin == (1.0, 2.0, 3.0)
    assert codes(opened) == ["axis-kind-assumed"]


def test_space_mixed_with_time_is_refused(read):
    fields = {
        **SPACED,
        "space": "LPST",
        "dimension": 4,
        "sizes": "2 3 4 1",
        "space directions": "(1,0,0,0) (0,1,0,0) (0,0,1,0.5) (0,0,0,3)",
        "space origin": "(1,2,3,4)",
    }
    with pytest.raises(Unsupported, match="mixes space and time"):
        read(fields)


def test_slice_in_a_volume_has_depth_one(read):
    fields = {**SPACED, "dimension": 2, "sizes": "6 4", "space directions": "(0,2,0) (0,0,-3)"}
    image = read(fields).image
    assert image.shape == (1, 4, 6)
    assert image.geometry.spacing == (2.0, 3.0, 1.0)
    assert image.geometry.direction == ((0, 0, -1), (1, 0, 0), (0, -1, 0))
    np.testing.assert_array_equal(pixels(image)[0], ARRAY.reshape(4, 6))


@pytest.mark.parametrize(
    ("fields", "origin", "spacing"),
    [
        ({"spacings": "0.5 0.75 2"}, (0, 0, 0), (0.5, 0.75, 2)),
        ({"spacings": "0.5 0.75 2", "axis mins": "1 2 3"}, (1.25, 2.375, 4), (0.5, 0.75, 2)),
        (
            {"spacings": "0.5 0.75 2", "axis mins": "1 2 3", "centers": "node cell node"},
            (1, 2.375, 3),
            (0.5, 0.75, 2),
        ),
        ({"axis mins": "1 2 3", "axis maxs": "3 8 7"}, (1.5, 3, 3.5), (1, 2, 1)),
        (
            {"axismins": "1 2 3", "axismaxs": "3 8 9", "centerings": "node node node"},
            (1, 2, 3),
            (2, 3, 2),
        ),
        ({"spacings": "1 1 1", "axis maxs": "2 3 4"}, (0.5, 0.5, 0.5), (1, 1, 1)),
        (
            {"spacings": "1 1 2", "space dimension": 3, "space origin": "(7,8,9)"},
            (7, 8, 9),
            (1, 1, 2),
        ),
    ],
)
def test_grids_without_space_directions(fields, origin, spacing, read):
    geometry = read({**BASIC, **fields}).image.geometry
    assert (geometry.origin, geometry.spacing, geometry.space) == (origin, spacing, "unknown")


def test_negative_spacing_goes_into_the_direction(read):
    opened = read({**BASIC, "spacings": "-0.5 1 2", "axis mins": "1 0 0"})
    assert opened.image.geometry.direction[0] == (-1.0, 0.0, 0.0)
    assert opened.image.geometry.origin == (0.75, 0.5, 1.0)
    assert codes(opened) == ["negative-spacing"]


def test_missing_spacing_is_one_and_said(read):
    assert codes(read(BASIC)) == ["spacing-unknown"] * 3


@pytest.mark.parametrize(
    ("units", "found", "said"),
    [
        ('"microns" "um" "µm"', "micrometer", []),
        ('"furlong" "mm" "mm"', None, ["unknown-unit", "mixed-units"]),
        ('"" "" ""', "millimeter", []),
    ],
)
def test_space_units(units, found, said, read):
    opened = read({**SPACED, "space units": units})
    assert (opened.image.unit, codes(opened)) == (found, said)


def test_white_space_in_vectors_and_crlf_are_tolerated(tmp_path):
    fields = {
        **SPACED,
        "space origin": "( 1.5 , 2.5,3.5 )",
        "space directions": "( 0.5, 0 ,0)  (0,0.75,0)\t(0,0,-2)",
    }
    path = tmp_path / "a.nrrd"
    path.write_bytes(header_of(fields).replace(b"\n", b"\r\n") + b"\r\n" + DATA)
    image = PLUGIN.read(Source(path)).image
    assert image.geometry.origin == (1.5, 2.5, 3.5)
    np.testing.assert_array_equal(pixels(image), ARRAY)


# -- kinds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", COMPONENT_KINDS)
def test_every_kind_of_components_is_the_channel_axis(kind, read):
    names = COMPONENT_KINDS[kind]
    size = len(names) or 3
    array = np.arange(size * 24, dtype="<i2")
    fields = {
        **SPACED,
        "dimension": 4,
        "sizes": f"{size} 2 3 4",
        "kinds": f"{kind} " + "domain " * 3,
        "space directions": "none " + SPACED["space directions"],
    }
    opened = read(fields, array.tobytes())
    image = opened.image
    np.testing.assert_array_equal(pixels(image), np.moveaxis(array.reshape(4, 3, 2, size), 3, 0))
    if any(names):
        assert tuple(channel.label for channel in image.channels) == names
    with pytest.raises(FormatError, match="expected" if names else "has 0 of"):
        read({**fields, "sizes": f"{size + 1} 2 3 4"}, b"")


def test_channels_may_lie_anywhere_among_the_axes(read):
    array = np.arange(48, dtype="<i2")
    fields = {
        **BASIC,
        "dimension": 4,
        "sizes": "2 3 2 4",
        "kinds": "domain domain list domain",
        "spacings": "1 2 nan 3",
    }
    image = read(fields, array.tobytes()).image
    assert image.geometry.spacing == (1.0, 2.0, 3.0)
    np.testing.assert_array_equal(pixels(image), array.reshape(4, 2, 3, 2).transpose(1, 0, 2, 3))


def test_neighbouring_component_axes_are_merged_and_distant_ones_refused(read):
    array = np.arange(144, dtype="<i2")
    fields = {
        **BASIC,
        "dimension": 5,
        "sizes": "3 2 2 3 4",
        "kinds": "vector list domain domain domain",
        "spacings": "nan nan 1 1 1",
    }
    image = read(fields, array.tobytes()).image
    np.testing.assert_array_equal(pixels(image), np.moveaxis(array.reshape(4, 3, 2, 6), 3, 0))
    with pytest.raises(Unsupported, match="apart"):
        read(
            {
                **fields,
                "kinds": "vector domain domain domain list",
                "sizes": "3 2 3 4 2",
                "spacings": "nan 1 1 1 nan",
            },
            array.tobytes(),
        )


def test_time_axis_keeps_start_step_and_unit(read):
    fields = {
        **BASIC,
        "dimension": 4,
        "sizes": "2 3 4 2",
        "kinds": "space space space time",
        "spacings": "1 1 1 0.5",
        "axis mins": "nan nan nan 3",
        "units": '"mm" "mm" "mm" "s"',
    }
    time = read(fields, DATA * 2).image.time
    assert (time.start, time.step, time.unit) == (3.0, 0.5, "second")


def test_unknown_kind_is_reported(read):
    assert codes(read({**BASIC, "kinds": "domain domain odd", "spacings": "1 1 1"})) == [
        "unknown-kind"
    ]


def test_one_and_four_space_axes_are_refused(read):
    with pytest.raises(Unsupported, match="1 space"):
        read({**BASIC, "dimension": 1, "sizes": "24"})
    with pytest.raises(Unsupported, match="2 time"):
        read({**BASIC, "dimension": 5, "sizes": "2 3 2 2 1"})


# -- data files ------------------------------------------------------------------------------------


PACK = {"raw": bytes, "gzip": gzip.compress, "bz2": bz2.compress}


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("detached", [False, True])
def test_line_skip_and_byte_skip(encoding, detached, read, tmp_path):
    lead, skipped = b"one\ntwo\n", b"skip!"
    packed = PACK[encoding](skipped + DATA)  # bytes are skipped behind decompression
    fields = {**SPACED, "encoding": encoding, "line skip": 2, "byteskip": len(skipped)}
    if detached:
        (tmp_path / "a.dat").write_bytes(lead + packed)
        fields["data file"] = "a.dat"
        opened = read(fields, b"", name="a.nhdr")
    else:
        opened = read(fields, lead + packed)
    np.testing.assert_array_equal(pixels(opened.image), ARRAY)
    assert codes(opened) == []


@pytest.mark.parametrize("detached", [False, True])
def test_byte_skip_minus_one_reads_from_the_end(detached, read, tmp_path):
    fields = {**SPACED, "byte skip": -1}
    (tmp_path / "a.dat").write_bytes(b"of any length" + DATA)
    opened = read(
        {**fields, "data file": "a.dat"} if detached else fields,
        b"" if detached else b"of any length" + DATA,
    )
    np.testing.assert_array_equal(pixels(opened.image), ARRAY)


def test_text_and_hex_and_big_endian(read):
    words = " ".join(map(str, ARRAY.ravel().tolist())).encode()
    big = ARRAY.astype(">i2").tobytes()
    for change, data in (
        ({"encoding": "text", "endian": None}, words),
        ({"encoding": "hex"}, DATA.hex().encode()),
        ({"encoding": "hex", "endian": "big"}, big.hex().upper().encode()),
        ({"endian": "big"}, big),
        ({"endian": "big", "encoding": "gz"}, gzip.compress(big)),
    ):
        np.testing.assert_array_equal(pixels(read({**SPACED, **change}, data).image), ARRAY)


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ("LIST", ["b.dat", "a.dat"]),
        ("LIST 3", ["b.dat", "a.dat"]),
        ("LIST 2", ["b.dat", "a.dat", "d.dat", "c.dat"]),
        ("slice%02d.dat 1 4 1", ["slice01.dat", "slice02.dat", "slice03.dat", "slice04.dat"]),
        ("s %d.dat 6 0 -2 2", ["s 6.dat", "s 4.dat", "s 2.dat", "s 0.dat"]),
    ],
)
def test_several_data_files(encoding, stated, names, tmp_path):
    share = len(DATA) // len(names)
    for number, name in enumerate(names):
        data = DATA[number * share : (number + 1) * share]
        (tmp_path / name).write_bytes(b"line\n" + PACK[encoding](data))
    fields = {**SPACED, "encoding": encoding, "line skip": 1, "data file": stated}
    lines = names if stated.startswith("LIST") else ()
    (tmp_path / "a.nhdr").write_bytes(header_of(fields, lines))
    np.testing.assert_array_equal(pixels(PLUGIN.read(Source(tmp_path / "a.nhdr")).image), ARRAY)


def outside(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.raw").write_bytes(DATA)
    (home / "link.raw").symlink_to(tmp_path / "secret.raw")
    return home


def test_data_outside_the_folder_needs_leave(tmp_path):  # faults 14, 15
    home = outside(tmp_path)
    for name in ("../secret.raw", str(tmp_path / "secret.raw"), "link.raw", "x/../../secret.raw"):
        (home / "x").mkdir(exist_ok=True)
        path = home / "a.nhdr"
        path.write_bytes(header_of({**SPACED, "data file": name}))
        with pytest.raises(SourceError, match="outside its folder") as caught:
            PLUGIN.read(Source(path))
        assert "--allow-external-data" in caught.value.hint
        image = PLUGIN.read(Source(path, options=ReadOptions(allow_external_data=True))).image
        np.testing.assert_array_equal(pixels(image), ARRAY)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.raw", "none.raw: No such file"),  # fault 16
        ("a.nrrd", "names itself"),
        ("./a.nrrd", "names itself"),
        (".", "is a folder"),
        ("http://example.org/x.raw", "local file expected"),
        ("/dev/zero", "device"),
        ("short.raw", "has 3 of 48 bytes"),
    ],
)
def test_data_files_that_are_none_are_refused(name, said, read, tmp_path):
    (tmp_path / "short.raw").write_bytes(b"123")
    with pytest.raises(SpconvertError, match=said):
        read({**SPACED, "data file": name}, b"", allow_external_data=name.startswith("/"))


@pytest.mark.parametrize(
    "stated",
    [
        "x%d.raw 1 1000000 1",
        "x%d.raw 1 3 1",
        "x%d.raw 1 4 0",
        "x%d%d.raw 1 4 1",
        "x%s.raw 1 4 1",
        "x%d.raw 4 1 1",
        "x%d.raw 1 4 1 9",
    ],
)
def test_wrong_file_lists_are_refused_at_once(stated, read):  # fault 17
    with pytest.raises(FormatError):
        read({**SPACED, "data file": stated}, b"")


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sizes": "2000000 2000000 2000000"}, "of 16000000000000000000 bytes|2\\^63"),  # 2, 3
        ({"sizes": "200000 200000 2000"}, "has 48 of 160000000000000 bytes"),  # 2
        ({"sizes": "9999999999 9999999999 9"}, "2\\^63"),  # 3
        ({"sizes": "2 -3 4"}, "'-3': a whole number"),  # 4
        ({"sizes": "2 0 4"}, "'0': a whole number"),  # 5
        ({"sizes": "2 nan 4"}, "'nan'"),
        ({"sizes": "2 3.5 4"}, "'3.5'"),
        ({"sizes": "2 3"}, "2 sizes for dimension 3"),  # 6
        ({"dimension": 0, "sizes": ""}, "dimension '0'"),
        ({"dimension": 17}, "dimension '17'"),
        ({"space directions": "(1,0) (0,1) (0,0)"}, "3 numbers"),
        ({"space directions": "(1,0,0) (0,1,0)"}, "2 space directions for dimension 3"),
        ({"space directions": "(1,0,0 (0,1,0) (0,0,1)"}, "cannot be parsed"),
        ({"space origin": "(1,2)"}, "space origin of 2 numbers"),
        ({"space": "somewhere"}, "'somewhere'"),
        ({"space dimension": 4}, "space dimension 4"),
        ({"space": None}, "without space"),
        ({"type": "block"}, "'block'"),  # 18
        ({"type": "quaternion"}, "'quaternion'"),
        ({"type": None}, "'type' is missing"),
        ({"encoding": "zip"}, "'zip'"),
        ({"endian": None}, "missing"),
        ({"endian": "middle"}, "'middle'"),
        ({"byte skip": -2}, "byte skip -2"),
        ({"byte skip": -1, "encoding": "gzip"}, "byte skip -1"),
        ({"line skip": -1}, "line skip -1"),
        ({"line skip": 99}, "lines to skip"),
        ({"kinds": "domain domain"}, "2 kinds"),
        ({"encoding": "ascii"}, "no text of voxels|characters"),
        ({"encoding": "gzip"}, "broken gzip data"),
    ],
)
def test_wrong_fields_are_refused_with_what_was_found(change, said, read):
    with pytest.raises(FormatError, match=said):
        pixels(read({**SPACED, **change}).image)


@pytest.mark.parametrize(
    ("directions", "said"),
    [
        ("(nan,0,0) (0,1,0) (0,0,1)", "finite numbers"),  # 8
        ("(nan,nan,nan) (0,1,0) (0,0,1)", "finite numbers"),
        ("(1,0,0) (0,inf,0) (0,0,1)", "finite numbers"),
        ("(1,0,0) (1,0,0) (0,0,1)", "singular"),  # 9
        ("(0,0,0) (0,1,0) (0,0,1)", "a length above 0"),  # 10
    ],
)
def test_directions_that_make_no_grid_are_geometry_errors(directions, said, read):
    with pytest.raises(GeometryError, match=said):
        read({**SPACED, "space directions": directions})
    with pytest.raises(FormatError, match="has 40 of 48 bytes"):  # bytes first
        read({**SPACED, "space directions": directions}, DATA[:40])


@pytest.mark.parametrize("value", ["0", "nan", "inf"])
def test_impossible_spacing_and_origin_are_geometry_errors(value, read):
    with pytest.raises(GeometryError, match="spacing"):
        read({**BASIC, "spacings": f"1 {value} 1"})
    if value != "0":
        with pytest.raises(GeometryError, match="origin"):
            read({**SPACED, "space origin": f"(1,{value},1)"})


def test_short_data_is_refused_with_both_numbers(read):  # fault 1
    with pytest.raises(FormatError, match="has 40 of 48 bytes"):
        read(SPACED, DATA[:40])


def test_surplus_data_is_reported_and_the_declared_part_read(read):  # fault 7
    opened = read(SPACED, DATA + b"more")
    assert codes(opened) == ["surplus-data"]
    np.testing.assert_array_equal(pixels(opened.image), ARRAY)


def test_broken_gzip_is_refused_and_a_bomb_stops_at_the_declared_size(read):  # faults 11 to 13
    fields = {**SPACED, "encoding": "gzip"}
    whole = gzip.compress(DATA)
    for data, said in (
        (whole[:-12], "of 48 bytes"),
        (whole[:-3], "checksum"),
        (whole[:-8] + b"0000" + whole[-4:], "broken gzip data"),
        (gzip.compress(DATA[:40]), "has 40 of 48 bytes"),
        (b"", "has 0 compressed bytes"),
    ):
        with pytest.raises(FormatError, match=said):
            pixels(read(fields, data).image)
    image = read(fields, gzip.compress(DATA + bytes(64 << 20))).image
    findings = []
    arrays = list(image.pixels.scan([Region.whole(image.shape)], findings.append))
    np.testing.assert_array_equal(arrays[0], ARRAY)
    assert [finding.code for finding in findings] == ["surplus-data"]
    with pytest.raises(FormatError, match="hold at most"):
        read({**fields, "sizes": "200000 300000 4"}, whole)


def test_header_without_blank_line_is_refused(tmp_path):  # fault 19
    path = tmp_path / "a.nrrd"
    path.write_bytes(header_of(SPACED) + DATA)
    with pytest.raises(FormatError):
        PLUGIN.read(Source(path))
    path.write_bytes(header_of(SPACED))
    with pytest.raises(FormatError, match="no blank line"):
        PLUGIN.read(Source(path))


def test_endless_line_is_refused_within_bounds(tmp_path):  # fault 20
    path = tmp_path / "a.nrrd"
    with path.open("wb") as file:
        file.write(b"NRRD0004\ncontent: ")
        file.truncate(3 << 30)
    with pytest.raises(FormatError, match="within 1048576 bytes"):
        PLUGIN.read(Source(path))


def test_fields_given_twice_are_refused_and_odd_lines_reported(read):
    with pytest.raises(FormatError, match="'encoding' is given twice"):
        read(SPACED, lines=["encoding: raw"])
    with pytest.raises(FormatError, match="neither field"):
        read(SPACED, lines=["what is this"])
    assert codes(read(SPACED, lines=["odd: field"])) == ["unknown-field"]
    assert codes(read({**SPACED, "spacings": "1 1 1"})) == ["spacings-ignored"]
    assert len(codes(read(SPACED, lines=[f"f{i}: x" for i in range(9999)]))) == 50


def test_other_bytes_than_utf8_are_read_as_latin1(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_bytes(header_of(SPACED) + b"name:=M\xfcller\n\n" + DATA)
    opened = PLUGIN.read(Source(path))
    assert opened.image.extra["nrrd"]["keyvalues"] == {"name": "Müller"}
    assert codes(opened) == ["header-encoding"]


@given(st.data())
def test_broken_headers_raise_nothing_but_own_errors(tmp_path_factory, data):
    head = bytearray(
        header_of(
            {
                **SPACED,
                "kinds": "domain space domain",
                "spacings": "1 1 1",
                "space units": '"mm" "mm" "mm"',
            }
        )
        + b"\n"
    )
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(head) - 1))
        change = data.draw(st.sampled_from(["byte", "cut", "insert"]))
        if change == "byte":
            head[place] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del head[place : place + data.draw(st.integers(1, 9))]
        else:
            head[place:place] = data.draw(
                st.sampled_from(
                    [b"9", b"-", b"\n", b"(", b"none", b'"', b"nan", b"%d", b",", b"\0", b"1e400"]
                )
            )
        if not head:
            head = bytearray(b"N")
    path = tmp_path_factory.mktemp("fuzz") / "a.nrrd"
    path.write_bytes(bytes(head) + DATA)
    try:
        image = PLUGIN.read(Source(path)).image
        if image.nbytes < 10_000:
            pixels(image)
    except SpconvertError as error:
        assert "\n" not in error.message  # noqa: PT017
