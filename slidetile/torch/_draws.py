"""Numbers that look random and follow from a seed, an epoch and a place, on every machine.

Philox is a generator of counters: any place of any stream is reached at once. Its raw numbers stay
the same from one version of numpy to the next, which those of numpy's distributions do not.

Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]


def draws(seed: int, epoch: int, place: int, count: int) -> Numbers:
    """Return the first numbers of a stream: uint64 [count]."""
    bits = np.random.Philox(key=[seed, epoch], counter=[0, place, 0, 0])
    drawn: Numbers = bits.random_raw(count)
    return drawn


def shuffled(count: int, seed: int, epoch: int, place: int) -> NDArray[np.intp]:
    """Return the numbers below ``count`` in another order."""
    return np.argsort(draws(seed, epoch, place, count), kind="stable")
