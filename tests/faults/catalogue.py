"""All cases, in the order of the reference."""

from __future__ import annotations

from faults import dicom, general, nifti, nrrd, omezarr, others, raster, tiff
from faults.case import Case

SECTIONS: dict[str, tuple[Case, ...]] = {
    "NRRD": nrrd.CASES,
    "NIfTI": nifti.CASES,
    "TIFF": tiff.CASES,
    "PNG and stacks of slices": raster.CASES,
    "DICOM": dicom.CASES,
    "OME-Zarr": omezarr.CASES,
    "MetaImage, VTK, GIPL, MGH, MRC": others.CASES,
    "Any format": general.CASES,
}
"""Heading in the reference to the cases below it."""

CASES: tuple[Case, ...] = tuple(case for cases in SECTIONS.values() for case in cases)
