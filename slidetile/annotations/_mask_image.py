"""Masks in PNG, TIFF or npy files: one integer per pixel, 0 where nothing is annotated.

Knows image files. Does not know the slide.
"""

import math
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import AnnotationError, one_line

LARGEST_MASK_PX = 64_000_000
"""Most pixels of a mask: as many as of an overview, and fewer than Pillow warns about."""

LARGEST_MASK_BYTES = 2 * LARGEST_MASK_PX
"""Most bytes of a mask's numbers, all channels together."""

LARGEST_TAG_BYTES = 4 << 20
"""Most bytes of one tag of a TIFF: a million offsets."""

_MOST_TAGS = 4096

_LOSSLESS = {1: "none", 2: "CCITT", 3: "CCITT", 4: "CCITT", 5: "LZW", 8: "deflate"}
_LOSSLESS |= {32773: "PackBits", 32946: "deflate", 34925: "LZMA", 50000: "zstd"}
"""Compressions whose decoders are told how much they may give; an image within the image may say
that it is larger than its page."""

_TAG_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
"""Bytes of a value of each type of tag."""

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
        _check_size((int.from_bytes(head[20:24]), int.from_bytes(head[16:20])), 1)
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
    _check_size(mapped.shape, mapped.dtype.itemsize)
    return np.array(mapped)


def _read_png(path: Path) -> NDArray[np.generic]:
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        _check_size((*image.size[::-1], len(image.getbands())), 4 if image.mode == "I" else 1)
        return np.asarray(image)


def _read_tiff(path: Path) -> NDArray[np.generic]:
    from tifffile import TiffFile

    _check_tags(path)
    with TiffFile(path) as tiff:
        page = tiff.pages.first
        width = 0 if page.dtype is None else page.dtype.itemsize
        _check_size(page.shape, width)
        if page.is_tiled:
            _check_size((page.tilelength, page.tilewidth), width * (page.tiledepth or 1))
        if page.compression not in _LOSSLESS:
            names = ", ".join(sorted(set(_LOSSLESS.values()) - {"none"}))
            raise AnnotationError(
                f"its compression is {page.compression!r:.40}, which may change its numbers: save "
                f"it uncompressed or with one of {names}"
            )
        return np.asarray(page.asarray())


def _check_tags(path: Path) -> None:
    """Refuse a TIFF whose first directory has a tag that is too long to be read into memory."""
    with path.open("rb") as file:
        head = file.read(16)
        order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        is_big = int.from_bytes(head[2:4], order) == 43
        entry, count_bytes, word = (20, 8, 8) if is_big else (12, 2, 4)
        file.seek(int.from_bytes(head[8:16] if is_big else head[4:8], order))
        count = int.from_bytes(file.read(count_bytes), order)
        if count > _MOST_TAGS:
            raise AnnotationError(f"it is damaged: its first directory has {count:,} tags")
        entries = file.read(count * entry)
    for start in range(0, len(entries) - entry + 1, entry):
        kind = int.from_bytes(entries[start + 2 : start + 4], order)
        number = int.from_bytes(entries[start + 4 : start + 4 + word], order)
        width = _TAG_TYPE_BYTES[kind] if kind < len(_TAG_TYPE_BYTES) else 1
        if number * width > LARGEST_TAG_BYTES:
            raise AnnotationError(
                f"one of its tags has more than {LARGEST_TAG_BYTES >> 20} MiB: save it in larger "
                "strips or tiles"
            )


def _one_channel(array: NDArray[np.generic]) -> NDArray[np.generic]:
    if array.ndim == 2:
        return array
    if array.ndim != 3 or array.shape[2] not in (1, 3) or not _are_equal(array):
        raise AnnotationError(
            f"its shape is {array.shape}, but a mask must have one channel: save it as grey or "
            "as labels"
        )
    return np.ascontiguousarray(array[..., 0])


def _are_equal(channels: NDArray[np.generic]) -> bool:
    first = channels[..., 0]
    return all(np.array_equal(first, channels[..., n]) for n in range(1, channels.shape[2]))


def _check_size(shape: tuple[int, ...], width: int) -> None:
    """Refuse what is too large, before it is decoded; ``width`` is the bytes of a number."""
    if 0 in shape:
        raise AnnotationError(f"its shape is {shape}, so it is empty")
    if math.prod(shape[:2]) > LARGEST_MASK_PX:
        raise AnnotationError(
            f"its shape is {'×'.join(map(str, shape))}, but a mask may have at most "
            f"{LARGEST_MASK_PX // 10**6} megapixels: save it at a coarser scale, such as 8 µm "
            "per pixel"
        )
    if math.prod(shape) * width > LARGEST_MASK_BYTES:
        raise AnnotationError(
            f"its {'×'.join(map(str, shape))} numbers of {width} bytes are more than "
            f"{LARGEST_MASK_BYTES // 10**6} MB: save it in grey with 8 bits, or at a coarser scale"
        )
