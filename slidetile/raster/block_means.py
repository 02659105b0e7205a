"""The means of whole blocks of pixels: of 2×2, and of any number across and down.

Knows arrays of 8 and of 16 bits. All of it is integers, and rounds halves up;
`slidetile.raster.averaging` cuts pixels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.pixels import Pixels, empty_pixels

_HALVED_ROWS = 128
"""Rows of planes halved at a time: 16-bit sums then stay in the processor's cache."""

_HALVED_BYTES = 1 << 20
"""Interleaved bytes halved at a time, for the same reason."""

_BAND_BYTES = 1 << 17
"""Bytes of sums down the columns that are made at a time: they then stay in the cache."""

_MOST_IN_16_BITS = 257
"""Pixels of 8 bits whose sum 16 bits hold: 257 × 255."""

_MOST_IN_32_BITS = 65_537
"""Pixels of 16 bits whose sum 32 bits hold: 65,537 × 65,535."""


def area_average(pixels: Pixels, factor: int) -> Pixels:
    """Average blocks of ``factor`` × ``factor`` pixels in integers, rounding halves up.

    What `Resampling` gives for the whole image, several times as quickly.

    Parameters
    ----------
    pixels
        uint8 or uint16 [row, column, channel].
    factor
        Pixels to a side of a block, at least 1 and of any size.

    Returns
    -------
    array [row, column, channel]
        Of the same type, and of 1 / ``factor`` the height and width, rounded up; the same array for
        a factor of 1. Blocks cut off by the right or bottom edge average over the pixels they hold.
    """
    if factor == 1:
        return pixels
    rows, columns = (-(-length // factor) for length in pixels.shape[:2])
    result = np.empty((rows, columns, pixels.shape[2]), pixels.dtype)
    average_blocks(pixels, (factor, factor), result)
    return result


def halve(pixels: Pixels, out: Pixels | None = None) -> Pixels:
    """Average each 2×2 pixels, rounding halves up: what `area_average` gives for a factor of 2.

    Parameters
    ----------
    pixels
        uint8 or uint16 [row, column, channel], both lengths even; contiguous, interleaved or as
        planes.
    out
        Where to put the result: of its shape and type, with any strides.

    Returns
    -------
    array [row / 2, column / 2, channel]
    """
    height, width, channels = pixels.shape
    planar = pixels.strides[1] == pixels.itemsize
    halved = out
    if halved is None:
        shape = height // 2, width // 2, channels
        halved = empty_pixels(shape, planar=planar, dtype=pixels.dtype)
    if pixels.dtype != np.uint8:
        _halve_wide(pixels.transpose(2, 0, 1), halved.transpose(2, 0, 1))
    elif planar:
        _halve_planes(pixels.transpose(2, 0, 1), halved.transpose(2, 0, 1))
    else:
        average_blocks(pixels, (2, 2), halved)
    return halved


def _halve_wide(planes: Pixels, out: Pixels) -> None:
    """Halve [channel, row, column] of 16 bits, in sums of 32."""
    for plane, halved in zip(planes, out, strict=True):
        for top in range(0, len(plane), _HALVED_ROWS):
            across = _neighbours_added(plane[top : top + _HALVED_ROWS])
            sums = across[0::2] + across[1::2]
            sums += 2
            sums >>= 2
            halved[top // 2 : (top + _HALVED_ROWS) // 2] = sums


def _neighbours_added(plane: Pixels) -> NDArray[np.uint32]:
    """Return the sum of each two neighbours in a row of 16 bits."""
    if plane.strides[1] != plane.itemsize:
        return np.add(plane[:, 0::2], plane[:, 1::2], dtype=np.uint32)
    pairs = plane.view(np.uint32)  # several times as quick as steps of two
    sums: NDArray[np.uint32] = pairs & np.uint32(0xFFFF)
    sums += pairs >> np.uint32(16)
    return sums


def _halve_planes(planes: Pixels, out: Pixels) -> None:
    """Halve [channel, row, column].

    Two neighbouring bytes of a row are one 16-bit number: their sum is its low plus its high
    byte, so a whole row is added in 16-bit lanes and nothing is ever wider.
    """
    channels, height, width = planes.shape
    pairs = planes.view("<u2")
    # Made once: at these sizes memory fresh from the system costs as much as the arithmetic.
    room = np.empty((2, channels, min(_HALVED_ROWS, height), width // 2), np.uint16)
    for top in range(0, height, _HALVED_ROWS):
        slab = pairs[:, top : top + _HALVED_ROWS]
        sums, high = room[:, :, : slab.shape[1]]
        np.bitwise_and(slab, 0xFF, out=sums)
        sums += np.right_shift(slab, 8, out=high)
        quads = np.add(sums[:, 0::2], sums[:, 1::2], out=high[:, : slab.shape[1] // 2])
        quads += 2
        quads >>= 2
        out[:, top // 2 : (top + _HALVED_ROWS) // 2] = quads


def _halve_triples(pixels: Pixels, out: Pixels) -> None:
    """Halve interleaved [row, column, 3] of even lengths.

    Every other byte of a row is the low byte of a 16-bit number, the others are the high bytes, so
    rows are added in 16-bit lanes. Of two pixels r g b R G B, r, b and G are then in the one array
    and g, R and B in the other.
    """
    height, width, _ = pixels.shape
    lanes = pixels.reshape(height, 3 * width).view("<u2")
    rows = max(2, min(height, _HALVED_BYTES // (3 * width) // 2 * 2))
    room = np.empty((2, rows, lanes.shape[1]), np.uint16)
    sums = empty_pixels((rows // 2, width // 2, 3), planar=out.strides[1] == 1, dtype=np.uint16)
    for top in range(0, height, rows):
        slab = lanes[top : top + rows]
        low, high = room[:, : len(slab)]
        np.bitwise_and(slab, 0xFF, out=low)
        np.right_shift(slab, 8, out=high)
        low, high = low[0::2] + low[1::2], high[0::2] + high[1::2]
        low += 2
        quads = sums[: len(low)]
        np.add(low[:, 0::3], high[:, 1::3], out=quads[..., 0])
        np.add(high[:, 0::3], low[:, 2::3], out=quads[..., 1])
        np.add(low[:, 1::3], high[:, 2::3], out=quads[..., 2])
        quads >>= 2
        out[top // 2 : top // 2 + len(quads)] = quads


def average_blocks(pixels: Pixels, factor: tuple[int, int], out: Pixels) -> None:
    """Put the mean of each block of (across × down) pixels into ``out``.

    Blocks cut off by the right or bottom edge average over the pixels they hold.
    """
    across, down = factor
    rows, columns = pixels.shape[0] // down, pixels.shape[1] // across
    below, beside = rows * down, columns * across
    if rows and columns:
        whole, means = pixels[:below, :beside], out[:rows, :columns]
        if factor == (2, 2) and pixels.shape[2] == 3 and pixels.dtype == np.uint8:
            _halve_triples(whole, means)
        else:
            _average_whole_blocks(whole, factor, means)
    if beside < pixels.shape[1]:
        out[:, columns:] = _block_means(pixels[:, beside:], factor)
    if below < pixels.shape[0] and columns:
        out[rows:, :columns] = _block_means(pixels[below:, :beside], factor)


def _average_whole_blocks(pixels: Pixels, factor: tuple[int, int], out: Pixels) -> None:
    """Average blocks none of which is cut off.

    Down the columns first, which adds whole rows of memory, and leaves less to be turned into
    planes; then along the rows of each plane. All in bands that stay in the processor's cache.
    """
    across, down = factor
    rows, columns, channels = out.shape
    width = columns * across
    band = max(1, min(rows, _BAND_BYTES // (2 * width * channels)))
    count = across * down
    narrow = _sum_type(pixels, down)
    by_row = np.empty((band, width * channels), narrow)
    planes = np.empty((channels, band, width), narrow)
    sums = np.empty((channels, band, columns), _sum_type(pixels, count + 1))
    for top in range(0, rows, band):
        here = min(band, rows - top)
        _add_strided(
            pixels[top * down : (top + here) * down].reshape(here, down, -1).swapaxes(0, 1),
            by_row[:here],
        )
        for channel, plane in enumerate(planes):
            plane[:here] = by_row[:here, channel::channels]
        total = sums[:, :here]
        _add_strided([planes[:, :here, offset::across] for offset in range(across)], total)
        total += count // 2
        total //= count
        out[top : top + here] = total.transpose(1, 2, 0)


def _sum_type(pixels: Pixels, count: int) -> type[np.unsignedinteger[Any]]:
    """Return the narrowest type that holds the sum of so many pixels."""
    if pixels.dtype == np.uint8:
        return np.uint16 if count <= _MOST_IN_16_BITS else np.uint32
    return np.uint32 if count <= _MOST_IN_32_BITS else np.uint64


def _add_strided(parts: Sequence[NDArray[Any]] | NDArray[Any], out: NDArray[Any]) -> None:
    """Put the sum of several arrays into ``out``, in its own, wider type."""
    out[:] = parts[0]
    for part in parts[1:]:
        np.add(out, part, out=out)


def _block_means(pixels: Pixels, factor: tuple[int, int]) -> Pixels:
    across, down = factor
    counts = [
        _pixels_per_block(length, side)
        for length, side in zip(pixels.shape[:2], (down, across), strict=True)
    ]
    by_row = np.zeros((len(counts[0]), *pixels.shape[1:]), _sum_type(pixels, down))
    for offset in range(min(down, pixels.shape[0])):
        part = pixels[offset::down]
        by_row[: len(part)] += part
    wide = np.uint32 if pixels.dtype == np.uint8 else np.uint64
    sums: Pixels = np.zeros((len(counts[0]), len(counts[1]), pixels.shape[2]), wide)
    for offset in range(min(across, pixels.shape[1])):
        strip = by_row[:, offset::across]
        sums[:, : strip.shape[1]] += strip
    block_px = np.multiply.outer(*counts)[..., np.newaxis]
    sums += block_px // 2
    sums //= block_px
    return sums


def _pixels_per_block(length: int, side: int) -> NDArray[np.uint32]:
    return np.minimum(side, length - np.arange(0, length, side)).astype(np.uint32)
