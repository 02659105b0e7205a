"""Images as arrays, and how one is laid into another."""

import numpy as np
from numpy.typing import NDArray

from slidetile.geometry import Region

Pixels = NDArray[np.uint8]
"""Pixels as [row, column, channel], 8 bits each."""


def paste(canvas: Pixels, pixels: Pixels, at: Region) -> None:
    """Copy ``pixels``, which begin at the corner of ``at``, into the part of ``canvas`` they meet.

    ``at`` is in the canvas's own coordinates and may reach over its edges.
    """
    frame = Region(x=0, y=0, width=canvas.shape[1], height=canvas.shape[0])
    if (shared := frame.intersection(at)) is not None:
        canvas[shared.slices] = pixels[shared.relative_to(at).slices]


def fill_colour(pixels: Pixels, colour: tuple[int, int, int]) -> None:
    """Give an image one colour; where it has one channel, the colour's red."""
    channels = colour[: pixels.shape[2]]
    if len(set(channels)) == 1:
        pixels.fill(channels[0])  # nearly always, and far quicker
    else:
        pixels[:] = channels


def blank(width: int, height: int, channels: int, colour: tuple[int, int, int]) -> Pixels:
    """Return an image of one colour; see `fill_colour`."""
    pixels = np.empty((height, width, channels), np.uint8)
    fill_colour(pixels, colour)
    return pixels
