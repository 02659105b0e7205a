"""Microarrays: cores named by row and column, on grids that are made here and on a real one."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_closing, binary_opening, gaussian_filter

from slidetile.choices import UnfitChoiceError
from slidetile.raster.grid import cell_name
from slidetile.slides.array import ArraySlide
from slidetile.slides.overview import Overview
from slidetile.tissue.cores import CoreGrid, find_cores
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.mask import TissueMask


def tissue_of(mask, scale=4.0, mpp=None):
    height, width = mask.shape
    return TissueMask.from_mask(
        mask,
        Overview(
            image=np.full((height, width, 1), 255, np.uint8),
            slide_width=int(width * scale),
            slide_height=int(height * scale),
            downsample=(scale, scale),
            mpp=mpp,
        ),
    )


@dataclass(frozen=True)
class Array:
    """A microarray to draw: all lengths but the pitch are shares of the pitch."""

    rows: int = 5
    columns: int = 6
    pitch_px: float = 50.0
    taller: float = 1.0
    diameter: float = 0.7
    degrees: float = 0.0
    shear: float = 0.0
    jitter: float = 0.0
    missing: frozenset = frozenset()
    broken: frozenset = frozenset()
    joined: frozenset = frozenset()
    debris: frozenset = frozenset()
    seed: int = 0

    @property
    def centres(self):
        """(x, y) of each cell, [row, column]."""
        across, down = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        steps = np.stack([across, down], axis=-1).astype(float)
        steps[..., 0] += self.shear * steps[..., 1]
        steps[..., 1] *= self.taller
        random = np.random.default_rng(self.seed).uniform(-1, 1, steps.shape)
        angle = math.radians(self.degrees)
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        places = (steps + self.jitter * random) @ turn * self.pitch_px
        return places - places.min(axis=(0, 1)) + 0.7 * self.pitch_px

    def draw(self):
        centres, pitch = self.centres, self.pitch_px
        width, height = (centres.max(axis=(0, 1)) + 0.8 * pitch).astype(int)
        mask = np.zeros((height, width), bool)
        y, x = np.mgrid[:height, :width]
        for row, column in np.ndindex(self.rows, self.columns):
            across, down = x - centres[row, column, 0], y - centres[row, column, 1]
            core = np.hypot(across, down) <= self.diameter / 2 * pitch
            if (row, column) in self.broken:
                core &= np.abs(across + 0.3 * down) > 0.06 * pitch
            if (row, column) not in self.missing:
                mask |= core
            if (row, column) in self.joined and column + 1 < self.columns:
                ends = centres[row, column : column + 2]
                mask |= self._bar(x, y, *ends)
            if (row, column) in self.debris and row + 1 < self.rows and column + 1 < self.columns:
                between = centres[row : row + 2, column : column + 2].mean(axis=(0, 1))
                mask |= np.hypot(x - between[0], y - between[1]) <= max(1.5, 0.06 * pitch)
        return mask

    def _bar(self, x, y, start, end):
        way = end - start
        along = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / (way @ way)
        aside = np.abs((x - start[0]) * way[1] - (y - start[1]) * way[0]) / np.hypot(*way)
        return (along >= 0) & (along <= 1) & (aside <= 0.08 * self.pitch_px)


def cells(rows, columns, most):
    cell = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1))
    return st.frozensets(cell, max_size=most)


@st.composite
def arrays(draw):
    rows, columns = draw(st.integers(3, 8)), draw(st.integers(3, 9))
    some = rows * columns // 5
    missing = draw(cells(rows, columns, some))
    # A whole row or column without cores is a gap.
    there = np.ones((rows, columns), bool)
    there[tuple(np.array(sorted(missing), int).reshape(-1, 2).T)] = False
    if there.sum(axis=0).min() < 2 or there.sum(axis=1).min() < 2:
        missing = frozenset()
    whole = [cell for cell in np.ndindex(rows, columns) if cell not in missing]
    pairs = [(r, c) for r, c in whole if c + 1 < columns and (r, c + 1) not in missing]
    return Array(
        rows=rows,
        columns=columns,
        pitch_px=draw(st.floats(24, 70)),
        taller=draw(st.floats(0.85, 1.3)),
        diameter=draw(st.floats(0.5, 0.75)),
        degrees=draw(st.floats(-12, 12)),
        shear=draw(st.floats(-0.1, 0.1)),
        jitter=draw(st.floats(0, 0.08)),
        missing=missing,
        broken=draw(cells(rows, columns, some)),
        joined=frozenset(draw(st.lists(st.sampled_from(pairs), max_size=some))),
        debris=draw(cells(rows, columns, some)),
        seed=draw(st.integers(0, 99)),
    )


def check(array, grid):
    """The grid is the array's: its size, its missing cores, its centres, and no debris."""
    assert (grid.rows, grid.columns) == (array.rows, array.columns)
    names = {cell_name(*cell) for cell in array.missing}
    assert {core.name for core in grid.missing} == names
    y, x = np.ogrid[: grid.labels.shape[0], : grid.labels.shape[1]]
    for core, centre in zip(grid, array.centres.reshape(-1, 2), strict=True):
        apart = np.hypot(*(np.array(core.centre) / 4 - centre))
        assert apart < (0.35 if core.is_missing else 0.2) * array.pitch_px, core
        around = grid.labels[np.hypot(x - centre[0], y - centre[1]) < 0.2 * array.pitch_px]
        wanted = 0 if core.is_missing else core.row * grid.columns + core.column + 1
        assert set(np.unique(around)) <= {0, wanted}, core
        assert core.is_missing or wanted in around
        assert core.is_missing == (not core.pieces)


@given(arrays())
@settings(max_examples=25, deadline=None)
def test_every_core_has_its_name_on_any_grid(array):
    check(array, find_cores(tissue_of(array.draw())))


@pytest.mark.parametrize("degrees", [-20, -7, 0, 7, 20])
def test_turned_grids(degrees):
    array = Array(degrees=degrees, missing=frozenset({(2, 3)}))
    check(array, find_cores(tissue_of(array.draw())))


def test_resolution_does_not_matter():
    mask = Array(jitter=0.05, missing=frozenset({(0, 0)})).draw()
    grids = [find_cores(tissue_of(mask, mpp=mpp)) for mpp in (None, (0.01, 0.01), (500.0, 500.0))]
    assert grids[0] == grids[1] == grids[2]


def test_an_overview_of_any_size_gives_the_same_names():
    """The grid is looked for on an averaged mask; pixels are counted on the whole one."""
    array = Array(pitch_px=60, missing=frozenset({(3, 1)}), degrees=3, joined=frozenset({(0, 0)}))
    grid = find_cores(tissue_of(array.draw()))
    large = replace(array, pitch_px=60 * 5.0)
    check(large, find_cores(tissue_of(large.draw())))
    assert [core.name for core in grid.missing] == ["D-2"]


def test_a_piece_over_several_cells_is_split_and_a_broken_core_is_whole():
    array = Array(joined=frozenset({(1, 1), (1, 2)}), broken=frozenset({(3, 3)}))
    tissue = tissue_of(array.draw())
    grid = find_cores(tissue)
    shared = set(grid["B-2"].pieces) & set(grid["B-3"].pieces) & set(grid["B-4"].pieces)
    assert len(shared) == 1
    assert len(grid["D-4"].pieces) == 2
    assert grid["B-2"].bounds.intersection(grid["B-4"].bounds) is None
    for core in grid:
        number = core.row * grid.columns + core.column + 1
        rows, columns = np.nonzero(grid.labels == number)
        assert (core.bounds.x, core.bounds.y) == (columns.min() * 4, rows.min() * 4)
        assert (core.bounds.right, core.bounds.bottom) == (
            (columns.max() + 1) * 4,
            (rows.max() + 1) * 4,
        )
        assert set(np.unique(tissue.labels[rows, columns])) == set(core.pieces)


def test_what_lies_between_cores_is_no_cores():
    array = Array(debris=frozenset({(0, 0), (2, 2), (3, 4)}))
    tissue, without = tissue_of(array.draw()), Array().draw()
    grid = find_cores(tissue)
    assert len(tissue.pieces) == 33
    assert not grid.labels[tissue.mask & ~without].any()
    assert grid.labels[without].all()


def test_blocks_with_gaps_between_them_are_one_grid():
    """Rows and columns without any core are gaps: nothing could tell."""
    empty = {(row, column) for row, column in np.ndindex(7, 9) if row == 3 or column == 4}
    grid = find_cores(tissue_of(Array(rows=7, columns=9, missing=frozenset(empty)).draw()))
    assert (grid.rows, grid.columns, len(grid.missing)) == (6, 8, 0)


def test_a_large_grid_has_rows_beyond_z():
    array = Array(rows=28, columns=3, pitch_px=30)
    grid = find_cores(tissue_of(array.draw()))
    assert [grid.cores[-1].name, grid["Z-1"].row, grid["AA-2"].column] == ["AB-3", 25, 1]
    with pytest.raises(KeyError, match="28 rows and 3 columns, but no AC-1"):
        grid["AC-1"]


def test_no_tissue_is_an_empty_grid():
    grid = find_cores(tissue_of(np.zeros((40, 50), bool)))
    assert (len(grid), grid.rows, grid.missing) == (0, 0, ())
    assert not grid.labels.any()


def scattered(seed):
    """Pieces of biopsies: anywhere, of any size."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:300, :400]
    mask = np.zeros(y.shape, bool)
    for _ in range(9):
        row, column = random.uniform(20, 280), random.uniform(20, 380)
        mask |= np.hypot((y - row) / random.uniform(5, 40), (x - column) / 12) < 1
    return mask


def blots(seed):
    """Smooth noise: pieces of one size, as far apart as cores, at random."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((600, 600)), 12)
    return noise > np.quantile(noise, 0.8)


def test_cores_of_crumbs_are_cores():
    """On a mask that is averaged, nothing of them fills even half a pixel."""
    rows, columns = np.mgrid[:1200, :1600]
    cores = np.hypot(rows % 400 - 200, columns % 400 - 200) < 140
    grid = find_cores(tissue_of(cores & (rows % 4 == 0) & (columns % 4 == 0)))
    assert (grid.rows, grid.columns, grid.missing) == (3, 4, ())
    assert len({piece for core in grid for piece in core.pieces}) > 1000


@pytest.mark.parametrize("side", [1, 2, 3])
def test_thousands_of_pieces_are_refused_soon(side):
    """Noise has as many pieces as it likes; the grid of many cores is still found."""
    noise = np.random.default_rng(0).random((900 // side, 900 // side)) < 0.2
    with pytest.raises(UnfitChoiceError):
        find_cores(tissue_of(noise.repeat(side, axis=0).repeat(side, axis=1)))


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((200, 300), bool),
        np.hypot(*(np.mgrid[:300, :300] - 150)) < 100,
        np.hypot(*(np.mgrid[:300, :600] % 300 - 150)) < 100,
        np.mgrid[:200, :300][0] % 40 < 20,
        *map(scattered, range(12)),
        *map(blots, (0, 1, 2)),
    ],
)
def test_what_is_no_grid_is_refused_with_the_reason(mask):
    with pytest.raises(UnfitChoiceError, match=r"regular grid, as cores do: .+Leave out --cores"):
        find_cores(tissue_of(mask))


def test_two_blocks_shifted_by_half_a_step_are_no_grid():
    """Their rows would lie in the same place: every core would be in two of them."""
    rows, columns = np.mgrid[:300, :360]
    block = np.hypot(rows % 60 - 30, columns % 60 - 30) < 20
    both = np.hstack([block, np.zeros((300, 60), bool), np.roll(block, 30, axis=0)])
    with pytest.raises(UnfitChoiceError, match=r"lie in the same place|regular grid"):
        find_cores(tissue_of(both))


def test_values_are_checked():
    core = find_cores(tissue_of(Array().draw())).cores[0]
    with pytest.raises(ValueError, match="row 0 and column 0 is A-1, not 'B-1'"):
        replace(core, name="B-1")
    with pytest.raises(ValueError, match="A-1 is missing, but has pieces"):
        replace(core, is_missing=True)
    with pytest.raises(ValueError, match="row by row, but there are 1"):
        CoreGrid(rows=1, columns=2, cores=(core,), labels=np.zeros((2, 2), np.uint8))


SPOTS_MISSING = """B-9 E-1 F-1 G-1 H-1 H-7 I-1 I-6 I-7 I-8 I-9 J-1 K-1 L-1"""
"""Counted on the picture, block by block: a column of 4 cores; then blocks of 4×4, of which the
second lacks one, the fourth one, and the last a whole row. Beside the rest of the column of 4 there
is nothing. So 94 cores lie in 100 places of the blocks, and the grid of all has 108 cells."""

SPOTS_PLACES = {
    "A-1": (106, 1266),
    "D-1": (111, 1569),
    "A-2": (292, 1266),
    "D-5": (591, 1563),
    "A-6": (767, 1257),
    "A-9": (1062, 1254),
    "C-9": (1065, 1442),
    "D-9": (1068, 1550),
    "E-2": (305, 1743),
    "H-5": (612, 2035),
    "E-6": (782, 1737),
    "H-6": (799, 2037),
    "I-2": (328, 2216),
    "L-5": (626, 2501),
    "J-6": (803, 2297),
    "L-9": (1097, 2477),
}
"""The middles of some cores, in pixels of the picture, read off it by eye."""


@pytest.fixture(scope="module")
def spots(shared_truth):
    """The picture of a microarray."""
    return np.asarray(Image.open(shared_truth / "tma-spots.png").convert("RGB"))


def check_spots(grid):
    assert (grid.rows, grid.columns, len(grid)) == (12, 9, 108)
    assert " ".join(core.name for core in grid.missing) == SPOTS_MISSING
    for name, place in SPOTS_PLACES.items():
        assert math.dist(grid[name].centre, place) < 25, name


def test_cores_of_a_real_microarray(spots):
    dark = binary_closing(spots.min(axis=2) < 225, iterations=4)
    mask = binary_opening(dark, iterations=3)
    overview = Overview(
        image=spots, slide_width=spots.shape[1], slide_height=spots.shape[0], downsample=(1, 1)
    )
    check_spots(find_cores(TissueMask.from_mask(mask, overview)))


def test_cores_of_a_real_microarray_by_the_default_detector(spots):
    check_spots(find_cores(find_tissue(ArraySlide(spots, mpp=12.0), mpp=12.0)))
