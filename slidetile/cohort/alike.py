"""Slides of a cohort whose tile tables call them the same.

A store is the same wherever its slide lies and whatever else is tiled, so its table has the name of
the slide's file, and cannot know that another slide of the cohort has it, too.

Knows paths. Does not know tables.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

_log = logging.getLogger(__name__)

MOST_NAMED = 3


def names_alike(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the names without suffix that several paths share, once for each path, sorted.

    Examples
    --------
    >>> names_alike(["a/x.svs", "b/x.svs", "b/y.svs", "c/x.tiff"])
    ('x', 'x', 'x')
    """
    stems = [PurePath(path).stem for path in paths]
    counts = Counter(stems)
    return tuple(sorted(stem for stem in stems if counts[stem] > 1))


def tell_alike(names: Sequence[str]) -> None:
    """Warn of slides that share their names, if there are any."""
    if names:
        shared = list(dict.fromkeys(names))
        _log.warning(
            "slides that share their name with another one: %d (%s%s). The column slide of their "
            "tile tables is the same: tell them apart by the column key of scan_tiles.",
            *(len(names), ", ".join(shared[:MOST_NAMED]), ", …" * (len(shared) > MOST_NAMED)),
        )
