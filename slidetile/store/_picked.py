"""Indices of several things at once: lists and arrays, as numpy takes them.

Knows numbers. Does not know what they are the indices of.
"""

from collections.abc import Sequence
from operator import index as as_index
from typing import cast

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many

Indices = Sequence[int] | NDArray[np.integer] | NDArray[np.bool_]
"""Integers, negative ones from the end; or a mask, one value for each thing."""

Index = int | slice | Indices


def single(index: Index) -> int | None:
    """Return an index that is one number; None where it is a slice, a list or an array.

    Raises
    ------
    TypeError
        It is none of these.
    """
    is_array = isinstance(index, np.ndarray) and index.ndim > 0
    is_list = isinstance(index, Sequence) and not isinstance(index, str | bytes)
    if is_array or is_list or isinstance(index, slice):
        return None
    return as_index(cast("int", index))  # or a TypeError


def picked(indices: Index, count: int, things: str) -> NDArray[np.intp]:
    """Return the numbers that indices stand for, each 0 or more.

    Parameters
    ----------
    indices
        What was given.
    count
        How many things there are.
    things
        What they are called, as in "windows".

    Raises
    ------
    IndexError
        There is no such thing, or the mask has another length.
    TypeError
        They are neither integers nor a mask.
    """
    if isinstance(indices, slice):
        return np.arange(count, dtype=np.intp)[indices]
    numbers = np.asarray(indices).reshape(-1)
    if not len(numbers):
        return np.empty(0, np.intp)
    if numbers.dtype == np.bool_:
        if len(numbers) != count:
            raise IndexError(f"A mask of {len(numbers)} values does not fit {count} {things}.")
        return np.flatnonzero(numbers)
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"Indices are integers, slices or masks, but these are {numbers.dtype}.")
    wrong = numbers[(numbers < -count) | (numbers >= count)]
    if len(wrong):
        thing = things.removesuffix("s")
        raise IndexError(f"There are {how_many(count, things)}, so there is no {thing} {wrong[0]}.")
    found = numbers.astype(np.intp)
    found[found < 0] += count
    return found
