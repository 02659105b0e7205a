"""Looking at slides, plans and stores in a browser, by whatever way leads there.

The page is in ``page/`` (JavaScript, built into ``built/``); `view` says how a way to it, a door,
plugs in. Knows what slides, plans and stores show, and how a page asks for it. Does not know how
stores are written.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
