"""What the windows of one store are read from, for readers of many stores at once.

Knows where windows lie, and how to read any of them with what lies around it. Does not know why
they are read, nor in which order.
"""

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.cloud.address import Location
from slidetile.raster.region import Region
from slidetile.store._area import StoredArea
from slidetile.store._chunk_cache import LARGEST_CACHE_BYTES, ChunkCache
from slidetile.store._chunked import AnyArray
from slidetile.store._reopened import Reopened
from slidetile.store._resolution_view import ResolutionView
from slidetile.store._window_plan import (
    STRIPE_PX,
    WindowPlan,
    WindowSpec,
    edges_under,
    is_stored,
)

__all__ = ["KeptChunks", "Place", "Shift", "WindowSource", "WindowSpec"]

Place = tuple[Region, ...]
"""Where a window and its contexts lie, each in pixels of its own view."""

Shift = tuple[int, int]
"""How far a window is moved, in its own pixels, as (x, y)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowSource:
    """The windows of a store, and the same places at coarser resolutions.

    Picklable; the store is opened again at its first use in another process. It belongs to the
    store that was opened, as a `TileStore` does.
    """

    path: Location
    """Where the store is."""

    views: Reopened[tuple[ResolutionView, ...]]
    """The store at the windows' resolution, then at those of the contexts."""

    spec: WindowSpec
    """The size of a window and how they were chosen."""

    plan: WindowPlan
    """Where they lie."""

    unreadable: int
    """Number of windows that are not among them as they need a tile that could not be read."""

    area: StoredArea
    """The area that they were chosen from."""

    slide_scale: tuple[float, float]
    """The slide's level-0 pixels per level-0 pixel of the store, as (x, y)."""

    @property
    def downsample(self) -> tuple[float, float]:
        """Level-0 pixels of the store per pixel of a window, as (x, y)."""
        across, down = self.views.thing[0].step
        return float(across), float(down)

    @property
    def slide_size(self) -> tuple[int, int]:
        """(width, height) of the slide, in a window's pixels."""
        return self.views.thing[0].size

    def __len__(self) -> int:
        return len(self.plan)

    def place(self, number: int, shift: Shift = (0, 0)) -> Place:
        """Return where a window lies that is moved so far, and its contexts around its centre."""
        view, *others = self.views.thing
        x, y = self.plan.corners[number].tolist()
        size = self.spec.size
        window = Region(x=x + shift[0], y=y + shift[1], width=size, height=size)
        return window, *(_centred(window, view, other) for other in others)

    @property
    def level_0(self) -> NDArray[np.int64]:
        """The store's level-0 pixels under each window, rounded outward.

        int64 [window, (left, top, right, bottom)], right and bottom exclusive.
        """
        return edges_under(self.views.thing[0], self.plan.corners, self.spec.size)

    def slide_corner(self, number: int, window: Region) -> tuple[int, int]:
        """Return the left and top edge of a window, moved or not, in the slide's level-0 pixels.

        They are rounded down.
        """
        x, y = self.plan.coordinates[number].tolist()
        if self.plan.corners[number].tolist() != [window.x, window.y]:
            moved = self.views.thing[0].to_slide(window)
            x, y = moved.x, moved.y
        across, down = self.slide_scale
        return math.floor(x * across), math.floor(y * down)

    @property
    def slide_corners(self) -> NDArray[np.int64]:
        """`slide_corner` of each window where it was planned: [window, 2]."""
        corners: NDArray[np.int64] = np.floor(self.plan.coordinates * self.slide_scale)
        return corners.astype(np.int64)

    def is_stored(self, window: Region) -> bool:
        """Return whether a window lies wholly on the area that windows were chosen from."""
        return is_stored(self.views.thing[0], window, self.area)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """That of a window with its contexts: [view, row, column, channel]."""
        size, views = self.spec.size, self.views.thing
        return len(views), size, size, views[0].array.channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its samples."""
        return self.views.thing[0].array.dtype

    def read_each(
        self,
        places: Sequence[Place],
        largest_bytes: int = LARGEST_CACHE_BYTES,
        outs: Iterable[NDArray[Any]] | None = None,
        kept: "KeptChunks | None" = None,
    ) -> Iterator[NDArray[Any]]:
        """Yield windows with their contexts, [view, row, column, channel], in this order.

        They are read into ``outs``, if given; otherwise each into an array of its own.

        Each chunk is decoded once as long as ``largest_bytes`` of decoded chunks, for each level
        that is read, reach from one window that needs it to the next.

        Raises
        ------
        StoreError
            A chunk is damaged, or the store was replaced.
        """
        views = self.views.thing
        with contextlib.ExitStack() as stack:
            caches: dict[int, ChunkCache] = {}
            arrays = {id(view.array): view.array for view in views}
            before = {} if kept is None else kept.of(arrays.values())
            for number, array in arrays.items():
                regions = _sources(views, places, array)
                ahead = array.ahead(regions, largest_bytes, before.get(number))
                caches[number] = stack.enter_context(ahead)
            if outs is None:
                outs = (np.empty(self.shape, self.dtype) for _ in places)
            for place, out in zip(places, outs, strict=True):
                for view, region, part in zip(views, place, out, strict=True):
                    view.read(region, caches[id(view.array)], part)
                yield out

    def check(self) -> None:
        """Make sure that the store that was opened is still there.

        Raises
        ------
        StoreError
            It was replaced or deleted.
        """
        self.views.thing[0].array.check()

    def run_starts(self) -> NDArray[np.intp]:
        """Return the first window of each run.

        A run is the shortest stretch of windows, in their order, that shares no chunk with the
        next; but for windows across the border of two stripes, which do.
        """
        view, corners = self.views.thing[0], self.plan.corners
        if not len(corners):
            return np.empty(0, np.intp)
        lefts, _ = _source_ends(view, corners[:, 0], self.spec.size, 0)
        tops, bottoms = _source_ends(view, corners[:, 1], self.spec.size, 1)
        stripes, height = lefts // STRIPE_PX, view.array.grid.chunk_height
        first, last = tops // height, (bottoms - 1) // height
        # One row of chunks more for each stripe than there are: so none reaches into the next.
        steps = stripes * (int(last.max()) + 2)
        reached = np.maximum.accumulate(last + steps)
        is_start = np.concatenate([[True], (first + steps)[1:] > reached[:-1]])
        return np.flatnonzero(is_start)

    def run_bytes(self, places: Sequence[Place]) -> int:
        """Return how much memory the decoded chunks of one level take that these windows share."""
        needed = 0
        for number, view in enumerate(self.views.thing):
            sources = map(view.sources, (place[number] for place in places))
            spans = list(view.array.spans(itertools.chain.from_iterable(sources)))
            if spans:
                rows = max(span.height for span in spans) + 2
                columns = max(s.right for s in spans) - min(s.x for s in spans)
                needed = max(needed, rows * columns * view.array.decoded_bytes)
        return min(needed, LARGEST_CACHE_BYTES)


class KeptChunks:
    """Decoded chunks of the store read last, kept for the next read: 64 MiB of a level at most.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._arrays: list[AnyArray] = []
        self._caches: dict[int, ChunkCache] = {}

    def of(self, arrays: Iterable[AnyArray]) -> dict[int, ChunkCache]:
        """Return the cache of each array, by its `id`; those of others are forgotten."""
        self._arrays = list(arrays)  # as long as they are there, nothing else has their ids
        self._caches = {id(each): self._caches.get(id(each), ChunkCache()) for each in self._arrays}
        return self._caches


def _centred(window: Region, view: ResolutionView, other: ResolutionView) -> Region:
    """Return the region of another view, of the same size, that has a window's centre."""
    size = window.width
    x, y = (
        math.floor((start + Fraction(size, 2)) * own / its - Fraction(size, 2) + Fraction(1, 2))
        for start, own, its in zip((window.x, window.y), view.step, other.step, strict=True)
    )
    return Region(x=x, y=y, width=size, height=size)


def _sources(
    views: Sequence[ResolutionView], places: Sequence[Place], array: AnyArray
) -> Iterator[Region]:
    """Yield what is read of one array, in the order in which it is."""
    for place in places:
        parts = zip(views, place, strict=True)
        yield from itertools.chain.from_iterable(
            view.sources(region) for view, region in parts if view.array is array
        )


def _source_ends(
    view: ResolutionView, starts: NDArray[np.int32], size: int, axis: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the pixels that windows are made of begin and end, along an axis."""
    if view.resampling is None:
        return starts.astype(np.int64), starts.astype(np.int64) + size
    different, place = np.unique(starts, return_inverse=True)
    length = view.resampling.size[axis]
    ends = []
    for start in different.tolist():
        corner, extent = [0, 0], [1, 1]
        corner[axis], extent[axis] = start, max(1, min(size, length - start))
        found = view.resampling.source_region(
            Region(x=corner[0], y=corner[1], width=extent[0], height=extent[1])
        )
        ends.append((found.x, found.right) if axis == 0 else (found.y, found.bottom))
    firsts, lasts = np.array(ends, np.int64)[place].T
    return firsts, lasts
