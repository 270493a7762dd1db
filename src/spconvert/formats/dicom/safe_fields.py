"""The fields that may pass by default: how an image was acquired, and not of whom.

A list of what may pass, not of what must not: numbers and coded terms about scanner and sequence.
Nothing that PS3.15, annex E, table E.1-1 names is on it: no names, dates, times, UIDs,
institutions, serial numbers, and no free text.
"""

from __future__ import annotations

from spconvert.formats.dicom import tags

SAFE_TEXTS: dict[str, int] = {
    "Modality": 0x00080060,
    "Manufacturer": 0x00080070,
    "ManufacturerModelName": 0x00081090,
    "ImageType": 0x00080008,
    "ScanningSequence": 0x00180020,
    "SequenceVariant": 0x00180021,
    "ScanOptions": 0x00180022,
    "MRAcquisitionType": 0x00180023,
    "ImagedNucleus": 0x00180085,
    "InPlanePhaseEncodingDirection": 0x00181312,
    "PatientPosition": 0x00185100,
    "ConvolutionKernel": 0x00181210,
    "RotationDirection": 0x00181140,
    "PhotometricInterpretation": 0x00280004,
    "RescaleType": 0x00281054,
    "LossyImageCompression": 0x00282110,
    "LossyImageCompressionMethod": 0x00282114,
    "DoseUnits": 0x30040002,
    "DoseType": 0x30040004,
    "DoseSummationType": 0x3004000A,
    "Units": 0x00541001,
    "DecayCorrection": 0x00541102,
    "SegmentationType": tags.SEGMENTATION_TYPE,
}
"""Coded strings (CS), and the few short ones that name hardware or a kernel."""

SAFE_NUMBERS: dict[str, int] = {
    "SeriesNumber": 0x00200011,
    "SliceThickness": 0x00180050,
    "SpacingBetweenSlices": 0x00180088,
    "KVP": 0x00180060,
    "XRayTubeCurrent": 0x00181151,
    "Exposure": 0x00181152,
    "ExposureTime": 0x00181150,
    "DataCollectionDiameter": 0x00180090,
    "ReconstructionDiameter": 0x00181100,
    "GantryDetectorTilt": 0x00181120,
    "TableHeight": 0x00181130,
    "SpiralPitchFactor": 0x00189311,
    "CTDIvol": 0x00189345,
    "RepetitionTime": 0x00180080,
    "EchoTime": 0x00180081,
    "InversionTime": 0x00180082,
    "FlipAngle": 0x00181314,
    "MagneticFieldStrength": 0x00180087,
    "ImagingFrequency": 0x00180084,
    "NumberOfAverages": 0x00180083,
    "EchoTrainLength": 0x00180091,
    "EchoNumbers": 0x00180086,
    "PercentSampling": 0x00180093,
    "PercentPhaseFieldOfView": 0x00180094,
    "PixelBandwidth": 0x00180095,
    "AcquisitionMatrix": 0x00181310,
    "DiffusionBValue": 0x00189087,
    "BitsStored": 0x00280101,
    "WindowCenter": 0x00281050,
    "WindowWidth": 0x00281051,
    "RescaleSlope": 0x00281053,
    "RescaleIntercept": 0x00281052,
    "DoseGridScaling": 0x3004000E,
    "MaximumFractionalValue": tags.MAXIMUM_FRACTIONAL_VALUE,
}

SAFE_TAGS = (*SAFE_TEXTS.values(), *SAFE_NUMBERS.values())
"""Everything that ``safe`` may keep; parsed of every file."""
