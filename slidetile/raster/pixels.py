"""Images as arrays, and how one is copied into another."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Pixels as [row, column, channel], 8 bits each."""

Colour = tuple[int, int, int]
"""Red, green and blue."""

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


def empty_pixels(
    shape: tuple[int, int, int], *, planar: bool, dtype: type[Any] = np.uint8
) -> NDArray[Any]:
    """Return an array [row, column, channel], whatever it holds.

    Parameters
    ----------
    shape
        (height, width, channels).
    planar
        Whether its channels lie in memory one after another; interleaved otherwise.
    dtype
        Of its numbers.
    """
    if not planar:
        return np.empty(shape, dtype)
    height, width, channels = shape
    return np.empty((channels, height, width), dtype).transpose(1, 2, 0)


def paste(canvas: Pixels, pixels: Pixels, x: int, y: int) -> None:
    """Copy ``pixels`` into ``canvas``, with their corner at column x, row y.

    Pixels that lie outside the canvas are left out.
    """
    left, top = max(0, x), max(0, y)
    right = max(left, min(x + pixels.shape[1], canvas.shape[1]))
    bottom = max(top, min(y + pixels.shape[0], canvas.shape[0]))
    canvas[top:bottom, left:right] = pixels[top - y : bottom - y, left - x : right - x]


def fill_colour(pixels: Pixels, colour: Colour) -> None:
    """Give an image one colour; where it has one channel, the colour's red."""
    channels = colour[: pixels.shape[2]]
    if len(set(channels)) == 1:
        pixels.fill(channels[0])  # nearly always, and far faster
    else:
        pixels[:] = channels


def blank(width: int, height: int, channels: int, colour: Colour) -> Pixels:
    """Return an image of one colour; see `fill_colour`."""
    pixels = np.empty((height, width, channels), np.uint8)
    fill_colour(pixels, colour)
    return pixels


def planes(image: Pixels) -> NDArray[np.uint8]:
    """Return the channels one after another, uint8 [channel, row, column].

    What is done to a channel is several times as fast where its pixels lie side by side.
    """
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def darkest_channel(image: Pixels) -> NDArray[np.uint8]:
    """Return the lowest value of every pixel, as uint8 [row, column]."""
    # Plane by plane: a reduction over an axis of three is ten times slower.
    return functools.reduce(np.minimum, np.moveaxis(image, 2, 0))


def brightest_channel(image: Pixels) -> NDArray[np.uint8]:
    """Return the highest value of every pixel, as uint8 [row, column]."""
    return functools.reduce(np.maximum, np.moveaxis(image, 2, 0))
