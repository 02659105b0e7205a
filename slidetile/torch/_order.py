"""In which order a stream of windows reads them, and in which it gives them: whole numbers.

Knows runs of windows, a seed, and shares. Does not know stores, nor PyTorch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.torch._draws import draws, shuffled

_RUNS, _TURNS, _PICKS = range(3)
"""Places of the streams of random numbers of an epoch; those of a share follow each other."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One of several equal parts of an epoch."""

    number: int
    """Which of them."""

    count: int
    """How many there are."""

    def of(self, runs: Sequence[Indices]) -> list[Indices]:
        """Return the windows of this share, of runs one after another.

        Shares are disjoint and complete, and differ by one window at most. A run that lies on a
        border is cut.
        """
        total = sum(map(len, runs))
        first, last = (total * n // self.count for n in (self.number, self.number + 1))
        parts, start = [], 0
        for run in runs:
            part = run[max(first - start, 0) : max(last - start, 0)]
            parts += [part] if len(part) else []
            start += len(run)
        return parts

    def size(self, total: int) -> int:
        """Return how many of some windows this share has."""
        return total * (self.number + 1) // self.count - total * self.number // self.count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Order:
    """The windows of a share."""

    turns: NDArray[np.intp]
    """[window]: the run whose next window is read."""

    reading: Indices
    """[window]: the windows as they are read."""

    giving: NDArray[np.intp]
    """[window]: the places in ``reading`` as they are given."""

    buffer: int
    """How many that are read wait at most."""


def ordered(
    runs: Sequence[Indices], share: Share, *, seed: int, epoch: int, buffer: int, open_runs: int
) -> Order:
    """Return the order of a share, which follows from the seed and the epoch.

    Runs are shuffled, and divided into shares. A share reads so many of its runs at a time by
    turns, which are drawn; what is given is drawn from those that are read and wait.
    """
    mixed = [runs[n] for n in shuffled(len(runs), seed, epoch, _RUNS).tolist()]
    own = share.of(mixed)
    first = _PICKS + 2 * share.number
    turns = _turns([len(run) for run in own], draws_of(own, seed, epoch, first), open_runs)
    reading = np.empty(len(turns), np.int64)
    reading[np.argsort(turns, kind="stable")] = np.concatenate([np.empty(0, np.int64), *own])
    picks = draws_of(own, seed, epoch, first + 1)
    return Order(turns=turns, reading=reading, giving=_given(picks, buffer), buffer=buffer)


def in_order(runs: Sequence[Indices], share: Share) -> Order:
    """Return a share's windows in the order of the stores."""
    own = share.of(runs)
    turns = np.repeat(np.arange(len(own)), [len(run) for run in own])
    reading = np.concatenate([np.empty(0, np.int64), *own])
    return Order(turns=turns, reading=reading, giving=np.arange(len(turns)), buffer=1)


def draws_of(runs: Sequence[Indices], seed: int, epoch: int, place: int) -> NDArray[np.uint64]:
    """Return a random number for each window."""
    return draws(seed, epoch, place, sum(map(len, runs)))


def _turns(lengths: list[int], drawn: NDArray[np.uint64], open_runs: int) -> NDArray[np.intp]:
    """Return which run is read from at each step: one of those open, drawn."""
    left = list(lengths)
    coming = iter(range(len(lengths)))
    opened = [run for _, run in zip(range(open_runs), coming, strict=False)]
    turns = []
    for number in drawn.tolist():
        place = number % len(opened)
        run = opened[place]
        turns.append(run)
        left[run] -= 1
        if not left[run]:
            following = next(coming, None)
            if following is None:
                opened.pop(place)
            else:
                opened[place] = following
    return np.array(turns, np.intp)


def _given(drawn: NDArray[np.uint64], buffer: int) -> NDArray[np.intp]:
    """Return the places as they are given, each drawn from those that wait."""
    count = len(drawn)
    waiting = list(range(min(buffer, count)))
    given = []
    for step, number in enumerate(drawn.tolist()):
        place = number % len(waiting)
        given.append(waiting[place])
        following = step + buffer
        if following < count:
            waiting[place] = following
        else:
            waiting[place] = waiting[-1]
            waiting.pop()
    return np.array(given, np.intp)
