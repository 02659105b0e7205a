"""What becomes of windows that cannot be read: all say which, and stop or leave it out."""

import warnings
from typing import Literal, TypeGuard, get_args

from slidetile.torch._joined import DamagedWindow, ReadWindow

Unreadable = Literal["raise", "skip"]
"""What becomes of a window that cannot be read: it stops the run, or is left out with a warning."""


class UnreadableWindowWarning(UserWarning):
    """A window was left out, because it could not be read."""


def check_unreadable(unreadable: str) -> None:
    """Make sure that a choice is one.

    Raises
    ------
    ValueError
        It is not.
    """
    if unreadable not in get_args(Unreadable):
        raise ValueError(f"unreadable must be one of {get_args(Unreadable)}, not {unreadable!r}.")


def was_read(window: ReadWindow | DamagedWindow, unreadable: Unreadable) -> TypeGuard[ReadWindow]:
    """Return whether a window could be read; warn where it is left out.

    Raises
    ------
    StoreError
        It could not, and is not to be left out.
    """
    if isinstance(window, ReadWindow):
        return True
    if unreadable == "raise":
        raise window.error
    warnings.warn(f"left out: {window.error}", UnreadableWindowWarning, stacklevel=4)
    return False
