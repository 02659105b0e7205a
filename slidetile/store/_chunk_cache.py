"""The chunks of an array that were decoded last.

Knows how much memory they take. Does not know where they come from.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from typing import Any, Protocol

from numpy.typing import NDArray

from slidetile.raster.region import Region
from slidetile.store._absence import Cell

LARGEST_CACHE_BYTES = 1 << 26
"""64 MiB: three rows of chunks across `STRIPE_PX`, with every codec's own chunks."""

FEWEST_CHUNKS = 4
"""Fewest chunks that are kept: a window that lies on a corner touches four."""

_ENTRY_BYTES = 256
"""Memory that a chunk takes besides its pixels, even one that is not stored."""


class Ahead(Protocol):
    """What fetches stored chunks before they are needed."""

    def take(self, span: Region, known: Collection[Cell]) -> Iterator[tuple[Cell, bytes | None]]:
        """Yield each chunk of a span but those known; None for one that is not stored."""
        ...


class ChunkCache:
    """The chunks of one array decoded last, for one thread.

    Parameters
    ----------
    largest_bytes
        The most memory for all of them; four are kept in any case.
    ahead
        What has stored chunks already that are not kept; None where each is read when it is needed.
    """

    def __init__(
        self, largest_bytes: int = LARGEST_CACHE_BYTES, ahead: Ahead | None = None
    ) -> None:
        self.nbytes = 0
        self.ahead = ahead
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
