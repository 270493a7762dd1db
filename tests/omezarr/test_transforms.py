"""Matrix transformations against numpy and the published conformance cases."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spconvert.errors import FormatError, GeometryError, Unsupported
from spconvert.omezarr.transforms import MAX_DEPTH, AffineMap, parse

SPEC = Path(__file__).resolve().parents[3] / "shared" / "spec"
numbers = st.floats(-100, 100, allow_nan=False)


def run(document, points, names="zyx", outputs=None):
    return parse(document, names, outputs).apply(points).tolist()


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"type": "identity"}, [1, 2, 3]),
        ({"type": "scale", "scale": [2, 3, 4]}, [2, 6, 12]),
        ({"type": "translation", "translation": [10, 20, 30]}, [11, 22, 33]),
        ({"type": "rotation", "rotation": [[0, -1, 0], [1, 0, 0], [0, 0, 1]]}, [-2, 1, 3]),
        ({"type": "affine", "affine": [[1, 2, 0, 5], [0, 1, 0, 0], [0, 0, 1, 1]]}, [10, 2, 4]),
        ({"type": "affine", "affine": [1, 2, 0, 5, 0, 1, 0, 0, 0, 0, 1, 1]}, [10, 2, 4]),
        ({"type": "affine",
          "affine": [[1, 2, 0, 5], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]}, [10, 2, 4]),
        ({"type": "mapAxis", "mapAxis": [2, 0, 1]}, [3, 1, 2]),
        ({"type": "mapAxis", "mapAxis": {"z": "x", "y": "z", "x": "y"}}, [3, 1, 2]),
        ({"type": "sequence", "transformations": [
            {"type": "scale", "scale": [2, 2, 2]},
            {"type": "translation", "translation": [1, 1, 1]}]}, [3, 5, 7]),
        ({"type": "byDimension", "transformations": [
            {"transformation": {"type": "scale", "scale": [5]},
             "inputAxes": [2], "outputAxes": [0]},
            {"transformation": {"type": "identity"},
             "inputAxes": [0, 1], "outputAxes": [1, 2]}]}, [15, 1, 2]),
        ({"type": "byDimension", "transformations": [
            {"type": "translation", "translation": [-1], "input_axes": ["y"],
             "output_axes": ["y"]}]}, [1, 1, 3]),
        ({"type": "bijection", "forward": {"type": "scale", "scale": [2, 2, 2]},
          "inverse": {"type": "scale", "scale": [0.5, 0.5, 0.5]}}, [2, 4, 6]),
        ({"type": "projectAxis", "droppedInputs": [0], "createdOutputs": [1]}, [2, 0, 3]),
    ],
)  # fmt: skip
def test_each_kind_maps_points_as_the_specification_says(document, expected):
    assert run(document, [1.0, 2.0, 3.0]) == expected


@given(st.lists(numbers, min_size=12, max_size=12), st.lists(numbers, min_size=12, max_size=12))
def test_composition_is_application_in_turn(first, second):
    a, b = (AffineMap.of(np.reshape(v[:9], (3, 3)), v[9:]) for v in (first, second))
    points = np.array([[1.0, -2.0, 0.5], [0.0, 7.0, 3.0]])
    np.testing.assert_allclose(
        a.then(b).apply(points), b.apply(a.apply(points)), rtol=1e-9, atol=1e-6
    )


def test_the_inverse_leads_back():
    there = AffineMap.of([[2.0, 1.0], [0.5, 3.0]], [7.0, -4.0])
    points = np.array([[1.0, 2.0], [-3.0, 0.25]])
    np.testing.assert_allclose(there.inverse().apply(there.apply(points)), points, atol=1e-12)


@pytest.mark.parametrize("matrix", [[[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]])
def test_a_singular_map_has_no_inverse(matrix):
    with pytest.raises(GeometryError, match="singular"):
        AffineMap.of(matrix).inverse()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": 3},
        {"type": "scale"},
        {"type": "scale", "scale": [1, 2]},
        {"type": "scale", "scale": [1, 2, "3"]},
        {"type": "scale", "scale": [1, 2, 10**400]},
        {"type": "rotation", "rotation": [[1, 0], [0, 1]]},
        {"type": "affine", "affine": [[1, 0, 0]]},
        {"type": "affine", "affine": []},
        {"type": "mapAxis", "mapAxis": [0, 0, 1]},
        {"type": "mapAxis", "mapAxis": [0, 1, 3]},
        {"type": "projectAxis"},
        {"type": "projectAxis", "createdOutputs": [9]},
        {"type": "byDimension", "transformations": [{"transformation": {"type": "identity"}}]},
        {"type": "sequence", "transformations": 1},
        {"type": "bijection", "forward": {"type": "identity"}},
    ],
)
def test_malformed_documents_are_format_errors(document):
    with pytest.raises(FormatError):
        parse(document, "zyx", "zyx")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_place_nothing_are_geometry_errors(value):
    with pytest.raises(GeometryError, match="a finite number expected"):
        parse({"type": "scale", "scale": [1, 2, value]}, "zyx", "zyx")


@pytest.mark.parametrize(
    "document",
    [
        {"type": "displacements", "path": "field"},
        {"type": "rotation", "path": "matrix"},
        {"type": "spline"},
    ],
)
def test_what_is_no_matrix_is_unsupported(document):
    with pytest.raises(Unsupported):
        parse(document, "zyx")


def test_nesting_has_an_end():
    document = {"type": "identity"}
    for _ in range(MAX_DEPTH + 1):
        document = {"type": "sequence", "transformations": [document]}
    with pytest.raises(FormatError, match="nested"):
        parse(document, "zyx")


@pytest.mark.skipif(not SPEC.is_dir(), reason=f"no specification material at {SPEC}")
@pytest.mark.parametrize("name", ["rotation", "byDimension", "sequence", "mapAxis", "scale"])
def test_the_conformance_cases_agree_with_their_inverses(name):
    folder = SPEC / "oztc-cases" / f"{name}.ome.zarr"
    scene = json.loads((folder / "zarr.json").read_text())["attributes"]["ome"]["scene"]
    way = parse(scene["coordinateTransformations"][0], "yx", "yx")
    points = np.array([[1.0, 2.0], [30.0, -4.0]])
    np.testing.assert_allclose(way.inverse().apply(way.apply(points)), points, atol=1e-9)
