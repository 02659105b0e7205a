"""An image of few values as runs of equal ones along its rows, and which of them are connected.

Knows arrays. Does not know what the values mean.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.raster._runs import Places, first_reached, touching
from slidetile.raster.bands import bands
from slidetile.raster.filling import LARGEST_RECTANGLE_COUNT, TooManyPixelsError

_FEW_RUNS = 1 << 18
"""More runs, as noise has them, are joined by scipy, which takes a third of a second to load."""

_RUNS_AT_ONCE = 1 << 20

Values = NDArray[np.uint8]


class ValueRuns(NamedTuple):
    """Runs of equal values but 0, row by row from the left, one element each."""

    row: NDArray[np.int32]
    """The row it lies in."""

    start: NDArray[np.int32]
    """Its first column."""

    stop: NDArray[np.int32]
    """The column behind its last."""

    value: Values
    """Its value."""


def value_runs(
    image: NDArray[np.generic], values: Callable[[NDArray[np.generic]], Values]
) -> ValueRuns:
    """Return the runs of an image, looking at each pixel once, some rows at a time.

    Parameters
    ----------
    image
        The image, [row, column].
    values
        Called with some rows of it, it returns the value of each pixel.

    Raises
    ------
    TooManyPixelsError
        There are more than `LARGEST_RECTANGLE_COUNT`. The message is about "they".
    """
    parts, count = [_runs(np.zeros((0, image.shape[1]), np.uint8), 0)], 0
    for band in bands(image.shape):
        part = _runs(values(image[band.rows]), band.rows.start)
        count += len(part.row)
        if count > LARGEST_RECTANGLE_COUNT:
            raise TooManyPixelsError(
                f"their rows make more than {LARGEST_RECTANGLE_COUNT:,} runs of pixels"
            )
        parts.append(part)
    return ValueRuns(*map(np.concatenate, zip(*parts, strict=True)))


def _runs(values: Values, top: int) -> ValueRuns:
    height, width = values.shape
    framed = np.zeros(height * (width + 1) + 1, np.uint8)  # so no run reaches into the next row
    framed[1:].reshape(height, width + 1)[:, :width] = values
    at = np.flatnonzero(framed[1:] != framed[:-1])
    value = framed[at + 1]
    begins = np.flatnonzero(value)
    row, start = np.divmod(at[begins], width + 1)
    stop = at[begins + 1] - row * (width + 1)
    row, start, stop = ((row + top).astype(np.int32), start.astype(np.int32), stop.astype(np.int32))
    return ValueRuns(row, start, stop, value[begins])


def connected_runs(runs: ValueRuns) -> NDArray[np.int64]:
    """Return the number from 0 of the piece that each run is part of.

    Runs are connected where they have the same value and touch, be it by a corner. Pieces are in
    the order of their first pixels.
    """
    count = len(runs.row)
    upper, lower = _neighbours(runs)
    if count <= _FEW_RUNS:
        first = first_reached(count, upper, lower)
    else:
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs = coo_array((np.ones(len(upper), np.bool_), (upper, lower)), shape=(count, count))
        first = connected_components(pairs, directed=False)[1]
    _, begins, piece = np.unique(first, return_index=True, return_inverse=True)
    places = np.empty(len(begins), np.int64)
    places[np.argsort(begins)] = np.arange(len(begins))
    numbers: NDArray[np.int64] = places[piece]
    return numbers


def _neighbours(runs: ValueRuns) -> tuple[Places, Places]:
    """Return the pairs of runs of equal value that touch from row to row: upper and lower ones."""
    width = int(runs.stop.max(initial=0)) + 1
    found = [(np.empty(0, np.intp), np.empty(0, np.intp))]
    for first in range(0, len(runs.row), _RUNS_AT_ONCE):
        last = min(first + _RUNS_AT_ONCE, len(runs.row))
        above = int(np.searchsorted(runs.row, runs.row[first] - 1))
        row = runs.row[above:last].astype(np.intp) * width
        upper, lower = touching(row + runs.start[above:last], row + runs.stop[above:last], width, 1)
        upper, lower = upper + above, lower + above
        is_pair = (lower >= first) & (runs.value[upper] == runs.value[lower])
        found.append((upper[is_pair], lower[is_pair]))
    return np.concatenate([up for up, _ in found]), np.concatenate([down for _, down in found])
