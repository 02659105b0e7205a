"""From a slide and a plan to a store."""

from slidetile.writing.options import Progress, WriteOptions
from slidetile.writing.write import write_tiles

__all__ = [
    "Progress",
    "WriteOptions",
    "write_tiles",
]
