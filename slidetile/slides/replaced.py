"""Which blocks of a slide's file were replaced, since they are empty or do not decode."""

import logging
import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from slidetile.counts import how_many
from slidetile.raster.region import Region

_log = logging.getLogger(__name__)


class Replaced:
    """The blocks of each level that were replaced so far; several threads may add some.

    A block of a coarser level was averaged from the next finer level. One of level 0 is background
    on the overview and in what is averaged from it; as a tile it stays unreadable.

    Parameters
    ----------
    blocks
        Those to begin with, as `blocks` has them.
    """

    def __init__(
        self, blocks: Mapping[int, Iterable[tuple[int, int]]] = MappingProxyType({})
    ) -> None:
        self._blocks = {level: set(corners) for level, corners in blocks.items()}
        self._told: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, level: int, block: Region) -> None:
        """Add a block, in pixels of its level; it counts once."""
        with self._lock:
            self._blocks.setdefault(level, set()).add((block.x, block.y))

    def update(self, other: "Replaced") -> None:
        """Add the blocks that another has."""
        for level, blocks in other.blocks.items():
            with self._lock:
                self._blocks.setdefault(level, set()).update(blocks)

    @property
    def blocks(self) -> dict[int, frozenset[tuple[int, int]]]:
        """The corners of the blocks of each level that has any, as (x, y), finest first."""
        with self._lock:
            return {level: frozenset(found) for level, found in sorted(self._blocks.items())}

    @property
    def counts(self) -> dict[int, int]:
        """The number of blocks of each level that has any, finest first."""
        with self._lock:
            return {level: len(blocks) for level, blocks in sorted(self._blocks.items())}

    def tell(self, name: str) -> None:
        """Warn of the blocks that were added since the last warning, in one line."""
        counts = self.counts
        new = {n: count for n, count in counts.items() if count > self._told.get(n, 0)}
        self._told = counts
        if new:
            _log.warning("%s: %s", name, told(new))


def told(counts: Mapping[int, int]) -> str:
    """Return the sentence about replaced blocks, by their number on each level."""
    finest = counts.get(0, 0)
    sentences = []
    coarser = [_counted(count, level) for level, count in counts.items() if level]
    if coarser:
        sentences.append(
            f"{' and '.join(coarser)} empty or damaged: averaged from the next finer level"
        )
    if finest:
        sentences.append(
            f"{_counted(finest, 0)} damaged and cannot be decoded: background in the overview"
        )
    return "; ".join(sentences)


def _counted(count: int, level: int) -> str:
    return f"{how_many(count, 'blocks')} of level {level}"
