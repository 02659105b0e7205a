"""What few runs need to change about writing."""

from dataclasses import dataclass
from typing import Literal, get_args

Existing = Literal["continue", "restart", "overwrite"]
"""What to do with what is there: "continue" an unfinished store, "restart" throws it away, and
"overwrite" replaces a finished one too, once the new one is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """What few runs need to change about writing.

    Raises
    ------
    ValueError
        A value is out of its range.
    """

    existing: Existing = "continue"
    """What to do with what is there already; see `Existing`."""

    anonymous: bool = False
    """Leave the slide's file name and its maker's free text out of the store."""

    durable: bool = False
    """Sync all files and folders before the store gets its name, so that it survives a power
    failure from then on. Takes longer."""

    memory_bytes: int | None = None
    """The most memory to hold at once; what is really available unless given."""

    def __post_init__(self) -> None:
        if self.existing not in get_args(Existing):
            raise ValueError(f"existing is one of {get_args(Existing)}, not {self.existing!r}.")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ValueError(f"memory_bytes is at least 1, but it is {self.memory_bytes}.")
