"""What a slide is, how its file is opened, and how it looks at another resolution.

Knows the formats of slides. Does not know tissue, tiles or stores.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
