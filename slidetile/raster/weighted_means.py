"""Means of pixels between edges that may cut pixels: weighted sums, down the columns first.

What is left of the columns is smaller by the factor, and is turned so that the sums along the
rows, too, add whole rows of memory: a sparse matrix product.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.pixels import Pixels

SUBPIXELS = 1 << 14
"""Parts of a source pixel to which edges are rounded."""

Edges = NDArray[np.int64]
"""Where output pixels begin and the last one ends, in parts of a source pixel."""

_FINEST_SUM = 1 << 24
"""Up to here float32 holds every whole number."""

_ROUND_UP = 0.5 + 2.0**-37
"""What is added before a mean's fraction is cut off; see `FineMeans`."""

_UINT8 = np.dtype(np.uint8)

_SLAB_ROWS = 32
_SLAB_BYTES = 2 << 20
"""Rows averaged at a time: sums wider than a byte then stay in the processor's cache."""

_CACHE_LINE = 16
"""32-bit numbers in a line of the processor's cache: 64 bytes."""


class Means(Protocol):
    """The means of some output pixels."""

    def average(self, pixels: Pixels, top: int, rows: slice, out: Pixels) -> None:
        """Put output rows into ``out``, [row, column, channel] with any strides.

        ``pixels`` are the source's rows from ``top`` on, contiguous.
        """


def means_between(
    across: Edges, down: Edges, width: int, channels: int, dtype: np.dtype[Any] = _UINT8
) -> Means:
    """Return the means between edges; those across count from the left of the source's pixels.

    ``dtype`` is that of the pixels.
    """
    if dtype != np.uint8:
        return WideMeans(across, down, width, channels)
    largest = int(max(np.diff(across).max(), np.diff(down).max()))
    kind = FineMeans if 255 * largest < _FINEST_SUM else CoarseMeans
    return kind(across, down, width, channels)


class FineMeans:
    """Where output pixels are at most four source pixels wide and high.

    The sums down the columns are below 2²⁴, so that float32 holds them. What follows is float64,
    and rounded: by less than 2⁻⁴¹, as a mean is the sum of six products at most, of numbers rounded
    thrice. But exact means are 2⁻³³ apart or more, since they have at most 2¹⁶·⁰¹ parts a side. So
    adding 2⁻³⁷ more than a half lifts each mean that is to be rounded up, and no other, over the
    next whole number.
    """

    def __init__(self, across: Edges, down: Edges, width: int, channels: int) -> None:
        self._along = _Weights(across, 1 / np.diff(across)).matrix(slice(0, len(across) - 1), width)
        self._down = _Weights(down, np.float32(1))
        self._heights = np.diff(down)
        self._channels = channels
        self._slab = _slab_rows(4 * width * channels, self._heights)
        # Zeros, since the columns of rows that a slab lacks are averaged with the others.
        self._turned = np.zeros((width * channels, self._slab))
        self._scaled = np.empty((self._slab, width * channels))

    def average(self, pixels: Pixels, top: int, rows: slice, out: Pixels) -> None:
        """See `Means`."""
        flat = pixels.reshape(len(pixels), -1)
        for slab in _slabs(rows, self._slab):
            begin, end = self._down.span(slab)
            source = flat[begin - top : end - top].astype(np.float32)
            sums = self._down.matrix(slab, end - begin) @ source
            count = len(sums)
            # In two steps: to turn numbers while they are made takes half as long again.
            shares = 1 / self._heights[slab][:, np.newaxis]
            self._turned[:, :count] = np.multiply(sums, shares, out=self._scaled[:count]).T
            means = self._along @ self._turned.reshape(self._along.shape[1], -1)
            means += _ROUND_UP
            found = means.astype(np.uint8).reshape(-1, self._channels, self._slab)
            out[slab.start - rows.start :][:count] = found[..., :count].transpose(2, 0, 1)


class CoarseMeans:
    """Where output pixels are larger: most source pixels count whole, and all sums are exact.

    Rows are added in 16 and 32 bits; the sums along them are below 2⁵², so that float64 holds them.
    """

    def __init__(self, across: Edges, down: Edges, width: int, channels: int) -> None:
        self._along = _Weights(across, np.float64(1)).matrix(slice(0, len(across) - 1), width)
        self._widths = np.diff(across).astype(np.float64)
        self._down = down
        self._channels = channels
        self._slab = _slab_rows(4 * width * channels, np.diff(down))
        self._turned = np.empty((width * channels, self._slab))

    def average(self, pixels: Pixels, top: int, rows: slice, out: Pixels) -> None:
        """See `Means`.

        ``n / total`` rounds to the next whole number only if it is one: it would have to lie
        within 2⁻⁴⁶ of it, and a fraction of ``total`` parts, 2⁴⁴ at most, is farther away.
        """
        flat = pixels.reshape(len(pixels), -1)
        for slab in _slabs(rows, self._slab):
            edges = self._down[slab.start : slab.stop + 1]
            sums = _sums_of_rows(flat, edges - top * SUBPIXELS)
            count = len(sums)
            self._turned[:, :count] = sums.T
            means = self._along @ self._turned.reshape(self._along.shape[1], -1)
            means = means.reshape(-1, self._channels, self._slab)[..., :count]
            totals = self._widths[:, np.newaxis, np.newaxis] * np.diff(edges)
            means += totals / 2
            means /= totals
            out[slab.start - rows.start :][:count] = means.astype(np.uint8).transpose(2, 0, 1)


class WideMeans:
    """Means of pixels of 16 bits, in integers of 64 throughout.

    A sum is at most 65,535 times 2²² parts a side, so that twice of it is below 2⁶².
    """

    def __init__(self, across: Edges, down: Edges, width: int, channels: int) -> None:
        self._along = _Weights(across, np.int64(1)).matrix(slice(0, len(across) - 1), width)
        self._widths = np.diff(across)
        self._down = _Weights(down, np.int64(1))
        self._heights = np.diff(down)
        self._channels = channels
        self._slab = _slab_rows(8 * width * channels, self._heights)

    def average(self, pixels: Pixels, top: int, rows: slice, out: Pixels) -> None:
        """See `Means`."""
        flat = pixels.reshape(len(pixels), -1)
        for slab in _slabs(rows, self._slab):
            begin, end = self._down.span(slab)
            source = flat[begin - top : end - top].astype(np.int64)
            sums = self._down.matrix(slab, end - begin) @ source
            count = len(sums)
            turned = np.ascontiguousarray(sums.T).reshape(self._along.shape[1], -1)
            means = (self._along @ turned).reshape(-1, self._channels, count)
            totals = self._widths[:, np.newaxis, np.newaxis] * self._heights[slab]
            means = (2 * means + totals) // (2 * totals)
            out[slab.start - rows.start :][:count] = means.transpose(2, 0, 1)


class _Weights:
    """How much of each source pixel every output pixel has, along an axis, times a scale."""

    def __init__(self, edges: Edges, scale: Any) -> None:
        first, last = edges[:-1] // SUBPIXELS, (edges[1:] - 1) // SUBPIXELS
        counts = last - first + 1
        self._begins = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(np.arange(len(counts)), counts)
        self._pixels = np.arange(self._begins[-1]) - self._begins[rows] + first[rows]
        inside = np.minimum(edges[1:][rows], (self._pixels + 1) * SUBPIXELS)
        weights = inside - np.maximum(edges[:-1][rows], self._pixels * SUBPIXELS)
        kind = np.asarray(scale).dtype
        self._weights = weights.astype(kind) * np.broadcast_to(scale, counts.shape)[rows]

    def span(self, outputs: slice) -> tuple[int, int]:
        """Return the first source pixel of some output pixels, and the one behind the last."""
        begin, end = self._begins[outputs.start], self._begins[outputs.stop]
        return int(self._pixels[begin]), int(self._pixels[end - 1]) + 1

    def matrix(self, outputs: slice, length: int) -> Any:
        """Return the sparse matrix [output pixel, source pixel] of some output pixels.

        Its columns begin with the first source pixel that they have.
        """
        from scipy.sparse import csr_array

        begins = self._begins[outputs.start : outputs.stop + 1]
        span = slice(begins[0], begins[-1])
        pixels = self._pixels[span] - self._pixels[span.start]
        shape = len(begins) - 1, length
        return csr_array((self._weights[span], pixels, begins - begins[0]), shape=shape)


def _sums_of_rows(pixels: Pixels, edges: Edges) -> NDArray[np.uint32]:
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


def _slab_rows(row_bytes: int, heights: Edges) -> int:
    """Return how many output rows are averaged at a time."""
    factor = max(2.0, float(heights.max()) / SUBPIXELS)
    return max(1, min(_SLAB_ROWS, len(heights), int(_SLAB_BYTES / (row_bytes * factor))))


def _slabs(rows: slice, height: int) -> Iterator[slice]:
    for first in range(rows.start, rows.stop, height):
        yield slice(first, min(first + height, rows.stop))
