"""Images as arrays, and how one is copied into another."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.unsignedinteger[Any]]
"""Pixels as [row, column, channel]: uint8, or uint16 where a slide has more than 8 bits."""

Colour = tuple[int, int, int]
"""Red, green and blue, 0–255."""

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)


def empty_pixels(
    shape: tuple[int, int, int], *, planar: bool, dtype: Any = np.uint8
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


def copy_pixels(pixels: Pixels, out: Pixels) -> None:
    """Copy pixels into an array of the same shape, either with any strides.

    Where one has its channels one after another and the other has not, a channel at a time is
    several times as fast.
    """
    if (pixels.strides[2] > pixels.strides[1]) == (out.strides[2] > out.strides[1]):
        out[:] = pixels
        return
    for channel in range(out.shape[2]):
        out[..., channel] = pixels[..., channel]


def fill_colour(pixels: Pixels, colour: Colour, bits: int = 8) -> None:
    """Give an image one colour; where it has one channel, the colour's red.

    Of more than 8 ``bits``, 255 is the largest number that they hold. More than three channels are
    black or white.
    """
    samples: tuple[int, ...] = colour
    if bits != 8:
        samples = tuple(sample_of(part, bits) for part in colour)
    fill_samples(pixels, samples)


def fill_samples(pixels: NDArray[Any], samples: tuple[int, ...]) -> None:
    """Give all pixels the same samples; further channels have the last one's."""
    channels = pixels.shape[2]
    wanted = samples[:channels]
    if len(set(wanted)) == 1:
        pixels.fill(wanted[0])  # nearly always, and far faster
    else:
        pixels[:] = (*wanted, *samples[-1:] * (channels - len(wanted)))


def sample_of(part: int, bits: int) -> int:
    """Return the sample of so many bits for a part of a colour, 0–255."""
    return part if bits == 8 else (part * ((1 << bits) - 1) + 127) // 255


def blank(width: int, height: int, channels: int, colour: Colour, bits: int = 8) -> Pixels:
    """Return an image of one colour; see `fill_colour`."""
    pixels = np.empty((height, width, channels), np.uint8 if bits == 8 else np.uint16)
    fill_colour(pixels, colour, bits)
    return pixels


def planes(image: Pixels) -> Pixels:
    """Return the channels one after another, [channel, row, column].

    What is done to a channel is several times as fast where its pixels lie side by side.
    """
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def darkest_channel(image: Pixels) -> Pixels:
    """Return the lowest value of every pixel, as [row, column]."""
    # Plane by plane: a reduction over an axis of three is ten times slower.
    return functools.reduce(np.minimum, np.moveaxis(image, 2, 0))


def brightest_channel(image: Pixels) -> Pixels:
    """Return the highest value of every pixel, as [row, column]."""
    return functools.reduce(np.maximum, np.moveaxis(image, 2, 0))
