"""All that shapes a store, known before its first byte."""

from dataclasses import dataclass
from typing import Any

from slidetile.codecs import ChunkCodec
from slidetile.halving import PyramidLevel
from slidetile.plan import TilePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSpec:
    """All that shapes a store, known before its first byte."""

    plan: TilePlan
    """The tiles, and the overview and tissue they were chosen by."""

    codec: ChunkCodec
    """How chunks are stored, at every level."""

    levels: tuple[PyramidLevel, ...]
    """The pyramid, finest first."""

    kind: str
    """How the coarser levels come about, for the image's metadata."""

    channels: int
    """Channels of every pixel."""

    fill: int
    """Value of what is not stored: 255 in brightfield, 0 in fluorescence."""

    mpp: tuple[float, float] | None
    """Micrometres per pixel of level 0, as (x, y)."""

    name: str
    """The image's name, shown by viewers."""

    attributes: dict[str, Any]
    """``attributes.slidetile`` of the root group."""
