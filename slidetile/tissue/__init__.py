"""Where the tissue is on a slide: from an overview to a `TissueMask`, by detectors.

Knows what tissue looks like. Does not know files, nor tiles.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
