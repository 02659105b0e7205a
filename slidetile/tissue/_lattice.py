"""The rows and columns of a grid that spots lie on, with the cells whose spots are missing.

Knows places in steps of the grid. Does not know pixels, nor what spots are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.tissue._spots import (
    Basis,
    NoLatticeError,
    Points,
    Values,
    Weights,
    find_basis,
    find_spots,
)

Numbers = NDArray[np.intp]
"""The number of the row, or of the column, of each spot."""

_LATERAL = 0.35
"""How far a neighbour may lie off its row or column, in steps."""

_FARTHEST = 2.7
"""How far the next spot of a row may be, in steps: over a gap, or a missing spot."""

_OFF_GRID = 0.4
"""A spot farther from its place, in steps, does not belong to the grid."""

_UNEVEN = 0.14
"""Root mean square of the distances of spots from their places, in steps: 0.04 on a real array,
0.13 where each is off by up to 0.16 across and down, 0.18 of blots that noise makes."""

_NEAR_LINES = 4
"""Parts of a row are looked for among so many rows above it."""

_FAINTLY = 1e-6
"""How much the means weigh where spots leave open how parts of the grid lie to each other."""

LEAST_FILLED = 1 / 3
"""The least share of a grid's cells that hold spots."""

_FEWEST = 4
"""Spots of two rows and two columns."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lattice:
    """The rows and columns of a grid, and where each of its cells is."""

    step: float
    """The shorter of the distances to the next row and to the next column, in pixels."""

    cell_px: float
    """The area of a cell, in pixels."""

    centres: Points
    """The (x, y) of each cell, row by row: that of its spot, or where it is missed."""

    is_filled: NDArray[np.bool_]
    """Whether each cell holds a spot: [row, column]."""


def find_lattice(weights: Weights) -> Lattice:
    """Find the grid that the spots of a mask lie on.

    Raises
    ------
    NoLatticeError
        They lie on none.
    """
    basis = find_basis(weights)
    points, masses = find_spots(weights, basis.step)
    steps = basis.in_steps(points)
    rows, columns = _lines(steps, 0), _lines(steps, 1)
    rows, columns = _joined(rows, columns, steps[:, 1]), _joined(columns, rows, steps[:, 0])
    chosen = _one_a_cell(rows, columns, masses)
    for _ in range(2):  # what is far off bends the grid towards itself
        rows, columns = _renumbered(rows, chosen), _renumbered(columns, chosen)
        _check_filled(rows, columns, chosen)
        offsets = _fitted(steps, rows, columns, chosen)
        apart = steps - offsets[0][rows] - offsets[1][columns]
        chosen &= np.hypot(*apart.T) <= _OFF_GRID
    rows, columns = np.where(chosen, rows, 0), np.where(chosen, columns, 0)
    _check_filled(rows, columns, chosen)
    if np.square(apart[chosen]).sum(axis=1).mean() > _UNEVEN**2:
        raise NoLatticeError("its pieces lie too unevenly for rows and columns")
    return _lattice(basis, points, rows, columns, chosen, offsets)


def _lines(steps: Points, axis: int) -> Numbers:
    """Number the rows (axis 0), or the columns, by joining each spot with the next of its line."""
    parents = np.arange(len(steps))
    for number, step in enumerate(steps):
        ahead = steps[:, axis] - step[axis]
        aside = np.abs(steps[:, 1 - axis] - step[1 - axis])
        near = np.flatnonzero((ahead > 0.5) & (ahead < _FARTHEST) & (aside < _LATERAL))
        if len(near):
            nearest = near[np.argmin((ahead + 2 * aside)[near])]
            old, new = parents[number], parents[nearest]
            parents[parents == old] = new
    return np.unique(parents, return_inverse=True)[1]


def _joined(lines: Numbers, others: Numbers, along: Values) -> Numbers:
    """Join the parts of rows that lie at the same height, and cross no column twice."""
    means = np.bincount(lines, along) / np.bincount(lines)
    joined = np.empty(len(means), np.intp)
    rows: list[tuple[float, set[int]]] = []
    for line in np.argsort(means, kind="stable").tolist():
        height, crossed = float(means[line]), set(others[lines == line].tolist())
        for place in range(len(rows) - 1, max(-1, len(rows) - 1 - _NEAR_LINES), -1):
            if height - rows[place][0] < 0.5 and not crossed & rows[place][1]:
                rows[place][1].update(crossed)
                break
        else:
            place = len(rows)
            rows.append((height, crossed))
        joined[line] = place
    return joined[lines]


def _one_a_cell(rows: Numbers, columns: Numbers, masses: Values) -> NDArray[np.bool_]:
    """Return the heaviest spot of each cell, without those that are alone in row and column."""
    chosen = np.zeros(len(rows), np.bool_)
    taken: set[tuple[int, int]] = set()
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    for spot in np.argsort(-masses, kind="stable").tolist():
        cell = int(rows[spot]), int(columns[spot])
        chosen[spot] = cell not in taken and not alone[spot]
        taken.add(cell)
    return chosen


def _check_filled(rows: Numbers, columns: Numbers, chosen: NDArray[np.bool_]) -> None:
    """Check that enough spots are left, in few enough rows and columns."""
    spots, size = int(chosen.sum()), (int(rows.max()) + 1, int(columns.max()) + 1)
    if spots < _FEWEST:
        raise NoLatticeError("its pieces do not lie in rows and columns")
    if spots < LEAST_FILLED * size[0] * size[1]:
        raise NoLatticeError(
            f"its {spots:,} pieces are too few for {size[0]:,} rows and {size[1]:,} columns"
        )


def _renumbered(lines: Numbers, chosen: NDArray[np.bool_]) -> Numbers:
    """Number the lines of the chosen spots without gaps; the numbers of others do not matter."""
    numbers = np.zeros(len(lines), np.intp)
    if chosen.any():
        numbers[chosen] = np.unique(lines[chosen], return_inverse=True)[1]
    return numbers


def _fitted(
    steps: Points, rows: Numbers, columns: Numbers, chosen: NDArray[np.bool_]
) -> tuple[Points, Points]:
    """Return the offset of each row and of each column: a spot lies at the sum of its two.

    Least squares. Rows may so be shifted and unevenly spaced, and the grid turned and sheared.
    What the spots leave open is decided by the means, at a millionth of their weight.
    """
    spots = np.flatnonzero(chosen)
    first = int(rows[spots].max()) + 1  # of the columns, which follow the rows
    lines = np.stack([rows[spots], first + columns[spots]])
    count = int(lines[1].max()) + 1
    normal = np.zeros((count, count))
    normal[lines[0], lines[1]] = normal[lines[1], lines[0]] = 1
    spots_in = np.bincount(lines.ravel())
    normal[np.diag_indices(count)] = spots_in + _FAINTLY
    sums = np.stack([np.bincount(lines.ravel(), np.tile(steps[spots, a], 2)) for a in (0, 1)], 1)
    means = sums / spots_in[:, np.newaxis]
    means[:first, 0] = means[first:, 1] = 0  # a row decides how far down, a column how far right
    offsets = np.asarray(np.linalg.solve(normal, sums + _FAINTLY * means), np.float64)
    return offsets[:first], offsets[first:]


def _lattice(
    basis: Basis,
    points: Points,
    rows: Numbers,
    columns: Numbers,
    chosen: NDArray[np.bool_],
    offsets: tuple[Points, Points],
) -> Lattice:
    """Return the grid with its rows from the top, and its columns from the left."""
    spots = np.flatnonzero(chosen)
    used = [np.unique(lines[spots]) for lines in (rows, columns)]
    orders = [
        numbers[np.argsort(each[numbers, axis], kind="stable")]
        for numbers, each, axis in zip(used, offsets, (1, 0), strict=True)
    ]
    places = offsets[0][orders[0]][:, np.newaxis] + offsets[1][orders[1]]
    centres = basis.in_pixels(places.reshape(-1, 2)).reshape(places.shape)
    is_filled = np.zeros(places.shape[:2], np.bool_)
    ranks = [np.zeros(len(each), np.intp) for each in offsets]
    for rank, order in zip(ranks, orders, strict=True):
        rank[order] = np.arange(len(order))
    cells = ranks[0][rows[spots]], ranks[1][columns[spots]]
    centres[cells], is_filled[cells] = points[spots], True
    return Lattice(
        step=basis.step,
        cell_px=basis.cell_px,
        centres=centres.reshape(-1, 2),
        is_filled=is_filled,
    )
