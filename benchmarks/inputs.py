"""Writes the inputs of ``reading.py``: one volume in many formats, by libraries other than ours.

Run as ``python inputs.py VOLUME.nrrd FOLDER NAME``: the middle half of the 512³ volume (512 x 512
x 256 int16, 128 MiB) becomes ``FOLDER/NAME``.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPACING = (0.7, 0.8, 1.25)
ORIGIN = (-179.2, -204.8, -147.5)
Volume = NDArray[np.int16]


def load(path: Path) -> Volume:
    """The slices 128 to 383 of the large input."""
    count = 512**3
    flat = np.memmap(path, np.int16, "r", offset=path.stat().st_size - 2 * count)
    return np.ascontiguousarray(flat.reshape(512, 512, 512)[128:384])


def simpleitk(path: Path, volume: Volume, *, compressed: bool = False) -> None:
    import SimpleITK

    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    if path.suffix == ".nrrd" and compressed:
        SimpleITK.WriteImage(image, str(path), useCompression=True, compressionLevel=1)
    else:
        SimpleITK.WriteImage(image, str(path), useCompression=compressed)


def simpleitk_compressed(path: Path, volume: Volume) -> None:
    simpleitk(path, volume, compressed=True)


def nibabel(path: Path, volume: Volume) -> None:
    import nibabel as nib

    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    kind = nib.MGHImage if path.suffix == ".mgz" else nib.Nifti1Image
    nib.save(kind(volume.transpose(), affine), path)


def tiff(**settings: Any) -> Callable[[Path, Volume], None]:
    def write(path: Path, volume: Volume) -> None:
        import tifffile

        # ImageJ has no signed 16-bit values; one type for all dialects.
        values = (volume + 1024).astype(np.uint16)
        if settings.get("imagej"):
            settings["metadata"] = {"axes": "ZYX", "spacing": 1.25, "unit": "mm"}
        elif path.name.endswith(".ome.tif"):
            settings["metadata"] = {"axes": "ZYX", "PhysicalSizeZ": 1.25, "PhysicalSizeZUnit": "mm"}
        else:
            settings["metadata"] = None
        tifffile.imwrite(path, values, photometric="minisblack", **settings)

    return write


def dicom(kind: str) -> Callable[[Path, Volume], None]:
    """A CT series, one file a slice, by pydicom; RLE by pydicom, JPEG-LS by imagecodecs."""

    def write(folder: Path, volume: Volume) -> None:
        folder.mkdir()
        for number, plane in enumerate(volume):
            _slice(folder / f"{number:04}.dcm", kind, number, plane)

    return write


def _slice(path: Path, kind: str, number: int, plane: Volume) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

    syntaxes = {"raw": ExplicitVRLittleEndian, "rle": RLELossless, "jpegls": JPEGLSLossless}
    root = "1.2.826.0.1.3680043.8.498.1"
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntaxes["jpegls" if kind == "jpegls" else "raw"]
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    data.SOPInstanceUID = f"{root}.3.{number + 1}"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = f"{root}.1", f"{root}.2"
    data.FrameOfReferenceUID = f"{root}.4"
    data.Modality, data.PatientID, data.PatientName = "CT", "bench", "bench"
    data.InstanceNumber = number + 1
    data.Rows, data.Columns = plane.shape
    data.PixelSpacing = [SPACING[1], SPACING[0]]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.ImagePositionPatient = [ORIGIN[0], ORIGIN[1], ORIGIN[2] + SPACING[2] * number]
    data.SliceThickness = SPACING[2]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 1
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    if kind == "jpegls":
        import imagecodecs

        # JPEG-LS codes unsigned samples: the two's complement pattern, as DICOM asks.
        coded = imagecodecs.jpegls_encode(plane.view(np.uint16))
        data.PixelData = encapsulate([coded])
        data["PixelData"].is_undefined_length = True
    else:
        data.PixelData = plane.tobytes()
    data["PixelData"].VR = "OB" if kind == "jpegls" else "OW"
    if kind == "rle":
        data.compress(RLELossless, generate_instance_uid=False, encoding_plugin="pydicom")
    data.save_as(path, enforce_file_format=True)


def pictures(folder: Path, volume: Volume) -> None:
    """Numbered PNGs of 16-bit grey."""
    from PIL import Image

    folder.mkdir()
    for number, plane in enumerate((volume + 1024).astype(np.uint16)):
        Image.fromarray(plane).save(folder / f"slice_{number:04}.png", compress_level=1)


def zarr_store(
    zarr_format: int, codec: str, chunks: int, shards: int | None
) -> Callable[[Path, Volume], None]:
    """One level of an OME-Zarr 0.4 or 0.5 image, by zarr-python."""

    def write(path: Path, volume: Volume) -> None:
        import zarr

        axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
        scale = {"type": "scale", "scale": list(SPACING[::-1])}
        image: dict[str, Any] = {
            "axes": axes,
            "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
        }
        ome: dict[str, Any] = {"multiscales": [{**image, "version": "0.4"}]}
        if zarr_format == 3:
            ome = {"ome": {"version": "0.5", "multiscales": [image]}}
        group = zarr.create_group(path, zarr_format=zarr_format, attributes=ome)
        array = group.create_array(
            "0",
            shape=volume.shape,
            dtype=volume.dtype,
            chunks=(chunks,) * 3,
            shards=None if shards is None else (shards,) * 3,
            compressors=_compressors(codec, zarr_format),
            chunk_key_encoding={"name": "default" if zarr_format == 3 else "v2", "separator": "/"},
        )
        array[:] = volume

    return write


def _compressors(codec: str, zarr_format: int) -> Any:
    import numcodecs
    from zarr import codecs

    if codec == "none":
        return None
    if zarr_format == 2:
        blosc = numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE)
        return {"blosc": blosc, "gzip": numcodecs.GZip(1), "zlib": numcodecs.Zlib(1)}[codec]
    blosc = codecs.BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")
    return {"blosc": blosc, "zstd": codecs.ZstdCodec(level=1), "gzip": codecs.GzipCodec(level=1)}[
        codec
    ]


def recompressed(path: Path, volume: Volume) -> None:
    """``.nii`` in one gzip stream, at the level that gzip itself takes."""
    plain = path.with_name("recompressed.nii")
    nibabel(plain, volume)
    with plain.open("rb") as source, gzip.open(path, "wb", 6) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    plain.unlink()


WRITERS: dict[str, Callable[[Path, Volume], None]] = {
    "raw.nrrd": simpleitk,
    "gzip.nrrd": simpleitk_compressed,
    "plain.nii": nibabel,
    "gzip-1.nii.gz": nibabel,
    "gzip-6.nii.gz": recompressed,
    "volume.mgz": nibabel,
    "raw.mha": simpleitk,
    "zlib.mha": simpleitk_compressed,
    "binary.vtk": simpleitk,
    "volume.gipl": simpleitk,
    "volume.mrc": simpleitk,
    "strips.tif": tiff(rowsperstrip=16),
    "lzw.tif": tiff(rowsperstrip=16, compression="lzw"),
    "deflate.tif": tiff(tile=(256, 256), compression="zlib", predictor=True),
    "zstd.tif": tiff(tile=(256, 256), compression="zstd"),
    "imagej.tif": tiff(imagej=True),
    "deflate.ome.tif": tiff(tile=(256, 256), compression="zlib"),
    "raw.dicom": dicom("raw"),
    "rle.dicom": dicom("rle"),
    "jpegls.dicom": dicom("jpegls"),
    "png": pictures,
    "v2-blosc.ome.zarr": zarr_store(2, "blosc", 64, None),
    "v2-gzip.ome.zarr": zarr_store(2, "gzip", 64, None),
    "v3-blosc.ome.zarr": zarr_store(3, "blosc", 64, None),
    "v3-zstd.ome.zarr": zarr_store(3, "zstd", 64, None),
    "v3-plain.ome.zarr": zarr_store(3, "none", 64, None),
    "v3-sharded.ome.zarr": zarr_store(3, "blosc", 64, 256),
}


def main(source: Path, folder: Path, name: str) -> None:
    """Write one input under its name, once it is whole."""
    part = folder / f"part-{name}"  # the suffix chooses the format
    if part.is_dir():
        shutil.rmtree(part)
    volume = load(source)
    WRITERS[name](part, volume)
    part.rename(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
