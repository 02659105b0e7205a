"""From a slide and a plan to a finished store.

Knows how tiles are copied or encoded, in bounded memory. Does not know the formats of slides.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
