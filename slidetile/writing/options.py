"""Options of writing that few runs need to change, and the progress of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from slidetile.choices import JPEG_NAME, Existing, JpegName
from slidetile.runtime.governor import MemoryUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come; shards that an interrupted run finished count as done."""

    shards_done: int
    """Number of shards written, of all levels."""

    shards_total: int
    """Number of shards to write, of all levels."""

    tiles_total: int
    """Number of tiles of the plan."""

    bytes_written: int
    """Bytes of all chunks written so far."""

    memory: MemoryUse
    """The memory that the run has used so far."""

    @property
    def tiles_done(self) -> int:
        """Number of tiles in proportion to the shards written, of all shards.

        All of them where there are no shards to write: their pixels stay in the slide.
        """
        if not self.shards_total:
            return self.tiles_total
        return self.tiles_total * self.shards_done // max(1, self.shards_total)


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """Options of writing that few runs need to change.

    Raises
    ------
    ValueError
        ``existing`` or ``codec_name`` is unknown, or ``memory_bytes`` is less than 1.
    """

    existing: Existing = "continue"
    """What to do with an existing store; see `Existing`."""

    retry_unreadable: bool = False
    """Tile a slide again whose finished store has tiles that could not be read; the new store
    replaces the old one once it is complete. Only `tile_slide` and `tile_slides` heed it."""

    anonymous: bool = False
    """Leave the slide's file name and its vendor's free text out of the store."""

    codec_name: JpegName = JPEG_NAME
    """What a store's arrays call the Zarr codec of JPEG chunks. "jpeg" is experimental: the name
    and the configuration of a draft, which may change. No other chunks have two names."""

    durable: bool = False
    """Sync all files and folders before the store gets its name, so that it survives a power
    failure from then on. This takes longer."""

    memory_bytes: int | None = None
    """The most memory to use at once; None is what is available."""

    def __post_init__(self) -> None:
        if self.existing not in get_args(Existing):
            raise ValueError(
                f"existing must be one of {get_args(Existing)}, not {self.existing!r}."
            )
        if self.codec_name not in get_args(JpegName):
            raise ValueError(
                f"codec_name must be one of {get_args(JpegName)}, not {self.codec_name!r}."
            )
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ValueError(f"memory_bytes must be at least 1, but it is {self.memory_bytes}.")
