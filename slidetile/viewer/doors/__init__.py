"""The doors: ways from a view to a page. What all of them need is here, each has a folder.

Knows views, and the page as it was built. Does not know slides or stores.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
