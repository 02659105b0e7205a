"""The cores of a tissue microarray: which tissue is which core, by its row and column.

Knows tissue masks and grids. Does not know files, tiles or how tissue was found.

Cores are matched with a grid that is estimated from the mask itself, as dearrayers do: Wang et al.,
"A TMA de-arraying method for high throughput biomarker discovery in tissue research", PLoS ONE 6
(2011), match by the distances and angles between neighbours; Nguyen, Paveau, Cauchois & Kervrann,
"ATMAD: robust image analysis for Automatic Tissue MicroArray De-arraying", BMC Bioinformatics 19
(2018), estimate how the grid is bent; Bankhead et al., "QuPath", Scientific Reports 7 (2017), find
cores as the maxima of a smoothed mask. Here the steps of the grid come from the mask's
autocorrelation, cores from the maxima of the mask smoothed at half a step (by mean shift), rows and
columns from chains of neighbours, and the place of a missing core from the offsets of its row and
its column, fitted to all others. All is measured in steps, so that no resolution is needed.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import UnfitChoiceError
from slidetile.raster.block_means import area_average
from slidetile.raster.grid import cell_name
from slidetile.raster.masks import Labels
from slidetile.raster.region import Region
from slidetile.slides.overview import Overview
from slidetile.tissue._cells import Cells, Fragments
from slidetile.tissue._lattice import LEAST_FILLED, Lattice, find_lattice
from slidetile.tissue._spots import NoLatticeError
from slidetile.tissue.mask import TissueMask

LONGEST_SIDE_PX = 1024
"""The grid is looked for on a mask averaged to at most this: a core of 50 rows has 20 pixels."""

_FEWEST_CORES = 6
_FULLEST_CELL = 0.87
"""Round cores that touch cover 0.79 of the grid."""

_LEAST_TISSUE = 0.5
_MISSING = 0.1
"""A core that has less than this share of the usual tissue is missing."""

_PART = 0.05
"""A piece belongs to a core with this share of a usual core, or with most of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """One core of a tissue microarray, or the place of one that is missing.

    Raises
    ------
    ValueError
        Its name is not that of its row and column, or it is missing and has pieces.
    """

    name: str
    """Its row as a letter and its column as a number from 1, such as "A-1", as QuPath has them;
    after row Z come AA, AB and so on."""

    row: int
    """Its row in the grid, from 0 at the top."""

    column: int
    """Its column in the grid, from 0 at the left."""

    centre: tuple[float, float]
    """The (x, y) of the middle of its tissue; where it is missing, of where that would be. In
    level-0 pixels."""

    bounds: Region
    """The smallest rectangle around its tissue, in level-0 pixels; where it is missing, one of the
    usual size."""

    pieces: tuple[int, ...]
    """Labels of the pieces of tissue that it is made of; one piece may lie in several cores."""

    is_missing: bool
    """Whether there is no tissue, or less than a tenth of what other cores have."""

    def __post_init__(self) -> None:
        if self.name != cell_name(self.row, self.column):
            raise ValueError(
                f"The core of row {self.row} and column {self.column} is "
                f"{cell_name(self.row, self.column)}, not {self.name!r}."
            )
        if self.is_missing and self.pieces:
            raise ValueError(f"The core {self.name} is missing, but has pieces {self.pieces}.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoreGrid:
    """The cores of a tissue microarray, row by row: a sequence of `Core`, missing ones included.

    Raises
    ------
    ValueError
        There are not as many cores as rows and columns say, or they are in another order.
    """

    rows: int
    """Rows of the grid; 0 where there is no tissue."""

    columns: int
    """Columns of the grid."""

    cores: tuple[Core, ...]
    """The cores, row by row."""

    labels: Labels
    """uint8, 16 or 32 [row, column], read-only: 0 is no core's, k is the tissue of
    ``cores[k - 1]``."""

    def __post_init__(self) -> None:
        places = [(core.row, core.column) for core in self.cores]
        wanted = [(row, column) for row in range(self.rows) for column in range(self.columns)]
        if places != wanted:
            raise ValueError(
                f"A grid of {self.rows} rows and {self.columns} columns has a core for each of "
                f"them, row by row, but there are {len(places)}."
            )
        self.labels.setflags(write=False)

    @property
    def missing(self) -> tuple[Core, ...]:
        """The cores that are missing."""
        return tuple(core for core in self.cores if core.is_missing)

    def __len__(self) -> int:
        return len(self.cores)

    def __iter__(self) -> Iterator[Core]:
        return iter(self.cores)

    def __getitem__(self, name: str) -> Core:
        for core in self.cores:
            if core.name == name:
                return core
        raise KeyError(f"The grid has {self.rows} rows and {self.columns} columns, but no {name}.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CoreGrid):
            return NotImplemented
        return self.cores == other.cores and np.array_equal(self.labels, other.labels)

    __hash__ = None  # type: ignore[assignment]  # compared by content, and arrays have no hash

    def __repr__(self) -> str:
        return (
            f"CoreGrid({self.rows} rows, {self.columns} columns, {len(self.missing)} of "
            f"{len(self)} cores missing)"
        )


def find_cores(tissue: TissueMask) -> CoreGrid:
    """Find the cores of a tissue microarray, and name them by row and column.

    The grid may be turned or sheared by up to 25°, bent, and cut into blocks by wider gaps. Cores
    may be missing, in several pieces, or touch. Rows and columns without any core are not counted,
    since nothing tells them from a gap. What lies between cores belongs to none.

    Parameters
    ----------
    tissue
        The tissue of a slide. Its resolution need not be known.

    Returns
    -------
    CoreGrid
        With a core for each row and column, and no rows where there is no tissue.

    Raises
    ------
    UnfitChoiceError
        The tissue does not lie in a regular grid, as that of whole sections and biopsies does not.

    Examples
    --------
    >>> import numpy as np
    >>> rows, columns = np.mgrid[:300, :400]
    >>> spots = np.hypot(rows % 100 - 50, columns % 100 - 50) < 35
    >>> spots[100:200, 200:300] = False
    >>> image = np.where(spots, 120, 240).astype(np.uint8)[..., np.newaxis].repeat(3, axis=2)
    >>> overview = Overview(image=image, slide_width=400, slide_height=300, downsample=(1, 1))
    >>> grid = find_cores(TissueMask.from_mask(spots, overview))
    >>> len(grid), [core.name for core in grid.missing]
    (12, ['B-3'])
    """
    if not tissue.pieces:
        return CoreGrid(rows=0, columns=0, cores=(), labels=np.zeros_like(tissue.labels))
    try:
        return _grid(tissue)
    except NoLatticeError as error:
        raise UnfitChoiceError(
            f"The tissue does not lie in a regular grid, as cores do: {error}. Leave out --cores "
            "(cores of a recipe) for what is no tissue microarray."
        ) from error


def _grid(tissue: TissueMask) -> CoreGrid:
    factor = -(-max(tissue.labels.shape) // LONGEST_SIDE_PX)
    covered = tissue.mask.view(np.uint8)[..., np.newaxis] * np.uint8(255)
    weights = area_average(covered, factor)[..., 0]
    lattice = find_lattice(weights)
    cells = Cells.of(weights, lattice, factor)
    fragments = cells.fragments(tissue.labels)
    count = lattice.is_filled.size
    areas = fragments.areas(count)
    usual = float(np.median(areas[areas > 0])) if areas.any() else 0.0
    is_missing = areas < max(1, _MISSING * usual)
    _check_regular(lattice, is_missing, usual / factor**2)
    fragments = fragments.only(~is_missing[fragments.cells - 1])
    _check_tissue(fragments, tissue)
    labels = cells.painted(tissue.labels, fragments, count)
    cores = _cores(tissue, lattice, cells, _own_pieces(fragments, tissue, usual), labels)
    rows, columns = lattice.is_filled.shape
    return CoreGrid(rows=rows, columns=columns, cores=tuple(cores), labels=labels)


def _check_regular(lattice: Lattice, is_missing: NDArray[np.bool_], usual_px: float) -> None:
    """Check that a grid is one: enough of its cells hold cores, with glass between them."""
    rows, columns = lattice.is_filled.shape
    there = int((~is_missing).sum())
    cells = f"{rows} rows and {columns} columns"
    if min(rows, columns) < 2 or there < _FEWEST_CORES:
        raise NoLatticeError(
            f"of the {there} cores that were found, in {cells}, no grid can be made, which takes "
            f"{_FEWEST_CORES} in at least 2 rows and 2 columns"
        )
    if there < LEAST_FILLED * is_missing.size:
        raise NoLatticeError(f"of {cells} only {there} cells hold tissue")
    across, down = lattice.centres.reshape(rows, columns, 2).transpose(2, 0, 1)
    if min(np.diff(down, axis=0).min(), np.diff(across, axis=1).min()) < lattice.step / 2:
        raise NoLatticeError("two of its rows or columns lie in the same place")
    if usual_px > _FULLEST_CELL * lattice.cell_px:
        raise NoLatticeError("there is no glass between its parts")


def _check_tissue(fragments: Fragments, tissue: TissueMask) -> None:
    """Check that cores are most of the tissue."""
    share = int(fragments.pixels.sum()) / int(np.count_nonzero(tissue.labels))
    if share < _LEAST_TISSUE:
        raise NoLatticeError(f"only {share:.0%} of it lies in the cells of a grid")


def _own_pieces(
    fragments: Fragments, tissue: TissueMask, usual: float
) -> dict[int, tuple[int, ...]]:
    """Return the labels of each core's pieces, without crumbs of its neighbours."""
    pixel_px = math.prod(tissue.downsample)
    wholes = np.array([0, *(piece.area_px / pixel_px for piece in tissue.pieces)])
    is_own = (fragments.pixels >= _PART * usual) | (fragments.pixels > wholes[fragments.pieces] / 2)
    own: defaultdict[int, list[int]] = defaultdict(list)
    for cell, piece, _ in zip(*(each.tolist() for each in fragments.only(is_own)), strict=True):
        own[cell].append(piece)
    return {cell: tuple(pieces) for cell, pieces in own.items()}


def _cores(
    tissue: TissueMask,
    lattice: Lattice,
    cells: Cells,
    pieces: dict[int, tuple[int, ...]],
    labels: Labels,
) -> Iterator[Core]:
    """Yield the cores, row by row."""
    from scipy.ndimage import find_objects

    columns = lattice.is_filled.shape[1]
    places = find_objects(labels, len(lattice.centres))
    usual_px = 2 * cells.radius * cells.factor * math.sqrt(math.prod(tissue.downsample))
    middles = (lattice.centres + 0.5) * cells.factor  # of pixels of the whole mask
    for index, place in enumerate(places):
        row, column = divmod(index, columns)
        x, y = (middles[index] * tissue.downsample).tolist()
        yield Core(
            name=cell_name(row, column),
            row=row,
            column=column,
            centre=(round(x, 3), round(y, 3)),
            bounds=_square(x, y, usual_px) if place is None else _box(place, tissue.overview),
            pieces=pieces.get(index + 1, ()),
            is_missing=place is None,
        )


def _box(place: tuple[slice, slice], overview: Overview) -> Region:
    """Return the level-0 pixels under a place of the overview."""
    rows, columns = place
    return overview.to_slide(Region.from_edges(columns.start, rows.start, columns.stop, rows.stop))


def _square(x: float, y: float, side_px: float) -> Region:
    """Return a square around a point, which may reach beyond the slide."""
    side = max(1, round(side_px))
    return Region(x=round(x - side / 2), y=round(y - side / 2), width=side, height=side)
