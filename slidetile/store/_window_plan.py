"""Which windows a store has: integers from its view, the area of its tiles, and its tissue."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import MIN_TISSUE_FRACTION, Edge
from slidetile.counts import whole
from slidetile.raster.coverage import covered_share
from slidetile.raster.grid import TileGrid, check_edge, check_fraction
from slidetile.raster.region import Region
from slidetile.store._area import Ends, StoredArea
from slidetile.store._resolution_view import SLACK, ResolutionView

LARGEST_WINDOW_PX = 8192
LARGEST_COUNT = 1 << 27

STRIPE_PX = 8192
"""Width of the stripes in which windows are ordered, each from top to bottom, in pixels of the
level that is read: the chunks that two rows of windows share are then few enough to be kept."""

_BLOCK_WINDOWS = 1 << 20
"""Windows examined at once, so that memory holds the chosen ones and little else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSpec:
    """The size of a window, and which windows are worth reading.

    Raises
    ------
    ValueError
        A length is less than 1, the size more than 8192, the fraction not within 0–1, or the
        edge is unknown.
    TypeError
        A length is no whole number.
    """

    size: int = 256
    """Width and height of a window, in its own pixels."""

    stride: int | None = None
    """Distance from one window to the next, in its own pixels; None is the size."""

    mpp: float | None = None
    """Micrometres per pixel; None is level 0's."""

    min_tissue_fraction: float = MIN_TISSUE_FRACTION
    """Windows with less tissue than this share of their area are left out; 0 keeps them all."""

    edge: Edge = "drop"
    """The treatment of windows that reach over the slide's right or bottom edge; see `Edge`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole(self.size, "size", 256))  # it may be numpy's
        if self.stride is not None:
            object.__setattr__(self, "stride", whole(self.stride, "stride", 256))
        if self.mpp is not None:
            object.__setattr__(self, "mpp", float(self.mpp))
        if not 1 <= self.size <= LARGEST_WINDOW_PX:
            raise ValueError(
                f"A window has 1 to {LARGEST_WINDOW_PX} pixels a side, but this one {self.size}."
            )
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"A stride is at least 1 pixel, but this one is {self.stride}.")
        check_fraction(self.min_tissue_fraction)
        check_edge(self.edge)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """Where a store's tissue is."""

    mask: NDArray[np.bool_]
    """bool [row, column]."""

    scale: tuple[float, float]
    """Level-0 pixels per mask pixel, as (x, y)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowPlan:
    """The chosen windows, in the best order for reading: arrays with one element per window."""

    corners: NDArray[np.int32]
    """[window, 2]: left and top edge, in pixels of the view."""

    coordinates: NDArray[np.int32]
    """[window, 2]: left and top edge, in level-0 pixels, rounded down."""

    tissue_fractions: NDArray[np.float32]
    """Share of each window, within the slide, that is tissue."""

    def __post_init__(self) -> None:
        for array in (self.corners, self.coordinates, self.tissue_fractions):
            array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.corners)

    def __getitem__(self, part: slice | NDArray[np.intp]) -> "WindowPlan":
        """Return some windows; of a slice nothing is copied."""
        return WindowPlan(
            corners=self.corners[part],
            coordinates=self.coordinates[part],
            tissue_fractions=self.tissue_fractions[part],
        )


def plan_windows(
    view: ResolutionView,
    spec: WindowSpec,
    area: StoredArea,
    tissue: Tissue,
    *,
    every: StoredArea | None = None,
) -> tuple[WindowPlan, int]:
    """Choose the windows that lie wholly on stored pixels and hold enough tissue.

    Returns them, and how many more there would be if all tiles could be read.
    Windows begin at whole strides from the slide's top left corner, so the tiles do not change
    where they lie. A window counts as stored if every pixel of the level that it is made of lies
    on tiles that could be read.

    Parameters
    ----------
    view
        The view they are read from.
    spec
        Their size, stride and choice.
    area
        The area that the tiles cover.
    tissue
        Where the tissue is.
    every
        The area that all tiles cover, with those that could not be read; None where all could.

    Raises
    ------
    ValueError
        There are more than 2²⁷ of them.
    """
    grid = _grid(view, spec)
    if grid is None or not grid.columns or not grid.rows:
        return _joined([]), 0
    columns = _Axis.of(view, grid.lefts(np.arange(grid.columns)), grid.size, 0)
    rows = _Axis.of(view, grid.tops(np.arange(grid.rows)), grid.size, 1)
    parts: list[_Chosen] = []
    areas = (area,) if every is None else (area, every)
    for block in _blocks(grid.rows, grid.columns):
        parts.append(_choose(rows[block], columns, spec, areas, tissue))
        if sum(len(part.stripes) for part in parts) > LARGEST_COUNT:
            raise ValueError(
                f"There are more than {LARGEST_COUNT} windows: a stride of {grid.stride} is too "
                "short."
            )
    return _joined(parts), sum(part.lost for part in parts)


def is_stored(view: ResolutionView, window: Region, area: StoredArea) -> bool:
    """Return whether a window, in pixels of its view, lies wholly on an area of tiles.

    As in `plan_windows`; one that reaches over the slide's left or top edge does not.
    """
    if min(window.x, window.y) < 0:
        return False
    across = _Axis.of(view, np.array([window.x], np.int64), window.width, 0)
    down = _Axis.of(view, np.array([window.y], np.int64), window.height, 1)
    is_inside = window.right <= view.inner_size[0] and window.bottom <= view.inner_size[1]
    return is_inside and bool(area.holds(down.outer, across.outer)[0, 0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Rows or columns of windows: where each begins and ends, in several units."""

    starts: Ends
    """First pixel of the view."""

    sources: Ends
    """First pixel of the level that is read."""

    outer: tuple[Ends, Ends]
    """Level-0 pixels under all pixels of the level that are read, even in part."""

    inner: tuple[NDArray[np.float64], NDArray[np.float64]]
    """The windows themselves, in level-0 pixels, within the slide."""

    coordinates: Ends
    """Where they begin, in level-0 pixels, rounded down."""

    @classmethod
    def of(cls, view: ResolutionView, starts: Ends, size: int, axis: int) -> "_Axis":
        """Return where the windows of a size lie that begin at these pixels of the view."""
        length, step = view.slide_size[axis], view.step[axis]
        factor = Fraction(1) if view.resampling is None else view.resampling.factor[axis]
        firsts = _floors(starts, factor, SLACK)
        lasts = -_floors(-(starts + size), factor, SLACK)
        ends = -_floors(-lasts, step / factor, Fraction(0))
        return cls(
            starts=starts,
            sources=firsts,
            outer=(_floors(firsts, step / factor, Fraction(0)), np.minimum(ends, length)),
            inner=(
                starts.astype(np.float64) * float(step),
                np.minimum((starts + size).astype(np.float64) * float(step), float(length)),
            ),
            coordinates=_floors(starts, step, SLACK),
        )

    def __getitem__(self, block: slice) -> "_Axis":
        return _Axis(
            starts=self.starts[block],
            sources=self.sources[block],
            outer=(self.outer[0][block], self.outer[1][block]),
            inner=(self.inner[0][block], self.inner[1][block]),
            coordinates=self.coordinates[block],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The chosen windows of some rows, one element per window, and how many tiles cost."""

    stripes: Ends
    corners: NDArray[np.int32]
    coordinates: NDArray[np.int32]
    tissue_fractions: NDArray[np.float32]
    lost: int


def _grid(view: ResolutionView, spec: WindowSpec) -> TileGrid | None:
    """Return where windows may lie, or None where the slide has no pixel for one."""
    width, height = view.size if spec.edge == "keep" else view.inner_size
    if min(width, height) < 1:
        return None
    stride = spec.size if spec.stride is None else spec.stride
    return TileGrid(width=width, height=height, size=spec.size, stride=stride, edge=spec.edge)


def _choose(
    rows: _Axis, columns: _Axis, spec: WindowSpec, areas: Sequence[StoredArea], tissue: Tissue
) -> _Chosen:
    """Return the windows on the first of some areas, and how many more the last one holds."""
    shares = covered_share(tissue.mask, tissue.scale, rows.inner, columns.inner)
    has_tissue = shares >= spec.min_tissue_fraction
    held = [each.holds(rows.outer, columns.outer) & has_tissue for each in areas]
    row, column = np.nonzero(held[0])
    corners = columns.starts[column], rows.starts[row]
    coordinates = columns.coordinates[column], rows.coordinates[row]
    return _Chosen(
        stripes=columns.sources[column] // STRIPE_PX,
        corners=np.stack(corners, axis=1).astype(np.int32),
        coordinates=np.stack(coordinates, axis=1).astype(np.int32),
        tissue_fractions=shares[row, column].astype(np.float32),
        lost=int(np.count_nonzero(held[-1])) - len(row),
    )


def _joined(parts: list[_Chosen]) -> WindowPlan:
    """Return all windows, stripe by stripe, each row by row."""
    corners = np.concatenate([np.empty((0, 2), np.int32), *(part.corners for part in parts)])
    stripes = np.concatenate([np.empty(0, np.int64), *(part.stripes for part in parts)])
    order = np.lexsort((corners[:, 0], corners[:, 1], stripes))
    coordinates = [np.empty((0, 2), np.int32), *(part.coordinates for part in parts)]
    fractions = [np.empty(0, np.float32), *(part.tissue_fractions for part in parts)]
    return WindowPlan(
        corners=corners[order],
        coordinates=np.concatenate(coordinates)[order],
        tissue_fractions=np.concatenate(fractions)[order],
    )


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _BLOCK_WINDOWS // columns)
    return (slice(first, first + step) for first in range(0, rows, step))


def _floors(numbers: Ends, factor: Fraction, slack: Fraction) -> Ends:
    """Return ⌊number × factor + slack⌋, computed exactly."""
    unit = factor.denominator * slack.denominator
    step, more = factor.numerator * slack.denominator, slack.numerator * factor.denominator
    floors = ((number * step + more) // unit for number in numbers.tolist())
    return np.fromiter(floors, np.int64, len(numbers))


def edges_under(view: ResolutionView, corners: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """Return the level-0 pixels under windows of a view, rounded outward.

    int64 [window, (left, top, right, bottom)], right and bottom exclusive.
    """
    edges = np.empty((len(corners), 4), np.int64)
    for axis in (0, 1):  # windows stand in rows and columns: each of these is asked once
        starts, place = np.unique(corners[:, axis], return_inverse=True)
        at = [(start, 0) if axis == 0 else (0, start) for start in starts.tolist()]
        under = [view.to_slide(Region(x=x, y=y, width=size, height=size)) for x, y in at]
        ends = [(r.x, r.right) if axis == 0 else (r.y, r.bottom) for r in under]
        edges[:, [axis, axis + 2]] = np.array(ends, np.int64).reshape(-1, 2)[place]
    return edges
