"""How much tissue each cell of the tile grid holds, and which piece covers most of it.

Knows tissue masks and tile grids. Does not know which cells are chosen.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import EDGE, Edge
from slidetile.raster.coverage import covered_share
from slidetile.raster.grid import TileGrid
from slidetile.raster.masks import Labels
from slidetile.slides.overview import Overview
from slidetile.tissue.mask import TissueMask


def tissue_fractions(tissue: TissueMask, size: int, edge: Edge = EDGE) -> NDArray[np.float64]:
    """Return the exact share of tissue in every cell of the tile grid.

    Only the part of a cell inside the slide counts, so an edge cell full of tissue has a fraction
    of 1.

    Parameters
    ----------
    tissue
        The tissue mask of the slide.
    size
        Width and height of a cell, in level-0 pixels.
    edge
        What happens to cells that reach beyond the slide; see `Edge`.

    Returns
    -------
    float64 array [grid row, grid column]
        Fractions from 0 to 1; see `covered_area`.
    """
    overview = tissue.overview
    grid = slide_grid(overview, size, edge)
    lefts, tops = grid.lefts(np.arange(grid.columns)), grid.tops(np.arange(grid.rows))
    return covered_share(
        tissue.mask,
        overview.downsample,
        (tops, np.minimum(tops + size, grid.height)),
        (lefts, np.minimum(lefts + size, grid.width)),
    )


def slide_grid(overview: Overview, size: int, edge: Edge) -> TileGrid:
    """Return the tile grid of the slide that an overview shows."""
    width, height = overview.slide_width, overview.slide_height
    return TileGrid(width=width, height=height, size=size, stride=size, edge=edge)


def main_pieces(
    tissue: TissueMask, grid: TileGrid, columns: NDArray[np.intp], rows: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Return the label of the tissue piece that covers most of each cell, 0 where none does."""
    return main_labels(tissue.labels, tissue.downsample, grid, columns, rows)


def main_labels(
    labels: Labels,
    scale: tuple[float, float],
    grid: TileGrid,
    columns: NDArray[np.intp],
    rows: NDArray[np.intp],
) -> NDArray[np.int32]:
    """Return the label that covers most of each cell, 0 where none does.

    ``scale`` are the level-0 pixels per label, as (x, y).
    """
    if not len(columns):
        return np.zeros(0, np.int32)
    across = _spans(grid.lefts(np.arange(grid.columns)), grid.size, scale[0], labels.shape[1])
    down = _spans(grid.tops(np.arange(grid.rows)), grid.size, scale[1], labels.shape[0])
    greatest = _reduced(np.maximum, labels, down, across)
    glass = np.iinfo(labels.dtype).max
    least = _reduced(np.minimum, np.where(labels == 0, glass, labels), down, across)
    main = greatest[rows, columns].astype(np.int32)
    # Nearly every cell has one piece or none; where several meet, their pixels are counted.
    for i in np.flatnonzero((main > 0) & (greatest != least)[rows, columns]).tolist():
        column, row = columns[i], rows[i]
        cell = labels[slice(*down[row]), slice(*across[column])]
        counts = np.bincount(cell.ravel())
        counts[0] = 0
        main[i] = counts.argmax()
    return main


def _spans(starts: NDArray[np.int64], size: int, scale: float, length: int) -> NDArray[np.intp]:
    """Return the first mask pixel that each cell touches and the one after its last, [cell, 2]."""
    first = np.minimum((starts / scale).astype(np.intp), length - 1)
    last = np.maximum(first + 1, np.ceil((starts + size) / scale).astype(np.intp))
    return np.stack([first, np.minimum(last, length)], axis=1)


def _reduced(
    ufunc: np.ufunc, values: NDArray[Any], down: NDArray[np.intp], across: NDArray[np.intp]
) -> NDArray[Any]:
    """Return the least or greatest value in each cell of the tile grid, [row, column]."""
    # A span may end at the last pixel; reduceat takes no index beyond it.
    padded = np.pad(values, ((0, 1), (0, 1)))
    by_row = ufunc.reduceat(padded, down.ravel(), axis=0)[::2]
    reduced: NDArray[Any] = ufunc.reduceat(by_row, across.ravel(), axis=1)[:, ::2]
    return reduced
