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
        offsets = _fitted(steps, rows, columns, chosen)
        apart = steps - offsets[0][rows] - offsets[1][columns]
        chosen &= np.hypot(*apart.T) <= _OFF_GRID
        if chosen.sum() < 4:
            raise NoLatticeError("its pieces do not lie in rows and columns")
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
    lines = lines.copy()
    while True:
        count = int(lines.max()) + 1
        means = np.bincount(lines, along) / np.bincount(lines)
        apart = np.abs(means[:, np.newaxis] - means)
        apart[np.triu_indices(count)] = np.inf
        order = np.argsort(apart, axis=None, kind="stable")
        for place in order[: int(np.count_nonzero(apart < 0.5))].tolist():
            one, other = divmod(place, count)
            if not set(others[lines == one]) & set(others[lines == other]):
                lines[lines == one] = other
                lines = np.unique(lines, return_inverse=True)[1]
                break
        else:
            return lines


def _one_a_cell(rows: Numbers, columns: Numbers, masses: Values) -> NDArray[np.bool_]:
    """Return the heaviest spot of each cell, without those that are alone in row and column."""
    chosen = np.zeros(len(rows), np.bool_)
    taken: set[tuple[int, int]] = set()
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    for spot in np.argsort(-masses, kind="stable").tolist():
        cell = int(rows[spot]), int(columns[spot])
        chosen[spot] = cell not in taken and not alone[spot]
        taken.add(cell)
    if chosen.sum() < _FEWEST:
        raise NoLatticeError("its pieces do not lie in rows and columns")
    return chosen


def _renumbered(lines: Numbers, chosen: NDArray[np.bool_]) -> Numbers:
    """Number the lines of the chosen spots without gaps; the numbers of others do not matter."""
    numbers = np.zeros(len(lines), np.intp)
    numbers[chosen] = np.unique(lines[chosen], return_inverse=True)[1]
    return numbers


def _fitted(
    steps: Points, rows: Numbers, columns: Numbers, chosen: NDArray[np.bool_]
) -> tuple[Points, Points]:
    """Return the offset of each row and of each column: a spot lies at the sum of its two.

    Least squares. Rows may so be shifted and unevenly spaced, and the grid turned and sheared.
    What the spots leave open is decided by the means, at a ten-thousandth of their weight.
    """
    spots = np.flatnonzero(chosen)
    count = int(rows[spots].max()) + 1, int(columns[spots].max()) + 1
    equations = np.zeros((len(spots) + sum(count), sum(count)))
    equations[np.arange(len(spots)), rows[spots]] = 1
    equations[np.arange(len(spots)), count[0] + columns[spots]] = 1
    equations[len(spots) :] = 1e-4 * np.eye(sum(count))
    means = np.zeros((sum(count), 2))
    for lines, axis, first in ((rows, 1, 0), (columns, 0, count[0])):
        sums = np.bincount(lines[spots], steps[spots, axis])
        means[first : first + len(sums), axis] = sums / np.bincount(lines[spots])
    wanted = np.concatenate([steps[spots], 1e-4 * means])
    solved = np.linalg.lstsq(equations, wanted, rcond=None)[0]
    return solved[: count[0]], solved[count[0] :]


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
