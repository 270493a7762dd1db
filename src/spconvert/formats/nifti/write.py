"""Write NIfTI or Analyze: the header, its extensions, then the voxels in slabs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spconvert.errors import TargetError
from spconvert.formats.nifti.compose import Composed, composed
from spconvert.formats.nifti.extensions import packed_extensions
from spconvert.formats.nifti.extra import kept_extensions
from spconvert.formats.nifti.fields import MAGICS, STRUCTURES
from spconvert.formats.nifti.form import Form, form_named
from spconvert.formats.nifti.supplement import packed
from spconvert.formats.plugin import Target, WriteOptions
from spconvert.model.finding import note, warning
from spconvert.model.image import SpatialImage
from spconvert.pixels.deflating import Compressor, deflater
from spconvert.pixels.ordered import check_order, in_file_order

_PIECE = 1 << 20


class _Sink(Protocol):
    """Where bytes go, compressed or not."""

    def write(self, data: Any) -> None: ...
    def close(self) -> None: ...


def write_image(image: SpatialImage, target: Target, options: WriteOptions) -> Iterable[Path]:
    """Write the files of one image; see ``NiftiFormat.write``."""
    form = form_named(options.codec, target.path)
    made = composed(image, form.version)
    check_order(image.pixels, made.order, "NIfTI")
    _report(image, made, options)
    header = target.folder / form.header_name
    data = target.folder / form.data_name if form.data_name else header
    head = _head(image, made, single=data == header)
    at = header
    try:
        with header.open("wb") as file:
            sink = _sink(file, form)
            sink.write(head)
            if data == header:
                _write_voxels(image, made, sink, options)
            sink.close()
        if data != header:
            at = data
            with data.open("wb") as file:
                sink = _sink(file, form)
                _write_voxels(image, made, sink, options)
                sink.close()
    except OSError as error:
        raise TargetError(f"{at}: {error.strerror}") from error
    if data == header:
        return [header]
    return [header, data] if header.name == target.path.name else [data, header]


def _report(image: SpatialImage, made: Composed, options: WriteOptions) -> None:
    if image.unit is None and any(image.axes[i].unit for i in image.space_axes):
        units = [image.axes[i].unit for i in image.space_axes]
        text = f"NIfTI has one unit for all axes; {units} are not written"
        options.finding(warning("mixed-units", text))
    if made.sform_only:
        text = "the axes are not orthogonal: only the sform holds them, the qform is not set"
        options.finding(note("sform-only", text))
    geometry = image.geometry
    elsewhere = any(geometry.origin) or not geometry.has_identity_direction
    if geometry.space == "unknown" and elsewhere and made.supplement.geometry is not None:
        text = (
            "origin and direction belong to no patient: they are in a comment that spconvert "
            "reads, other programs see the spacing only"
        )
        options.finding(note("orientation-unknown", text))
    elif made.inexact and made.header.version == "nifti1":
        text = (
            "NIfTI-1 holds positions as float32; the exact ones are in a comment that spconvert "
            "reads (--codec nifti2 holds float64)"
        )
        options.finding(note("geometry-rounded", text))


def _head(image: SpatialImage, made: Composed, *, single: bool) -> bytes:
    """Header and extensions, up to the first voxel in a single file."""
    header, structure = made.header, STRUCTURES[made.header.version]
    values = np.zeros((), structure)
    for name in structure.names or ():
        values[name] = header.fields[name]
    if header.version == "analyze":
        return values.tobytes()
    extensions = kept_extensions(image.extra)
    if not made.supplement.is_empty:
        extensions.append(packed(made.supplement))
    behind = packed_extensions(extensions)
    values["magic"] = next(m for m, k in MAGICS.items() if k == (header.version, single))
    values["vox_offset"] = structure.itemsize + len(behind) if single else 0
    return values.tobytes() + behind


def _write_voxels(image: SpatialImage, made: Composed, sink: _Sink, options: WriteOptions) -> None:
    done = 0
    for values in in_file_order(image.pixels, made.order, options.budget, options.finding):
        data = _little(values)
        for start in range(0, len(data), _PIECE):
            sink.write(data[start : start + _PIECE])
        done += values.nbytes
        options.report(done)


def _little(values: NDArray[Any]) -> memoryview:
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data


def _sink(file: IO[bytes], form: Form) -> _Sink:
    return _Plain(file) if form.level is None else _Packed(file, deflater("gzip", form.level))


class _Plain:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: Any) -> None:
        self._file.write(data)

    def close(self) -> None:
        pass


class _Packed:
    def __init__(self, file: IO[bytes], compressor: Compressor) -> None:
        self._file = file
        self._compressor = compressor

    def write(self, data: Any) -> None:
        self._file.write(self._compressor.compress(data))

    def close(self) -> None:
        self._file.write(self._compressor.flush())
