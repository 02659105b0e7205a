"""Which of several training processes this one is, as torchrun and its like tell each of them."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A training process among those that share an epoch.

    Raises
    ------
    ValueError
        It is none of them.
    """

    number: int
    """Which of them."""

    count: int
    """How many there are."""

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(
                f"Ranks are 0 to {self.count - 1} where there are {self.count}, but this one is "
                f"{self.number}: RANK and WORLD_SIZE, or rank and world_size, do not fit."
            )

    @classmethod
    def given(cls, number: int | None, count: int | None) -> "Rank":
        """Return the rank that is given; what is not, the environment tells; or the only one.

        Raises
        ------
        ValueError
            It is no number, or none of the ranks; or there are several, and nothing tells which.
        """
        own = _told("RANK") if number is None else number
        many = _told("WORLD_SIZE") if count is None else count
        if own is None and many is not None and many > 1:
            raise ValueError(
                f"There are {many} ranks (WORLD_SIZE or world_size), but nothing says which this "
                "one is, and all would be given the same windows: set RANK, or give rank."
            )
        return cls(number=own or 0, count=1 if many is None else many)


def _told(name: str) -> int | None:
    """Return a number that the environment tells; None where it does not.

    Nothing else tells it in a DataLoader's worker: it has no process group of its own.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} is {text!r} in the environment, which is no whole number.")
    return int(text)
