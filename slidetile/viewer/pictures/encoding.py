"""Pictures as browsers take them. Knows pixels and media types."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

JPEG_QUALITY = 90
"""Quality of what is encoded to be looked at; colours are not halved."""

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"

STRIPE_PX = 16
STRIPE_COLOURS = ((200, 0, 0), (255, 225, 225))
"""What stands in the place of damaged pixels: nothing on a slide looks like it."""


@dataclass(frozen=True, slots=True)
class EncodedTile:
    """A tile of a picture, as a browser takes it."""

    media_type: str
    """Its type: "image/jpeg", "image/png" or "image/webp"."""

    data: bytes
    """The file."""


def encoded(pixels: NDArray[np.uint8]) -> EncodedTile:
    """Return pixels, uint8 [row, column, 1 or 3], as a JPEG."""
    import imagecodecs

    shown = np.ascontiguousarray(pixels)
    if shown.shape[2] == 1:
        return EncodedTile(JPEG, bytes(imagecodecs.jpeg8_encode(shown[..., 0], level=JPEG_QUALITY)))
    stream = imagecodecs.jpeg8_encode(shown, level=JPEG_QUALITY, subsampling="444")
    return EncodedTile(JPEG, bytes(stream))


def encoded_exactly(pixels: NDArray[np.uint8]) -> EncodedTile:
    """Return pixels, uint8 [row, column, 1 or 3], as a PNG."""
    from PIL import Image

    sink = io.BytesIO()
    shown = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(shown)).save(sink, "png", compress_level=1)
    return EncodedTile(PNG, sink.getvalue())


def stripes(height: int, width: int) -> NDArray[np.uint8]:
    """Return what stands in the place of damaged pixels: uint8 [row, column, 3]."""
    across = np.arange(width)[np.newaxis, :] + np.arange(height)[:, np.newaxis]
    return np.asarray(np.array(STRIPE_COLOURS, np.uint8)[(across // STRIPE_PX) % 2])
