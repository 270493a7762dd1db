"""What is written, against the example documents and the published JSON schemas."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import referencing

from spconvert.errors import Unsupported, UsageError
from spconvert.model.axes import Axis, ChannelInfo, axes_named
from spconvert.model.geometry import Geometry
from spconvert.omezarr.group import root_documents
from spconvert.omezarr.multiscale import Level, Multiscale, Window
from spconvert.omezarr.versions import VERSIONS, choose_version, decode_any

SPEC = Path(__file__).resolve().parents[3] / "shared" / "spec"
EXAMPLES = SPEC / "examples"

needs_spec = pytest.mark.skipif(not SPEC.is_dir(), reason=f"no specification material at {SPEC}")

OBLIQUE = (
    (0.9396926207859084, -0.33682408883346515, 0.0593911746138847),
    (0.3420201433256687, 0.9254165783983234, -0.16317591116653482),
    (0.0, 0.17364817766693033, 0.984807753012208),
)
FLIPPED = tuple((a, b, -c) for a, b, c in OBLIQUE)
TURN = ((0.8, -0.6), (0.6, 0.8))
SHEARED = ((1.0, 0.6, 0.0), (0.0, 0.8, 0.0), (0.0, 0.0, 1.0))
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LEVELS = (
    Level("s0", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
    Level("s1", (1.0, 2.0, 2.0), (0.0, 0.5, 0.5)),
    Level("s2", (2.0, 4.0, 4.0), (0.5, 1.5, 1.5)),
)


def volume(direction=OBLIQUE, space="LPS", **more) -> Multiscale:
    geometry = Geometry((-90.5, 12.25, 300.0), (0.5, 0.75, 2.0), direction, space)
    return Multiscale(axes_named("zyx", "millimeter"), geometry, LEVELS, **more)


def plane(direction, space="unknown") -> Multiscale:
    geometry = Geometry((3.0, -7.5), (0.25, 0.5), direction, space)
    levels = (Level("0", (1.0, 1.0), (0.0, 0.0)), Level("1", (2.0, 2.0), (0.5, 0.5)))
    return Multiscale(axes_named("yx", "micrometer"), geometry, levels)


def five(direction=OBLIQUE) -> Multiscale:
    base = volume(direction)
    axes = (Axis("t", "time", "second"), Axis.named("c"), *base.axes)
    return Multiscale(
        axes,
        base.geometry,
        LEVELS,
        channels=(ChannelInfo("c0", "FF0000"), ChannelInfo("c1", "00FF00")),
        windows=(Window(0, 65535, 0, 1000), Window(0, 65535, 0, 1000)),
    )


IMAGES = {
    "oblique": volume(),
    "flipped": volume(FLIPPED),
    "sheared": volume(SHEARED),
    "straight": volume(IDENTITY),
    "no-anatomy": volume(OBLIQUE, "unknown"),
    "five": five(),
    "plane": plane(((1.0, 0.0), (0.0, 1.0))),
    "turned-plane": plane(TURN),
    "with-header": volume(extra={"nrrd": {"k": [1, 2.5]}}, provenance={"source": "a.nrrd"}),
}


def as_written(attributes: dict) -> dict:
    return json.loads(json.dumps(attributes, allow_nan=False))


def example(name: str) -> dict:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def without_description(document: dict) -> dict:
    """The examples say a word more on the method than is asked for."""
    holder = document.get("ome", document)
    holder["multiscales"][0]["metadata"].pop("description", None)
    return document


def without_attribute(document: dict) -> dict:
    return {key: value for key, value in document.items() if key != "spconvert"}


@needs_spec
@pytest.mark.parametrize(
    ("name", "version", "image"),
    [
        ("obl06_sequence.attributes", "0.6", volume()),
        ("obl06_affine_flip.attributes", "0.6", volume(FLIPPED)),
        ("obl05.attributes", "0.5", volume()),
        ("obl04.zattrs", "0.4", volume()),
    ],
)
def test_documents_equal_the_examples(name, version, image):
    written = without_attribute(as_written(VERSIONS[version].encode(image)))
    expected = without_description(example(name))
    assert_close(written, expected)


def assert_close(written, expected):
    """Equal keys and words; numbers to the last places."""
    if isinstance(expected, dict):
        assert written.keys() == expected.keys()
        for key in expected:
            assert_close(written[key], expected[key])
    elif isinstance(expected, list):
        assert len(written) == len(expected)
        for a, b in zip(written, expected, strict=True):
            assert_close(a, b)
    elif isinstance(expected, float):
        assert written == pytest.approx(expected, rel=1e-14, abs=1e-12)
    else:
        assert written == expected


@needs_spec
def test_the_five_dimensional_document_equals_the_example():
    written = without_attribute(as_written(VERSIONS["0.6"].encode(five())))
    expected = example("five06.attributes")
    del expected["ome"]["omero"]["rdefs"]["defaultZ"]  # left to the viewer
    del written["ome"]["omero"]["rdefs"]["defaultT"]
    del expected["ome"]["omero"]["rdefs"]["defaultT"]
    assert_close(written, expected)


@needs_spec
def test_the_attribute_equals_the_example():
    written = as_written(VERSIONS["0.5"].encode(volume()))["spconvert"]
    assert written == example("adhoc05.attributes")["spconvert"]


def registry(folder: Path) -> referencing.Registry:
    pairs = []
    for path in folder.glob("*.schema"):
        schema = json.loads(path.read_text())
        resource = referencing.Resource.from_contents(
            schema, default_specification=referencing.jsonschema.DRAFT202012
        )
        pairs.append((schema["$id"], resource))
    return referencing.Registry().with_resources(pairs)


@needs_spec
@pytest.mark.parametrize("schema", ["image", "strict_image"])
@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
def test_documents_satisfy_the_schemas(image, version, schema):
    folder = SPEC / f"schemas-{version}"
    document = json.loads((folder / f"{schema}.schema").read_text())
    validator = jsonschema.Draft202012Validator(document, registry=registry(folder))
    validator.validate(as_written(VERSIONS[version].encode(image)))


def test_only_a_proper_rotation_is_written_as_one():
    def form(direction):
        document = VERSIONS["0.6"].encode(volume(direction))["ome"]["multiscales"][0]
        (transformation,) = document["coordinateTransformations"]
        return transformation["type"], "affine" in transformation

    nearly = tuple(tuple(float(np.float32(v)) for v in row) for row in OBLIQUE)
    assert form(OBLIQUE) == ("sequence", False)
    assert form(FLIPPED) == form(SHEARED) == form(nearly) == ("affine", True)


def test_a_straight_image_has_one_system_and_no_transformation_above_the_levels():
    document = VERSIONS["0.6"].encode(volume(IDENTITY))["ome"]["multiscales"][0]
    assert [s["name"] for s in document["coordinateSystems"]] == ["physical"]
    assert "coordinateTransformations" not in document
    labels = [a["orientation"]["value"] for a in document["coordinateSystems"][0]["axes"]]
    assert labels == ["inferior-to-superior", "anterior-to-posterior", "right-to-left"]


def test_no_orientation_is_invented():
    for version in VERSIONS.values():
        text = json.dumps(version.encode(volume(OBLIQUE, "unknown")))
        assert "orientation" not in text
        assert '"LPS"' not in text
    systems = VERSIONS["0.6"].encode(volume(OBLIQUE, "unknown"))["ome"]["multiscales"][0]
    assert [s["name"] for s in systems["coordinateSystems"]] == ["physical", "world"]


def test_no_unit_is_invented():
    image = Multiscale(axes_named("tzyx"), volume().geometry, LEVELS)
    assert all('"unit"' not in json.dumps(v.encode(image)) for v in VERSIONS.values())


def test_translations_are_never_minus_zero():
    geometry = Geometry((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), OBLIQUE, "LPS")
    image = Multiscale(axes_named("zyx"), geometry, LEVELS)
    assert "-0.0," not in json.dumps(VERSIONS["0.6"].encode(image)["ome"])


@pytest.mark.parametrize(
    ("direction", "wanted", "name", "severity", "code"),
    [
        (IDENTITY, "auto", "0.5", "note", "version"),
        (OBLIQUE, "auto", "0.6", "note", "version"),
        (FLIPPED, "0.6", "0.6", "note", "version"),
        (IDENTITY, "0.4", "0.4", "note", "version"),
        (OBLIQUE, "0.5", "0.5", "warning", "direction-not-standard"),
        (SHEARED, "0.4", "0.4", "warning", "direction-not-standard"),
        (((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)), "0.5", "0.5", "note",
         "direction-not-standard"),
    ],
)  # fmt: skip
def test_the_version_follows_the_direction(direction, wanted, name, severity, code):
    image = volume(direction)
    for given in (image, image.geometry):
        version, finding = choose_version(given, wanted)
        assert (version.name, finding.severity, finding.code) == (name, severity, code)


def test_an_unknown_version_is_a_usage_error():
    with pytest.raises(UsageError, match=r"0\.9"):
        choose_version(volume(), "0.9")


def test_root_documents_are_the_same_bytes_every_time():
    image = volume(extra={"b": np.float32(0.5), "a": (1, np.arange(3)), "n": float("nan")})
    for version in VERSIONS.values():
        first = root_documents(version, version.encode(image))
        assert first == root_documents(version, version.encode(image))
        assert b"NaN" not in b"".join(first.values())
        expected = {".zgroup", ".zattrs"} if version.zarr_format == 2 else {"zarr.json"}
        assert set(first) == expected


def test_header_values_without_a_form_in_json_are_refused():
    with pytest.raises(Unsupported, match="bytes"):
        VERSIONS["0.5"].encode(volume(extra={"k": b"raw"}))


def test_a_header_comes_back_as_json_has_it():
    image = volume(extra={"a": np.float64(0.1), "l": (1, 2)}, provenance={"file": "x\udcff.nrrd"})
    version = VERSIONS["0.6"]
    data = root_documents(version, version.encode(image))["zarr.json"]
    back = decode_any(json.loads(data)["attributes"]).multiscale
    assert back.extra == {"a": 0.1, "l": [1, 2]}
    assert back.provenance == {"file": "x\udcff.nrrd"}
