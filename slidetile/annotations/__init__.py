"""What people drew: read from QuPath, ImageScope or a mask, and written for QuPath."""

from slidetile.annotations.drawn import DrawnArea, DrawnRegions, PaintedMask
from slidetile.annotations.export import export_plan, export_store
from slidetile.annotations.reading import read_regions
from slidetile.annotations.spec import RegionsSpec
from slidetile.annotations.tissue import cut_tissue, draw_tissue

__all__ = [
    "DrawnArea",
    "DrawnRegions",
    "PaintedMask",
    "RegionsSpec",
    "cut_tissue",
    "draw_tissue",
    "export_plan",
    "export_store",
    "read_regions",
]
