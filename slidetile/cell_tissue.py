"""How much tissue the cells of a grid over the slide hold, and of which region."""

import numpy as np
from numpy.typing import NDArray

from slidetile.coverage import covered_share
from slidetile.overview import Overview
from slidetile.tile_grid import Edge, TileGrid
from slidetile.tissue import TissueMask


def tissue_fractions(tissue: TissueMask, size: int, edge: Edge = "keep") -> NDArray[np.float64]:
    """Return the exact share of tissue in every cell of a grid over the slide.

    Only what lies inside the slide counts, so an edge cell full of tissue has a fraction of 1.

    Parameters
    ----------
    tissue
        The mask and its scale.
    size
        Width and height of a cell, in level-0 pixels.
    edge
        What becomes of cells that reach over the slide.

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
        overview.scale,
        (tops, np.minimum(tops + size, grid.height)),
        (lefts, np.minimum(lefts + size, grid.width)),
    )


def slide_grid(overview: Overview, size: int, edge: Edge) -> TileGrid:
    """Return the grid of tiles over the slide of an overview."""
    width, height = overview.slide_width, overview.slide_height
    return TileGrid(width=width, height=height, size=size, stride=size, edge=edge)


def main_regions(
    tissue: TissueMask, grid: TileGrid, columns: NDArray[np.intp], rows: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Return the label of the tissue region that covers most of each cell, 0 where none does."""
    scale = tissue.overview.scale
    (height, width), main = tissue.labels.shape, np.zeros(len(columns), np.int32)
    corners = zip(grid.lefts(columns).tolist(), grid.tops(rows).tolist(), strict=True)
    for i, (x, y) in enumerate(corners):
        left, right = _pixel_span(x, grid.size, scale[0], width)
        top, bottom = _pixel_span(y, grid.size, scale[1], height)
        counts = np.bincount(tissue.labels[top:bottom, left:right].ravel())
        counts[0] = 0
        main[i] = counts.argmax()
    return main


def _pixel_span(start: int, size: int, scale: float, length: int) -> tuple[int, int]:
    first = min(int(start / scale), length - 1)
    last = max(first + 1, int(np.ceil((start + size) / scale)))
    return first, min(last, length)
