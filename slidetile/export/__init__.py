"""From a store to what other programs read: a file or a folder of another kind.

Knows which kinds there are and what each takes. Does not know the command line.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
