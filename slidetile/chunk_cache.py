"""Decoded chunks kept for a while, within a bound in bytes."""

from collections import OrderedDict
from typing import Any

from numpy.typing import NDArray

LARGEST_CACHE_BYTES = 1 << 26
"""64 MiB: three rows of chunks across `STRIPE_PX`, with every codec's own chunks."""

FEWEST_CHUNKS = 4
"""So many are kept at least: a window that lies on a corner touches four."""

_ENTRY_BYTES = 256
"""What a chunk takes beside its pixels, also one that is not stored."""

Cell = tuple[int, int]
"""(column, row) of a chunk in its array."""


class ChunkCache:
    """The chunks of one array decoded last, for one thread.

    Parameters
    ----------
    largest_bytes
        What they may take together, so long as four fit.
    """

    def __init__(self, largest_bytes: int = LARGEST_CACHE_BYTES) -> None:
        self.nbytes = 0
        self._largest_bytes = largest_bytes
        self._chunks: OrderedDict[Cell, NDArray[Any] | None] = OrderedDict()

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._chunks

    def __getitem__(self, cell: Cell) -> NDArray[Any] | None:
        """Return the pixels of a chunk that is kept, None for one that is not stored."""
        self._chunks.move_to_end(cell)
        return self._chunks[cell]

    def keep(self, cell: Cell, pixels: NDArray[Any] | None) -> None:
        """Keep a chunk, and forget those used longest ago."""
        self._chunks[cell] = pixels
        self.nbytes += _nbytes(pixels)
        while self.nbytes > self._largest_bytes and len(self._chunks) > FEWEST_CHUNKS:
            self.nbytes -= _nbytes(self._chunks.popitem(last=False)[1])


def _nbytes(pixels: NDArray[Any] | None) -> int:
    return _ENTRY_BYTES + (0 if pixels is None else pixels.nbytes)
