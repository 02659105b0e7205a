"""The labels of windows, as those who read them have them: numbers and names."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """One label for each window of a dataset."""

    values: NDArray[Any]
    """int64 [window], float32 [window], or float32 [window, column]."""

    names: tuple[str, ...]
    """The classes that integers stand for; the columns or classes of the numbers otherwise."""
