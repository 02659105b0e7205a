"""Rectangles, grids, pixel arrays, masks, averaging, drawing.

Knows pixels and where they lie. Does not know slides, nor files.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
