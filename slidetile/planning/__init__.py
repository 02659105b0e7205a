"""Which tiles to store: pure integers."""

from slidetile.planning.plan import Tile, TilePlan, TileSpec, plan_tiles

__all__ = [
    "Tile",
    "TilePlan",
    "TileSpec",
    "plan_tiles",
]
