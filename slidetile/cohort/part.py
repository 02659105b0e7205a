"""One part of a cohort, as a job of an array does it: part 3 of 16."""

import re
import zlib
from dataclasses import dataclass
from typing import Self

MOST_PARTS = 100_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a cohort, which depends on the slides' keys alone.

    So every job of an array, wherever and whenever it runs, has its own slides, and a slide that is
    added to the cohort changes no other slide's part.

    Raises
    ------
    ValueError
        ``number`` does not lie between 1 and ``count``.
    """

    number: int
    """Which part, from 1."""

    count: int
    """How many parts there are."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count <= MOST_PARTS:
            raise ValueError(
                f"part {self.number}/{self.count} is none: parts are numbered from 1, as in 3/16, "
                f"and there are up to {MOST_PARTS:,}."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the part that a text such as "3/16" names.

        Raises
        ------
        ValueError
            It names none.
        """
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text, re.ASCII)
        if found is None:
            raise ValueError(f"a part is given as NUMBER/COUNT, such as 3/16, not as {text!r:.40}.")
        return cls(int(found[1]), int(found[2]))

    def has(self, key: str) -> bool:
        """Return whether the slide of a key is in this part."""
        return zlib.crc32(key.encode(errors="surrogateescape")) % self.count == self.number - 1

    def __str__(self) -> str:
        """Return it as it is given: 3/16."""
        return f"{self.number}/{self.count}"
