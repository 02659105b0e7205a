"""Averaging an image's pixels into larger ones, exact to the sub-pixel.

Knows two pixel grids that begin at the same corner, and arrays. Does not know slides.

An output pixel is the mean of the source pixels it covers, each weighted by the covered area. The
edges of output pixels are rounded to 1/16,384 of a source pixel; from there on everything is exact:
weights are integers, and so is every sum: down the columns in 16 and 32 bits or, below 2²⁴, in
float32, and along the rows in float64, below 2⁵². Halves are rounded up. So a pixel depends on
nothing but its place: not on the region it is asked for in, nor on the order of the sums, nor on
the machine.

The rounded edges move a mean by less than 4 · 255 / (2 · 16,384) = 0.032 of a grey value, and by
nothing where the edges are multiples of that, as for a factor of 2 or 3.25.

Where factors are whole numbers, no pixel is cut, and `slidetile.raster.block_means` gives the same
more quickly.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import UnfitChoiceError
from slidetile.raster.block_means import average_blocks
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region

SUBPIXELS = 1 << 14
"""Parts of a source pixel to which edges are rounded."""

LARGEST_FACTOR = 256
"""Up to here whole rows sum in 16 bits, and all sums stay below 2⁵²."""

_SLAB_ROWS = 32
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
            average_blocks(pixels[needed.relative_to(at).slices], (across, down), result)
        else:
            self._average_parts(pixels, at, region, result)
        return result

    def _average_parts(self, pixels: Pixels, at: Region, region: Region, out: Pixels) -> None:
        """Average where edges may cut through pixels.

        Down the columns first: what is left is smaller by the factor, and is turned so that the
        sums along the rows, too, add whole rows of memory: a sparse matrix product.
        """
        across, down = self._edges(region)
        across -= at.x * SUBPIXELS
        down -= at.y * SUBPIXELS
        row_bytes = 4 * at.width * pixels.shape[2] * max(2.0, float(self.factor[1]))
        rows = max(1, min(_SLAB_ROWS, int(_SLAB_BYTES / row_bytes)))
        along = _AlongRows(across, at.width, pixels.shape[2], rows)
        flat = np.ascontiguousarray(pixels).reshape(at.height, -1)
        for top in range(0, region.height, rows):
            edges = down[top : top + rows + 1]
            sums = _few_rows(flat, edges) if self._is_fine else _many_rows(flat, edges)
            along.average(sums, np.diff(edges), out[top : top + rows])

    @property
    def _is_fine(self) -> bool:
        """Whether float32 holds every sum of rows exactly: each is below 2²⁴."""
        return 255 * (self.factor[1] * SUBPIXELS + 1) < 1 << 24

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
        self._matrix = _weight_matrix(edges, width, np.float64)
        self._turned = np.empty((width * channels, rows))
        self._shape = len(edges) - 1, channels, rows

    def average(self, sums: NDArray[Any], weights: Edges, out: Pixels) -> None:
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


def _few_rows(pixels: NDArray[np.uint8], edges: Edges) -> NDArray[np.float32]:
    """Return the weighted sums of rows between neighbouring edges, [output row, sample]."""
    top, bottom = int(edges[0]) // SUBPIXELS, -(-int(edges[-1]) // SUBPIXELS)
    matrix = _weight_matrix(edges - top * SUBPIXELS, bottom - top, np.float32)
    sums: NDArray[np.float32] = matrix @ pixels[top:bottom].astype(np.float32)
    return sums


def _many_rows(pixels: NDArray[np.uint8], edges: Edges) -> NDArray[np.uint32]:
    """Return the same where most rows count whole: these are added in 16 bits first."""
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


def _weight_matrix(edges: Edges, length: int, kind: type[np.floating[Any]]) -> Any:
    """Return the sparse matrix [output pixel, source pixel] of weights along an axis."""
    from scipy.sparse import csr_array

    first, last = edges[:-1] // SUBPIXELS, (edges[1:] - 1) // SUBPIXELS
    counts = last - first + 1
    begins = np.concatenate([[0], np.cumsum(counts)])
    rows = np.repeat(np.arange(len(counts)), counts)
    columns = np.arange(begins[-1]) - begins[rows] + first[rows]
    inside = np.minimum(edges[1:][rows], (columns + 1) * SUBPIXELS)
    weights = inside - np.maximum(edges[:-1][rows], columns * SUBPIXELS)
    return csr_array((weights.astype(kind), columns, begins), shape=(len(counts), length))


def _edges(first: int, last: int, factor: Fraction, length: int) -> Edges:
    """Return the edges of the output pixels ``first`` … ``last`` − 1, halves rounded up."""
    unit, half = 2 * factor.denominator, factor.denominator
    whole, rest = divmod(2 * SUBPIXELS * factor.numerator, unit)
    # Such factors come of rounded lengths and decimals; others take numbers of any size.
    is_small = (last + 1) * (unit + whole) < 1 << 62
    numbers: Any = np.arange(first, last + 1).astype(np.int64 if is_small else np.object_)
    edges = numbers * whole + (numbers * rest + half) // unit
    found: Edges = np.minimum(edges, length * SUBPIXELS).astype(np.int64)
    return found


def _count(length: int, factor: Fraction) -> int:
    """Return how many output pixels it takes until an edge, rounded, reaches the source's end."""
    step = 2 * SUBPIXELS * factor.numerator
    return -(-(2 * SUBPIXELS * length - 1) * factor.denominator // step)
