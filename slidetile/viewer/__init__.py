"""Looking at slides, plans and stores in a browser, by whatever way leads there.

The page is in ``page/`` (JavaScript, built into ``built/``); `view` says how a way to it, a door,
plugs in.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
