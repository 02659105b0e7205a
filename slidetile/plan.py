"""Which tiles of a slide to store: pure integers from the slide's size and its tissue."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from slidetile import preview
from slidetile.geometry import Region
from slidetile.pixels import Pixels
from slidetile.slide import Slide
from slidetile.tissue import TissueMask

SMALLEST_TILE_PX = 16
LARGEST_TILE_PX = 8192
_STRIP_PX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSpec:
    """What a tile is and which tiles are worth storing.

    Raises
    ------
    ValueError
        The size is not a multiple of 16 from 16 to 8192, or the fraction is not within 0–1.
    """

    size: int = 1024
    """Width and height of a tile, in level-0 pixels."""

    min_tissue_fraction: float = 0.05
    """Tiles with less tissue than this share of their area are left out; 0 keeps them all."""

    def __post_init__(self) -> None:
        in_range = SMALLEST_TILE_PX <= self.size <= LARGEST_TILE_PX
        if not in_range or self.size % SMALLEST_TILE_PX:
            raise ValueError(
                f"A tile size is a multiple of {SMALLEST_TILE_PX} from {SMALLEST_TILE_PX} to "
                f"{LARGEST_TILE_PX} pixels, but this one is {self.size}."
            )
        if not 0 <= self.min_tissue_fraction <= 1:
            raise ValueError(
                "A minimum tissue fraction lies between 0 and 1, but this one is "
                f"{self.min_tissue_fraction}. Is it given in percent?"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One planned tile: a cell of the grid that begins at the slide's top left corner."""

    tile_id: int
    """Its place in the plan, from 0, in row-major order."""

    column: int
    """Its column in the grid of the whole slide."""

    row: int
    """Its row in the grid of the whole slide."""

    region: Region
    """The whole cell, in level-0 pixels; at the right and bottom it may reach over the slide."""

    inside: Region
    """The part of the cell that lies inside the slide."""

    tissue_fraction: float
    """Share of ``inside`` that is tissue, 0–1."""

    tissue_region: int
    """Label of the tissue region that covers most of the tile; 0 where there is no tissue."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TilePlan:
    """The tiles of one slide, in row-major order: immutable, and comparable by content.

    A sequence of `Tile`; the same facts stand in arrays, one element a tile.
    """

    tissue: TissueMask
    """What the tiles were chosen by."""

    spec: TileSpec
    """How they were chosen."""

    columns: NDArray[np.int32]
    """Column of each tile in the grid of the whole slide."""

    rows: NDArray[np.int32]
    """Row of each tile in the grid of the whole slide."""

    tissue_fractions: NDArray[np.float32]
    """Share of each tile, within the slide, that is tissue."""

    tissue_regions: NDArray[np.int32]
    """Label of the tissue region that covers most of each tile."""

    def __post_init__(self) -> None:
        for name in ("columns", "rows", "tissue_fractions", "tissue_regions"):
            getattr(self, name).setflags(write=False)

    @property
    def slide_size(self) -> tuple[int, int]:
        """(width, height) of the slide, in level-0 pixels."""
        return self.tissue.overview.slide_width, self.tissue.overview.slide_height

    @property
    def grid_size(self) -> tuple[int, int]:
        """(columns, rows) of the grid that covers the slide."""
        width, height = self.slide_size
        return -(-width // self.spec.size), -(-height // self.spec.size)

    @property
    def regions(self) -> list[Region]:
        """The part of each tile inside the slide, in level-0 pixels."""
        return [tile.inside for tile in self]

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> Tile: ...
    @overload
    def __getitem__(self, index: slice) -> list[Tile]: ...
    def __getitem__(self, index: int | slice) -> Tile | list[Tile]:
        if isinstance(index, slice):
            return [self._tile(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"The plan has {len(self)} tiles, so there is no tile {index}.")
        return self._tile(index % len(self))

    def __iter__(self) -> Iterator[Tile]:
        return (self._tile(index) for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TilePlan):
            return NotImplemented
        return (
            self.spec == other.spec
            and np.array_equal(self.columns, other.columns)
            and np.array_equal(self.rows, other.rows)
            and np.array_equal(self.tissue_fractions, other.tissue_fractions)
            and np.array_equal(self.tissue_regions, other.tissue_regions)
            and self.tissue == other.tissue
        )

    __hash__ = None  # type: ignore[assignment]  # compared by the content of arrays

    def __repr__(self) -> str:
        columns, rows = self.grid_size
        return (
            f"TilePlan({len(self)} of {columns * rows} tiles of {self.spec.size} px, "
            f"slide {self.slide_size[0]}×{self.slide_size[1]} px)"
        )

    def picture(self, *, longest_side_px: int = preview.LARGEST_SIDE_PX) -> Pixels:
        """Draw the tissue's outline and the tiles over the overview: uint8 [row, column, 3]."""
        overview = self.tissue.overview
        return preview.draw(
            overview.image,
            mask=self.tissue.mask,
            cells=preview.cells_on(self.regions, overview.scale),
            longest_side_px=longest_side_px,
        )

    def _repr_html_(self) -> str:
        columns, rows = self.grid_size
        facts = {
            "tiles": f"{len(self)} of {columns * rows}",
            "tile size": f"{self.spec.size} px",
            "at least": f"{self.spec.min_tissue_fraction:.0%} tissue",
            "tissue regions": len(self.tissue.regions),
        }
        picture = self.picture(longest_side_px=preview.NOTEBOOK_SIDE_PX)
        return preview.card("Tile plan", facts, picture)

    def _tile(self, index: int) -> Tile:
        size, column, row = self.spec.size, int(self.columns[index]), int(self.rows[index])
        x, y = column * size, row * size
        width, height = self.slide_size
        return Tile(
            tile_id=index,
            column=column,
            row=row,
            region=Region(x=x, y=y, width=size, height=size),
            inside=Region.from_edges(x, y, min(x + size, width), min(y + size, height)),
            tissue_fraction=float(self.tissue_fractions[index]),
            tissue_region=int(self.tissue_regions[index]),
        )


def plan_tiles(slide: Slide, tissue: TissueMask, spec: TileSpec | None = None) -> TilePlan:
    """Choose the tiles that hold enough tissue.

    Parameters
    ----------
    slide
        The slide the tissue was found on.
    tissue
        Where its tissue is.
    spec
        Tile size and threshold; 1024 px and 5 % unless given.

    Returns
    -------
    TilePlan
        Empty, not an error, where there is no tissue. Tiles at the right and bottom edge are
        kept and say which part of them lies inside the slide.

    Raises
    ------
    ValueError
        The tissue mask was made from a slide of another size.
    """
    spec = spec or TileSpec()
    overview = tissue.overview
    if (overview.slide_width, overview.slide_height) != slide.levels[0].size:
        raise ValueError(
            f"The tissue mask belongs to a slide of {overview.slide_width}×"
            f"{overview.slide_height} px, but this slide has {slide.width}×{slide.height} px."
        )
    fractions = tissue_fractions(tissue, spec.size)
    rows, columns = np.nonzero(fractions >= spec.min_tissue_fraction)
    return TilePlan(
        tissue=tissue,
        spec=spec,
        columns=columns.astype(np.int32),
        rows=rows.astype(np.int32),
        tissue_fractions=fractions[rows, columns].astype(np.float32),
        tissue_regions=_main_regions(tissue, spec.size, columns, rows),
    )


def tissue_fractions(tissue: TissueMask, size: int) -> NDArray[np.float64]:
    """Return the exact share of tissue in every cell of a grid over the slide.

    The mask counts as constant within each of its pixels and the cells' edges cut through them:
    the integral image (Crow 1984) is read between its samples. Only what lies inside the slide
    counts, so an edge cell full of tissue has a fraction of 1.

    Parameters
    ----------
    tissue
        The mask and its scale.
    size
        Width and height of a cell, in level-0 pixels.

    Returns
    -------
    float64 array [grid row, grid column]
        Fractions from 0 to 1.
    """
    overview = tissue.overview
    x_edges = _cell_edges(overview.slide_width, size) / overview.scale[0]
    y_edges = _cell_edges(overview.slide_height, size) / overview.scale[1]
    mask, strip = tissue.mask, _STRIP_PX
    by_row = np.hstack(
        [
            _integrate_between(mask[:, left : left + strip], y_edges)
            for left in range(0, mask.shape[1], strip)
        ]
    )
    by_cell = _integrate_between(by_row.T, x_edges).T
    areas = np.diff(y_edges)[:, np.newaxis] * np.diff(x_edges)[np.newaxis, :]
    return np.clip(by_cell / areas, 0.0, 1.0)


def _cell_edges(length: int, size: int) -> NDArray[np.float64]:
    edges = np.arange(0, length + size, size, dtype=np.float64)
    edges[-1] = length
    return edges


def _integrate_between(
    values: NDArray[np.generic], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum ``values`` along the first axis between neighbouring, fractional ``edges``."""
    cumulated = np.zeros((values.shape[0] + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=cumulated[1:])
    below = np.minimum(edges.astype(np.intp), values.shape[0] - 1)
    share = np.minimum(edges - below, 1.0)[:, np.newaxis]
    at_edges = cumulated[below] * (1 - share) + cumulated[below + 1] * share
    return np.diff(at_edges, axis=0)


def _main_regions(
    tissue: TissueMask, size: int, columns: NDArray[np.intp], rows: NDArray[np.intp]
) -> NDArray[np.int32]:
    overview = tissue.overview
    main = np.zeros(len(columns), np.int32)
    for i, (column, row) in enumerate(zip(columns.tolist(), rows.tolist(), strict=True)):
        left, right = _pixel_span(column, size, overview.scale[0], tissue.labels.shape[1])
        top, bottom = _pixel_span(row, size, overview.scale[1], tissue.labels.shape[0])
        counts = np.bincount(tissue.labels[top:bottom, left:right].ravel())
        counts[0] = 0
        main[i] = counts.argmax()
    return main


def _pixel_span(cell: int, size: int, scale: float, length: int) -> tuple[int, int]:
    first = min(int(cell * size / scale), length - 1)
    last = max(first + 1, int(np.ceil((cell + 1) * size / scale)))
    return first, min(last, length)
