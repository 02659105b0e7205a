"""How numbers and areas are put into words: 1 tile, 2,989 tiles, 1.25 mm².

Knows how English makes one of several. Does not know what is counted.
"""

import re
from collections.abc import Iterable, Sequence
from operator import index

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


def how_large(area_um2: float | None, area_px: int | None = None) -> str | None:
    """Return an area in words, in pixels where its µm² are unknown; None where both are.

    Examples
    --------
    >>> how_large(3008.0), how_large(12_345_678.0), how_large(None, 1200)
    ('3,008 µm²', '12.35 mm²', '1,200 px')
    """
    if area_um2 is not None:
        return f"{area_um2:,.0f} µm²" if area_um2 < 1e6 else f"{area_um2 / 1e6:,.2f} mm²"
    return None if area_px is None else f"{area_px:,} px"


def whole(number: object, name: str, example: int) -> int:
    """Return a whole number of any type that has them, numpy's included.

    Raises
    ------
    TypeError
        It is none; the message names it and gives an example.

    Examples
    --------
    >>> whole(512, "size", 256)
    512
    """
    try:
        return index(number)  # type: ignore[arg-type]  # which is what is asked here
    except TypeError:
        raise TypeError(
            f"{name} is a whole number, such as {example}, but this one is {number!r}."
        ) from None


def nearest_first(name: str, names: Sequence[str]) -> list[str]:
    """Return names, those that are spelt most like another one first.

    Examples
    --------
    >>> nearest_first("class_tumour", ["x", "class_stroma", "class_tumor"])
    ['class_tumor', 'class_stroma', 'x']
    """
    import difflib  # only errors ask

    def likeness(each: str) -> float:
        return difflib.SequenceMatcher(None, name.lower(), each.lower()).ratio()

    return sorted(names, key=likeness, reverse=True)


def nearest(name: str, names: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the name that is spelt most like another one, whatever their case; None if none is.

    Examples
    --------
    >>> nearest("tumour", ["Stroma", "Tumor"])
    'Tumor'
    """
    import difflib  # only errors ask

    by_case: dict[str, str] = {}
    for each in names:
        by_case.setdefault(each.casefold(), each)
    found = difflib.get_close_matches(name.casefold(), by_case, n=1, cutoff=likeness)
    return by_case[found[0]] if found else None


def listed(names: Sequence[str]) -> str:
    """Return names, one at least, as a sentence has them.

    Examples
    --------
    >>> listed(["a", "b", "c"]), listed(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
