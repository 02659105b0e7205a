"""The names of the columns that tell a tile's classes: safe for every program, each once.

Knows names. Does not know tables.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

WINNER = "class"
"""The column with the name of the class that has the largest share of a tile."""

_LONGEST = 40
_HASH_CHARACTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassColumn:
    """The columns of one class."""

    name: str
    """The class."""

    stem: str
    """What its columns are called behind ``class_`` and ``count_``."""

    has_points: bool = False
    """Whether there is a column that counts its points."""

    @property
    def share(self) -> str:
        """The column with its share of each tile."""
        return f"class_{self.stem}"

    @property
    def count(self) -> str:
        """The column that counts its points in each tile."""
        return f"count_{self.stem}"


def column_stems(names: Sequence[str]) -> tuple[str, ...]:
    """Return what the columns of classes are called: lower-case letters, digits and underscores.

    Letters of ASCII become lower-case, and others ``u`` and their code point in hexadecimal digits;
    what else there is becomes an underscore, several one. Where a name is long, or another class
    before it is called so, part of the hash of the class follows, so that what a class is called
    depends on as little as possible: no program tells apart columns by their case.

    Parameters
    ----------
    names
        The classes, sorted, each once.

    Examples
    --------
    >>> column_stems(["Tumor", "Tumor: in situ", "tumor", "μ"])
    ('tumor', 'tumor_in_situ', 'tumor_6bc31a77', 'u3bc')
    """
    stems: list[str] = []
    for name in names:
        stem = _stem(name)
        if len(stem) > _LONGEST or stem in stems or not stem:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
            stem = f"{stem[:_LONGEST]}_{digest[:_HASH_CHARACTERS]}".lstrip("_")
        stems.append(stem)
    return tuple(stems)


def _stem(name: str) -> str:
    spelt = "".join(_spelt(character) for character in name)
    return re.sub("_+", "_", spelt).strip("_")


def _spelt(character: str) -> str:
    if character.isascii():
        return character.lower() if character.isalnum() else "_"
    return f"u{ord(character):x}" if character.isalnum() else "_"
