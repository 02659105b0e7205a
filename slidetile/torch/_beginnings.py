"""What the processes that give one stream tell each other of iterations that began."""

from slidetile.torch._shared_numbers import SharedNumbers

_NONE = -1
_RANKS = 256
"""Ranks that are spawned with one stream share its numbers; so many have their own."""


class Beginnings:
    """What the process of a rank and its workers tell each other."""

    __slots__ = ("_by_workers", "_loads", "_pending")

    def __init__(self) -> None:
        self._by_workers, self._pending = SharedNumbers([0] * _RANKS), SharedNumbers([0] * _RANKS)
        self._loads = 0
        """Of which this copy knows."""

    def by_workers(self, rank: int) -> bool:
        """Tell whether workers began last, and not the process of the rank."""
        return self.workers(rank) > 0

    def workers(self, rank: int) -> int:
        """Return how many workers began last; 0 where it was the process of the rank, or none."""
        return self._by_workers[rank % _RANKS]

    def begin(self, rank: int, *, workers: int) -> bool:
        """Note that an iteration begins; return whether this copy has what it is to go on from.

        ``workers`` is how many give it: 0 in the process of the rank.
        """
        if workers and self._pending[rank % _RANKS] > self._loads:
            return False
        self._by_workers[rank % _RANKS], self._pending[rank % _RANKS] = workers, 0
        return True

    def forget(self, rank: int) -> None:
        """Note in the process of a rank that what began, or was loaded, is given up."""
        self._by_workers[rank % _RANKS] = self._pending[rank % _RANKS] = 0

    def load(self, rank: int) -> None:
        """Note in the process of a rank that a state was loaded, and waits to be gone on from."""
        self.forget(rank)
        self._loads += 1
        self._pending[rank % _RANKS] = self._loads


class FirstIteration:
    """Which iteration is the first since a state was loaded, and which shares began it."""

    __slots__ = ("_numbers",)

    def __init__(self, shares: int) -> None:
        self._numbers = SharedNumbers([0, _NONE, *[0] * shares])
        """Whether it is over, which it is, and for each share whether it began."""

    @property
    def is_over(self) -> bool:
        """Whether another one has begun since, or none is to be the first."""
        return bool(self._numbers[0])

    def may_be(self, iteration: int) -> bool:
        """Tell whether it may be this one."""
        return not self.is_over and self._numbers[1] in (_NONE, iteration)

    def begin(self, iteration: int, share: int) -> bool:
        """Note that a share begins an iteration; return whether it is the first."""
        if not self.may_be(iteration) or self._numbers[2 + share]:
            self.end()
            return False
        self._numbers[1], self._numbers[2 + share] = iteration, 1
        return True

    def end(self) -> None:
        """Let it be over."""
        self._numbers[0] = 1
