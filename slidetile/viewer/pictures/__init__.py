"""The picture of a slide or a store, tile by tile, whatever levels its source has.

Knows levels and how pixels are encoded. Does not know what lies over a picture.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
