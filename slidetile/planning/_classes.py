"""Which cells of the tile grid hold enough of a class, or are kept for an area or a point.

Knows labels and tile grids. Does not know tissue, or which tiles are wanted.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import nearest
from slidetile.errors import AnnotationError
from slidetile.planning._class_shares import ClassShares
from slidetile.planning._drawn_areas import kept_areas
from slidetile.planning.labels import DrawnLabels
from slidetile.planning.tile_spec import TileSpec
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.class_objects import cells_with
from slidetile.raster.grid import TileGrid
from slidetile.raster.masks import Mask


class LostLabels(NamedTuple):
    """What was drawn of the classes that tiles are chosen by, and how much of it got no tile."""

    areas: int
    """Areas that were drawn."""

    on_glass: int
    """Areas without a tile, as theirs hold too little tissue."""

    without_pixel: int
    """Areas that hold the centre of no pixel."""

    marks: int
    """Areas and points that were drawn."""

    beyond: int
    """Areas and points without a tile, as they lie behind the last whole one."""


class ClassChoice(NamedTuple):
    """What the classes of a slide say of the cells of its tile grid, bool [row, column] each."""

    keeps: Mask
    """The cells that are kept, whatever they lack, for an area or a point."""

    is_enough: Mask | None
    """Of the cells that were asked about, those with enough of a class; None where no share was
    asked for."""

    lost: LostLabels
    """What got no tile all the same."""


def choose_by_class(
    drawn: DrawnLabels, grid: TileGrid, spec: TileSpec, asked: Mask, shares: ClassShares
) -> ClassChoice:
    """Return what the classes say of cells.

    Parameters
    ----------
    drawn
        The labels.
    grid
        The tile grid.
    spec
        How tiles are chosen.
    asked
        The cells with enough tissue.
    shares
        What cells have of each class.

    Raises
    ------
    AnnotationError
        A share of a class is asked for that the labels do not have, or that no tile has.
    """
    areas = drawn.labels.areas
    least = _least(areas, spec, drawn.labels.name)
    rows, columns = np.nonzero(asked)
    found = shares.of(columns, rows)  # all at once, which takes hardly longer than a few
    keeps: Mask = np.zeros(asked.shape, np.bool_)
    kept = kept_areas(drawn.objects, grid, least, asked, shares)
    points = [areas.points[place] for place in least]
    marked = [cells_with(each, grid) for each in points]
    keeps[tuple(np.concatenate([kept.cells, *marked]).T)] = True
    count = sum(map(len, points))
    lost = LostLabels(
        areas=kept.areas,
        on_glass=kept.on_glass,
        without_pixel=kept.without_pixel,
        marks=kept.areas + count,
        beyond=kept.beyond + count - sum(map(len, marked)),
    )
    if spec.min_class_fractions is None:
        return ClassChoice(keeps, None, lost)
    is_enough: Mask = np.zeros(asked.shape, np.bool_)
    wanted = list(least)
    is_enough[rows, columns] = (found[:, wanted] >= list(least.values())).any(axis=1)
    _check_any(areas, wanted, found[:, wanted], keeps, drawn.labels.name)
    return ClassChoice(keeps, is_enough, lost)


def _least(areas: ClassAreas, spec: TileSpec, name: str) -> dict[int, float]:
    """Return the classes that tiles are chosen by, and the least share of each."""
    if spec.min_class_fractions is None:
        return dict.fromkeys(range(len(areas.names)), spec.min_tissue_fraction)
    places = {each: place for place, each in enumerate(areas.names)}
    wanted = dict(spec.min_class_fractions)
    if unknown := sorted(wanted.keys() - places.keys()):
        raise AnnotationError(
            f"{name} has no class {', '.join(map(repr, unknown))}, of which a least share "
            f"is asked for (--min-class-fraction, min_class_fractions); it has "
            f"{', '.join(map(repr, areas.names))}.{_meant(unknown, areas.names)}"
        )
    return {places[each]: share for each, share in wanted.items()}


def _meant(unknown: Sequence[str], names: Sequence[str]) -> str:
    """Return a sentence with the names that are nearest to unknown ones; none where none is."""
    near = [found for each in unknown if (found := nearest(each.strip(), names))]
    if not near:
        return ""
    return f" Did you mean {', '.join(map(repr, near))}? Upper and lower case count."


def _check_any(
    areas: ClassAreas, wanted: list[int], shares: NDArray[np.float64], keeps: Mask, name: str
) -> None:
    """Refuse to look for classes of which no tile has anything; ``shares`` are theirs alone."""
    if keeps.any() or (shares > 0).any():
        return
    names = ", ".join(repr(areas.names[place]) for place in wanted)
    raise AnnotationError(
        f"{name}: no tile with enough tissue has any of the class {names}, of which a least share "
        "is asked for (--min-class-fraction, min_class_fractions): is it outside the tissue?"
    )
