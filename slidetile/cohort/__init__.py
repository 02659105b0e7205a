"""Many slides: find them, name their stores, tile them, report.

Knows which slides there are and what became of each. Does not know tiles.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
