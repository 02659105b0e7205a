"""Which tiles remain when not all are wanted: the same ones on every machine.

Knows columns, rows and tissue fractions. Does not know slides.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CELL = struct.Struct("<qqq")

FRACTION_DECIMALS = 4
"""Fractions that agree to this many decimals are equal: rounding of sums must not choose tiles."""


def draw(columns: NDArray[np.integer], rows: NDArray[np.integer], seed: int) -> NDArray[np.uint64]:
    """Return a random number for each cell of a grid.

    It is the first 8 bytes, little-endian, of the BLAKE2b digest (RFC 7693) of seed, column and
    row as int64, little-endian: it depends on the cell alone, not on a library's generator.
    """
    packed = b"".join(
        hashlib.blake2b(_CELL.pack(seed, column, row), digest_size=8).digest()
        for column, row in zip(columns.tolist(), rows.tolist(), strict=True)
    )
    return np.frombuffer(packed, "<u8").astype(np.uint64)


def sampled(
    columns: NDArray[np.integer], rows: NDArray[np.integer], count: int, seed: int
) -> NDArray[np.intp]:
    """Return the indices of ``count`` random cells, ascending; of all where there are fewer.

    The cells with the smallest numbers from `draw` are taken. So a larger sample contains the
    smaller one, and exactly one other cell replaces a cell that drops out.
    """
    order = np.lexsort((columns, rows, draw(columns, rows, seed)))
    return np.sort(order[:count])


def balanced(
    columns: NDArray[np.integer],
    rows: NDArray[np.integer],
    classes: NDArray[np.integer],
    count: int,
    seed: int,
) -> NDArray[np.intp]:
    """Return the indices of ``count`` random cells, as many of each class, ascending.

    Of each class the cells with the smallest numbers from `draw` are taken; where ``count`` is not
    a multiple of the classes, the first ones have one more. A class with fewer cells gives all,
    and the others do not make up for it. Cells of a negative class are in none.
    """
    numbers = draw(columns, rows, seed)
    return balanced_by(numbers, (columns, rows), classes, count)


def balanced_by(
    numbers: NDArray[np.uint64],
    ties: Sequence[NDArray[Any]],
    classes: NDArray[np.integer],
    count: int,
) -> NDArray[np.intp]:
    """Return what `balanced` does, by given numbers, and by more where two are equal."""
    there = np.unique(classes[classes >= 0])
    found = [np.empty(0, np.intp)]
    for place, each in enumerate(there.tolist()):
        own = np.flatnonzero(classes == each)
        share = count // len(there) + (place < count % len(there))
        order = np.lexsort((*(tie[own] for tie in ties), numbers[own]))
        found.append(own[order[:share]])
    return np.sort(np.concatenate(found))


def fullest(
    columns: NDArray[np.integer],
    rows: NDArray[np.integer],
    fractions: NDArray[np.floating],
    count: int,
) -> NDArray[np.intp]:
    """Return the indices of the ``count`` cells with the most tissue, ascending.

    Many cells are equally full. Among those, the smallest numbers from `draw` with seed 0 are
    taken, so that the cells are spread over the slide and not all at its top.
    """
    rounded = np.round(fractions.astype(np.float64), FRACTION_DECIMALS)
    order = np.lexsort((columns, rows, draw(columns, rows, 0), -rounded))
    return np.sort(order[:count])
