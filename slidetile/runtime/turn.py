"""Claims of what is held for a moment only: they are waited for."""

import random
import time
from pathlib import Path

from slidetile.errors import StoreBusyError
from slidetile.runtime.claim import Claim
from slidetile.runtime.claim_file import ClaimFile

PATIENCE_S = 150.0
"""How long others are waited for, which take a moment each. One that has died is noticed within a
minute."""

_PAUSE_S = 1.0


def claim_in_turn(file: Path | ClaimFile, *, patience_s: float = PATIENCE_S) -> Claim:
    """Return a claim, as soon as no other process holds it.

    Parameters
    ----------
    file
        The claim's file, or its path. Its folder must exist.
    patience_s
        How long it is waited for, in seconds.

    Raises
    ------
    StoreBusyError
        Others have held it all the time.
    OSError
        The file cannot be written.
    """
    end = time.monotonic() + patience_s
    while True:
        try:
            return Claim(file)
        except StoreBusyError:
            if time.monotonic() > end:
                raise
            pause_s = min(patience_s, _PAUSE_S)
            time.sleep(pause_s * random.random())  # noqa: S311  so that two do not keep step
