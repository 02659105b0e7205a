"""Many slides: find them, name their stores, tile them, report."""

from slidetile.cohort.batch import BatchReport, SlideResult, tile_slides

__all__ = [
    "BatchReport",
    "SlideResult",
    "tile_slides",
]
