"""Rectangles, grids, pixel arrays, masks, averaging, colours, drawing.

Knows pixels and positions. Does not know slides or files.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
