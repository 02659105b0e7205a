"""What became of the slides of a batch, as far as the command tells of it at the end.

Knows counts, and the few results that are shown. Does not hold those of thousands that went well.
"""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slidetile.cohort.result import SlideResult

MOST_ROWS = 100
"""Of more slides only those are shown for which something is to be done."""


class Tally:
    """Counts results as they come.

    Parameters
    ----------
    keeps_all
        Whether each result is held, as a document of them needs.
    """

    def __init__(self, *, keeps_all: bool) -> None:
        self.results: list[SlideResult] = []
        """All results, or else those that are shown at the end."""
        self.statuses: Counter[str] = Counter()
        self.left_out = 0
        """Slides of which filters dropped something."""
        self.incomplete = 0
        """Slides with tiles that could not be read."""
        self._keeps_all = keeps_all

    @property
    def slides(self) -> int:
        """How many results there were."""
        return self.statuses.total()

    @property
    def failed(self) -> int:
        """How many slides failed."""
        return self.statuses["failed"]

    def add(self, result: "SlideResult") -> None:
        """Count a result."""
        self.statuses[result.status] += 1
        self.left_out += result.left_out is not None
        self.incomplete += result.unreadable > 0
        if self._keeps_all or self.slides <= MOST_ROWS or _is_bad(result):
            self.results.append(result)
        if not self._keeps_all and self.slides == MOST_ROWS + 1:
            self.results = list(filter(_is_bad, self.results))

    def sort(self, keys: "Sequence[str]") -> None:
        """Put the results that are held into the order of their slides."""
        places = {key: place for place, key in enumerate(keys)}
        self.results.sort(key=lambda result: places[result.key])


def _is_bad(result: "SlideResult") -> bool:
    return result.status == "failed" or result.unreadable > 0
