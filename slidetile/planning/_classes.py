"""Which cells of the tile grid hold enough of a class, or most of what is too small for that.

Knows labels and tile grids. Does not know tissue, or which tiles are wanted.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import AnnotationError
from slidetile.planning.labels import DrawnLabels
from slidetile.planning.tile_spec import TileSpec
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.class_objects import Cells, cells_with
from slidetile.raster.grid import TileGrid
from slidetile.raster.masks import Mask


class ClassChoice(NamedTuple):
    """What the classes of a slide say of the cells of its tile grid, bool [row, column] each."""

    keeps: Mask
    """The cells that hold most of a small area, or a point: they are kept whatever else they lack.
    """

    is_enough: Mask | None
    """Of the cells that were asked about, those with enough of a class; None where no share was
    asked for."""


def choose_by_class(drawn: DrawnLabels, grid: TileGrid, spec: TileSpec, asked: Mask) -> ClassChoice:
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

    Raises
    ------
    AnnotationError
        A share of a class is asked for that the labels do not have, or that no tile has.
    """
    areas = drawn.labels.areas
    least = _least(areas, spec, drawn.labels.name)
    keeps: Mask = np.zeros(asked.shape, np.bool_)
    rows, columns = _small(drawn, grid, least).T
    keeps[rows, columns] = True
    if spec.min_class_fractions is None:
        return ClassChoice(keeps, None)
    is_enough: Mask = np.zeros(asked.shape, np.bool_)
    rows, columns = np.nonzero(asked)
    shares = areas.fractions(grid.edges(columns, rows))
    wanted = list(least)
    is_enough[rows, columns] = (shares[:, wanted] >= list(least.values())).any(axis=1)
    _check_any(areas, wanted, shares, keeps, drawn.labels.name)
    return ClassChoice(keeps, is_enough)


def _least(areas: ClassAreas, spec: TileSpec, name: str) -> dict[int, float]:
    """Return the classes that tiles are chosen by, and the least share of each."""
    if spec.min_class_fractions is None:
        return dict.fromkeys(range(len(areas.names)), spec.min_tissue_fraction)
    places = {each: place for place, each in enumerate(areas.names)}
    wanted = dict(spec.min_class_fractions)
    if unknown := wanted.keys() - places.keys():
        raise AnnotationError(
            f"{name} has no class {', '.join(map(repr, sorted(unknown)))}, of which a least share "
            f"is asked for (--min-class-fraction, min_class_fractions); it has "
            f"{', '.join(map(repr, areas.names))}."
        )
    return {places[each]: share for each, share in wanted.items()}


def _small(drawn: DrawnLabels, grid: TileGrid, least: dict[int, float]) -> Cells:
    """Return the cells with most of each area that no cell can hold enough of, and with points."""
    objects, areas = drawn.objects, drawn.labels.areas
    limits = np.zeros(len(areas.names))
    limits[list(least)] = [share * grid.size**2 for share in least.values()]
    is_small = (objects.areas > 0) & (objects.areas < limits[objects.class_of])
    points = [areas.points[place] for place in least]
    return np.concatenate(
        [
            objects.main_cells(np.flatnonzero(is_small), grid),
            *(cells_with(each, grid) for each in points),
        ]
    )


def _check_any(
    areas: ClassAreas, wanted: list[int], shares: NDArray[np.float64], keeps: Mask, name: str
) -> None:
    """Refuse to look for classes of which no tile has anything."""
    if keeps.any() or (shares[:, wanted] > 0).any():
        return
    names = ", ".join(repr(areas.names[place]) for place in wanted)
    raise AnnotationError(
        f"{name}: no tile with enough tissue has any of the class {names}, of which a least share "
        "is asked for (--min-class-fraction, min_class_fractions): is it outside the tissue?"
    )
