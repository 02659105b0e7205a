"""Pixels of a slide at any resolution, in little memory.

Knows slides and their levels. Does not know what the pixels are for.
"""

import math
from dataclasses import dataclass

import numpy as np

from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.raster.resolution import mean_downsample
from slidetile.slides.slide import Slide

_SOURCE_SIDE_PX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A rectangle of a slide at any resolution."""

    x_um: float
    """Left edge, in µm from the slide's left."""

    y_um: float
    """Top edge, in µm from the slide's top."""

    mpp: float
    """Micrometres per pixel of the frame, along both axes."""

    width: int
    """Columns, in pixels of the frame."""

    height: int
    """Rows, in pixels of the frame."""

    def part(self, region: Region) -> "Frame":
        """Return a rectangle of the frame, given in its own pixels, as a frame."""
        return Frame(
            x_um=self.x_um + region.x * self.mpp,
            y_um=self.y_um + region.y * self.mpp,
            mpp=self.mpp,
            width=region.width,
            height=region.height,
        )


def read_frame(slide: Slide, frame: Frame) -> Pixels:
    """Read a frame of a slide whose mpp is known.

    The coarsest level that is not coarser than the frame is read and shrunk by Pillow's antialiased
    bilinear filter, so that neighbouring frames of the same resolution fit together to within a
    grey value. Memory holds about 2048×2048 pixels of the slide at a time. What lies outside the
    slide has the background's colour.

    Raises
    ------
    SlideReadError
        The file could not be read; what does not decode is replaced as in `read_overview`.
    """
    assert slide.mpp is not None, "a frame lies on a slide of known resolution"
    number = _level(slide, frame.mpp)
    level = slide.levels[number]
    # Level pixels per frame pixel, along both axes.
    covered = slide.covered_size(number)
    scale = (
        frame.mpp / slide.mpp[0] * level.width / covered[0],
        frame.mpp / slide.mpp[1] * level.height / covered[1],
    )
    step = max(1, int(_SOURCE_SIDE_PX / max(scale)) - 4)
    pixels = np.empty((frame.height, frame.width, slide.channels), np.uint8)
    for y in range(0, frame.height, step):
        for x in range(0, frame.width, step):
            part = Region.from_edges(x, y, min(x + step, frame.width), min(y + step, frame.height))
            pixels[part.slices] = _read(slide, number, scale, frame.part(part))
    return pixels


def _level(slide: Slide, mpp: float) -> int:
    assert slide.mpp is not None
    wanted = mpp / max(slide.mpp) * (1 + 1e-6)
    downsamples = (mean_downsample(level.downsample) for level in slide.levels)
    return max((i for i, downsample in enumerate(downsamples) if downsample <= wanted), default=0)


def _read(slide: Slide, number: int, scale: tuple[float, float], frame: Frame) -> Pixels:
    from PIL import Image

    left, top = frame.x_um / frame.mpp * scale[0], frame.y_um / frame.mpp * scale[1]
    right, bottom = left + frame.width * scale[0], top + frame.height * scale[1]
    # The filter looks a pixel of the coarser grid beyond the edges.
    across, down = (math.ceil(max(1.0, each)) + 1 for each in scale)
    block = Region.from_edges(
        math.floor(left) - across,
        math.floor(top) - down,
        math.ceil(right) + across,
        math.ceil(bottom) + down,
    )
    pixels = slide.fetch_shown(block, level=number).pixels()
    image = Image.fromarray(pixels[..., 0] if slide.channels == 1 else pixels)
    box = (left - block.x, top - block.y, right - block.x, bottom - block.y)
    size = (frame.width, frame.height)
    resized = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))
    return resized.reshape(frame.height, frame.width, slide.channels)
