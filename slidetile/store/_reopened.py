"""Things that cross to another process as bytes, and are made again there when they are used."""

import pickle
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Reopened(Generic[Thing]):
    """A thing whose pickle opens files: it is unpickled at its first use, not when it arrives.

    A worker that is given a thousand stores opens those that it reads.

    Parameters
    ----------
    thing
        The thing.
    """

    def __init__(self, thing: Thing) -> None:
        self._things: list[Thing] = [thing]
        self._pickled = b""

    @property
    def is_open(self) -> bool:
        """Whether this process has it already."""
        return bool(self._things)

    @property
    def thing(self) -> Thing:
        """The thing itself; making it again may raise what opening its files raises."""
        if not self._things:
            self._things = [pickle.loads(self._pickled)]  # noqa: S301  what `__getstate__` gave
        return self._things[0]

    def __getstate__(self) -> bytes:
        return self._pickled or pickle.dumps(self._things[0])

    def __setstate__(self, pickled: bytes) -> None:
        self._things, self._pickled = [], pickled
