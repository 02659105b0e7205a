"""The three standard streams of a process that is ours: there, whatever it was begun with."""

import os


def fill_standard_streams() -> None:
    """Open the null device in the place of each standard stream that is closed.

    A service may close them. The next files opened would then take their numbers, and what
    libraries print would be written into a store.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given out, and all below this one are taken.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
