"""Text sources: numbers printed by Python, read back whole or refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from spconvert.errors import FormatError
from spconvert.model.region import Region
from spconvert.pixels.layout import Layout
from spconvert.pixels.raw import FilePart
from spconvert.pixels.text import TextSource
from spconvert.testing.pixel_source import PixelSourceContract

SHAPE = (2, 5, 7, 11)
ORDER = (1, 2, 3, 0)  # c fastest


def noise():
    return np.random.default_rng(5).integers(0, 99, SHAPE)


def stored_bytes(array, stored):
    return np.ascontiguousarray(array.transpose(ORDER)).astype(stored).tobytes()


@pytest.mark.parametrize("notation", ["decimal", "hex"])
@pytest.mark.parametrize("stored", ["<i2", "<f8", "<u8"])
class TestTextSource(PixelSourceContract):
    @pytest.fixture
    def expected(self, stored):
        array = noise().astype(stored)
        return array / 3 if stored == "<f8" else array

    @pytest.fixture
    def source(self, expected, stored, notation, tmp_path, monkeypatch):
        monkeypatch.setattr("spconvert.pixels.text.PIECE_BYTES", 37)  # cut within numbers
        data = stored_bytes(expected, stored)
        words = np.frombuffer(data, stored).tolist()
        text = data.hex("\n", 13) if notation == "hex" else " ".join(map(repr, words))
        path = tmp_path / "text"
        path.write_text("##" + text)
        part = FilePart(path, 2, len(text))
        return TextSource(part, notation, Layout(SHAPE, np.dtype(stored), ORDER))


@pytest.mark.parametrize(
    "text", [b"1 2 x", b"1 2 300", b"1 2 -1", b"1 2 1.5", b"1 2 1_0", b"9" * 9000]
)
def test_text_that_is_no_number_of_the_type_is_refused(text, tmp_path):
    path = tmp_path / "t"
    path.write_bytes(text)
    layout = Layout((3,), np.dtype("u1"), (0,))
    source = TextSource(FilePart(path, 0, len(text)), "decimal", layout)
    with pytest.raises(FormatError):
        source.read(Region((0,), (3,)))


def test_text_keeps_the_largest_integers_and_odd_floats(tmp_path):
    path = tmp_path / "t"
    path.write_text("18446744073709551615, 0\n9007199254740993")
    whole = Region((0,), (3,))
    part = FilePart(path, 0, path.stat().st_size)
    big = TextSource(part, "decimal", Layout((3,), np.dtype("<u8"), (0,))).read(whole)
    assert big.tolist() == [2**64 - 1, 0, 2**53 + 1]
    path.write_text("NaN -inf 1e-310")
    part = FilePart(path, 0, path.stat().st_size)
    odd = TextSource(part, "decimal", Layout((3,), np.dtype("<f8"), (0,))).read(whole)
    assert struct.pack("<2d", *odd[1:]) == struct.pack("<2d", float("-inf"), 1e-310)
    assert np.isnan(odd[0])


def test_text_behind_the_last_number_is_reported(tmp_path):
    path = tmp_path / "t"
    path.write_text("1 2 3 4")
    source = TextSource(FilePart(path, 0, 7), "decimal", Layout((3,), np.dtype("u1"), (0,)))
    findings = []
    (array,) = source.scan([Region((0,), (3,))], findings.append)
    assert array.tolist() == [1, 2, 3]
    assert [finding.code for finding in findings] == ["surplus-data"]
