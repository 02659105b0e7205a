"""What is left without a tile because its tiles hold too little tissue, or are not wanted.

Knows tissue masks and the cells that are kept. Does not know slides.
"""

import math

import numpy as np
from numpy.typing import NDArray

from slidetile.planning.tile_spec import TileSpec
from slidetile.raster.grid import TileGrid
from slidetile.raster.masks import Mask, count_pixels
from slidetile.raster.rings import winding_numbers
from slidetile.tissue.left_out import LeftOut
from slidetile.tissue.mask import DrawnArea, TissueMask, pixel_centres

_BAND_PX = 1 << 21
"""Pixels of a mask that are compared with an area at a time: 8 MB of winding numbers."""

_NOTABLE_SHARE = 0.01
"""A warning tells of tissue without a tile from this share of all tissue on."""


def left_out_of(
    tissue: TissueMask, grid: TileGrid, fractions: NDArray[np.float64], spec: TileSpec, tiles: int
) -> tuple[LeftOut, ...]:
    """Return what is left out where the cells with enough tissue are chosen.

    Parameters
    ----------
    tissue
        The tissue.
    grid
        The tile grid.
    fractions
        The share of tissue in each cell, [grid row, grid column].
    spec
        How tiles are chosen.
    tiles
        How many tiles are planned.
    """
    kept = fractions >= spec.min_tissue_fraction
    found = [_cells(fractions, kept, spec)]
    if grid.edge == "drop":
        found.append(_beyond(tissue, grid))
    if found[0].count:
        here = _kept_pixels(tissue, grid, kept)
        found.append(_areas(tissue, here, spec) if tissue.areas else _pieces(tissue, here, spec))
    found.append(_unwanted(int(kept.sum()), tiles, spec))
    return tuple(each for each in found if each.count)


def _cells(fractions: NDArray[np.float64], kept: Mask, spec: TileSpec) -> LeftOut:
    return LeftOut(
        what="tiles with tissue",
        count=int(((fractions > 0) & ~kept).sum()),
        why=f"hold less of it than {spec.min_tissue_fraction:g} of their area",
        option="min_tissue_fraction",
        limit=spec.min_tissue_fraction,
    )


def _areas(tissue: TissueMask, kept: Mask, spec: TileSpec) -> LeftOut:
    count = sum(not _is_kept(area, tissue, kept) for area in tissue.areas)
    return LeftOut(
        what="annotated areas",
        count=count,
        of=len(tissue.areas),
        why=f"got no tile, as theirs hold less tissue than {spec.min_tissue_fraction:g} of a tile",
        option="min_tissue_fraction",
        limit=spec.min_tissue_fraction,
        is_notable=True,
    )


def _pieces(tissue: TissueMask, kept: Mask, spec: TileSpec) -> LeftOut:
    counts = count_pixels(tissue.labels)
    with_tile = count_pixels(tissue.labels, kept)
    is_left = with_tile == 0
    is_left[0] = False
    pixels = int(counts[is_left].sum())
    return LeftOut(
        what="pieces of tissue",
        count=int(is_left.sum()),
        of=len(tissue.pieces),
        area_um2=_area_um2(pixels, tissue),
        why=f"got no tile, as theirs hold less tissue than {spec.min_tissue_fraction:g} of a tile",
        option="min_tissue_fraction",
        limit=spec.min_tissue_fraction,
        is_notable=pixels > _NOTABLE_SHARE * int(counts[1:].sum()),
    )


def _beyond(tissue: TissueMask, grid: TileGrid) -> LeftOut:
    """Return the pieces that reach beyond the last whole cells of the grid."""
    x, y = pixel_centres(tissue.overview)
    beyond = np.zeros(tissue.labels.shape, np.bool_)
    beyond[y > grid.rows * grid.size] = True
    beyond[:, x > grid.columns * grid.size] = True
    counts = count_pixels(tissue.labels, beyond)[1:]
    return LeftOut(
        what="pieces of tissue",
        count=int((counts > 0).sum()),
        of=len(tissue.pieces),
        area_um2=_area_um2(int(counts.sum()), tissue),
        why="are cut off behind the last whole tile",
        option="edge",
        limit="drop",
        keeps="{option} keep or shift keeps them whole",
    )


def _area_um2(pixels: int, tissue: TissueMask) -> float | None:
    return None if tissue.mpp is None else pixels * math.prod(tissue.mpp)


def _unwanted(candidates: int, tiles: int, spec: TileSpec) -> LeftOut:
    option = "sample" if spec.sample is not None else "max_tiles"
    return LeftOut(
        what="tiles with enough tissue",
        count=candidates - tiles,
        of=candidates,
        why="are not among those asked for",
        option=option,
        limit=getattr(spec, option),
        keeps="a larger {option} keeps more",
    )


def _kept_pixels(tissue: TissueMask, grid: TileGrid, kept: Mask) -> Mask:
    """Return which of the mask's pixels have their centre in a kept cell."""
    x, y = pixel_centres(tissue.overview)
    pixels: Mask = np.zeros((len(y), len(x)), np.bool_)
    if not kept.size:
        return pixels
    for rows, inside_rows in _places(y, grid.tops(np.arange(grid.rows)), grid.size):
        for columns, inside in _places(x, grid.lefts(np.arange(grid.columns)), grid.size):
            here = kept[np.ix_(rows, columns)]
            here &= inside_rows[:, np.newaxis]
            here &= inside
            pixels |= here
    return pixels


def _places(
    centres: NDArray[np.float64], starts: NDArray[np.int64], size: int
) -> list[tuple[NDArray[np.intp], Mask]]:
    """Return the last cell that begins before each centre, and the one before, if it reaches it."""
    last = np.searchsorted(starts, centres, "right") - 1
    before = np.maximum(last - 1, 0)
    return [(cell, centres < starts[cell] + size) for cell in (last, before)]


def _is_kept(area: DrawnArea, tissue: TissueMask, kept: Mask) -> bool:
    """Return whether a kept cell holds part of an area."""
    step, most = np.array(tissue.downsample), np.array(kept.shape[::-1]) - 1
    corners = np.clip((area[0] / step).astype(np.intp), 0, most)
    if kept[corners[:, 1], corners[:, 0]].any():
        return True
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), (corners.max(axis=0) + 1).tolist()
    x, y = pixel_centres(tissue.overview)
    height = max(1, _BAND_PX // (right - left))
    bands = (slice(row, min(row + height, bottom)) for row in range(top, bottom, height))
    return any(_meets(area, kept[rows, left:right], x[left:right], y[rows]) for rows in bands)


def _meets(area: DrawnArea, kept: Mask, x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Return whether any kept pixel has its centre in an area."""
    if not kept.any():
        return False
    covered = kept & (winding_numbers(area[0], x, y) != 0)
    for hole in area[1:]:
        covered &= winding_numbers(hole, x, y) == 0
    return bool(covered.any())
