"""Averaging an image's pixels into larger ones, exact to the sub-pixel.

Knows two pixel grids that begin at the same corner, and arrays. Does not know slides.

An output pixel is the mean of the source pixels it covers, each weighted by the covered area. The
edges of output pixels are rounded to 1/16,384 of a source pixel; from there on the result is exact,
halves rounded up. So a pixel depends on nothing but its place: not on the region it is asked for
in, nor on the order of the sums, nor on the machine.

The rounded edges move a mean by less than 4 · 255 / (2 · 16,384) = 0.032 of a grey value, and by
nothing where the edges are multiples of that, as for a factor of 2 or 3.25.

Where factors are whole numbers, no pixel is cut, and `slidetile.raster.block_means` gives the same
more quickly.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from slidetile.choices import UnfitChoiceError
from slidetile.raster.block_means import average_blocks
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.raster.weighted_means import SUBPIXELS, Edges, Means, means_between

LARGEST_FACTOR = 256
"""Up to here whole rows sum in 16 bits, and all sums stay below 2⁵²."""


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
        self._check(region)
        (across, down), (width, height) = self.factor, self.source_size
        left, right = (_edge(number, across, width) for number in (region.x, region.right))
        top, bottom = (_edge(number, down, height) for number in (region.y, region.bottom))
        return Region.from_edges(
            left // SUBPIXELS, top // SUBPIXELS, -(-right // SUBPIXELS), -(-bottom // SUBPIXELS)
        )

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
            uint8 or uint16 [row, column, channel]: a block of the source.
        at
            Where the block lies in the source; it holds `source_region` of ``region``.
        region
            The output pixels wanted, within the output.
        out
            Where to put them: [row, column, channel] of the region's shape, any strides.

        Returns
        -------
        array [row, column, channel]
            ``out``, where it was given. Pixels that reach over the source's edge are means of
            what exists.

        Raises
        ------
        ValueError
            The block lacks pixels.
        """
        return self.averager(region).average(pixels, at, region, out)

    def averager(self, region: Region) -> "Averager":
        """Return what averages parts of a region, one after another."""
        return Averager(self, region)

    def edges(self, region: Region) -> tuple[Edges, Edges]:
        """Return the edges of a region's pixels across and down, in parts of a source pixel.

        Raises
        ------
        ValueError
            The region leaves the output.
        """
        self._check(region)
        spans = (region.x, region.right), (region.y, region.bottom)
        across, down = (
            _edges(first, last, factor, length)
            for (first, last), factor, length in zip(
                spans, self.factor, self.source_size, strict=True
            )
        )
        return across, down

    def _check(self, region: Region) -> None:
        size = self.size
        if not Region.from_edges(0, 0, *size).contains(region):
            raise ValueError(f"{region} leaves the output's {size[0]}×{size[1]} pixels.")


class Averager:
    """Averages a region of the output, whole or part after part.

    Parts have the region's columns. What only these columns decide is worked out once.

    Parameters
    ----------
    resampling
        The two grids.
    region
        The output pixels, within the output.

    Raises
    ------
    ValueError
        The region leaves the output.
    """

    def __init__(self, resampling: Resampling, region: Region) -> None:
        self._resampling = resampling
        self._region = region
        self._source = resampling.source_region(region)
        self._means: Means | None = None

    def average(
        self, pixels: Pixels, at: Region, part: Region, out: Pixels | None = None
    ) -> Pixels:
        """Average a block of source pixels into a part; see `Resampling.average`."""
        needed = self._resampling.source_region(part)
        if pixels.shape[:2] != (at.height, at.width) or not at.contains(needed):
            raise ValueError(f"{part} needs {needed} of the source, but the block is {at}.")
        result = out
        if result is None:
            result = np.empty((part.height, part.width, pixels.shape[2]), pixels.dtype)
        block = pixels[needed.relative_to(at).slices]
        if self._factor is not None:
            average_blocks(block, self._factor, result)
        else:
            means = self._means_of(pixels)
            rows = slice(part.y - self._region.y, part.bottom - self._region.y)
            means.average(np.ascontiguousarray(block), needed.y, rows, result)
        return result

    @property
    def _factor(self) -> tuple[int, int] | None:
        """(across, down), if they are whole numbers, so that no pixel is cut."""
        across, down = self._resampling.factor
        is_whole = across.denominator == down.denominator == 1
        return (across.numerator, down.numerator) if is_whole else None

    def _means_of(self, pixels: Pixels) -> Means:
        if self._means is None:
            across, down = self._resampling.edges(self._region)
            across -= self._source.x * SUBPIXELS
            self._means = means_between(
                *(across, down, self._source.width, pixels.shape[2], pixels.dtype)
            )
        return self._means


def _edge(number: int, factor: Fraction, length: int) -> int:
    """Return the edge in front of an output pixel, halves rounded up."""
    unit = 2 * factor.denominator
    edge = (2 * SUBPIXELS * factor.numerator * number + factor.denominator) // unit
    return min(edge, length * SUBPIXELS)


def _edges(first: int, last: int, factor: Fraction, length: int) -> Edges:
    """Return `_edge` of the output pixels ``first`` … ``last``."""
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
