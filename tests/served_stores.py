"""Stores of the sample in each codec, and of slides with odd sides and few levels."""

import numpy as np
import tifffile

import slidetile as st

CODECS = ("native", "zstd", "jpeg", "jxl", "raw", "reference")


def write(slide, path, codec, size=512):
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=size))
    return st.write_tiles(slide, plan, path, codec=codec)


def odd_pixels(dtype=np.uint8, channels=3):
    """Pixels of odd sides, as high as wide and a bit more."""
    return np.random.default_rng(9).integers(0, 200, (1107, 1533, channels)).astype(dtype)


def odd_slide(dtype=np.uint8, channels=3):
    """A slide of odd sides, of one level."""
    return st.ArraySlide(odd_pixels(dtype, channels), mpp=0.5, background=(255, 255, 255))


def write_tiff(path, downsamples):
    """Write a TIFF of JPEG tiles with odd sides, whose levels are so many times smaller."""
    pixels = odd_pixels()
    with tifffile.TiffWriter(path) as tiff:
        for step in downsamples:
            level = pixels[: 1107 // step * step : step, : 1533 // step * step : step]
            tiff.write(
                level,
                tile=(64, 64),
                compression="jpeg",
                photometric="ycbcr",
                subfiletype=int(step > 1),
                resolution=(20000 / step, 20000 / step),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
