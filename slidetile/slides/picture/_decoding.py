"""A whole picture as pixels."""

import io

import numpy as np

from slidetile.errors import DamagedPixelsError, one_line
from slidetile.raster.jpeg import JpegError, decode_jpeg
from slidetile.raster.jpeg2000_header import check_codestream
from slidetile.raster.pixels import WHITE, Pixels
from slidetile.slides._background import composite
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Damaged
from slidetile.slides.picture._header import Header

_YCBCR = 6
"""What bare JPEG streams of three components hold, as libjpeg takes them."""

_PILLOW_NAMES = {"png": "PNG", "jpeg2000": "JPEG2000"}


def decode(data: bytes, header: Header, name: str) -> Pixels:
    """Return the pixels of a picture, as uint8 [row, column, channel].

    Transparency is laid over white.

    Parameters
    ----------
    data
        The whole file.
    header
        What `read_header` says of it.
    name
        The file's name, for messages.

    Raises
    ------
    DamagedPixelsError
        It does not decode.
    """
    try:
        pixels = _jpeg(data, header) if header.format == "jpeg" else _by_pillow(data, header)
    except MemoryError:
        raise  # the picture may be sound
    except JpegError as error:
        raise _damaged(name, error.reason) from error
    except Exception as error:  # whatever a decoder raises on damaged data
        raise _damaged(name, one_line(error)) from error
    pixels.flags.writeable = False
    return pixels


def _damaged(name: str, reason: str) -> DamagedPixelsError:
    return DamagedPixelsError(f"{name} does not decode: {reason}.")


def _jpeg(data: bytes, header: Header) -> Pixels:
    stream = JpegTiles(tables=None, photometric=_YCBCR).standalone(data)
    if isinstance(stream, Damaged):
        raise ValueError(stream.reason)  # noqa: TRY004  its bytes are wrong, not its type
    return decode_jpeg(stream, np.empty((header.height, header.width, header.channels), np.uint8))


def _by_pillow(data: bytes, header: Header) -> Pixels:
    from PIL import Image

    size = header.width, header.height
    if header.format == "jpeg2000":
        check_codestream((data, 0, len(data)), (header.height, header.width, header.channels))
    with Image.open(io.BytesIO(data), formats=(_PILLOW_NAMES[header.format],)) as image:
        if image.size != size:
            raise ValueError(f"it has {image.size} pixels instead of {size}")
        if "transparency" in image.info or image.mode in ("LA", "RGBA", "PA"):
            pixels = np.asarray(image.convert("RGBA"))
            laid = composite(pixels[..., :3], pixels[..., 3:], WHITE, premultiplied=False)
            return np.ascontiguousarray(laid[..., : header.channels])
        mode = "L" if header.channels == 1 else "RGB"
        pixels = np.array(image if image.mode == mode else image.convert(mode))
    return pixels.reshape(header.height, header.width, header.channels)
