"""What went wrong with an answer to a page: of which kind, and in words.

Knows errors. Does not know what carries the words to the page.
"""

from typing import Literal, NamedTuple

from slidetile.errors import SlidetileError, StoreError, explain
from slidetile.viewer.doors.tabs import EndedPageError
from slidetile.viewer.pictures.rungs import DamagedTileError

FailureKind = Literal["damaged", "gone", "missing", "wrong"]
"""Damaged pixels or files; a store that was replaced or a page that was ended; what there is none
of; and a value that is out of range."""


class Failure(NamedTuple):
    """What went wrong."""

    kind: FailureKind
    words: str


FORESEEN = (
    *(DamagedTileError, EndedPageError, SlidetileError, OSError, MemoryError, LookupError),
    *(ValueError, TypeError, ArithmeticError, RecursionError),
)
"""The errors that a question may have; any other is a fault of ours."""


def failure_of(error: Exception) -> Failure:
    """Return what one of the foreseen errors is called, and why it came."""
    if isinstance(error, DamagedTileError):
        return Failure("damaged", str(error))
    if isinstance(error, EndedPageError | StoreError):
        return Failure("gone", explain(error))
    if isinstance(error, SlidetileError | OSError | MemoryError):
        return Failure("damaged", explain(error))
    if isinstance(error, LookupError):
        return Failure("missing", explain(error))
    return Failure("wrong", explain(error))
