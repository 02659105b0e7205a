"""A finished store read back: its tiles, any region, windows.

Knows what a store holds. Does not know the formats of slides, nor how a store is written.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
