"""What a page shows besides pixels, as frozen values that become JSON.

Knows geometry, columns and names. Does not know slides, stores or browsers.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
