"""A folder of stores as cards, warnings first.

Knows reports of cohorts. Does not know pages.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
