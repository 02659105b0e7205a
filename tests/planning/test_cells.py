"""How much tissue a cell holds, and of which piece: against counting pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile import Overview, TissueMask
from slidetile.planning._cells import main_pieces, slide_grid, tissue_fractions

MASK_PX = 4


def tissue_of(mask):
    """A tissue mask each of whose pixels is 4×4 of the slide's."""
    height, width = mask.shape
    overview = Overview(
        image=np.zeros((height, width, 3), np.uint8),
        slide_width=width * MASK_PX,
        slide_height=height * MASK_PX,
        downsample=(MASK_PX, MASK_PX),
    )
    return TissueMask.from_mask(mask, overview)


masks = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31)).map(
    lambda case: np.random.default_rng(case[2]).random(case[:2]) < 0.4
)
sizes = st.sampled_from([3, 4, 10, 16])
edges = st.sampled_from(["keep", "drop", "shift"])


def on_the_slide(labels):
    return labels.repeat(MASK_PX, axis=0).repeat(MASK_PX, axis=1)


@given(masks, sizes, edges)
def test_fractions_are_those_of_the_slides_pixels(mask, size, edge):
    tissue = tissue_of(mask)
    grid, pixels = slide_grid(tissue.overview, size, edge), on_the_slide(mask)
    fractions = tissue_fractions(tissue, size, edge)
    assert fractions.shape == (grid.rows, grid.columns)
    for row, column in np.ndindex(fractions.shape):
        inside = grid.inside(grid.region(column, row))
        assert fractions[row, column] == pytest.approx(pixels[inside.slices].mean(), abs=1e-9)


@given(masks, edges)
def test_the_main_piece_is_the_one_with_the_most_pixels(mask, edge):
    tissue, size = tissue_of(mask), 3 * MASK_PX
    grid = slide_grid(tissue.overview, size, edge)
    rows, columns = (places.ravel() for places in np.indices((grid.rows, grid.columns)))
    found = main_pieces(tissue, grid, columns, rows)
    assert found.dtype == np.int32
    for row, column, label in zip(rows.tolist(), columns.tolist(), found.tolist(), strict=True):
        cell = on_the_slide(tissue.labels)[grid.inside(grid.region(column, row)).slices]
        counts = np.bincount(cell.ravel(), minlength=len(tissue.pieces) + 1)[1:]
        if counts.any():
            assert counts[label - 1] == counts.max()
        else:
            assert label == 0


def test_no_cells_have_no_pieces():
    tissue = tissue_of(np.ones((2, 2), np.bool_))
    nowhere = np.zeros(0, np.intp)
    assert main_pieces(tissue, slide_grid(tissue.overview, 4, "keep"), nowhere, nowhere).size == 0
