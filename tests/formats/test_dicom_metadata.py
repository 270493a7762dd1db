"""What is kept of a DICOM header, and that nothing of a patient is by default."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pydicom = pytest.importorskip("pydicom")

from pydicom.datadict import DicomDictionary, keyword_for_tag  # noqa: E402
from pydicom.uid import DeflatedExplicitVRLittleEndian  # noqa: E402

from formats.contract import pixels  # noqa: E402
from formats.dicom_files import dataset, item, save, voxels, write_series  # noqa: E402
from spconvert.errors import SpconvertError  # noqa: E402
from spconvert.formats.dicom import PLUGIN, tags  # noqa: E402
from spconvert.formats.dicom.safe_fields import SAFE_NUMBERS, SAFE_TEXTS  # noqa: E402
from spconvert.formats.plugin import ReadOptions, Source  # noqa: E402

_SECRETS = {
    "PN": "Secret^SECRET",
    "LO": "SECRET",
    "SH": "SECRET",
    "LT": "SECRET",
    "ST": "SECRET",
    "UT": "SECRET",
    "AE": "SECRET",
    "DA": "19991231",
    "TM": "115959.123",
    "DT": "19991231115959",
    "UI": "1.2.3.99999",
    "AS": "077Y",
}


def read(path, **options):
    return PLUGIN.read(Source(Path(path), options=ReadOptions(**options)))


def full_of_secrets():
    """An image with every element of the standard dictionary that could hold words or dates."""
    ds = dataset(voxels()[0])
    known = {tag: entry[0] for tag, entry in DicomDictionary.items()}
    allowed = {*SAFE_TEXTS.values(), tags.SERIES_INSTANCE_UID, tags.SOP_CLASS_UID}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tag, vr in known.items():
            group = tag >> 16
            if tag in allowed or vr not in _SECRETS or group in (0, 2, 4, 0x28) or group > 0x60:
                continue
            if tag in ds or not keyword_for_tag(tag):
                continue
            ds.add_new(tag, vr, _SECRETS[vr])
    ds.OtherPatientIDsSequence = [item(PatientID="SECRET")]
    ds.PatientName, ds.PatientID = "Secret^SECRET", "SECRET"
    return ds


def test_safe_fields_tell_of_the_scanner_and_of_nobody(tmp_path):
    ds = full_of_secrets()
    ds.Manufacturer, ds.ManufacturerModelName = "ACME", "Scan 3"
    ds.RepetitionTime, ds.EchoTime, ds.MagneticFieldStrength = 2500, 30.5, 3
    path = save(ds, tmp_path / "a.dcm")
    opened = read(path)
    fields = opened.image.extra["dicom"]
    text = json.dumps([fields, opened.image.name, [f.message for f in opened.findings]])
    for secret in ("SECRET", "Secret", "19991231", "115959", "99999", "077Y", "1.2.826"):
        assert secret not in text, secret
    assert fields["Manufacturer"] == "ACME"
    assert fields["RepetitionTime"] == 2500
    assert fields["EchoTime"] == 30.5
    assert fields["TransferSyntax"] == "Explicit VR Little Endian"


def test_names_of_safe_fields_are_those_of_the_standard():
    for name, tag in {**SAFE_TEXTS, **SAFE_NUMBERS}.items():
        assert keyword_for_tag(tag) == name
    for tag in SAFE_TEXTS.values():
        assert DicomDictionary[tag][0] in ("CS", "LO", "SH")
    for tag in SAFE_NUMBERS.values():
        assert DicomDictionary[tag][0] in ("DS", "IS", "US", "FD", "FL", "UL")
    for tag in (*SAFE_TEXTS.values(), *SAFE_NUMBERS.values()):
        assert tag >> 16 != 0x0010, "the patient's group"


@pytest.mark.parametrize("syntax", [None, DeflatedExplicitVRLittleEndian])
def test_all_fields_are_kept_but_pixels_and_binary(tmp_path, syntax):
    ds = full_of_secrets()
    ds.ContrastBolusVolume = 1.5
    if syntax:
        ds.file_meta.TransferSyntaxUID = syntax
    ds.add_new(0x00091010, "OB", b"binary" * 10)
    fields = read(save(ds, tmp_path / "a.dcm"), metadata="all").image.extra["dicom"]
    assert fields["PatientName"] == "Secret^SECRET"
    assert fields["ContrastBolusVolume"] == 1.5
    assert fields["OtherPatientIDsSequence"] == [{"PatientID": "SECRET"}]
    assert fields["ImageOrientationPatient"] == [0.8, 0.6, 0.0, -0.36, 0.48, 0.8]
    assert "PixelData" not in fields
    assert "binary" not in json.dumps(fields)


def test_no_fields_are_kept_on_request(tmp_path):
    path = save(dataset(voxels()[0]), tmp_path / "a.dcm")
    assert read(path, metadata="none").image.extra == {}


def test_real_files_give_no_name_away(testdata, manifest):
    for entry in manifest:
        if entry["format"] != "dicom":
            continue
        path = testdata / entry["path"]
        opened = read(path, on_uneven_slices="warn")
        text = json.dumps([dict(opened.image.extra), opened.image.name]).lower()
        file = path if path.is_file() else next(path.glob("*.dcm"))
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        for name in ("PatientName", "PatientID", "StudyDate", "StudyInstanceUID"):
            value = str(ds.get(name, "")).lower()
            if len(value) > 3 and value != str(ds.get("SeriesNumber")):
                assert value not in text, (entry["id"], name)


# -- hostile headers -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A series of two and a nested file, as bytes."""
    folder = tmp_path_factory.mktemp("small")
    files = write_series(folder, voxels()[:2])
    return [file.read_bytes() for file in files]


@settings(max_examples=150)
@given(data=st.data())
def test_any_changed_byte_gives_an_image_or_an_error_of_ours(small, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("m")
    broken = bytearray(small[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(128, len(broken) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    (folder / "a.dcm").write_bytes(broken)
    (folder / "b.dcm").write_bytes(small[1])
    told = []
    for mode in ("safe", "all"):
        try:
            image = read(folder, metadata=mode, on_uneven_slices="warn").image
            json.dumps(dict(image.extra))
            pixels(image)
        except SpconvertError as error:
            told.append(error.message)
    assert all(message and "\n" not in message for message in told)


def test_deeply_nested_sequences_end_in_an_error(tmp_path):
    path = save(dataset(voxels()[0]), tmp_path / "a.dcm")
    whole = path.read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    nested = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20000
    path.write_bytes(whole[:start] + nested + whole[start:])
    with pytest.raises(SpconvertError, match=r"a\.dcm"):
        read(path)


def test_element_of_a_wrong_length_is_left_out_of_all_fields(tmp_path):
    path = save(dataset(voxels()[0], GantryDetectorTilt=1.5), tmp_path / "a.dcm")
    whole = path.read_bytes()
    wrong = b"\x18\x00\x00\x93UL\x03\x00abc"  # three bytes for numbers of four
    at = whole.index(b"\x20\x00\x0d\x00") if b"\x20\x00\x0d\x00" in whole else 0
    at = at or whole.index(b"\x20\x00\x0e\x00UI")
    path.write_bytes(whole[:at] + wrong + whole[at:])
    fields = read(path, metadata="all").image.extra["dicom"]
    assert fields["GantryDetectorTilt"] == 1.5


def test_five_thousand_files_are_looked_at_quickly(tmp_path):
    import time

    plane = np.zeros((4, 4), "uint8")
    first = save(dataset(plane), tmp_path / "first").read_bytes()
    at = first.index(b"300.125")
    (tmp_path / "first").unlink()
    for k in range(5000):
        (tmp_path / f"{k:05d}").write_bytes(
            first[:at] + b"%07.3f" % (100 + k / 10) + first[at + 7 :]
        )
    began = time.monotonic()
    opened = read(tmp_path, on_uneven_slices="warn")
    assert opened.image.shape == (5000, 4, 4)
    assert time.monotonic() - began < 30
