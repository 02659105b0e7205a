"""The rows of a cohort: one for each slide of each run, appended and never rewritten.

Knows rows and the files they lie in. Does not know how a slide becomes a store.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
