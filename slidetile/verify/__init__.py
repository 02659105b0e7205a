"""Whether a store is what was written, and whether it was written right.

Knows all that a store says, and that it must agree. Does not know how a store is written.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
