"""Masks in PNG, TIFF or npy files: one integer per pixel, 0 where nothing is annotated.

Knows image files. Does not know the slide.
"""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import AnnotationError, one_line

LARGEST_MASK_PX = 64_000_000
"""Most pixels of a mask: as many as of an overview, and fewer than Pillow warns about."""

_GZIP = b"\x1f\x8b"
_NPY = b"\x93NUMPY"
_PNG = b"\x89PNG\r\n\x1a\n"
MAGICS = (_NPY, _PNG, b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of these files."""


def read_mask_image(path: Path) -> NDArray[np.generic]:
    """Read the numbers of a mask.

    Parameters
    ----------
    path
        A PNG or TIFF with one channel (or three equal ones), or an npy file with a 2D array. From
        a TIFF with several images the first is read; from an image with a palette, the indices.

    Returns
    -------
    bool or integer array [row, column]

    Raises
    ------
    AnnotationError
        The file is damaged, too large, in colour, or holds fractions.
    """
    with path.open("rb") as file:
        head = file.read(24)
    read = _read_npy if head.startswith(_NPY) else _read_tiff
    if head.startswith(_GZIP):
        raise AnnotationError("it is a mask packed by gzip: unpack it first")
    if head.startswith(_PNG):
        if head[12:16] != b"IHDR":
            raise AnnotationError("it is damaged: a PNG begins with its size (IHDR): save it again")
        _check_size((int.from_bytes(head[20:24]), int.from_bytes(head[16:20])))
        read = _read_png
    try:
        mask = _one_channel(read(path))
    except AnnotationError:
        raise
    except Exception as error:  # whatever three libraries raise on damaged input
        raise AnnotationError(f"it is damaged: {one_line(error)}") from error
    if mask.dtype.kind not in "biu":
        raise AnnotationError(
            f"its numbers are {mask.dtype}, but a mask's must be bool or integers: compare them "
            "with a threshold first"
        )
    return mask


def _read_npy(path: Path) -> NDArray[np.generic]:
    # Mapping allocates nothing, and refuses a file that is shorter than it claims.
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_size(mapped.shape)
    return np.array(mapped)


def _read_png(path: Path) -> NDArray[np.generic]:
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        _check_size(image.size[::-1])
        return np.asarray(image)


def _read_tiff(path: Path) -> NDArray[np.generic]:
    from tifffile import TiffFile

    with TiffFile(path) as tiff:
        page = tiff.pages.first
        _check_size(page.shape)
        if page.is_tiled:
            _check_size((page.tiledepth or 1, page.tilelength, page.tilewidth))
        return np.asarray(page.asarray())


def _one_channel(array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.ndim == 2:
        return array
    channels = array.shape[-1]
    if array.ndim != 3 or channels not in (1, 3) or not (array == array[..., :1]).all():
        raise AnnotationError(
            f"its shape is {array.shape}, but a mask must have one channel: save it as grey or "
            "as labels"
        )
    return np.ascontiguousarray(array[..., 0])


def _check_size(shape: tuple[int, ...]) -> None:
    if 0 in shape:
        raise AnnotationError(f"its shape is {shape}, so it is empty")
    if math.prod(shape[:2]) > LARGEST_MASK_PX or math.prod(shape) > 4 * LARGEST_MASK_PX:
        raise AnnotationError(
            f"its shape is {'×'.join(map(str, shape))}, but a mask may have at most "
            f"{LARGEST_MASK_PX // 10**6} megapixels: save it at a coarser scale, such as 8 µm "
            "per pixel"
        )
