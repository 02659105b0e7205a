"""Rectangles, grids and pixel arrays; no slide and no file."""

from slidetile.raster.region import Region

__all__ = [
    "Region",
]
