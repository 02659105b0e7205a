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
            It is no number, or none of the ranks.
        """
        return cls(
            number=_told("RANK", 0) if number is None else number,
            count=_told("WORLD_SIZE", 1) if count is None else count,
        )


def _told(name: str, otherwise: int) -> int:
    """Return a number that the environment tells.

    Nothing else tells it in a DataLoader's worker: it has no process group of its own.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} is {text!r} in the environment, which is no whole number.")
    return int(text)
