"""A plan that is made anew whenever a page moves one of its settings.

Knows recipes, plans and what is typed to get them. Does not know pages.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
