"""The windows of several stores as one sequence, read batch by batch.

Knows stores by what their windows are read from. Does not know PyTorch: a worker that reads loads
this and the store, and nothing else of ours.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlidetileError, StoreError
from slidetile.raster.pixels import Pixels
from slidetile.store.window_source import Place, Shift, WindowSource
from slidetile.torch._draws import draws

TRIES = 8
"""How often a window is moved anew that would leave the stored area, before it stays in place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWindow:
    """A window that was read."""

    index: int
    """Its index in the dataset."""

    pixels: Pixels
    """[row, column, channel]."""

    contexts: list[Pixels]
    """The same of its contexts."""

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
        self.ends: NDArray[np.int64] = np.cumsum([len(source) for source in sources])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def locate(self, index: int) -> tuple[int, int]:
        """Return a window's store, and its number there."""
        store = int(np.searchsorted(self.ends, index, side="right"))
        return store, index - int(self.ends[store]) + len(self.sources[store])

    def place(self, index: int, jitter: Jitter | None) -> Place:
        """Return where a window and its contexts lie, moved where it is to be."""
        store, number = self.locate(index)
        source = self.sources[store]
        for shift in jitter.shifts(index) if jitter is not None else ():
            place = source.place(number, shift)
            if shift == (0, 0) or source.is_stored(place[0]):
                return place
        return source.place(number)

    def read(
        self, indices: Sequence[int], jitter: Jitter | None = None
    ) -> list[ReadWindow | DamagedWindow]:
        """Return windows, each chunk that they share decoded about once.

        Raises
        ------
        StoreError
            A store was replaced or deleted.
        """
        in_order = sorted(range(len(indices)), key=lambda n: indices[n])
        found = self.read_each([indices[n] for n in in_order], jitter)
        placed = dict(zip(in_order, found, strict=True))
        return [placed[n] for n in range(len(indices))]

    def read_each(
        self, indices: Sequence[int], jitter: Jitter | None = None
    ) -> Iterator[ReadWindow | DamagedWindow]:
        """Yield windows in this order; see `read`."""
        for store, part in _parts([(self.locate(index)[0], index) for index in indices]):
            source = self.sources[store]
            try:
                places = [self.place(index, jitter) for index in part]
                largest_bytes = source.run_bytes(places)
            except SlidetileError as error:  # it cannot even be opened again in this process
                raise self._named(store, error) from error
            yield from self._read(part, places, store, largest_bytes)

    def _read(
        self, indices: Sequence[int], places: Sequence[Place], store: int, largest_bytes: int
    ) -> Iterator[ReadWindow | DamagedWindow]:
        """Yield windows of one store; where one is damaged, those after it are begun anew."""
        source, done = self.sources[store], 0
        while done < len(indices):
            try:
                for pixels, *contexts in source.read_each(places[done:], largest_bytes):
                    corner = self._corner(store, indices[done], places[done])
                    window = ReadWindow(
                        index=indices[done], pixels=pixels, contexts=contexts, corner=corner
                    )
                    done += 1
                    yield window
            except SlidetileError as error:
                self._check(store, error)
                told = self._told(store, places[done], indices[done], error)
                done += 1
                yield DamagedWindow(index=indices[done - 1], error=told)

    def _corner(self, store: int, index: int, place: Place) -> tuple[int, int]:
        return self.sources[store].slide_corner(self.locate(index)[1], place[0])

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


def _parts(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """Yield stretches of indices that are of the same store."""
    part: list[int] = []
    for number, (store, index) in enumerate(pairs):
        part.append(index)
        if number + 1 == len(pairs) or pairs[number + 1][0] != store:
            yield store, part
            part = []


Transform = Callable[[Any], Any]
"""What is done with an image before it is given."""
