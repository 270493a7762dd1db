"""Bad DICOM: cases 57 to 73."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import ExplicitVRBigEndian

from faults.case import Case, Make, misplaced, read, refused
from formats.dicom_files import (
    COLUMN,
    GAP,
    NORMAL,
    ROW,
    SERIES,
    dataset,
    save,
    slice_position,
    voxels,
    write_series,
)

Change = Callable[[int, Any], None]
JPIP, MPEG2 = "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.100"
OTHER = f"{SERIES}.2"


def series(change: Change | None = None, **more: Any) -> Make:
    """A folder of five slices; ``change(k, dataset)`` alters slice k."""

    def make(folder: Path) -> Path:
        write_series(folder / "dicom", change=change, **more)
        return folder / "dicom"

    return make


def placed(*distances: float) -> Make:
    """Slices at these distances from the first, in units of the gap."""
    count = len(distances)
    places = [slice_position(d) for d in distances]
    return series(array=voxels((count, 7, 6)), positions=places)


def one(**elements: Any) -> Make:
    """A file of one slice."""

    def make(folder: Path) -> Path:
        return save(dataset(voxels()[0], **elements), folder / "a.dcm")

    return make


def changed(k: int, **elements: Any) -> Change:
    """Sets elements of slice ``k``; ``None`` takes one away."""

    def change(number: int, ds: Any) -> None:
        for name, value in elements.items() if number == k else ():
            if value is None:
                delattr(ds, name)
            else:
                setattr(ds, name, value)

    return change


def other_shape(k: int, ds: Any) -> None:
    if k == 2:
        ds.Rows = 3
        ds.PixelData = ds.PixelData[: 3 * 6 * 2]


def short_pixels(k: int, ds: Any) -> None:
    if k == 2:
        ds.PixelData = ds.PixelData[:40]


def second_series(k: int, ds: Any) -> None:
    if k > 2:
        ds.SeriesInstanceUID = OTHER


def unequal_slopes(k: int, ds: Any) -> None:
    ds.RescaleSlope = 1.5 + k
    ds.RescaleIntercept = -10


def no_position(_k: int, ds: Any) -> None:
    del ds.ImagePositionPatient


def tilted() -> Make:
    """Slices that move along y as well as along the normal."""
    step = GAP * np.array(NORMAL) + 0.4 * np.array(COLUMN)
    return series(positions=[slice_position(0) + k * step for k in range(5)])


def with_others(folder: Path) -> Path:
    """A series with a text file and an empty file beside it."""
    path = series()(folder)
    (path / "README.txt").write_text("not an image")
    (path / "empty").write_bytes(b"")
    return path


def reverse(folder: Path) -> Path:
    """Slices whose numbers run against their positions (they always do)."""
    return series()(folder)


def dicomdir(*parts: str) -> Make:
    """A DICOMDIR that lists one file."""

    def make(folder: Path) -> Path:
        (folder.parent / "beyond").write_bytes(b"secret")
        ds = dataset(None)
        ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
        ds.SOPClassUID = "1.2.840.10008.1.3.10"
        record = type(ds)(None, {})
        record.DirectoryRecordType = "IMAGE"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom minds the name
            record.ReferencedFileID = list(parts)
        ds.DirectoryRecordSequence = [record]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return save(ds, folder / "DICOMDIR")

    return make


def odd_vr(folder: Path) -> Path:
    """An element of a value representation that is none, 4 GiB long by its length field."""
    path = one()(folder)
    whole = path.read_bytes()
    at = whole.index(struct.pack("<HH2s", 0x28, 0x02, b"US"))
    path.write_bytes(
        whole[:at] + struct.pack("<HH2sHI", 0x27, 1, b"ZZ", 0, 0xFFFFFFF0) + whole[at:]
    )
    return path


def unknown_syntax(uid: str) -> Make:
    """Pixels in a transfer syntax for which there is no decoder."""

    def make(folder: Path) -> Path:
        path = one()(folder)
        import pydicom
        from pydicom.encaps import encapsulate

        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = uid
        ds.PixelData = encapsulate([b"\0" * 40])
        ds["PixelData"].is_undefined_length = True
        ds.save_as(path, enforce_file_format=True)
        return path

    return make


def cut(fraction: float) -> Make:
    """One slice of the series cut off."""

    def make(folder: Path) -> Path:
        path = series()(folder)
        victim = sorted(path.iterdir())[2]
        victim.write_bytes(victim.read_bytes()[: int(victim.stat().st_size * fraction)])
        return path

    return make


RESCALED = (voxels() * (1.5 + np.arange(5))[:, None, None] - 10).astype("f4")
WARN = ("--on-uneven-slices", "warn")
TURNED = changed(2, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
NAMED = {"names": ".dcm"}
DICOMDIR = {"names": "DICOMDIR"}

CASES: tuple[Case, ...] = (
    misplaced(
        "57",
        "dcm_missing_slice",
        placed(0, 1, 3, 4),
        "5 mm.*2.5 mm",
        promised="4 (tables)",
        **NAMED,
    ),
    read(
        "57b",
        "dcm_missing_slice_warn",
        placed(0, 1, 3, 4),
        "uneven-slices",
        flags=WARN,
        voxels=voxels((4, 7, 6)),
    ),
    misplaced("58", "dcm_uneven", placed(0, 1, 2.1, 3.1), "mm", promised="4 (tables)", **NAMED),
    misplaced(
        "59", "dcm_duplicate_position", placed(0, 1, 1, 2), "same", promised="4 (tables)", **NAMED
    ),
    misplaced(
        "60", "dcm_mixed_orientation", series(TURNED), "orient", promised="4 (tables)", **NAMED
    ),
    Case("61", "dcm_mixed_shape", "3", series(other_shape), "6|3", 3, 3, names=".dcm"),
    Case(
        "62",
        "dcm_two_series",
        "2 (tables)",
        series(second_series),
        f"{SERIES}|series",
        2,
        0,
        names="dicom",
    ),
    read(
        "62b",
        "dcm_two_series_chosen",
        series(second_series),
        flags=("--series", OTHER),
        voxels=voxels()[3:],
        promised="read",
    ),
    misplaced(
        "63", "dcm_no_ipp", series(no_position), "osition", promised="4 (tables)", names="dcm"
    ),
    read(
        "63b",
        "dcm_no_ipp_warn",
        series(no_position),
        "position-unknown",
        flags=WARN,
        voxels=voxels()[::-1],
    ),
    refused("64", "dcm_short_pixels", series(short_pixels), "40 of 84", **NAMED),
    misplaced("65", "dcm_zero_spacing", one(PixelSpacing=[0, 0.5]), "pixel spacing"),
    misplaced(
        "65b", "dcm_no_orientation_half", one(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "rient"
    ),
    read("66", "dcm_gantry_tilt", tilted(), voxels=voxels(), promised="shear kept"),
    read(
        "67",
        "dcm_slope_per_slice",
        series(unequal_slopes),
        "rescale-differs",
        voxels=RESCALED,
        promised="W",
    ),
    refused(
        "68", "dcm_huge_rows", one(Rows=65535, Columns=65535), "84 of|bytes", promised="3 (tables)"
    ),
    refused(
        "68b",
        "dcm_huge_frames",
        one(NumberOfFrames=2**31 - 1),
        "bytes|frames",
        promised="3 (tables)",
    ),
    refused("69", "dicomdir_traversal", dicomdir("..", "beyond"), "outside", **DICOMDIR),
    refused("69b", "dicomdir_missing_file", dicomdir("GONE"), "missing", **DICOMDIR),
    refused("70", "dcm_odd_vr_bomb", odd_vr, "bytes|ZZ", promised="8 or 3"),
    read("71", "dcm_reversed_order", reverse, voxels=voxels(), promised="read"),
    read("72", "dcm_other_files", with_others, voxels=voxels(), promised="read"),
    refused("73", "dcm_no_codec", unknown_syntax(JPIP), JPIP),
    refused("73b", "dcm_video", unknown_syntax(MPEG2), MPEG2),
    refused("dicom-1", "dcm_cut_in_header", cut(0.3), "bytes|cut", **NAMED),
    refused("dicom-2", "dcm_cut_in_data", cut(0.97), "bytes", **NAMED),
    refused("dicom-3", "dcm_no_pixels", one(PixelData=None), "PixelData|pixel|image"),
    refused("dicom-4", "dcm_zero_rows", one(Rows=0), "0"),
    read("dicom-5", "dcm_big_endian", series(syntax=ExplicitVRBigEndian), voxels=voxels()),
    misplaced(
        "dicom-6", "dcm_skew_orientation", one(ImageOrientationPatient=[*ROW, *ROW]), "rient"
    ),
)
