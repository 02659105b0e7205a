"""What is left without a tile because its tiles hold too little tissue, or are not wanted.

Knows tissue masks and the cells that are kept. Does not know slides.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from slidetile.planning._classes import LostLabels
from slidetile.planning._left_out_labels import (
    BEYOND,
    OTHER_EDGE,
    TOO_LITTLE,
    TOO_LITTLE_OF_CLASS,
    lost_labels,
    without_class,
    without_label,
)
from slidetile.planning.tile_spec import TileSpec
from slidetile.raster.grid import TileGrid
from slidetile.raster.masks import Mask, count_pixels
from slidetile.raster.packed import PackedMask
from slidetile.raster.rings import winding_numbers
from slidetile.tissue.found import TissueArea
from slidetile.tissue.left_out import LeftOut
from slidetile.tissue.mask import DrawnArea, TissueMask, pixel_centres

_BAND_PX = 1 << 21
"""Pixels of a mask that are compared with an area at a time: 8 MB of winding numbers."""

_NOTABLE_SHARE = 0.01
"""A warning tells of tissue without a tile from this share of all tissue on."""

_NOT_ASKED = "not asked for"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """The cells of a tile grid after each filter, bool [grid row, grid column] each."""

    with_tissue: Mask
    """Those with enough tissue, or with what is kept without."""

    with_class: Mask
    """Those of them with enough of a class; all of them where none is asked for."""

    with_label: Mask
    """Those of them of any class, where a sample is balanced; all of them elsewhere."""

    planned: Mask
    """Those of which a tile is planned."""

    lost: LostLabels | None = None
    """What of the classes got no tile; None where there are none."""


def left_out_of(
    tissue: TissueMask,
    grid: TileGrid,
    fractions: NDArray[np.float64],
    spec: TileSpec,
    chosen: Chosen,
) -> tuple[LeftOut, ...]:
    """Return what is left out where some of the cells with enough tissue are chosen.

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
    chosen
        The cells that are left by each filter.
    """
    kept = chosen.with_tissue
    found = [_cells(fractions, kept, spec)]
    if grid.edge == "drop":
        found.append(_beyond(tissue, grid))
    if tissue.areas:
        found += _areas(tissue, grid, chosen, spec)
    elif found[0].count:
        found.append(_pieces(tissue, grid, kept, spec))
    if chosen.lost is not None:
        found += lost_labels(chosen.lost, spec)
    cells = (chosen.with_tissue, chosen.with_class, chosen.with_label, chosen.planned)
    with_tissue, with_class, with_label, planned = (int(each.sum()) for each in cells)
    found.append(without_class(with_tissue, with_class, spec))
    found.append(without_label(with_class, with_label))
    found.append(_unwanted(with_label, planned, spec))
    return tuple(each for each in found if each.count)


def _cells(fractions: NDArray[np.float64], kept: Mask, spec: TileSpec) -> LeftOut:
    return LeftOut(
        what="tiles with tissue",
        reason=TOO_LITTLE,
        count=int(((fractions > 0) & ~kept).sum()),
        of=int((fractions > 0).sum()),
        why=f"hold less of it than {spec.min_tissue_fraction:g} of their area",
        option="min_tissue_fraction",
        limit=spec.min_tissue_fraction,
    )


def _areas(tissue: TissueMask, grid: TileGrid, chosen: Chosen, spec: TileSpec) -> list[LeftOut]:
    """Return the drawn areas without a tile, by the first filter that left none of theirs."""
    kept, classed, planned = chosen.with_tissue, chosen.with_class, chosen.planned
    anywhere = np.ones_like(kept)
    stages = (
        (_beyond_areas(), anywhere, grid.edge == "drop"),
        (_thin_areas(spec), kept, not kept.all()),
        (_classless_areas(), classed, not np.array_equal(kept, classed)),
        (_unwanted_areas(spec), planned, not np.array_equal(classed, planned)),
    )
    found, left = [], list(tissue.areas)
    for filtered, cells, drops_any in stages:
        if drops_any:
            here = _kept_pixels(tissue, grid, cells)
            held = [area for area in left if _is_kept(area, tissue, here)]
            lost = len(left) - len(held)
            found.append(replace(filtered, count=lost, of=len(tissue.areas)))
            left = held
    return found


def _thin_areas(spec: TileSpec) -> LeftOut:
    return LeftOut(
        what="annotated areas",
        reason=TOO_LITTLE,
        count=0,
        why=f"got no tile, as theirs hold less tissue than {spec.min_tissue_fraction:g} of a tile",
        option="min_tissue_fraction",
        limit=spec.min_tissue_fraction,
        is_notable=True,
    )


def _beyond_areas() -> LeftOut:
    return LeftOut(
        what="annotated areas",
        reason=BEYOND,
        count=0,
        why="got no tile, as they lie behind the last whole one",
        option="edge",
        limit="drop",
        keeps=OTHER_EDGE,
        is_notable=True,
    )


def _classless_areas() -> LeftOut:
    return LeftOut(
        what="annotated areas",
        reason=TOO_LITTLE_OF_CLASS,
        count=0,
        why="got no tile, as theirs hold too little of the classes asked for",
        option="min_class_fraction",
    )


def _unwanted_areas(spec: TileSpec) -> LeftOut:
    option = _limiting(spec)
    return LeftOut(
        what="annotated areas",
        reason=_NOT_ASKED,
        count=0,
        why="got no tile, as theirs are not among those asked for",
        option=option,
        limit=getattr(spec, option),
        keeps="a larger {option} keeps more",
    )


def _pieces(tissue: TissueMask, grid: TileGrid, kept: Mask, spec: TileSpec) -> LeftOut:
    counts = count_pixels(tissue.labels)
    within = _kept_pixels(tissue, grid, np.ones_like(kept))
    in_grid = count_pixels(tissue.labels, within)  # what is behind it is told as such
    is_left = (count_pixels(tissue.labels, _kept_pixels(tissue, grid, kept)) == 0) & (in_grid > 0)
    is_left[0] = False
    pixels = int(counts[is_left].sum())
    area = TissueArea.of(pixels, tissue.overview)
    return LeftOut(
        what="pieces of tissue",
        reason=TOO_LITTLE,
        count=int(is_left.sum()),
        of=len(tissue.pieces),
        area_um2=area.um2,
        area_px=area.px,
        why=f"got no tile, as theirs hold less tissue than {spec.min_tissue_fraction:g} of a tile",
        option="min_tissue_fraction",
        limit=spec.min_tissue_fraction,
        is_notable=pixels > _NOTABLE_SHARE * int(counts[1:].sum()),
        where=PackedMask.of(is_left[tissue.labels]),
    )


def _beyond(tissue: TissueMask, grid: TileGrid) -> LeftOut:
    """Return the pieces that reach beyond the last whole cells of the grid."""
    x, y = pixel_centres(tissue.overview)
    beyond = np.zeros(tissue.labels.shape, np.bool_)
    beyond[y > grid.rows * grid.size] = True
    beyond[:, x > grid.columns * grid.size] = True
    counts = count_pixels(tissue.labels, beyond)[1:]
    area = TissueArea.of(int(counts.sum()), tissue.overview)
    return LeftOut(
        what="pieces of tissue",
        reason=BEYOND,
        count=int((counts > 0).sum()),
        of=len(tissue.pieces),
        area_um2=area.um2,
        area_px=area.px,
        why="are cut off behind the last whole tile",
        option="edge",
        limit="drop",
        keeps=OTHER_EDGE,
        where=PackedMask.of(beyond & (tissue.labels > 0)),
    )


def _limiting(spec: TileSpec) -> str:
    """Return the option that says how many tiles are wanted."""
    return "sample" if spec.sample is not None else "max_tiles"


def _unwanted(candidates: int, tiles: int, spec: TileSpec) -> LeftOut:
    option = _limiting(spec)
    return LeftOut(
        what="tiles with enough tissue",
        reason=_NOT_ASKED,
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
