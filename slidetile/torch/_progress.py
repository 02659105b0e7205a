"""How far a stream has come, as a value to save and to go on from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slidetile.torch._ranks import Rank

VERSION = 1


@dataclass(slots=True)
class Progress:
    """How many windows each share has given; in a worker, of its own share."""

    of: dict[str, Any]
    """What the order follows from, besides the epoch; another stream's is not gone on from."""

    given: dict[int, int] = field(default_factory=dict)
    """By the share's number."""

    loaded: dict[int, int] = field(default_factory=dict)
    """Where shares begin that were loaded and have not begun yet."""

    shares: int | None = None
    """The shares that what was loaded is divided into."""

    def check_shares(self, shares: int) -> None:
        """Make sure that what was loaded is divided into as many shares as there are.

        Raises
        ------
        ValueError
            It is not.
        """
        if self.loaded and shares != self.shares:
            raise ValueError(
                f"The state that was loaded is of {self.shares} workers, all ranks together, but "
                f"there are {shares}: go on with as many as before."
            )

    def forget(self) -> None:
        """Be at the beginning."""
        self.given.clear()
        self.loaded.clear()

    def begin(self, share: int) -> int:
        """Return where a share begins, which it does so but once."""
        self.given[share] = self.loaded.pop(share, 0)
        return self.given[share]

    def state(self, epoch: int, shares: int, given: Mapping[int, int]) -> dict[str, Any]:
        """Return a value of numbers and texts."""
        return {
            "version": VERSION,
            **self.of,
            "epoch": epoch,
            "shares": shares,
            "given": {str(share): count for share, count in sorted(given.items())},
        }

    def load(self, state: Mapping[str, Any], rank: Rank) -> None:
        """Take over a state.

        Raises
        ------
        ValueError
            It is of another stream, or of another rank.
        """
        for name, own in {"version": VERSION, **self.of}.items():
            if state.get(name) != own:
                raise ValueError(
                    f"This state is of another stream: its {name} is {state.get(name)!r}, this "
                    f"one's {own!r}. Make the stream of the same stores, with the same settings."
                )
        given, shares = _numbers(state)
        _check_rank(given, shares, rank)
        self.loaded, self.given, self.shares = given, dict(given), shares


def _numbers(state: Mapping[str, Any]) -> tuple[dict[int, int], int]:
    """Return how many windows each share has given, and the number of shares."""
    try:
        given = {int(share): int(count) for share, count in state["given"].items()}
        shares = int(state["shares"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("This state is damaged: it does not say what each share gave.") from error
    if shares < 1 or min(given.values(), default=0) < 0:
        raise ValueError("This state is damaged: it has numbers below 0.")
    return given, shares


def _check_rank(given: Mapping[int, int], shares: int, rank: Rank) -> None:
    """Make sure that a state has a share of this rank; without, all of them would begin anew."""
    workers, rest = divmod(shares, rank.count)
    own = range(rank.number * workers, (rank.number + 1) * workers)
    if given and not rest and not any(share in own for share in given):
        raise ValueError(
            f"This state is of rank {min(given) // workers}, but this is rank {rank.number}: each "
            "rank saves its own state, and goes on with it."
        )


def delivered(sizes: Mapping[int, int], batches: int, batch_size: int) -> dict[int, int]:
    """Return how many windows each worker's share has given after so many batches.

    A DataLoader takes batches from its workers in turn, and passes over those that have none left.
    """
    left = {share: -(-size // batch_size) for share, size in sizes.items()}
    taken = dict.fromkeys(sizes, 0)
    while batches and any(left.values()):
        for share in sizes:
            if left[share] and batches:
                left[share], taken[share], batches = left[share] - 1, taken[share] + 1, batches - 1
    return {share: min(sizes[share], taken[share] * batch_size) for share in sizes}
