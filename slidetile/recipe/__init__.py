"""From a slide's file to its store: all choices in one value, and the call that follows them.

Knows the steps from slide to store. Does not know the command line, nor other slides.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
