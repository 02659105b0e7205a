"""An image of Pillow's as an array that shares its memory.

``Image.tobytes`` and ``np.asarray`` copy the pixels twice, once in pieces and once to join them:
a twentieth of what OpenSlide takes to read them. Since version 11.2 Pillow hands its memory out by
the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html), of which
this reads the one case there is here: a list of four bytes for every pixel.
"""

import ctypes

import numpy as np
from PIL import Image

from slidetile.raster.pixels import Pixels

_BYTES_PER_PIXEL = 4


class _ArrowArray(ctypes.Structure):
    """``struct ArrowArray``."""


_ArrowArray._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowArray))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.c_void_p),
    ("private_data", ctypes.c_void_p),
]


def image_view(image: Image.Image) -> Pixels:
    """Return an RGBA image as uint8 [row, column, channel], read-only.

    Shares the image's memory where Pillow gives it out in one piece, and keeps it alive; else it
    is a copy.
    """
    shape = image.height, image.width, _BYTES_PER_PIXEL
    memory = _shared(image)
    if memory is None:
        memory = memoryview(image.tobytes())
    return np.frombuffer(memory.toreadonly(), np.uint8).reshape(shape)


def _shared(image: Image.Image) -> "memoryview[int] | None":
    """Return the image's memory, or None where it is not to be had, or not as expected."""
    try:
        _, capsule = image.__arrow_c_array__()
    except (AttributeError, ValueError):  # Pillow before 11.2; an image in several blocks
        return None
    pixels = _ArrowArray.from_address(_pointer(capsule))
    count = image.width * image.height
    if (pixels.length, pixels.offset, pixels.n_children) != (count, 0, 1):
        return None
    samples = pixels.children[0].contents
    wanted = count * _BYTES_PER_PIXEL, 0, 2
    if (samples.length, samples.offset, samples.n_buffers) != wanted or not samples.buffers[1]:
        return None
    memory = (ctypes.c_uint8 * (count * _BYTES_PER_PIXEL)).from_address(samples.buffers[1])
    memory.owner = capsule  # type: ignore[attr-defined]  # alive as long as any view of it
    return memoryview(memory).cast("B")


def _pointer(capsule: object) -> int:
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get_pointer(capsule, b"arrow_array"))
