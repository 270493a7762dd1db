"""The ground truth of the test images: the manifest, in the terms and the axes of the model.

The manifest has arrays in file order with the components of a voxel last, lengths in the words of
each file, and per format another way to say what a pixel measures. Where its values are not what a
reader should give, ``JUDGED`` says what is, and why.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spconvert.model.axes import unit_factor, unit_name
from spconvert.model.image import AXIS_ORDER

REPOSITORY = Path(__file__).resolve().parents[1]


def images_folder() -> Path:
    """The full set where there is one, else the selection that is shipped."""
    named = os.environ.get("SPCONVERT_TESTDATA")
    candidates = [Path(named)] if named else [REPOSITORY.parent / "shared" / "testdata"]
    for folder in (*candidates, REPOSITORY / "testdata"):
        if (folder / "manifest.json").is_file():
            return folder
    return REPOSITORY / "testdata"


def manifest_entries() -> list[dict[str, Any]]:
    """One entry per image or series; empty where there are no test images at all."""
    path = images_folder() / "manifest.json"
    if not path.is_file():
        return []
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["entries"]
    return entries


@dataclass(frozen=True)
class Judgement:
    """Where the manifest's values are not what a reader should give."""

    reason: str
    expected: Mapping[str, Any] = field(default_factory=dict)
    """Members of ``expected`` that are replaced."""
    rescale: str = "keep"
    """How the file is read so that the values are those that the manifest hashes."""
    uneven: str = "error"


_DEFAULT_DPI = Judgement(
    "72 dpi is the writer's default, not a measurement", {"spacing_by_axis": {}}
)
_NO_TIME_STEP = {"time": {"spacing": 1.0, "origin": 0.0, "unit": None}}

JUDGED: dict[str, Judgement] = {
    "time_series_4d": Judgement(
        "the time step is NaN: not known, so 1 without a unit", _NO_TIME_STEP
    ),
    "vector_5d": Judgement("a time step of 0 is none: 1 without a unit", _NO_TIME_STEP),
    "slice_2d_direction": Judgement(
        "a slice with a place in space is a volume with z = 1", {"axes": "zyx", "depth": 1}
    ),
    "complex64_2d": Judgement(
        "a slice with a place in space is a volume with z = 1", {"axes": "zyx", "depth": 1}
    ),
    "svs_pyramid_cmu": Judgement(
        "0.499 µm are of the slide: the thumbnail is 2220 x 2967 pixels shown by 574 x 768, "
        "label and macro are photographs of which nothing is said",
        {
            "spacing_of_images": [
                {"x": [0.499, "µm"], "y": [0.499, "µm"]},
                {"x": [0.499 * 2220 / 574, "µm"], "y": [0.499 * 2967 / 768, "µm"]},
                {},
                {},
            ]
        },
    ),
    "multipage_gray": _DEFAULT_DPI,
    "multi_size_pages": _DEFAULT_DPI,
    "tiled_rgb_pages": _DEFAULT_DPI,
    "ome_multifile_master": Judgement(
        "no PhysicalSize: 1 µm in the resolution tags is the writer's default",
        {"spacing_by_axis": {}},
    ),
    "minc2_scaled": Judgement("the manifest hashes real values, not stored ones", rescale="auto"),
    "ct_uneven_gap": Judgement("read only if the caller insists: z is the median", uneven="warn"),
    "mr_pmod_noniso_rescale": Judgement("slopes differ from slice to slice: there is no one pair"),
    "mr_siemens_mosaic": Judgement("the sheet is unpacked to the volume that it shows"),
    "sm_tiled": Judgement(
        "frames are 5 x 5 tiles of one plane, which lies where TotalPixelMatrixOriginSequence, "
        "ImageOrientationSlide and PixelSpacing put it",
        {
            "axes": "yxc",
            "plane": [50, 50, 3],
            "units": ["mm"],
            "origin": [23.449873, 25.691574],
            "spacing": [0.000499, 0.000499],
            "direction": [[0, -1], [-1, 0]],
            "rescale": None,
        },
    ),
    "emri_small": Judgement(
        "without positions frames are counted along z; SpacingBetweenSlices is all there is",
        {"spacing": [1, 1, 1.2]},
    ),
    "sc_rgb": Judgement(
        "a picture without a place in space is a plane; the file does have a PixelSpacing, 1 mm",
        {"axes": "yxc", "spacing": [1, 1], "units": ["mm"]},
    ),
    "rtdose": Judgement(
        "the real value is the stored one times DoseGridScaling", {"rescale": [[1e-6, 0.0]]}
    ),
    "v06_anisotropic_rotation.zarr": Judgement('the system "world" is reached by an affine'),
    "v05_prostate_ozx": Judgement("translation is the LPS origin, labels give the direction"),
    "v04_nifti2_zarr": Judgement(
        "the extra array is a NIfTI header: the affine of nifti2_4d, in patient space",
        {"orientation_known": True},
    ),
}
"""By id; entries that need no judgement are not listed."""


@dataclass(frozen=True)
class Truth:
    """What a correct reader finds in one image."""

    id: str
    path: Path
    select: str | None
    judged: Judgement
    axes: str
    """In the order of the model."""
    stored_axes: str
    """In the order of the array that was hashed."""
    stored_shape: tuple[int, ...]
    dtype: str
    digest: str | None
    """``None``: no voxel is stored, or the store is too large to be read whole."""
    affine: NDArray[np.float64]
    space: str
    unit: str | None
    time: Mapping[str, Any] | None
    rescale: tuple[float, float] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """In the order of the model."""
        return tuple(self.stored_shape[self.stored_axes.index(name)] for name in self.axes)

    def digest_of(self, array: NDArray[Any]) -> str:
        """SHA-256 of an array with our axes, as the manifest computes it."""
        array = array.transpose([self.axes.index(name) for name in self.stored_axes])
        if self.id == "sm_tiled":
            rows, columns, samples = self.stored_shape
            array = array.reshape(rows // 10, 10, columns // 10, 10, samples).swapaxes(1, 2)
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        return hashlib.sha256(little.tobytes()).hexdigest()

    def assert_time(self, found: Mapping[str, Any] | None) -> None:
        """Start, step and unit, as far as the manifest says anything of time."""
        if self.time is not None:
            assert found is not None
            assert found["unit"] == self.time["unit"]
            wanted = (self.time["start"], self.time["step"])
            np.testing.assert_allclose((found["start"], found["step"]), wanted, rtol=1e-9)

    def assert_affine(self, found: NDArray[np.float64], unit: str | None) -> None:
        """Every corner of the grid is where it should be, to 1e-4 of the smallest spacing."""
        assert found.shape == self.affine.shape
        found = found.copy()
        if unit != self.unit:
            assert unit is not None
            assert self.unit is not None
            found[:-1] *= unit_factor(unit, self.unit)
        n = len(found) - 1
        ends = [(0, size - 1) for size in self.shape[: -n - 1 : -1]]
        corners = np.array([(*c, 1) for c in itertools.product(*ends)]).T
        smallest = np.linalg.norm(self.affine[:n, :n], axis=0).min()
        np.testing.assert_allclose(found @ corners, self.affine @ corners, 1e-9, 1e-4 * smallest)


def truths(entry: Mapping[str, Any]) -> Iterator[Truth]:
    """What is true of each image of a manifest entry."""
    judged = JUDGED.get(entry["id"], Judgement(""))
    expected = {**entry["expected"], **_judged(entry), **judged.expected}
    shape = list(expected["shape"])
    axes = expected["axes"].replace("frames,", "i").replace(",", "")
    if "depth" in expected:
        shape = [expected["depth"], *shape]
    if axes == "yxc" and len(shape) == 4:  # frames that are no slices
        shape = expected.get("plane", shape[1:])
    stored = axes.replace("i", "z").replace("q", "z")
    stored_images = expected.get("images", [{}])
    for number, image in enumerate(stored_images):
        one = {**expected, **image}
        size = image.get("shape", shape)
        ndim = sum(name in "zyx" for name in stored)
        if "spacing_of_images" in expected:
            one["spacing_by_axis"] = expected["spacing_of_images"][number]
        yield Truth(
            entry["id"],
            images_folder() / entry["path"],
            str(number) if len(stored_images) > 1 else None,
            judged,
            "".join(name for name in AXIS_ORDER if name in stored),
            stored,
            tuple(size),
            one["dtype"],
            one.get("voxel_sha256") if entry["id"] != "v05_pyramid" else None,
            _affine(one, ndim),
            "LPS" if expected["orientation_known"] else "unknown",
            _unit(entry, one),
            _time(entry, expected),
            _rescale(expected),
        )


def _judged(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the manifest itself has beside the values that it lists first."""
    expected = entry["expected"]
    match entry["id"]:
        case "mr_siemens_mosaic":
            return {**expected["mosaic"][0], "affine_lps": None}
        case "v06_anisotropic_rotation.zarr":
            return dict(expected["other_systems"]["world"])
        case "v05_prostate_ozx":
            return {"direction": expected["lps_from_orientation"]["direction"]}
        case "v04_nifti2_zarr":
            path = images_folder() / entry["path"] / "nifti" / ".zattrs"
            lps = np.array(json.loads(path.read_text(encoding="utf-8"))["Affine"]) * [
                [-1],
                [-1],
                [1],
            ]
            return {"affine_lps": [*lps.tolist(), [0, 0, 0, 1]]}
    return {}


def _affine(expected: Mapping[str, Any], ndim: int) -> NDArray[np.float64]:
    if expected.get("affine_lps"):
        return np.array(expected["affine_lps"], np.float64)
    by_axis = expected.get("spacing_by_axis", {})
    spacing = expected.get("spacing") or [by_axis.get(n, [1.0])[0] for n in "xyz"[:ndim]]
    direction = np.array(expected.get("direction") or np.eye(ndim))[:ndim, :ndim]
    matrix = np.eye(ndim + 1)
    matrix[:ndim, :ndim] = direction * spacing[:ndim]
    matrix[:ndim, ndim] = (expected.get("origin") or [0.0] * ndim)[:ndim]
    return matrix


def _unit(entry: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """Of the space axes. Patient space is in millimetres where a format has no word for a unit."""
    for _, unit in expected.get("spacing_by_axis", {}).values():
        return unit_name(unit)
    words = expected.get("units")
    if words is None:
        measured = expected["orientation_known"] or "metres" in expected.get("spacing_source", "")
        return "millimeter" if measured and entry["format"] != "ome_zarr" else None
    word = words[-1] if entry["format"] == "ome_zarr" else words[0]
    return None if word is None else unit_name(word)


def _time(entry: Mapping[str, Any], expected: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Start, step and unit; ``None`` where the manifest says nothing of time."""
    if entry["id"] == "mha_4d":  # MetaImage has the time as a fourth axis of its grid
        return {"start": expected["origin"][3], "step": expected["spacing"][3], "unit": None}
    time = expected.get("time")
    if time is None:
        return None
    unit = None
    if entry["format"] == "nifti":
        unit = unit_name(expected["units"][1])
    elif entry["format"] == "ome_zarr" and "units" in expected:
        unit = expected["units"][0]
    return {"start": time["origin"], "step": time["spacing"], "unit": time.get("unit", unit)}


def _rescale(expected: Mapping[str, Any]) -> tuple[float, float] | None:
    said = expected.get("rescale")
    if isinstance(said, dict):
        return said["slope"], said["intercept"]
    return tuple(said[0]) if said and len(said) == 1 else None
