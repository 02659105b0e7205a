"""Looking at slides, plans and stores in a browser, by whatever way leads there.

The page is in ``page/`` (JavaScript, built into ``built/``). A view (``views/``) has a picture
(``pictures/``) and a scene (``scene/``), and its plan can be made anew (``replan/``); folders are
shown as ``cards/``; ``doors/`` are the ways to the page, and `views.view` says how one plugs in.
Knows what slides, plans and stores show, and how a page asks for it. Does not know how
stores are written.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
