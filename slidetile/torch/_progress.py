"""How far a stream has come, as a value to save and to go on from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slidetile.torch._beginnings import FirstIteration
from slidetile.torch._order import Share
from slidetile.torch._ranks import Rank

VERSION = 1


@dataclass(slots=True, kw_only=True)
class Reached:
    """How many windows shares have given of an epoch."""

    epoch: int
    """Which."""

    shares: int
    """How many there are, all ranks together."""

    given: dict[int, int] = field(default_factory=dict)
    """By the share's number, as far as is known; it grows while they give."""

    def has_all(self, total: int) -> bool:
        """Tell whether these shares have given all that they have of so many windows."""
        sizes = {n: Share(number=n, count=self.shares).size(total) for n in self.given}
        return bool(sizes) and all(self.given[n] >= size for n, size in sizes.items())

    def check_shares(self, shares: int) -> None:
        """Make sure that there are as many shares.

        Raises
        ------
        ValueError
            There are not.
        """
        if shares != self.shares:
            raise ValueError(
                f"The state that was loaded is of {self.shares} workers, all ranks together, but "
                f"there are {shares}: go on with as many as before."
            )

    def of(self, share: Share) -> int:
        """Return how many windows a share has given, of which this was saved.

        Raises
        ------
        ValueError
            It is another's, or there is another number of shares.
        """
        self.check_shares(share.count)
        if share.number not in self.given:
            raise ValueError(
                f"The state that was loaded is of the workers {sorted(self.given)} of "
                f"{self.shares}, all ranks together, but this is {share.number}: each rank saves "
                "its own state, and goes on with it."
            )
        return self.given[share.number]


@dataclass(slots=True)
class Progress:
    """How far the shares of this process have come; in a worker, its own one."""

    of: dict[str, Any]
    """What the order follows from, besides the epoch; another stream's is not gone on from."""

    reached: Reached | None = None
    """By the iteration that gave last, or as it was loaded; None where nothing has begun."""

    loaded: Reached | None = None
    """Where the first iteration after a load begins."""

    first: FirstIteration = field(default_factory=lambda: FirstIteration(0))
    """That iteration."""

    def going_on(self) -> Reached | None:
        """Return where the iteration began, if it goes on from what was loaded."""
        return None if self.first.is_over else self.loaded

    def is_of(self, epoch: int) -> bool:
        """Tell whether all that is known is of an epoch."""
        known = (self.reached, self.loaded)
        return all(each is None or each.epoch == epoch for each in known)

    def forget(self) -> None:
        """Be at the beginning."""
        self.reached = self.loaded = None
        self.first.end()

    def begin(self, share: Share, *, epoch: int, iteration: int) -> Reached:
        """Begin an iteration where it was saved, if it is the first since; else at its beginning.

        Workers that begin the same one have the same number of it.

        Raises
        ------
        ValueError
            What was loaded is of another share, or divided into another number of them.
        """
        begin = 0
        if self.loaded is not None:
            place = self.loaded.of(share) if self.first.may_be(iteration) else 0
            begin = place if self.first.begin(iteration, share.number) else 0
        self.reached = Reached(epoch=epoch, shares=share.count, given={share.number: begin})
        return self.reached

    def state(self, reached: Reached) -> dict[str, Any]:
        """Return a value of numbers and texts."""
        return {
            "version": VERSION,
            **self.of,
            "epoch": reached.epoch,
            "shares": reached.shares,
            "given": {str(share): count for share, count in sorted(reached.given.items())},
        }

    def load(self, state: Mapping[str, Any], rank: Rank) -> Reached:
        """Take over a state, and return it.

        Raises
        ------
        ValueError
            It is of another stream, or of another rank, or no state.
        """
        if not isinstance(state, Mapping) or "version" not in state:
            raise ValueError(
                "This is no state of a stream: give what its state_dict() or state_after(…) "
                "returned."
            )
        for name, own in {"version": VERSION, **self.of}.items():
            if state.get(name) != own:
                raise ValueError(
                    f"This state is of another stream: its {name} is {state.get(name)!r}, this "
                    f"one's {own!r}. Make the stream of the same stores, with the same settings."
                )
        reached = _reached(state)
        _check_rank(reached.given, reached.shares, rank)
        self.reached = reached
        self.loaded = reached if any(reached.given.values()) else None
        self.first = FirstIteration(reached.shares)
        return reached


def _reached(state: Mapping[str, Any]) -> Reached:
    """Return how far a state says that shares have come."""
    try:
        given = {int(share): int(count) for share, count in state["given"].items()}
        epoch, shares = int(state["epoch"]), int(state["shares"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError("This state is damaged: it does not say what each share gave.") from error
    if shares < 1 or min(epoch, *given, *given.values()) < 0:
        raise ValueError("This state is damaged: it has numbers below 0.")
    if any(share >= shares for share in given):
        raise ValueError(f"This state is damaged: it has more shares than {shares}.")
    return Reached(epoch=epoch, shares=shares, given=given)


def _check_rank(given: Mapping[int, int], shares: int, rank: Rank) -> None:
    """Make sure that a state has a share of this rank; without, all of them would begin anew."""
    workers, rest = divmod(shares, rank.count)
    own = range(rank.number * workers, (rank.number + 1) * workers)
    if given and not rest and not any(share in own for share in given):
        raise ValueError(
            f"This state is of rank {min(given) // workers}, but this is rank {rank.number}: each "
            "rank saves its own state, and goes on with it."
        )


def batches_of(sizes: Iterable[int], batch_size: int, *, drop_last: bool = False) -> int:
    """Return how many batches a DataLoader makes of shares of these sizes, one for each worker."""
    return sum(_batches(size, batch_size, drop_last=drop_last) for size in sizes)


def _batches(size: int, batch_size: int, *, drop_last: bool) -> int:
    return (size + (0 if drop_last else batch_size - 1)) // batch_size


def delivered(
    sizes: Mapping[int, int], batches: int, batch_size: int, *, drop_last: bool = False
) -> dict[int, int]:
    """Return how many windows each worker's share has given after so many batches.

    A DataLoader takes batches from its workers in turn, and passes over those that have none left.
    """
    left = {n: _batches(size, batch_size, drop_last=drop_last) for n, size in sizes.items()}
    taken = dict.fromkeys(sizes, 0)
    while batches and any(left.values()):
        for share in sizes:
            if left[share] and batches:
                left[share], taken[share], batches = left[share] - 1, taken[share] + 1, batches - 1
    return {share: min(sizes[share], taken[share] * batch_size) for share in sizes}
