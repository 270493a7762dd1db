"""Multi-frame DICOM: functional groups, segmentations, dose, cine, mosaics, whole slides."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

pydicom = pytest.importorskip("pydicom")

from formats.contract import pixels  # noqa: E402
from formats.dicom_files import (  # noqa: E402
    COLUMN,
    GAP,
    NORMAL,
    ORIGIN,
    ROW,
    SIZE,
    dataset,
    item,
    save,
    slice_position,
    voxels,
)
from spconvert.errors import (  # noqa: E402
    FormatError,
    GeometryError,
    Unsupported,
    UsageError,
)
from spconvert.formats.dicom import PLUGIN  # noqa: E402
from spconvert.formats.dicom.csa import csa_numbers  # noqa: E402
from spconvert.formats.plugin import ReadOptions, Source  # noqa: E402
from spconvert.model.region import Region  # noqa: E402
from spconvert.testing.pixel_source import PixelSourceContract  # noqa: E402


def read(path, level=0, **options):
    return PLUGIN.read(Source(Path(path), None, level, ReadOptions(**options)))


def codes(opened):
    return [f.code for f in opened.findings]


def position_item(k):
    place = [round(float(v), 6) for v in slice_position(k)]
    return item(PlanePositionSequence=[item(ImagePositionPatient=place)])


def shared_item():
    return item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=[*ROW, *COLUMN])],
        PixelMeasuresSequence=[
            item(PixelSpacing=[0.75, 0.5], SliceThickness=2.0, SpacingBetweenSlices=GAP)
        ],
    )


def enhanced(frames, order, **elements):
    """A multi-frame file whose frame n lies at slice ``order[n]``."""
    ds = dataset(frames, **elements)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, name)
    ds.SharedFunctionalGroupsSequence = [shared_item()]
    ds.PerFrameFunctionalGroupsSequence = [position_item(k) for k in order]
    return ds


def assert_placed(image):
    assert image.geometry.origin == tuple(ORIGIN)
    np.testing.assert_allclose(image.geometry.spacing, (0.5, 0.75, GAP), rtol=1e-6)
    np.testing.assert_allclose(image.geometry.direction, np.array([ROW, COLUMN, NORMAL]).T)


def test_frames_are_sorted_by_their_own_positions(tmp_path):
    order = [3, 0, 4, 1, 2]
    image = read(save(enhanced(voxels()[order], order), tmp_path / "a.dcm")).image
    assert image.shape == SIZE
    np.testing.assert_array_equal(pixels(image), voxels())
    assert_placed(image)


@pytest.mark.parametrize("by", ["temporal position", "echo time", "dimension 2"])
def test_several_frames_at_each_place_are_volumes(tmp_path, by):
    order = [k for k in (2, 0, 1, 4, 3) for _ in range(3)]
    times = [1, 2, 0] * 5
    stack = np.stack([voxels() + 1000 * t for t in range(3)])
    frames = np.stack([stack[t, k] for t, k in zip(times, order, strict=True)])
    ds = enhanced(frames, order)
    for group, t, k in zip(ds.PerFrameFunctionalGroupsSequence, times, order, strict=True):
        if by == "echo time":
            group.MREchoSequence = [item(EffectiveEchoTime=5.0 + t)]
        elif by == "temporal position":
            group.FrameContentSequence = [item(TemporalPositionIndex=t + 1)]
        else:
            group.FrameContentSequence = [item(DimensionIndexValues=[k + 1, t + 1])]
    opened = read(save(ds, tmp_path / "a.dcm"))
    assert opened.image.axis_names == "tzyx"
    np.testing.assert_array_equal(pixels(opened.image), stack)
    assert list(opened.image.extra["dicom"]["volumes"]) == [by]
    assert_placed(opened.image)


def test_slope_of_each_frame_is_its_own(tmp_path):
    ds = enhanced(voxels(), range(5))
    for k, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        group.PixelValueTransformationSequence = [
            item(RescaleSlope=0.5 * (k + 1), RescaleIntercept=float(k), RescaleType="US")
        ]
    path = save(ds, tmp_path / "a.dcm")
    opened = read(path)
    assert codes(opened) == ["rescale-differs"]
    k = np.arange(5).reshape(5, 1, 1)
    np.testing.assert_allclose(pixels(opened.image), voxels() * 0.5 * (k + 1) + k)
    np.testing.assert_array_equal(pixels(read(path, rescale="keep").image), voxels())


def test_groups_that_are_missing_or_too_few_are_refused(tmp_path):
    ds = enhanced(voxels(), range(5))
    del ds.PerFrameFunctionalGroupsSequence[2:]
    with pytest.raises(FormatError, match=r"a\.dcm: functional groups for 2 of 5 frames"):
        read(save(ds, tmp_path / "a.dcm"))
    ds = enhanced(voxels(), range(5))
    del ds.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence
    opened = read(save(ds, tmp_path / "b.dcm"))
    assert "position-unknown" in codes(opened)
    assert opened.image.geometry.space == "unknown"


def test_missing_frame_is_a_gap(tmp_path):
    ds = enhanced(voxels()[[0, 1, 3, 4]], [0, 1, 3, 4])
    with pytest.raises(GeometryError, match=r"frame 2 and a\.dcm frame 3 are 5 mm apart"):
        read(save(ds, tmp_path / "a.dcm"))


def test_frames_of_a_film_lie_along_time(tmp_path):
    ds = dataset(voxels(), Modality="US", FrameTime=40, FrameIncrementPointer=0x00181063)
    for name in ("ImagePositionPatient", "ImageOrientationPatient"):
        delattr(ds, name)
    image = read(save(ds, tmp_path / "a.dcm")).image
    assert image.axis_names == "tyx"
    assert (image.time.step, image.time.unit) == (0.04, "second")
    assert image.geometry.spacing == (0.5, 0.75)
    np.testing.assert_array_equal(pixels(image), voxels())


# -- dose ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [False, True])
def test_dose_planes_lie_at_their_offsets(tmp_path, absolute):
    offsets = [k * GAP for k in range(5)]
    turn = [1, 0, 0, 0, 1, 0] if absolute else [*ROW, *COLUMN]
    ds = dataset(voxels(dtype="uint32"), ImageOrientationPatient=turn, DoseGridScaling=0.5)
    ds.GridFrameOffsetVector = [ORIGIN[2] * absolute + offset for offset in offsets]
    ds.FrameIncrementPointer = 0x3004000C
    opened = read(save(ds, tmp_path / "a.dcm"))
    geometry = opened.image.geometry
    assert geometry.origin == tuple(ORIGIN)
    assert geometry.spacing == pytest.approx((0.5, 0.75, GAP))
    assert opened.image.dtype == np.float32
    np.testing.assert_array_equal(pixels(opened.image), voxels() * np.float32(0.5))


def test_uneven_dose_planes_are_refused(tmp_path):
    ds = dataset(voxels(dtype="uint32"), GridFrameOffsetVector=[0, 2.5, 5, 8, 10])
    with pytest.raises(GeometryError, match=r"3 mm apart.*2\.5 mm|2 mm apart"):
        read(save(ds, tmp_path / "a.dcm"))
    ds.GridFrameOffsetVector = [0, 1]
    with pytest.raises(FormatError, match="2 frame offsets for 5 frames"):
        read(save(ds, tmp_path / "b.dcm"))


# -- segmentations -------------------------------------------------------------------------------


def segmentation(masks, *, kind="BINARY", spare=()):
    """Masks per segment number, shape (z, y, x); empty slices and those in ``spare`` left out."""
    frames, groups = [], []
    for number, mask in masks.items():
        for k, plane in enumerate(mask):
            if not plane.any() or k in spare:
                continue
            frames.append(plane)
            group = position_item(k)
            group.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=number)]
            groups.append(group)
    stack = np.array(frames, "uint8")
    ds = enhanced(stack, [0] * len(stack), Modality="SEG", SegmentationType=kind)
    ds.PerFrameFunctionalGroupsSequence = groups
    if kind == "BINARY":
        ds.BitsAllocated = ds.BitsStored = 1
        ds.HighBit = 0
        bits = np.packbits(stack.reshape(-1), bitorder="little").tobytes()
        ds.PixelData = bits + b"\0" * (len(bits) % 2)
    ds.SegmentSequence = [
        item(
            SegmentNumber=number,
            SegmentLabel=f"Doe's {number}",
            SegmentedPropertyTypeCodeSequence=[item(CodeMeaning=f"Organ {number}")],
        )
        for number in masks
    ]
    return ds


def masks(seed=4):
    rng = np.random.default_rng(seed)
    made = {n: rng.integers(0, 2, SIZE).astype("uint8") for n in (1, 2, 5)}
    made[2][0] = made[2][3] = 0
    return made


def test_binary_segments_are_channels_with_empty_slices_filled(tmp_path):
    expected = masks()
    opened = read(save(segmentation(expected), tmp_path / "a.dcm"))
    image = opened.image
    assert image.axis_names == "czyx"
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(pixels(image), np.stack(list(expected.values())))
    assert [c.label for c in image.channels] == ["1 Organ 1", "2 Organ 2", "5 Organ 5"]
    assert image.extra["dicom"]["segments"] == [1, 2, 5]
    assert_placed(image)


def test_one_segment_is_a_volume_even_if_a_slice_within_is_empty(tmp_path):
    mask = masks()[1]
    mask[2] = 0
    image = read(save(segmentation({1: mask}), tmp_path / "a.dcm")).image
    assert image.axis_names == "zyx"
    np.testing.assert_array_equal(pixels(image), mask)
    assert_placed(image)


def test_fractional_segments_keep_their_values(tmp_path):
    mask = (masks()[1] * 200).astype("uint8")
    image = read(save(segmentation({1: mask}, kind="FRACTIONAL"), tmp_path / "a.dcm")).image
    np.testing.assert_array_equal(pixels(image), mask)


def test_label_map_is_a_volume_of_labels(tmp_path):
    labels = (voxels() % 3).astype("uint8")
    labels[2] = 0
    ds = enhanced(labels[[0, 1, 3, 4]], [0, 1, 3, 4], Modality="SEG", SegmentationType="LABELMAP")
    image = read(save(ds, tmp_path / "a.dcm")).image
    np.testing.assert_array_equal(pixels(image), labels)


def test_frames_of_segments_that_are_not_described_are_refused(tmp_path):
    ds = segmentation(masks())
    del ds.SegmentSequence[1]
    with pytest.raises(FormatError, match="segments"):
        read(save(ds, tmp_path / "a.dcm"))
    save(segmentation(masks()), tmp_path / "two" / "a.dcm")
    save(segmentation(masks()), tmp_path / "two" / "b.dcm")
    with pytest.raises(Unsupported, match="one of 2 segmentations"):
        read(tmp_path / "two")


class TestBitSource(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return np.stack(list(masks().values()))

    @pytest.fixture
    def source(self, tmp_path):
        return read(save(segmentation(masks()), tmp_path / "a.dcm")).image.pixels


# -- mosaics -------------------------------------------------------------------------------------


def csa(**numbers):
    """A CSA2 header."""
    data = b"SV10\4\3\2\1" + struct.pack("<2L", len(numbers), 77)
    for name, values in numbers.items():
        head = name.encode().ljust(64, b"\0")
        data += struct.pack("<64sl4sLLL", head, len(values), b"FD\0\0", 4, len(values), 77)
        for value in values:
            text = f"{value:.8f}".encode() + b"\0"
            data += struct.pack("<4L", len(text), len(text), 77, len(text))
            data += text.ljust(-(-len(text) // 4) * 4, b"\0")
    return data


def sheet(volume):
    """Five slices of 7 x 6 on 3 x 3 tiles."""
    made = np.zeros((21, 18), volume.dtype)
    for k, plane in enumerate(volume):
        y, x = divmod(k, 3)
        made[y * 7 : y * 7 + 7, x * 6 : x * 6 + 6] = plane
    return made


def mosaic(volume, normal=NORMAL, **elements):
    kind = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    ds = dataset(sheet(volume), Modality="MR", ImageType=kind, SpacingBetweenSlices=GAP, **elements)
    corner = ORIGIN - 7 * 0.75 * np.array(COLUMN) - 6 * 0.5 * np.array(ROW)
    ds.ImagePositionPatient = [round(float(v), 6) for v in corner]
    if "ImagePositionPatient" in elements:
        del ds.ImagePositionPatient
    block = ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    header = csa(NumberOfImagesInMosaic=[5], Other=[1, 2], SliceNormalVector=normal)
    block.add_new(0x10, "OB", header + b"\0" * (len(header) % 2))
    return ds


def test_mosaic_is_unpacked_and_placed(tmp_path):
    image = read(save(mosaic(voxels()), tmp_path / "a.dcm")).image
    assert image.shape == SIZE
    np.testing.assert_array_equal(pixels(image), voxels())
    np.testing.assert_allclose(image.geometry.origin, ORIGIN, atol=1e-5)
    np.testing.assert_allclose(image.geometry.spacing, (0.5, 0.75, GAP))
    backwards = read(save(mosaic(voxels(), [-n for n in NORMAL]), tmp_path / "b.dcm")).image
    np.testing.assert_allclose(
        np.array(backwards.geometry.direction)[:, 2], -np.array(NORMAL), atol=1e-9
    )


def test_mosaics_over_time_are_volumes(tmp_path):
    for t in range(3):
        ds = mosaic(voxels() + 100 * t, AcquisitionTime=f"12000{2 * t}.5", InstanceNumber=9 - t)
        save(ds, tmp_path / f"{t}.dcm")
    image = read(tmp_path).image
    assert image.axis_names == "tzyx"
    assert image.time.step == pytest.approx(2.0)
    np.testing.assert_array_equal(pixels(image), np.stack([voxels() + 100 * t for t in range(3)]))


class TestMosaicSource(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return voxels()

    @pytest.fixture
    def source(self, tmp_path):
        return read(save(mosaic(voxels()), tmp_path / "a.dcm")).image.pixels


def test_mosaic_that_does_not_say_how_many_slices_is_refused(tmp_path):
    ds = mosaic(voxels())
    del ds[0x00291010]
    with pytest.raises(FormatError, match="number of its slices"):
        read(save(ds, tmp_path / "a.dcm"))
    ds = mosaic(voxels())
    del ds.SpacingBetweenSlices
    with pytest.raises(GeometryError, match="distance between slices"):
        read(save(ds, tmp_path / "b.dcm"))


def test_mosaics_without_one_common_position_are_refused(tmp_path):
    path = save(mosaic(voxels(), ImagePositionPatient=None), tmp_path / "a.dcm")
    with pytest.raises(GeometryError, match="no positions"):
        read(path)
    for k in range(3):
        ds = mosaic(voxels())
        ds.ImagePositionPatient = [0, 0, float(k)]
        save(ds, tmp_path / "moved" / f"{k}.dcm")
    with pytest.raises(GeometryError, match="3 positions"):
        read(tmp_path / "moved")


def test_broken_csa_headers_say_nothing():
    whole = csa(NumberOfImagesInMosaic=[5], SliceNormalVector=NORMAL)
    wanted = frozenset({"NumberOfImagesInMosaic"})
    assert csa_numbers(whole, wanted) == {"NumberOfImagesInMosaic": (5.0,)}
    for keep in range(0, len(whole), 7):
        assert csa_numbers(whole[:keep], wanted) in ({}, {"NumberOfImagesInMosaic": (5.0,)})
    assert csa_numbers(b"\xff" * 400, wanted) == {}


# -- slides --------------------------------------------------------------------------------------


def slide(plane, tile, *, sparse=None, **elements):
    """A plane (y, x) cut into tiles; ``sparse``: which tiles to write, in that order."""
    (rows, columns), (high, wide) = plane.shape, tile
    down, across = -(-rows // high), -(-columns // wide)
    padded = np.zeros((down * high, across * wide), plane.dtype)
    padded[:rows, :columns] = plane
    tiles = padded.reshape(down, high, across, wide).transpose(0, 2, 1, 3).reshape(-1, high, wide)
    chosen = range(len(tiles)) if sparse is None else sparse
    ds = dataset(np.ascontiguousarray(tiles[list(chosen)]), Modality="SM", **elements)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, name)
    ds.TotalPixelMatrixRows, ds.TotalPixelMatrixColumns = rows, columns
    ds.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    ds.TotalPixelMatrixOriginSequence = [
        item(XOffsetInSlideCoordinateSystem=12.5, YOffsetInSlideCoordinateSystem=3.25)
    ]
    spacing = [0.75 * 14 / rows, 0.5 * 17 / columns]
    ds.SharedFunctionalGroupsSequence = [
        item(PixelMeasuresSequence=[item(PixelSpacing=[round(s, 8) for s in spacing])])
    ]
    ds.DimensionOrganizationType = "TILED_FULL" if sparse is None else "TILED_SPARSE"
    if sparse is not None:
        ds.PerFrameFunctionalGroupsSequence = [
            item(
                PlanePositionSlideSequence=[
                    item(
                        RowPositionInTotalImagePixelMatrix=n // across * high + 1,
                        ColumnPositionInTotalImagePixelMatrix=n % across * wide + 1,
                    )
                ]
            )
            for n in chosen
        ]
    return ds


PLANE = (np.arange(14 * 17).reshape(14, 17) % 251).astype("uint8")


def test_tiles_make_one_plane_in_the_coordinates_of_the_slide(tmp_path):
    image = read(save(slide(PLANE, (5, 4)), tmp_path / "a.dcm")).image
    assert image.axis_names == "yx"
    np.testing.assert_array_equal(pixels(image), PLANE)
    assert image.geometry.space == "unknown"
    assert image.geometry.origin == (12.5, 3.25)
    assert image.geometry.spacing == pytest.approx((0.5, 0.75))
    np.testing.assert_allclose(image.geometry.physical((2, 0)), (12.5, 3.25 - 1.0))
    assert image.pixels.chunks == (5, 4)


def test_sparse_tiles_are_put_at_their_positions(tmp_path):
    image = read(save(slide(PLANE, (5, 4), sparse=[14, 3, 0]), tmp_path / "a.dcm")).image
    expected = np.zeros_like(PLANE)
    for n in (14, 3, 0):
        y, x = n // 5 * 5, n % 5 * 4
        expected[y : y + 5, x : x + 4] = PLANE[y : y + 5, x : x + 4]
    np.testing.assert_array_equal(pixels(image), expected)
    region = Region((2, 3), (13, 16))
    np.testing.assert_array_equal(image.pixels.read(region), expected[region.slices])


class TestTileSource(PixelSourceContract):
    @pytest.fixture
    def expected(self):
        return PLANE

    @pytest.fixture
    def source(self, tmp_path):
        return read(save(slide(PLANE, (5, 4)), tmp_path / "a.dcm")).image.pixels


def test_files_of_a_slide_are_its_levels(tmp_path):
    volume = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
    save(slide(PLANE[::2, ::2], (5, 4), ImageType=volume), tmp_path / "low.dcm")
    save(slide(PLANE, (5, 4), ImageType=volume), tmp_path / "high.dcm")
    label = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]
    save(slide(PLANE[:5, :4], (5, 4), ImageType=label), tmp_path / "label.dcm")
    opened = read(tmp_path)
    assert opened.image.shape == (14, 17)
    assert [level.shape for level in opened.levels] == [(14, 17), (7, 9)]
    assert codes(opened) == ["slide-parts-skipped"]
    np.testing.assert_array_equal(pixels(read(tmp_path, level=1).image), PLANE[::2, ::2])
    with pytest.raises(UsageError, match="2 levels"):
        read(tmp_path, level=2)


def test_tiles_that_do_not_fit_the_plane_are_refused(tmp_path):
    ds = slide(PLANE, (5, 4), sparse=[0, 1, 1])
    with pytest.raises(FormatError, match="there twice"):
        read(save(ds, tmp_path / "a.dcm"))
    ds = slide(PLANE, (5, 4))
    ds.TotalPixelMatrixRows = 99
    with pytest.raises(FormatError, match="15 tiles, 20 x 5 expected"):
        read(save(ds, tmp_path / "b.dcm"))
    ds = slide(PLANE, (5, 4), NumberOfOpticalPaths=2)
    with pytest.raises(Unsupported, match="2 optical paths"):
        read(save(ds, tmp_path / "c.dcm"))
