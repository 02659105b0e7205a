"""How a number of things is put into words: 1 tile, 2,989 tiles.

Knows how English makes one of several. Does not know what is counted.
"""

import re

_PLURAL = re.compile(r"\b([a-z]+)s\b")


def how_many(count: int, things: str) -> str:
    """Return a number of things in words.

    Parameters
    ----------
    count
        The number.
    things
        Their name in the plural; of one thing, the first word that ends with s loses it.

    Examples
    --------
    >>> how_many(2989, "tiles"), how_many(1, "annotated areas of slides")
    ('2,989 tiles', '1 annotated area of slides')
    """
    name = _PLURAL.sub(r"\1", things, count=1) if count == 1 else things
    return f"{count:,} {name}"
