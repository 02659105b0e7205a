"""What each open page shows, apart from what the others do: two viewers at once.

A page has an identity of its own, which it makes up. A plan that one of them makes anew is its own,
and a store that was replaced is gone for those that show the old one only. Knows views. Does not
know what carries questions.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from slidetile.viewer.views.view import View

MOST_PAGES = 16
"""Pages that are open at a time; of more, the one that asked least recently is ended."""

LONGEST_TAB = 64
"""Letters of a page's identity, at most."""


class EndedPageError(Exception):
    """A page was ended since many others were opened; it says what to do."""


class Tabs:
    """The pages of several things. Safe for several threads.

    Parameters
    ----------
    views
        What can be looked at. They stay as they are, whatever pages do.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self._views = views
        self._pages: OrderedDict[tuple[int, str], View] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, thing: int, tab: str) -> View:
        """Return what a page shows from now on.

        Raises
        ------
        IndexError
            There is no such thing.
        ValueError
            Its identity is too long.
        SlidetileError, OSError
            The thing cannot be opened.
        """
        if not 0 <= thing < len(self._views):
            raise IndexError(f"There are {len(self._views)} things to look at, so no {thing}.")
        if len(tab) > LONGEST_TAB:
            raise ValueError(f"A page's identity has at most {LONGEST_TAB} letters.")
        view = self._views[thing].for_page()
        with self._lock:
            self._pages[thing, tab] = view
            self._pages.move_to_end((thing, tab))
            while len(self._pages) > MOST_PAGES:
                self._pages.popitem(last=False)
        return view

    def view(self, thing: int, tab: str) -> View:
        """Return what a page shows.

        Raises
        ------
        EndedPageError
            Many others were opened since.
        IndexError, ValueError, SlidetileError, OSError
            As `begin`, where a question came without an identity.
        """
        with self._lock:
            found = self._pages.get((thing, tab))
            if found is not None:
                self._pages.move_to_end((thing, tab))
                return found
        if tab:
            raise EndedPageError(
                f"This page was ended, since {MOST_PAGES} others were opened after it was last "
                "used: open it again."
            )
        return self.begin(thing, tab)
