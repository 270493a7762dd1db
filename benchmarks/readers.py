"""Readers of a whole image, ours and other libraries', each as a process of its own.

``python readers.py READER PATH`` reads once and ends. With ``--serve`` it reads once to warm up,
says what it found (voxels and their sum, so that both sides are known to read the same), and then
reads once per line of its input and answers with the seconds that took.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

SLAB_BYTES = 16 << 20
Arrays = Iterable[NDArray[Any]]


# -- ours ------------------------------------------------------------------------------------


def slabs_of(path: Path, threads: int) -> Iterator[NDArray[Any]]:
    """Front to back in slabs, as the converter reads; each is dropped when the next one comes."""
    from spconvert import open_image
    from spconvert.model.region import slabs

    pixels = open_image(_input(path)).pixels
    if pixels.access == "whole":
        yield pixels.read(_whole(pixels.shape))
        return
    slowest = next(axis for axis in pixels.storage_order if pixels.shape[axis] > 1)
    row = pixels.dtype.itemsize * prod(pixels.shape) // pixels.shape[slowest]
    cuts = slabs(
        pixels.shape,
        pixels.dtype.itemsize,
        max(SLAB_BYTES, pixels.chunks[slowest] * row),  # no chunk of the file is cut
        order=pixels.storage_order,
        align=pixels.chunks,
    )
    if pixels.access == "sequential":
        yield from cast("Any", pixels).scan(cuts)
    elif threads == 1:
        yield from map(pixels.read, cuts)
    else:
        with ThreadPoolExecutor(threads) as pool:
            running: deque[Future[NDArray[Any]]] = deque()
            for cut in cuts:
                if len(running) > threads:
                    yield running.popleft().result()
                running.append(pool.submit(pixels.read, cut))
            while running:
                yield running.popleft().result()


def ours_slabs(path: Path) -> Arrays:
    return slabs_of(path, 1)


def ours_threads(path: Path) -> Arrays:
    return slabs_of(path, 2)


def ours_array(path: Path) -> Arrays:
    """One array, as somebody who uses the package asks for it."""
    from spconvert import open_image

    pixels = open_image(_input(path)).pixels
    return [pixels.read(_whole(pixels.shape))]


def _input(path: Path) -> Path:
    """What to hand to us: a folder of pictures is asked for by a pattern."""
    return path / "*.png" if path.name == "png" else path


def _whole(shape: tuple[int, ...]) -> Any:
    from spconvert.model.region import Region

    return Region.whole(shape)


# -- the others ------------------------------------------------------------------------------


def simpleitk(path: Path) -> Iterator[NDArray[Any]]:
    import SimpleITK

    if path.is_dir():
        reader = SimpleITK.ImageSeriesReader()
        if path.suffix == ".dicom":
            names = reader.GetGDCMSeriesFileNames(str(path))
        else:
            names = [str(name) for name in sorted(path.iterdir())]
        reader.SetFileNames(names)
        image = reader.Execute()
    else:
        image = SimpleITK.ReadImage(str(path))
    yield SimpleITK.GetArrayViewFromImage(image)  # valid as long as the image lives: here


def nibabel(path: Path) -> Arrays:
    import nibabel as nib

    image = cast("Any", nib.load(path))
    # The stored values; an uncompressed file is mapped, and only a copy reads it.
    values = np.asanyarray(image.dataobj)
    return [np.array(values) if isinstance(values, np.memmap) else values]


def pynrrd(path: Path) -> Arrays:
    import nrrd

    return [nrrd.read(str(path), index_order="C")[0]]


def tifffile(path: Path) -> Arrays:
    import tifffile as library

    return [library.imread(path)]


def pydicom(path: Path) -> Arrays:
    import pydicom as library

    read = [library.dcmread(name) for name in path.iterdir()]
    read.sort(key=lambda one: float(one.ImagePositionPatient[2]))
    return [np.stack([one.pixel_array for one in read])]


def imageio(path: Path) -> Arrays:
    import imageio.v3 as library

    return [np.stack([library.imread(name) for name in sorted(path.iterdir())])]


def pillow(path: Path) -> Arrays:
    from PIL import Image

    return [np.stack([np.asarray(Image.open(name)) for name in sorted(path.iterdir())])]


def zarr(path: Path) -> Arrays:
    import zarr as library

    return [library.open_group(path, mode="r")["0"][:]]


READERS: dict[str, Callable[[Path], Arrays]] = {
    "ours-slabs": ours_slabs,
    "ours-threads": ours_threads,
    "ours-array": ours_array,
    "SimpleITK": simpleitk,
    "nibabel": nibabel,
    "pynrrd": pynrrd,
    "tifffile": tifffile,
    "pydicom": pydicom,
    "imageio": imageio,
    "Pillow": pillow,
    "zarr-python": zarr,
}


def main() -> None:
    """Read once, or as often as asked."""
    read, path = READERS[sys.argv[1]], Path(sys.argv[2])
    if "--serve" not in sys.argv:
        count = sum(array.size for array in read(path))
        if count == 0:
            sys.exit("nothing was read")
        return
    sums = [(array.size, int(array.sum(dtype=np.int64))) for array in read(path)]
    print(sum(size for size, _ in sums), sum(value for _, value in sums), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for array in read(path):
            del array
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
