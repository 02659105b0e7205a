"""Which tiles remain when not all are wanted: the same everywhere, whatever else there is."""

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray

_CELL = struct.Struct("<qqq")

FRACTION_DECIMALS = 4
"""Fractions closer than that are equal: how sums round must not choose tiles."""


def draw(columns: NDArray[np.integer], rows: NDArray[np.integer], seed: int) -> NDArray[np.uint64]:
    """Return a random number for each cell of a grid.

    It is the first 8 bytes, little-endian, of the BLAKE2b digest (RFC 7693) of seed, column and
    row as int64, little-endian: it depends on the cell alone, and on no library's generator.
    """
    packed = b"".join(
        hashlib.blake2b(_CELL.pack(seed, column, row), digest_size=8).digest()
        for column, row in zip(columns.tolist(), rows.tolist(), strict=True)
    )
    return np.frombuffer(packed, "<u8").astype(np.uint64)


def sampled(
    columns: NDArray[np.integer], rows: NDArray[np.integer], count: int, seed: int
) -> NDArray[np.intp]:
    """Return the places of ``count`` cells drawn at random, ascending; all where there are fewer.

    Those with the smallest numbers of `draw`. So a larger sample holds the smaller one, and a
    cell that drops out makes room for one other, no more.
    """
    order = np.lexsort((columns, rows, draw(columns, rows, seed)))
    return np.sort(order[:count])


def fullest(
    columns: NDArray[np.integer],
    rows: NDArray[np.integer],
    fractions: NDArray[np.floating],
    count: int,
) -> NDArray[np.intp]:
    """Return the places of the ``count`` cells with the most tissue, ascending.

    Many are equally full: among those `draw` chooses, with seed 0, so that they lie spread over
    the slide and not all at its top.
    """
    rounded = np.round(fractions.astype(np.float64), FRACTION_DECIMALS)
    order = np.lexsort((columns, rows, draw(columns, rows, 0), -rounded))
    return np.sort(order[:count])
