"""The windows of several stores as one sequence, read batch by batch.

Knows stores by what their windows are read from. Does not know PyTorch: a worker that reads loads
this and the store, and nothing else of ours.
"""

import bisect
import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlidetileError, StoreError
from slidetile.store.window_source import KeptChunks, Place, Shift, WindowSource
from slidetile.torch._draws import draws

TRIES = 8
"""How often a window is moved anew that would leave the stored area, before it stays in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWindow:
    """A window that was read."""

    index: int
    """Its index in the dataset."""

    store: int
    """The number of its store."""

    pixels: NDArray[Any]
    """[view, row, column, channel]: its own, then those of its contexts."""

    corner: tuple[int, int]
    """Its left and top edge, in the slide's level-0 pixels, rounded down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedWindow:
    """A window that could not be read."""

    index: int
    """Its index in the dataset."""

    error: SlidetileError
    """What is wrong, and with which window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jitter:
    """How windows are moved: anew in each epoch, and the same whoever reads them."""

    reach_px: int
    """How far at most, in a window's own pixels, to each side."""

    seed: int
    """The seed."""

    epoch: int
    """The epoch."""

    def shifts(self, index: int) -> list[Shift]:
        """Return how far a window is to be moved, and what to try where that is too far."""
        numbers = draws(self.seed, self.epoch, index, 2 * TRIES) % np.uint64(2 * self.reach_px + 1)
        pairs = numbers.astype(np.int64).reshape(TRIES, 2) - self.reach_px
        return [(x, y) for x, y in pairs.tolist()]


class JoinedWindows:
    """The windows of stores, one store after another. Picklable, and safe to fork.

    Parameters
    ----------
    sources
        What the windows of each store are read from.
    names
        The name of each store.
    """

    def __init__(self, sources: Sequence[WindowSource], names: Sequence[str]) -> None:
        self.sources = tuple(sources)
        self.names = tuple(names)
        self._kept: list[KeptChunks] = []
        self.starts: list[int] = [0, *itertools.accumulate(map(len, sources))]
        """Index of each store's first window, and their number after the last."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: it decodes for itself."""
        return self.__dict__ | {"_kept": []}

    def __len__(self) -> int:
        return self.starts[-1]

    def store(self, index: int) -> int:
        """Return the number of a window's store."""
        return bisect.bisect_right(self.starts, index) - 1

    def window(self, index: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return the shape and the dtype of a window."""
        source = self.sources[self.store(index)]
        return source.shape, source.dtype

    def place(self, index: int, jitter: Jitter | None) -> Place:
        """Return where a window and its contexts lie, moved where it is to be."""
        store = self.store(index)
        source, number = self.sources[store], index - self.starts[store]
        for shift in jitter.shifts(index) if jitter is not None else ():
            place = source.place(number, shift)
            if shift == (0, 0) or source.is_stored(place[0]):
                return place
        return source.place(number)

    def read(
        self,
        indices: Sequence[int],
        jitter: Jitter | None = None,
        outs: Sequence[NDArray[Any]] | None = None,
    ) -> list[ReadWindow | DamagedWindow]:
        """Return windows, each chunk that they share decoded about once.

        They are read into ``outs``, if given; otherwise each into an array of its own.

        Raises
        ------
        StoreError
            A store was replaced or deleted.
        """
        in_order = sorted(range(len(indices)), key=lambda n: indices[n])
        sorted_outs = None if outs is None else [outs[n] for n in in_order]
        with self._kept_chunks() as kept:
            found = self._each([indices[n] for n in in_order], jitter, sorted_outs, kept)
            placed = dict(zip(in_order, found, strict=True))
        return [placed[n] for n in range(len(indices))]

    def read_each(
        self, indices: Sequence[int], jitter: Jitter | None = None
    ) -> Iterator[ReadWindow | DamagedWindow]:
        """Yield windows in this order; see `read`."""
        return self._each(indices, jitter, None, None)

    def _each(
        self,
        indices: Sequence[int],
        jitter: Jitter | None,
        outs: Sequence[NDArray[Any]] | None,
        kept: KeptChunks | None,
    ) -> Iterator[ReadWindow | DamagedWindow]:
        turns = range(len(indices))
        for store, part in itertools.groupby(turns, lambda turn: self.store(indices[turn])):
            these = list(part)
            own = [indices[turn] for turn in these]
            own_outs = None if outs is None else [outs[turn] for turn in these]
            yield from self._read(store, own, jitter, own_outs, kept)

    @contextlib.contextmanager
    def _kept_chunks(self) -> Iterator[KeptChunks]:
        """Give the chunks that are kept from read to read, to one thread at a time."""
        try:
            kept = self._kept.pop()
        except IndexError:  # the first read, or another thread has them
            kept = KeptChunks()
        try:
            yield kept
        finally:
            self._kept[:] = [kept]

    def _read(
        self,
        store: int,
        indices: Sequence[int],
        jitter: Jitter | None,
        outs: Sequence[NDArray[Any]] | None,
        kept: KeptChunks | None,
    ) -> Iterator[ReadWindow | DamagedWindow]:
        """Yield windows of one store; where one is damaged, those after it are begun anew."""
        source, done = self.sources[store], 0
        try:
            places = [self.place(index, jitter) for index in indices]
            source.check()  # even where all that is needed is kept
            largest_bytes = 0 if kept is not None else source.run_bytes(places)
        except SlidetileError as error:  # it is gone, or cannot be opened again in this process
            raise self._named(store, error) from error
        while done < len(indices):
            left = None if outs is None else outs[done:]
            try:
                for pixels in source.read_each(places[done:], largest_bytes, left, kept):
                    index, place = indices[done], places[done]
                    corner = self._corner(store, index, place)
                    done += 1
                    yield ReadWindow(index=index, store=store, pixels=pixels, corner=corner)
            except SlidetileError as error:
                self._check(store, error)
                told = self._told(store, places[done], indices[done], error)
                done += 1
                yield DamagedWindow(index=indices[done - 1], error=told)

    def _corner(self, store: int, index: int, place: Place) -> tuple[int, int]:
        return self.sources[store].slide_corner(index - self.starts[store], place[0])

    def _check(self, store: int, error: SlidetileError) -> None:
        """Make sure that it is the window that is at fault, not the store that is gone."""
        try:
            self.sources[store].check()
        except SlidetileError as gone:
            raise self._named(store, gone) from error

    def _named(self, store: int, error: SlidetileError) -> SlidetileError:
        return type(error)(f"Slide {self.names[store]}: {error}")

    def _told(self, store: int, place: Place, index: int, error: SlidetileError) -> SlidetileError:
        x, y = self._corner(store, index, place)
        told = StoreError(
            f"Window {index}, at x={x}, y={y} of slide {self.names[store]}, cannot be read: {error}"
        )
        told.__cause__ = error
        return told


Transform = Callable[[Any], Any]
"""What is done with an image before it is given."""
