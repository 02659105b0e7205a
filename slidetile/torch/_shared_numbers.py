"""Whole numbers that processes share.

A DataLoader calls nothing of a dataset in the process that trains, and its workers have copies of
the dataset, forked or pickled: what one of them is to know of the others stands here.
"""

from typing import Any

from slidetile.torch._library import torch


class SharedNumbers:
    """Whole numbers that copies of this in other processes see and change, too."""

    __slots__ = ("_numbers",)

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = torch.tensor(numbers, dtype=torch.int64).share_memory_()

    def __getitem__(self, place: int) -> int:
        return int(self._numbers[place])

    def __setitem__(self, place: int, number: int) -> None:
        self._numbers[place] = number

    def __getstate__(self) -> Any:
        return self._numbers

    def __setstate__(self, numbers: Any) -> None:
        """Share the numbers with what is forked from here; where they are shared, they stay."""
        self._numbers = numbers.share_memory_()
