"""YCbCr samples as RGB, where no decoder has converted them."""

import numpy as np

from slidetile.raster.pixels import Pixels


def ycbcr_to_rgb(pixels: Pixels) -> None:
    """Convert in place (ITU-R BT.601), rounding where OpenSlide rounds.

    Green is the sum of two products: kept in 1/65536 until they are added.
    """
    centred = np.arange(-128, 128)
    red = np.rint(1.402 * centred).astype(np.int16)
    blue = np.rint(1.772 * centred).astype(np.int16)
    green_cb = np.rint(-0.34414 * 65536 * centred).astype(np.int32) + 32768
    green_cr = np.rint(-0.71414 * 65536 * centred).astype(np.int32)
    luma, cb, cr = pixels[..., 0].astype(np.int16), pixels[..., 1].copy(), pixels[..., 2].copy()
    green = ((green_cb[cb] + green_cr[cr]) >> 16).astype(np.int16)
    for channel, chroma in enumerate((red[cr], green, blue[cb])):
        pixels[..., channel] = np.clip(luma + chroma, 0, 255)
