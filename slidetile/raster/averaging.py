"""Averaging an image's pixels into larger ones, exact to the sub-pixel.

Knows two pixel grids that begin at the same corner, and arrays. Does not know slides.

An output pixel is the mean of the source pixels it covers, each weighted by the covered area. The
edges of output pixels are rounded to 1/16,384 of a source pixel; from there on everything is exact:
weights are integers, and so is every sum, in 16 and 32 bits down the columns and in float64, below
2⁵², along the rows. Halves are rounded up. So a pixel depends on nothing but its place: not on the
region it is asked for in, nor on the order of the sums, nor on the machine.

The rounded edges move a mean by less than 4 · 255 / (2 · 16,384) = 0.032 of a grey value, and by
nothing where the edges are multiples of that, as for a factor of 2 or 3.25.

Where factors are whole numbers, no pixel is cut and integers suffice: `area_average` and, for any
region of an image, `Resampling` share this fast path.

Longer than 300 lines, because the fast path and the exact one must give the same pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import UnfitChoiceError
from slidetile.raster.pixels import Pixels, empty_pixels
from slidetile.raster.region import Region

_HALVED_ROWS = 128
"""Rows halved at a time: 16-bit sums then stay in the processor's cache."""

_BAND_BYTES = 1 << 17
"""Bytes of sums down the columns that are made at a time: they then stay in the cache."""

_MOST_IN_16_BITS = 257
"""Pixels whose sum 16 bits hold: 257 × 255."""

_PILLOW_CHANNELS = (1, 3)


def area_average(pixels: Pixels, factor: int) -> Pixels:
    """Average blocks of ``factor`` × ``factor`` pixels in integers, rounding halves up.

    What `Resampling` gives for the whole image, several times as quickly.

    Parameters
    ----------
    pixels
        uint8 [row, column, channel].
    factor
        Pixels to a side of a block, at least 1 and of any size.

    Returns
    -------
    uint8 array [row, column, channel]
        Of 1 / ``factor`` the height and width, rounded up; the same array for a factor of 1.
        Blocks cut off by the right or bottom edge average over the pixels they hold.
    """
    if factor == 1:
        return pixels
    rows, columns = (-(-length // factor) for length in pixels.shape[:2])
    result = np.empty((rows, columns, pixels.shape[2]), np.uint8)
    _average_blocks(pixels, (factor, factor), result)
    return result


def halve(pixels: Pixels, out: Pixels | None = None) -> Pixels:
    """Average each 2×2 pixels, rounding halves up: what `area_average` gives for a factor of 2.

    Parameters
    ----------
    pixels
        uint8 [row, column, channel], both lengths even; contiguous, interleaved or as planes.
    out
        Where to put the result: of its shape, with any strides.

    Returns
    -------
    uint8 [row / 2, column / 2, channel]
    """
    height, width, channels = pixels.shape
    planar = pixels.strides[1] == 1
    halved = out
    if halved is None:
        halved = empty_pixels((height // 2, width // 2, channels), planar=planar)
    if planar:
        _halve_planes(pixels.transpose(2, 0, 1), halved.transpose(2, 0, 1))
    else:
        _average_blocks(pixels, (2, 2), halved)
    return halved


def _halve_planes(planes: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
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


def _average_blocks(pixels: Pixels, factor: tuple[int, int], out: Pixels) -> None:
    """Put the mean of each block of (across × down) pixels into ``out``.

    Blocks cut off by the right or bottom edge average over the pixels they hold.
    """
    if factor == (2, 2) and pixels.shape[2] in _PILLOW_CHANNELS:
        _halve_by_pillow(pixels, out)
        return
    across, down = factor
    rows, columns = pixels.shape[0] // down, pixels.shape[1] // across
    below, beside = rows * down, columns * across
    if rows and columns:
        _average_whole_blocks(pixels[:below, :beside], factor, out[:rows, :columns])
    if beside < pixels.shape[1]:
        out[:, columns:] = _block_means(pixels[:, beside:], factor)
    if below < pixels.shape[0] and columns:
        out[rows:, :columns] = _block_means(pixels[below:, :beside], factor)


def _halve_by_pillow(pixels: Pixels, out: Pixels) -> None:
    """Halve interleaved pixels; the last row and column average what they hold.

    Of a factor of 2, Pillow's fixed-point mean is exact, as it is not of others.
    """
    from PIL import Image

    image = Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[..., 0])
    out[:] = np.asarray(image.reduce(2)).reshape(out.shape)


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
    narrow = np.uint16 if down <= _MOST_IN_16_BITS else np.uint32
    by_row = np.empty((band, width * channels), narrow)
    planes = np.empty((channels, band, width), narrow)
    sums = np.empty(
        (channels, band, columns), np.uint16 if count <= _MOST_IN_16_BITS - 1 else np.uint32
    )
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


def _add_strided(parts: Sequence[NDArray[Any]] | NDArray[Any], out: NDArray[Any]) -> None:
    """Put the sum of several arrays into ``out``, in its own, wider type."""
    out[:] = parts[0]
    for part in parts[1:]:
        np.add(out, part, out=out)


def _block_means(pixels: Pixels, factor: tuple[int, int]) -> NDArray[np.uint32]:
    across, down = factor
    counts = [
        _pixels_per_block(length, side)
        for length, side in zip(pixels.shape[:2], (down, across), strict=True)
    ]
    narrow = np.uint16 if down <= _MOST_IN_16_BITS else np.uint32
    by_row = np.zeros((len(counts[0]), *pixels.shape[1:]), narrow)
    for offset in range(min(down, pixels.shape[0])):
        part = pixels[offset::down]
        by_row[: len(part)] += part
    sums = np.zeros((len(counts[0]), len(counts[1]), pixels.shape[2]), np.uint32)
    for offset in range(min(across, pixels.shape[1])):
        strip = by_row[:, offset::across]
        sums[:, : strip.shape[1]] += strip
    block_px = np.multiply.outer(*counts)[..., np.newaxis]
    sums += block_px // 2
    sums //= block_px
    return sums


def _pixels_per_block(length: int, side: int) -> NDArray[np.uint32]:
    return np.minimum(side, length - np.arange(0, length, side)).astype(np.uint32)


SUBPIXELS = 1 << 14
"""Parts of a source pixel to which edges are rounded."""

LARGEST_FACTOR = 256
"""Up to here whole rows sum in 16 bits, and all sums stay below 2⁵²."""

_SLAB_ROWS = 64
_SLAB_BYTES = 2 << 20
"""Rows averaged at a time: sums wider than a byte then stay in the processor's cache."""

_CACHE_LINE = 16
"""32-bit numbers in a line of the processor's cache: 64 bytes."""

Edges = NDArray[np.int64]
"""Where output pixels begin and the last one ends, in parts of a source pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """A source image and the coarser grid it is averaged into, both from the same corner.

    Raises
    ------
    ValueError
        A size is less than 1, or a factor outside 1–256.

    Examples
    --------
    >>> halving = Resampling(source_size=(5, 2), factor=(Fraction(2), Fraction(2)))
    >>> halving.size
    (3, 1)
    >>> pixels = np.array([[0, 1, 2, 3, 9], [0, 1, 4, 4, 9]], np.uint8)[..., np.newaxis]
    >>> whole = Region(x=0, y=0, width=3, height=1)
    >>> halving.average(pixels, halving.source_region(whole), whole)[..., 0]
    array([[1, 3, 9]], dtype=uint8)
    """

    source_size: tuple[int, int]
    """(width, height) of the source image."""

    factor: tuple[Fraction, Fraction]
    """Source pixels per output pixel, exactly, as (x, y)."""

    def __post_init__(self) -> None:
        if min(self.source_size) < 1:
            raise ValueError(
                f"An image is at least 1×1 pixels, but this one is {self.source_size}."
            )
        if not all(1 <= factor <= LARGEST_FACTOR for factor in self.factor):
            x, y = map(float, self.factor)
            raise UnfitChoiceError(
                f"Pixels are averaged by factors from 1 to {LARGEST_FACTOR}, not {x:g}×{y:g}."
            )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the output: the last pixels may reach over the source's edge."""
        width, height = (
            _count(length, factor)
            for length, factor in zip(self.source_size, self.factor, strict=True)
        )
        return width, height

    def source_region(self, region: Region) -> Region:
        """Return the source pixels that output pixels cover, those covered in part included.

        ``region`` lies within the output, the result within the source.
        """
        (left, right), (top, bottom) = (edges[[0, -1]].tolist() for edges in self._edges(region))
        return Region.from_edges(left, top, right, bottom).rescaled((SUBPIXELS, SUBPIXELS), (1, 1))

    def rows_above(self, source_row: int) -> int:
        """Return how many output rows, from the top, cover nothing from ``source_row`` on."""
        if source_row >= self.source_size[1]:
            return self.size[1]
        unit, step = self.factor[1].denominator, 2 * SUBPIXELS * self.factor[1].numerator
        return -(-(2 * SUBPIXELS * source_row + 1) * unit // step) - 1

    def average(
        self, pixels: Pixels, at: Region, region: Region, out: Pixels | None = None
    ) -> Pixels:
        """Average a block of source pixels into output pixels.

        Parameters
        ----------
        pixels
            uint8 [row, column, channel]: a block of the source.
        at
            Where the block lies in the source; it holds `source_region` of ``region``.
        region
            The output pixels wanted, within the output.
        out
            Where to put them: uint8 [row, column, channel] of the region's shape, any strides.

        Returns
        -------
        uint8 array [row, column, channel]
            ``out``, where it was given. Pixels that reach over the source's edge are means of
            what exists.

        Raises
        ------
        ValueError
            The block lacks pixels.
        """
        needed = self.source_region(region)
        if pixels.shape[:2] != (at.height, at.width) or not at.contains(needed):
            raise ValueError(f"{region} needs {needed} of the source, but the block is {at}.")
        result = out
        if result is None:
            result = np.empty((region.height, region.width, pixels.shape[2]), np.uint8)
        if all(factor.denominator == 1 for factor in self.factor):
            across, down = (factor.numerator for factor in self.factor)
            _average_blocks(pixels[needed.relative_to(at).slices], (across, down), result)
        else:
            self._average_parts(pixels, at, region, result)
        return result

    def _average_parts(self, pixels: Pixels, at: Region, region: Region, out: Pixels) -> None:
        """Average where edges may cut through pixels.

        Down the columns first, row by row: what is left is smaller by the factor, and is turned
        so that the sums along the rows, too, add whole rows of memory: a sparse matrix product.
        """
        across, down = self._edges(region)
        across -= at.x * SUBPIXELS
        down -= at.y * SUBPIXELS
        rows = max(1, min(_SLAB_ROWS, _SLAB_BYTES // (8 * at.width * pixels.shape[2])))
        along = _AlongRows(across, at.width, pixels.shape[2], rows)
        flat = np.ascontiguousarray(pixels).reshape(at.height, -1)
        for top in range(0, region.height, rows):
            edges = down[top : top + rows + 1]
            along.average(_down_columns(flat, edges), np.diff(edges), out[top : top + rows])

    def _edges(self, region: Region) -> tuple[Edges, Edges]:
        size = self.size
        if not Region.from_edges(0, 0, *size).contains(region):
            raise ValueError(f"{region} leaves the output's {size[0]}×{size[1]} pixels.")
        spans = (region.x, region.right), (region.y, region.bottom)
        across, down = (
            _edges(first, last, factor, length)
            for (first, last), factor, length in zip(
                spans, self.factor, self.source_size, strict=True
            )
        )
        return across, down


class _AlongRows:
    """The sums along rows, for slabs of up to this many rows, in one piece of reused memory."""

    def __init__(self, edges: Edges, width: int, channels: int, rows: int) -> None:
        self._weights = np.diff(edges).astype(np.float64)
        self._matrix = _weight_matrix(edges, width)
        self._turned = np.empty((width * channels, rows))
        self._shape = len(edges) - 1, channels, rows

    def average(self, sums: NDArray[np.uint32], weights: Edges, out: Pixels) -> None:
        """Add up a slab's columns and divide.

        ``n / total`` rounds to the next whole number only if it is one: it would have to lie
        within 2⁻⁴⁶ of it, and a fraction of ``total`` parts, 2⁴⁴ at most, is farther away.
        """
        count = len(sums)
        self._turned[:, :count] = sums.T
        turned = self._turned.reshape(self._matrix.shape[1], -1)
        means: NDArray[np.float64] = (self._matrix @ turned).reshape(self._shape)[..., :count]
        totals = self._weights[:, np.newaxis, np.newaxis] * weights
        means += totals / 2
        means /= totals
        out[:] = means.astype(np.uint8).transpose(2, 0, 1)


def _down_columns(pixels: NDArray[np.uint8], edges: Edges) -> NDArray[np.uint32]:
    """Return the weighted sums of rows between neighbouring edges, [output row, sample]."""
    first, last = edges[:-1] // SUBPIXELS, (edges[1:] - 1) // SUBPIXELS
    head = np.minimum(edges[1:], (first + 1) * SUBPIXELS) - edges[:-1]
    tail = edges[1:] - last * SUBPIXELS
    # A row of a power of two would, turned, put every row into the same lines of the cache.
    sums = np.empty((len(first), pixels.shape[1] + _CACHE_LINE), np.uint32)[:, : pixels.shape[1]]
    part, whole = np.empty(pixels.shape[1], np.uint32), np.empty(pixels.shape[1], np.uint16)
    parts = first.tolist(), last.tolist(), head.astype(np.uint32), tail.astype(np.uint32)
    for total, top, bottom, above, below in zip(sums, *parts, strict=True):
        np.multiply(pixels[top], above, out=total)
        if bottom - top > 1:
            np.add.reduce(pixels[top + 1 : bottom], axis=0, dtype=np.uint16, out=whole)
            np.multiply(whole, np.uint32(SUBPIXELS), out=part)
            np.add(total, part, out=total)
        if bottom > top:
            np.multiply(pixels[bottom], below, out=part)
            np.add(total, part, out=total)
    return sums


def _weight_matrix(edges: Edges, width: int) -> Any:
    """Return the sparse matrix [output column, source column] of weights."""
    from scipy.sparse import csr_array

    first, last = edges[:-1] // SUBPIXELS, (edges[1:] - 1) // SUBPIXELS
    counts = last - first + 1
    begins = np.concatenate([[0], np.cumsum(counts)])
    rows = np.repeat(np.arange(len(counts)), counts)
    columns = np.arange(begins[-1]) - begins[rows] + first[rows]
    inside = np.minimum(edges[1:][rows], (columns + 1) * SUBPIXELS)
    weights = inside - np.maximum(edges[:-1][rows], columns * SUBPIXELS)
    return csr_array((weights.astype(np.float64), columns, begins), shape=(len(counts), width))


def _edges(first: int, last: int, factor: Fraction, length: int) -> Edges:
    """Return the edges of the output pixels ``first`` … ``last`` − 1, halves rounded up."""
    step, unit = 2 * SUBPIXELS * factor.numerator, 2 * factor.denominator
    half = factor.denominator
    edges = ((number * step + half) // unit for number in range(first, last + 1))
    return np.minimum(np.fromiter(edges, np.int64, last + 1 - first), length * SUBPIXELS)


def _count(length: int, factor: Fraction) -> int:
    """Return how many output pixels it takes until an edge, rounded, reaches the source's end."""
    step = 2 * SUBPIXELS * factor.numerator
    return -(-(2 * SUBPIXELS * length - 1) * factor.denominator // step)
