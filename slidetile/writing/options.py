"""What few runs need to change about writing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from slidetile.runtime.governor import MemoryUse


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

Existing = Literal["continue", "restart", "overwrite"]
"""What to do with what is there: "continue" an unfinished store, "restart" throws it away, and
"overwrite" replaces a finished one too, once the new one is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """What few runs need to change about writing.

    Raises
    ------
    ValueError
        A value is out of its range.
    """

    existing: Existing = "continue"
    """What to do with what is there already; see `Existing`."""

    anonymous: bool = False
    """Leave the slide's file name and its maker's free text out of the store."""

    durable: bool = False
    """Sync all files and folders before the store gets its name, so that it survives a power
    failure from then on. Takes longer."""

    memory_bytes: int | None = None
    """The most memory to hold at once; what is really available unless given."""

    def __post_init__(self) -> None:
        if self.existing not in get_args(Existing):
            raise ValueError(f"existing is one of {get_args(Existing)}, not {self.existing!r}.")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ValueError(f"memory_bytes is at least 1, but it is {self.memory_bytes}.")
