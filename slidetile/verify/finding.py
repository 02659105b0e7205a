"""Where two JSON values differ, as a sentence."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a store that is not as it was written, or contradicts the rest of it."""

    path: str
    """The file, relative to the store's folder, with forward slashes."""

    what: str
    """What is wrong with it."""

    tile: int | None = None
    """The row of the tile table it concerns, where it is one row."""

    def __str__(self) -> str:
        tile = "" if self.tile is None else f"tile {self.tile}: "
        line = " ".join(f"{self.path}: {tile}{self.what}".split())
        # A store from anywhere may have names that would move a terminal's cursor.
        return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in line)


def difference(expected: Any, found: Any, where: str = "") -> str | None:
    """Return where two JSON values differ, or None where they do not; floats may by a rounding."""
    if expected is found:
        return None
    if isinstance(expected, dict) and isinstance(found, dict):
        if expected.keys() != found.keys():
            return f"{where or 'its root'} has other members than it should"
        pairs = [(f"{where}.{key}".strip("."), expected[key], found[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return f"{where} has {len(found)} items instead of {len(expected)}"
        both = zip(expected, found, strict=True)
        pairs = [(f"{where}[{number}]", a, b) for number, (a, b) in enumerate(both)]
    else:
        is_same = _is_same(expected, found)
        return None if is_same else f"{where} is {found!r:.80} instead of {expected!r:.80}"
    told = (difference(a, b, inner) for inner, a, b in pairs)
    return next((text for text in told if text is not None), None)


def _is_same(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and type(found) in (int, float):
        return math.isclose(expected, found, abs_tol=1e-9)
    return type(expected) is type(found) and bool(expected == found)
