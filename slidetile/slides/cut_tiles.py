"""Decoded native tiles that a region has cut, kept for its neighbours. Knows no format."""

import threading
from collections import OrderedDict

from slidetile.raster.pixels import Pixels

CUT_TILES_BYTES = 32 << 20
"""Most bytes kept: the edges of a few shards."""


class CutTiles:
    """The tiles last decoded of which regions took a part.

    Where regions do not end between native tiles, as with tiles of 240 pixels or at another
    resolution, neighbours share those along their edges: a third of all. Several threads may use
    it.

    Parameters
    ----------
    most_bytes
        Those used longest ago are forgotten beyond that.
    """

    def __init__(self, most_bytes: int = CUT_TILES_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[tuple[int, int], Pixels] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, level: int, index: int) -> Pixels | None:
        """Return a tile's pixels, or None if they are not here."""
        with self._lock:
            pixels = self._held.get((level, index))
            if pixels is not None:
                self._held.move_to_end((level, index))
            return pixels

    def put(self, level: int, index: int, pixels: Pixels) -> None:
        """Keep a tile's pixels, which nobody changes any more."""
        if pixels.nbytes > self._most_bytes:
            return
        with self._lock:
            former = self._held.pop((level, index), None)
            self._bytes += pixels.nbytes - (0 if former is None else former.nbytes)
            self._held[level, index] = pixels
            while self._bytes > self._most_bytes:
                self._bytes -= self._held.popitem(last=False)[1].nbytes
