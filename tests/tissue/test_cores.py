"""Microarrays: cores named by row and column, on grids that are made here and on a real one."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_closing, binary_opening

import slidetile
from slidetile.raster.grid import cell_name
from slidetile.raster.region import Region
from slidetile.slides.overview import Overview
from slidetile.tissue.cores import Core, CoreGrid, find_cores
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
@settings(max_examples=120, deadline=None)
def test_every_core_has_its_name_on_any_grid(array):
    check(array, find_cores(tissue_of(array.draw())))
