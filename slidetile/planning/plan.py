"""The plan: which tiles of a slide to store, from its size and its tissue.

Knows tile grids and tissue masks. Does not know pixels, files or stores.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from slidetile import _upward
from slidetile.choices import UnfitChoiceError
from slidetile.counts import how_many
from slidetile.planning._cells import main_labels, main_pieces, slide_grid, tissue_fractions
from slidetile.planning._choosing import chosen_cells
from slidetile.planning._class_shares import ClassShares
from slidetile.planning._left_out import left_out_of
from slidetile.planning.labels import DrawnLabels, Labels
from slidetile.planning.tile_spec import TileSpec
from slidetile.raster import drawing as preview
from slidetile.raster.grid import TileGrid
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.slides.slide import Slide
from slidetile.tissue.cores import CoreGrid
from slidetile.tissue.left_out import LeftOut, tell
from slidetile.tissue.mask import TissueMask


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One planned tile: a cell of the tile grid, which begins at the slide's top left corner.

    With the edge "shift", the last column and row are moved inwards, to end at the slide's edge.
    """

    tile_id: int
    """Its place in the plan, from 0, in row-major order."""

    column: int
    """Its column in the tile grid of the whole slide."""

    row: int
    """Its row in the tile grid of the whole slide."""

    region: Region
    """The whole cell, in level-0 pixels; at the right and bottom it may reach beyond the slide."""

    inside: Region
    """The part of the cell inside the slide, in level-0 pixels."""

    tissue_fraction: float
    """Share of ``inside`` that is tissue, 0–1."""

    tissue_piece: int
    """Label of the tissue piece that covers most of the tile; 0 where there is no tissue."""

    core: str | None = None
    """Name of the microarray's core that most of its tissue lies in, such as "A-1"; None where it
    lies in none, and where cores were not looked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TilePlan:
    """The tiles of one slide, in row-major order: immutable, and comparable by content.

    It is a sequence of `Tile`; arrays hold the same facts, one element per tile.
    """

    tissue: TissueMask
    """The tissue by which the tiles were chosen."""

    spec: TileSpec
    """How they were chosen."""

    columns: NDArray[np.int32]
    """Column of each tile in the tile grid of the whole slide."""

    rows: NDArray[np.int32]
    """Row of each tile in the tile grid of the whole slide."""

    tissue_fractions: NDArray[np.float32]
    """Share of each tile's part inside the slide that is tissue, 0–1."""

    tissue_pieces: NDArray[np.int32]
    """Label of the tissue piece that covers most of each tile."""

    cores: CoreGrid | None = None
    """The cores of the microarray that tiles are named by; None where they are not."""

    tile_cores: NDArray[np.int32] | None = None
    """For each tile the number, from 1, of the core that most of its tissue lies in; 0 where it
    lies in none. None without cores."""

    labels: Labels | None = None
    """The classes that tiles belong to; None where there are none."""

    class_fractions: NDArray[np.float64] | None = None
    """The exact share of each class in each tile, [tile, class]; None without labels. See
    `ClassAreas.fractions`."""

    left_out: tuple[LeftOut, ...] = ()
    """What every filter dropped on the way from the slide to these tiles; plans are compared
    without it."""

    def __post_init__(self) -> None:
        for name in ("columns", "rows", "tissue_fractions", "tissue_pieces"):
            getattr(self, name).setflags(write=False)
        if (self.cores is None) != (self.tile_cores is None):
            raise ValueError("cores and tile_cores belong together: give both, or neither.")
        if (self.labels is None) != (self.class_fractions is None):
            raise ValueError("labels and class_fractions belong together: give both, or neither.")
        if self.class_fractions is not None:
            self.class_fractions.setflags(write=False)

    @property
    def slide_size(self) -> tuple[int, int]:
        """(width, height) of the slide, in level-0 pixels."""
        return self.tissue.overview.slide_width, self.tissue.overview.slide_height

    def check_slide(self, slide: Slide) -> None:
        """Check that a slide can be the one that was planned, or it in other colours.

        Raises
        ------
        ValueError
            It has another size, or other channels or bits.
        """
        overview = self.tissue.overview
        planned = *self.slide_size, overview.image.shape[2], overview.sample_bits
        given = slide.width, slide.height, slide.channels, slide.bits
        if planned != given:
            raise ValueError(
                f"The plan is of a slide of {_described(*planned)}, but {slide.name} has "
                f"{_described(*given)}: plan the slide that is to be written."
            )

    @property
    def grid(self) -> TileGrid:
        """The tile grid of the whole slide: all cells, chosen or not."""
        return slide_grid(self.tissue.overview, self.spec.size, self.spec.edge)

    @property
    def grid_size(self) -> tuple[int, int]:
        """(columns, rows) of the tile grid."""
        return self.grid.columns, self.grid.rows

    @property
    def edges(self) -> tuple[NDArray[np.int64], ...]:
        """The left, top, right and bottom edges of `regions`, each an int64 array."""
        return tuple(self._edges.T)

    @property
    def regions(self) -> list[Region]:
        """The part of each tile inside the slide, in level-0 pixels."""
        # Not tile by tile: there may be a million.
        edges = zip(*(each.tolist() for each in self.edges), strict=True)
        return [Region.from_edges(*box) for box in edges]

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
            raise IndexError(
                f"The plan has {how_many(len(self), 'tiles')}, so there is no tile {index}."
            )
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
            and np.array_equal(self.tissue_pieces, other.tissue_pieces)
            and self.cores == other.cores
            and self.labels == other.labels
            and self.tissue == other.tissue
        )

    __hash__ = None  # type: ignore[assignment]  # compared by the content of arrays

    def __repr__(self) -> str:
        columns, rows = self.grid_size
        return (
            f"TilePlan({len(self)} of {how_many(columns * rows, 'tiles')} of {self.spec.size} px, "
            f"slide {self.slide_size[0]}×{self.slide_size[1]} px)"
        )

    @property
    def core_names(self) -> list[str | None] | None:
        """The name of each tile's core, None for a tile that lies in none; None without cores."""
        if self.cores is None or self.tile_cores is None:
            return None
        names = (None, *(core.name for core in self.cores))
        return [names[number] for number in self.tile_cores.tolist()]

    @property
    def class_counts(self) -> NDArray[np.int64] | None:
        """The number of points of each class in each tile, [tile, class]; None without labels."""
        return None if self.labels is None else self.labels.areas.counts(self._edges)

    @property
    def _edges(self) -> NDArray[np.int64]:
        return self.grid.edges(self.columns, self.rows)

    def picture(self, *, longest_side_px: int = preview.LARGEST_SIDE_PX) -> Pixels:
        """Draw the tissue's outline and the tiles over the overview: uint8 [row, column, 3]."""
        overview = self.tissue.overview
        return preview.draw(
            overview.seen,
            mask=self.tissue.mask,
            cells=self.regions,
            downsample=overview.downsample,
            longest_side_px=longest_side_px,
        )

    def view(self, slide: Slide | None = None, *, height: int = 600) -> Any:
        """Look at the plan in a notebook, and with its slide make it again by sliders.

        What is moved on the page changes no value in Python: the page says what to type.

        Parameters
        ----------
        slide
            The slide, open, to zoom into and to plan again, where slidetile's own detector found
            the tissue; None shows the overview alone.
        height
            Height in pixels, 200–4,000.

        Returns
        -------
        slidetile.viewer.doors.notebook.widget.ViewWidget
            The widget.

        Raises
        ------
        ImportError
            The extra notebook is not installed.
        SlidetileError
            It cannot be read.
        ValueError
            The slide is not the one that was planned.
        """
        return _upward.view(self, slide=slide, height=height)

    def _repr_html_(self) -> str:
        columns, rows = self.grid_size
        facts = {
            "tiles": f"{len(self)} of {columns * rows}",
            "tile size": f"{self.spec.size} px",
            "at least": f"{self.spec.min_tissue_fraction:.0%} tissue",
            "tissue pieces": len(self.tissue.pieces),
            **({} if self.cores is None else {"cores": repr(self.cores)}),
            **({} if self.labels is None else {"classes": ", ".join(self.labels.areas.names)}),
            **({"left out": "; ".join(map(str, self.left_out))} if self.left_out else {}),
        }
        picture = self.picture(longest_side_px=preview.NOTEBOOK_SIDE_PX)
        return preview.card("Tile plan", facts, picture)

    def _tile(self, index: int) -> Tile:
        grid, column, row = self.grid, int(self.columns[index]), int(self.rows[index])
        region = grid.region(column, row)
        return Tile(
            tile_id=index,
            column=column,
            row=row,
            region=region,
            inside=grid.inside(region),
            tissue_fraction=float(self.tissue_fractions[index]),
            tissue_piece=int(self.tissue_pieces[index]),
            core=self._core(index),
        )

    def _core(self, index: int) -> str | None:
        if self.cores is None or self.tile_cores is None:
            return None
        number = int(self.tile_cores[index])
        return self.cores.cores[number - 1].name if number else None


def _described(width: int, height: int, channels: int, bits: int) -> str:
    return f"{width}×{height} pixels and {how_many(channels, 'channels')} of {bits} bits"


def plan_tiles(
    slide: Slide,
    tissue: TissueMask,
    spec: TileSpec | None = None,
    *,
    cores: CoreGrid | None = None,
    labels: DrawnLabels | None = None,
) -> TilePlan:
    """Choose the tiles that hold enough tissue.

    Parameters
    ----------
    slide
        The slide the tissue was found on.
    tissue
        The slide's tissue.
    spec
        Tile size, least tissue fraction, what happens at the slide's edges, and how many tiles
        are wanted. None is `TileSpec()`: 1024 px and 5 %.
    cores
        The cores by which tiles are to be named, of the same tissue; see `find_cores`.
    labels
        The classes that tiles belong to; see `read_labels`. A tile with a point is kept whatever
        it lacks, and so is the one with most of an area of which no tile with enough tissue holds
        enough: as much as the spec asks for of its class, and where it asks for none, of tissue.
        Areas as large as a tile or larger that lie in no tile with enough tissue are left out.

    Returns
    -------
    TilePlan
        Empty where there is no tissue, which is not an error. Each tile says which part of it is
        inside the slide.

    Raises
    ------
    AnnotationError
        The spec asks for a class that the labels do not have, or that no tile has.
    ValueError
        The tissue mask was made from a slide of another size, or the cores from another mask; or
        the spec chooses by class, and there are no labels.
    """
    spec = spec or TileSpec()
    overview = tissue.overview
    if (overview.slide_width, overview.slide_height) != slide.levels[0].size:
        raise ValueError(
            f"The tissue mask belongs to a slide of {overview.slide_width}×"
            f"{overview.slide_height} px, but this slide has {slide.width}×{slide.height} px."
        )
    if cores is not None and cores.labels.shape != tissue.labels.shape:
        raise ValueError(
            f"The cores belong to a mask of {cores.labels.shape[::-1]} pixels, but this one has "
            f"{tissue.labels.shape[::-1]}: give those of find_cores(tissue)."
        )
    if spec.needs_labels and labels is None:
        raise UnfitChoiceError(
            "min_class_fractions and balance choose tiles by their classes: give labels, too "
            "(--labels)."
        )
    grid = slide_grid(overview, spec.size, spec.edge)
    fractions = tissue_fractions(tissue, spec.size, spec.edge)
    shares = None if labels is None else ClassShares(labels.labels.areas, grid)
    chosen = chosen_cells(grid, fractions, spec, labels, shares)
    rows, columns = np.nonzero(chosen.planned)
    left_out = left_out_of(tissue, grid, fractions, spec, chosen)
    tell(left_out, slide.name)
    return TilePlan(
        tissue=tissue,
        spec=spec,
        columns=columns.astype(np.int32),
        rows=rows.astype(np.int32),
        tissue_fractions=fractions[rows, columns].astype(np.float32),
        tissue_pieces=main_pieces(tissue, grid, columns, rows),
        cores=cores,
        tile_cores=None
        if cores is None
        else main_labels(cores.labels, tissue.downsample, grid, columns, rows),
        labels=None if labels is None else labels.labels,
        class_fractions=None if shares is None else shares.of(columns, rows),
        left_out=(*tissue.left_out, *left_out),
    )
