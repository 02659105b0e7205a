"""Windows onto a store: crops of any size, stride and resolution, cut as they are read."""

import math
from collections.abc import Callable, Iterator, Sequence
from operator import index as as_index
from typing import overload

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import Edge
from slidetile.counts import how_many
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.pixels import Pixels
from slidetile.raster.region import Region
from slidetile.store._picked import Index, Indices, picked, single
from slidetile.store._resolution_view import ResolutionView
from slidetile.store._window_plan import WindowPlan, WindowSpec, edges_under


def check_windows(
    *,
    size: int,
    stride: int | None,
    mpp: float | None,
    min_tissue_fraction: float,
    edge: Edge,
) -> None:
    """Check the choices that `TileStore.windows` takes, before there is a store.

    Raises
    ------
    ValueError
        One is out of its range.
    """
    WindowSpec(
        size=size, stride=stride, mpp=mpp, min_tissue_fraction=min_tissue_fraction, edge=edge
    )
    if mpp is not None and not (math.isfinite(mpp) and mpp > 0):
        raise ValueError(f"A window's mpp is a positive number, but this one is {mpp}.")


class Windows(Sequence[Pixels]):
    """A sequence of windows, each read on access. Made by `TileStore.windows`.

    An index gives the window's pixels, uint8 [row, column, channel], always of the full size; a
    slice gives fewer windows, without copying; a list, an array or a mask gives those, in their
    order. Iterating decodes each chunk about once: windows
    are ordered in stripes from top to bottom, and the chunks decoded last are kept, in 64 MiB at
    most; those of a raw store need not be. Access by index keeps nothing, so any number of threads
    may use it, in any order. Of a store in a bucket, iterating and ``__getitems__`` fetch stored
    chunks ahead, with 8 requests in flight, of which 32 MiB and one batch of 16 MiB at most wait to
    be decoded.
    Picklable, so that worker processes, spawned ones too, can have one each.

    PyTorch's DataLoader takes it as a dataset, and fetches batch by batch (``__getitems__``).

    Parameters
    ----------
    view
        The store at the windows' resolution.
    spec
        The size of a window and how windows were chosen.
    plan
        Where the windows lie.
    classes
        What returns where the classes of the store's labels lie, when it is asked.
    unreadable
        Number of windows that are not among them as they need a tile that could not be read.
    """

    def __init__(
        self,
        view: ResolutionView,
        spec: WindowSpec,
        plan: WindowPlan,
        classes: Callable[[], ClassAreas | None],
        *,
        unreadable: int = 0,
    ) -> None:
        self._view = view
        self._spec = spec
        self._plan = plan
        self._classes = classes
        self._unreadable = unreadable

    @property
    def unreadable(self) -> int:
        """Number of windows left out since they need a pixel of a tile that could not be read.

        Of a slice, too, it is that of all windows.
        """
        return self._unreadable

    @property
    def corners(self) -> NDArray[np.int32]:
        """int32 [window, 2], read-only: left (x) and top (y) edge in pixels of a window.

        Times `downsample` they are where windows begin in level 0, exactly; `coordinates` are
        that, rounded down.
        """
        return self._plan.corners

    @property
    def spec(self) -> WindowSpec:
        """The size of a window and how these were chosen."""
        return self._spec

    @property
    def size(self) -> int:
        """Width and height of a window, in its own pixels."""
        return self._spec.size

    @property
    def coordinates(self) -> NDArray[np.int32]:
        """int32 [window, 2], read-only: left (x) and top (y) edge in level-0 pixels.

        Rounded down where the resolution is not a whole multiple of level 0's.
        """
        return self._plan.coordinates

    @property
    def tissue_fractions(self) -> NDArray[np.float32]:
        """float32 [window], read-only: share of each window, within the slide, that is tissue."""
        return self._plan.tissue_fractions

    @property
    def downsample(self) -> tuple[float, float]:
        """Level-0 pixels per pixel of a window, as (x, y)."""
        across, down = self._view.step
        return float(across), float(down)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the store's labels, sorted; none in a store without labels."""
        areas = self._classes()
        return () if areas is None else areas.names

    def class_fractions(self) -> NDArray[np.float64]:
        """Return the share of each class in each window, float64 [window, class].

        Of the level-0 pixels under a window and inside the slide (see `region`), exactly: for
        windows that are tiles they are those of the tile table. Classes are in the order of
        `class_names`.

        Raises
        ------
        StoreError
            The store's file of labels is damaged.
        """
        areas = self._classes()
        if areas is None:
            return np.zeros((len(self), 0))
        return areas.fractions(edges_under(self._view, self._plan.corners, self.size))

    def class_counts(self) -> NDArray[np.int64]:
        """Return how many points of each class lie in each window, int64 [window, class].

        As `class_fractions`, of what has no area: points, and lines where their middle is.

        Raises
        ------
        StoreError
            The store's file of labels is damaged.
        """
        areas = self._classes()
        if areas is None:
            return np.zeros((len(self), 0), np.int64)
        return areas.counts(edges_under(self._view, self._plan.corners, self.size))

    def region(self, index: int) -> Region:
        """Return the level-0 pixels that lie under a window, rounded outward.

        Raises
        ------
        IndexError
            No window has this index.
        """
        return self._view.to_slide(self._region(index))

    def __len__(self) -> int:
        return len(self._plan)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice | Indices) -> "Windows": ...
    def __getitem__(self, index: Index) -> "Pixels | Windows":
        number = single(index)
        if number is not None:
            return self._view.read(self._region(number))
        part = index if isinstance(index, slice) else picked(index, len(self), "windows")
        return Windows(
            self._view, self._spec, self._plan[part], self._classes, unreadable=self._unreadable
        )

    def __getitems__(self, indices: Sequence[int]) -> list[Pixels]:
        """Return several windows at once, decoding each chunk they share about once.

        Raises
        ------
        IndexError
            No window has this index.
        """
        regions = [self._region(index) for index in indices]
        in_order = sorted(range(len(regions)), key=lambda n: as_index(indices[n]) % len(self))
        pixels = self._view.read_each(lambda: [regions[n] for n in in_order])
        found = dict(zip(in_order, pixels, strict=True))
        return [found[n] for n in range(len(regions))]

    def __iter__(self) -> Iterator[Pixels]:
        return self._view.read_each(lambda: map(self._region, range(len(self))))

    def __reversed__(self) -> Iterator[Pixels]:
        return iter(self[::-1])

    def __repr__(self) -> str:
        spec, (across, down) = self._spec, self._view.step
        mpp = "" if spec.mpp is None else f" at {spec.mpp:g} µm per pixel"
        return (
            f"Windows({len(self)} of {spec.size} px{mpp}, every {spec.stride or spec.size} px, "
            f"{float(across):g}×{float(down):g} level-0 px a pixel)"
        )

    def _region(self, index: int) -> Region:
        """Return a window in pixels of the view."""
        index = as_index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"The store has {how_many(len(self), 'windows')}, so there is no window {index}."
            )
        x, y = self._plan.corners[index].tolist()
        return Region(x=x, y=y, width=self.size, height=self.size)
