"""The fields of a MetaImage header: their names, what they are about, and the element types.

Names: the MetaIO documentation of ITK (https://itk.org/Wiki/MetaIO/Documentation), "Tag fields".
"""

from __future__ import annotations

TYPES = {
    "MET_CHAR": "i1",
    "MET_ASCII_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
"""Element types to numpy codes; MetaIO's MET_LONG has four bytes in files on every machine.
Each may have the suffix _ARRAY, which says that there are several channels."""

POSITIONS = ("Offset", "Position", "Origin")
"""Three names of one field, the first that is there counts."""
MATRICES = ("TransformMatrix", "Orientation", "Rotation")
SPACINGS = ("ElementSpacing", "ElementSize")
BYTE_ORDERS = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")

OF_THE_SAMPLES = (
    "ObjectType",
    "NDims",
    "DimSize",
    "BinaryData",
    *BYTE_ORDERS,
    "CompressedData",
    "CompressedDataSize",
    "HeaderSize",
    "ElementType",
    "ElementNBits",
    "ElementNumberOfChannels",
    "ElementDataFile",
)
"""Fields that say how the samples are stored."""

OWN_FIELDS = ("AxisNames", "Space", "TimeUnits")
"""Fields that only spconvert writes, where MetaImage has no word; others skip them.
``AxisNames``: letters of the axes, fastest first, where they are not x, y, z, t with interleaved
channels; ``Space = unknown``: no anatomical coordinates; ``TimeUnits``: of the time axis."""

OF_SPACE = (
    *POSITIONS,
    *MATRICES,
    *SPACINGS,
    *OWN_FIELDS,
    "AnatomicalOrientation",
    "DistanceUnits",
)
"""Fields that place the samples."""

_OTHERS = (
    "Comment",
    "ObjectSubType",
    "TransformType",
    "Name",
    "ID",
    "ParentID",
    "Color",
    "AcquisitionDate",
    "CenterOfRotation",
    "Modality",
    "SequenceID",
    "ElementMin",
    "ElementMax",
    "ElementToIntensityFunctionSlope",
    "ElementToIntensityFunctionOffset",
    "HeaderSizePerSlice",
)
KNOWN = {name.lower(): name for name in (*OF_THE_SAMPLES, *OF_SPACE, *_OTHERS)}
