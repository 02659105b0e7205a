"""How far a run has come."""

from collections.abc import Callable
from dataclasses import dataclass

from slidetile.governor import MemoryUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come; what an interrupted run had finished counts as done."""

    shards_done: int
    """Shards written, of all levels."""

    shards_total: int
    """Shards to write, of all levels."""

    tiles_total: int
    """Tiles of the plan."""

    bytes_written: int
    """Bytes of all chunks so far."""

    memory: MemoryUse
    """What the run has held so far."""

    @property
    def tiles_done(self) -> int:
        """The share of the tiles that the shards written are of all shards."""
        return self.tiles_total * self.shards_done // max(1, self.shards_total)


OnProgress = Callable[[Progress], None]
