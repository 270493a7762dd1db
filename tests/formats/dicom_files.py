"""DICOM files made for tests: pydicom writes them, a few elements at a time."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

SERIES = "1.2.826.0.1.3680043.8.498.1001"
ROW = (0.8, 0.6, 0.0)
COLUMN = (-0.36, 0.48, 0.8)
NORMAL = (0.48, -0.64, 0.6)
"""ROW x COLUMN: an oblique plane."""
ORIGIN = np.array((-90.5, 12.25, 300.125))
SPACING = (0.75, 0.5)
"""Between rows (y), between columns (x)."""
GAP = 2.5
SIZE = (5, 7, 6)
"""Slices, rows, columns: all differ."""
MARKER = (1, 2, 3)
PRIVATE_NAME = "Doe^Jane"


def voxels(shape=SIZE, dtype="int16"):
    """An array whose values tell where they are, with one marker."""
    array = (np.arange(np.prod(shape)).reshape(shape) % 97).astype(dtype)
    array[MARKER] = 101
    return array


def slice_position(k, gap=GAP):
    """Where slice ``k`` lies."""
    return ORIGIN + k * gap * np.array(NORMAL)


def dataset(pixels, syntax=ExplicitVRLittleEndian, **elements):
    """One image; ``pixels`` is (rows, columns) or (frames, rows, columns), or packed bytes.

    Elements are given by keyword; ``None`` takes one away.
    """
    ds = FileDataset(
        None,
        {},
        preamble=b"\0" * 128,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
    ds.PatientName = PRIVATE_NAME
    ds.PatientID = "4711"
    ds.Modality = "CT"
    ds.SeriesInstanceUID = SERIES
    ds.SeriesNumber = 7
    ds.InstanceNumber = 1
    ds.ImageOrientationPatient = [*ROW, *COLUMN]
    ds.ImagePositionPatient = ORIGIN.tolist()
    ds.PixelSpacing = list(SPACING)
    ds.SliceThickness = 3.5
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    if isinstance(pixels, np.ndarray):
        _describe(ds, pixels, syntax)
    elif pixels is not None:
        ds.PixelData = pixels
    for name, value in elements.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    return ds


def _describe(ds, pixels, syntax):
    ds.Rows, ds.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        ds.NumberOfFrames = pixels.shape[0]
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    ds["PixelData"].VR = "OW" if bits > 8 else "OB"


def save(ds, path):
    """Write a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    syntax = ds.file_meta.TransferSyntaxUID
    ds.save_as(
        path,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return path


def write_series(folder, array=None, *, positions=None, change=None, **elements):
    """One file per slice, named and numbered against the order of positions.

    ``change(k, dataset)`` may alter slice ``k`` before it is written.
    """
    array = voxels() if array is None else array
    files = []
    names = np.random.default_rng(5).permutation(len(array))
    for k, plane in enumerate(array):
        place = slice_position(k) if positions is None else positions[k]
        ds = dataset(plane, **elements)
        ds.ImagePositionPatient = [round(float(v), 6) for v in place]
        ds.InstanceNumber = len(array) - k
        if change is not None:
            change(k, ds)
        files.append(save(ds, folder / f"IM{names[k]:03d}.dcm"))
    return files


def item(**elements):
    """A sequence item."""
    ds = Dataset()
    for name, value in elements.items():
        setattr(ds, name, value)
    return ds
