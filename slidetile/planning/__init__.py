"""Which tiles to store: integers.

Knows the slide's size, its tissue and which tiles are wanted. Does not know pixels.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
