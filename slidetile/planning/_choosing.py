"""Which cells of the tile grid become tiles: by tissue, by class, and by how many are wanted.

Knows shares of tissue and labels. Does not know slides.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from slidetile.planning._class_shares import ClassShares
from slidetile.planning._classes import choose_by_class
from slidetile.planning._left_out import Chosen
from slidetile.planning.labels import DrawnLabels
from slidetile.planning.subset import balanced, class_quotas, fullest, sampled
from slidetile.planning.tile_spec import TileSpec
from slidetile.raster.grid import TileGrid
from slidetile.raster.masks import Mask

_log = logging.getLogger(__name__)


def chosen_cells(
    grid: TileGrid,
    fractions: NDArray[np.float64],
    spec: TileSpec,
    labels: DrawnLabels | None,
    shares: ClassShares | None,
) -> Chosen:
    """Return the cells that are left by each filter.

    Parameters
    ----------
    grid
        The tile grid.
    fractions
        The share of tissue in each cell, [grid row, grid column].
    spec
        How tiles are chosen.
    labels
        The classes of what lies on the slide; None where there are none.
    shares
        What cells have of each class; None where there are none.
    """
    with_tissue = with_class = fractions >= spec.min_tissue_fraction
    lost = None
    if labels is not None and shares is not None:
        by_class = choose_by_class(labels, grid, spec, with_tissue, shares)
        lost = by_class.lost
        is_enough = with_tissue if by_class.is_enough is None else by_class.is_enough
        with_tissue, with_class = with_tissue | by_class.keeps, is_enough | by_class.keeps
    rows, columns = np.nonzero(with_class)
    is_known = np.ones(len(rows), np.bool_)
    if spec.balance is not None:
        assert labels is not None, "its caller looked"
        assert shares is not None, "they come with the labels"
        classes = shares.winning(columns, rows)
        is_known = classes >= 0
        wanted = balanced(columns, rows, classes, spec.sample or 0, spec.seed)
        _tell(labels, classes, wanted, spec.sample or 0)
    elif spec.sample is not None:
        wanted = sampled(columns, rows, spec.sample, spec.seed)
    elif spec.max_tiles is not None:
        wanted = fullest(columns, rows, fractions[rows, columns], spec.max_tiles)
    else:
        wanted = np.arange(len(rows))
    return Chosen(
        with_tissue=with_tissue,
        with_class=with_class,
        with_label=_cells(fractions.shape, rows[is_known], columns[is_known]),
        planned=_cells(fractions.shape, rows[wanted], columns[wanted]),
        lost=lost,
    )


def _cells(shape: tuple[int, ...], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Mask:
    cells: Mask = np.zeros(shape, np.bool_)
    cells[rows, columns] = True
    return cells


def _tell(
    labels: DrawnLabels, classes: NDArray[np.int32], wanted: NDArray[np.intp], count: int
) -> None:
    """Log how many tiles of each class are drawn; warn of classes with less than their share.

    A class without a tile has no share.
    """
    names = labels.labels.areas.names
    there = np.bincount(classes[classes >= 0], minlength=len(names))
    drawn = np.bincount(classes[wanted], minlength=len(names))
    told = ", ".join(f"{name} {number:,}" for name, number in zip(names, drawn, strict=True))
    _log.info("%s: of each class are drawn: %s.", labels.labels.name, told)
    none = [name for name, number in zip(names, there, strict=True) if not number]
    sharing = [(name, number) for name, number in zip(names, there, strict=True) if number]
    few = [
        f"{name} has {number:,} of its {share:,}"
        for (name, number), share in zip(sharing, class_quotas(count, len(sharing)), strict=True)
        if number < share
    ]
    if few:
        _log.warning(
            "%s: of the %s tiles of a balanced sample there are %s: %s. The other classes do not "
            "make up for it.",
            *(labels.labels.name, f"{count:,}", f"{len(wanted):,}", ", ".join(few)),
        )
    if none:
        _log.warning(
            "%s: in no tile the class %s is the largest, so it takes no share of the %s tiles of "
            "a balanced sample.",
            *(labels.labels.name, " or ".join(none), f"{count:,}"),
        )
