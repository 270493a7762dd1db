"""Bad headers of the formats that the numbered catalogue does not list."""

from __future__ import annotations

import zlib
from pathlib import Path

from faults.case import VOXELS, Case, Make, content, misplaced, payload, read, refused
from faults.nrrd import bomb
from faults.samples import BIG_ENDIAN, DATA, gipl, metaimage, mgh, mrc, vtk

NAN, INF = float("nan"), float("inf")


def mha(data: bytes = DATA, **changed: str) -> Make:
    """A single file."""
    return content("a.mha", metaimage(data, **changed))


def mhd(data_file: str, **changed: str) -> Make:
    """A header that names its data file."""
    return content("a.mhd", metaimage(b"", data_file, **changed))


def traversing(folder: Path) -> Path:
    """A header that names a file one folder up, which is there."""
    (folder.parent / "beyond.raw").write_bytes(DATA)
    return mhd("../beyond.raw")(folder)


ZIPPED = zlib.compress(DATA)
PACKED = {"CompressedData": "True"}
LEAVE = "outside|--allow-external-data"

META = (
    refused("metaimage-1", "mha_short_data", mha(DATA[:40]), "has 40 of 48 bytes"),
    read("metaimage-2", "mha_extra_data", mha(DATA + b"more"), "surplus-data", voxels=VOXELS),
    refused("metaimage-3", "mha_huge_sizes", mha(DimSize="100000 100000 100"), "bytes"),
    refused(
        "metaimage-4", "mha_overflow_sizes", mha(DimSize="9999999999 9999999999 9"), "2\\^63|bytes"
    ),
    refused("metaimage-5", "mha_negative_size", mha(DimSize="2 -3 4"), "-3"),
    refused("metaimage-6", "mha_zero_size", mha(DimSize="2 0 4"), "0"),
    refused("metaimage-7", "mha_dim_mismatch", mha(DimSize="2 3"), "2 sizes for dimension 3"),
    misplaced("metaimage-8", "mha_zero_spacing", mha(ElementSpacing="0.5 0 2.5"), "0"),
    misplaced("metaimage-9", "mha_nan_spacing", mha(ElementSpacing="0.5 nan 2.5"), "nan"),
    misplaced(
        "metaimage-10",
        "mha_singular",
        mha(TransformMatrix="1 0 0 1 0 0 0 0 1"),
        "singular|TransformMatrix",
    ),
    misplaced("metaimage-11", "mha_nan_origin", mha(Offset="nan 0 0"), "nan"),
    refused(
        "metaimage-12", "mha_unknown_type", mha(ElementType="MET_QUATERNION"), "MET_QUATERNION"
    ),
    read(
        "metaimage-13",
        "mha_zraw_bomb",
        mha(bomb(DATA, 512 << 20, 15), **PACKED),
        "surplus-data",
        voxels=VOXELS,
    ),
    payload(
        "metaimage-14", "mha_zraw_trunc", mha(ZIPPED[:-8], **PACKED), "has \\d+ of 48|ends before"
    ),
    refused("metaimage-15", "mhd_traversal", traversing, LEAVE),
    refused("metaimage-16", "mhd_abs", mhd("/etc/passwd"), LEAVE),
    refused("metaimage-17", "mhd_missing", mhd("gone.raw"), "gone.raw", names="gone.raw"),
    refused("metaimage-18", "mhd_itself", mhd("a.mhd", DimSize="90 90 90"), "itself"),
    refused("metaimage-19", "mha_long_line", mha(Comment="x" * (2 << 20)), "header|line"),
)
VTK = (
    refused("vtk-1", "vtk_short_data", content("a.vtk", vtk(BIG_ENDIAN[:40])), "40 of 48 bytes"),
    refused(
        "vtk-2",
        "vtk_huge_sizes",
        content("a.vtk", vtk(DIMENSIONS="100000 100000 100", POINT_DATA="1000000000000")),
        "bytes",
    ),
    refused("vtk-3", "vtk_negative_size", content("a.vtk", vtk(DIMENSIONS="2 -3 4")), "-3"),
    refused("vtk-4", "vtk_zero_size", content("a.vtk", vtk(DIMENSIONS="2 0 4")), "0"),
    misplaced(
        "vtk-5", "vtk_zero_spacing", content("a.vtk", vtk(SPACING="0.5 0 2.5")), "SPACING|spacing"
    ),
    misplaced("vtk-6", "vtk_nan_origin", content("a.vtk", vtk(ORIGIN="nan 0 0")), "ORIGIN"),
    refused("vtk-7", "vtk_points_contradict", content("a.vtk", vtk(POINT_DATA="25")), "25"),
    refused(
        "vtk-8", "vtk_unknown_type", content("a.vtk", vtk(SCALARS="a quaternion")), "quaternion"
    ),
)
GIPL = (
    refused(
        "gipl-1", "gipl_huge_sizes", content("a.gipl", gipl((65535, 65535, 65535, 1))), "bytes"
    ),
    refused("gipl-2", "gipl_zero_size", content("a.gipl", gipl((2, 0, 4, 1))), "0"),
    refused("gipl-3", "gipl_unknown_type", content("a.gipl", gipl(kind=99)), "99"),
    misplaced(
        "gipl-4", "gipl_zero_spacing", content("a.gipl", gipl(spacing=(0.5, 0, 2.5, 0))), "spacing"
    ),
    misplaced(
        "gipl-5", "gipl_nan_origin", content("a.gipl", gipl(origin=(NAN, 0, 0, 0))), "origin"
    ),
)
MGH = (
    refused(
        "mgh-1", "mgh_huge_sizes", content("a.mgh", mgh((2**31 - 1, 2**31 - 1, 4, 1))), "bytes"
    ),
    refused("mgh-2", "mgh_zero_size", content("a.mgh", mgh((2, 0, 4, 1))), "not a mgh|0"),
    refused("mgh-3", "mgh_negative_size", content("a.mgh", mgh((2, -3, 4, 1))), "not a mgh|-3"),
    refused("mgh-4", "mgh_unknown_type", content("a.mgh", mgh(kind=99)), "not a mgh|99"),
    misplaced("mgh-5", "mgh_zero_spacing", content("a.mgh", mgh(spacing=(0.5, 0, 2.5))), "spacing"),
    misplaced(
        "mgh-6", "mgh_inf_centre", content("a.mgh", mgh(centre=(INF, 0, 0))), "centre|origin|inf"
    ),
)
MRC = (
    refused("mrc-1", "mrc_huge_sizes", content("a.mrc", mrc((2**31 - 1, 2**31 - 1, 4))), "bytes"),
    refused("mrc-2", "mrc_negative_size", content("a.mrc", mrc((2, -3, 4))), "-3"),
    refused("mrc-3", "mrc_unknown_mode", content("a.mrc", mrc(mode=99)), "99"),
    misplaced("mrc-4", "mrc_nan_cell", content("a.mrc", mrc(cell=(NAN, 2.25, 10))), "nan|cell"),
)
CASES: tuple[Case, ...] = (*META, *VTK, *GIPL, *MGH, *MRC)
