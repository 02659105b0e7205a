"""The door of `slidetile view`: a server on this machine alone.

Knows requests and who may ask. Does not know slides or stores.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
