"""A stream's windows, read and given in their order.

Knows orders, and what reads windows. Does not know stores, nor PyTorch.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from slidetile.torch._joined import DamagedWindow, ReadWindow
from slidetile.torch._order import Order

Read = ReadWindow | DamagedWindow
Reader = Callable[[Sequence[int]], Iterator[Read]]
"""Reads windows in the order given, and keeps chunks from one to the next."""


def given(order: Order, begin: int, reader: Reader) -> Iterator[Read]:
    """Yield windows as they are given, from the one at ``begin`` on; no others are read."""
    reading = _read(order, begin, reader)
    waiting: dict[int, Read] = {}
    for step in range(begin, len(order.giving)):
        wanted = int(order.giving[step])
        most = min(step + order.buffer, len(order.giving))
        while len(waiting) < most - step:
            place, window = next(reading)
            waiting[place] = window
        yield waiting.pop(wanted)


def _read(order: Order, begin: int, reader: Reader) -> Iterator[tuple[int, Read]]:
    """Yield the windows that are not given yet, as they are read, with their places."""
    is_left = np.ones(len(order.giving), np.bool_)
    is_left[order.giving[:begin]] = False
    places = np.flatnonzero(is_left)
    turns = order.turns[places]
    by_run = places[np.argsort(turns, kind="stable")]
    runs, firsts = np.unique(np.sort(turns), return_index=True)
    parts = dict(zip(runs.tolist(), np.split(order.reading[by_run], firsts[1:]), strict=True))
    left = {run: len(part) for run, part in parts.items()}
    open_runs: dict[int, Iterator[Read]] = {}
    for place, run in zip(places.tolist(), turns.tolist(), strict=True):
        if run not in open_runs:
            open_runs[run] = reader(parts.pop(run).tolist())
        yield place, next(open_runs[run])
        left[run] -= 1
        if not left[run]:
            del open_runs[run]  # and the chunks that it keeps
