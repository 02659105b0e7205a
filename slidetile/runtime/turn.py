"""Claims of what is held for a moment only: they are waited for."""

import random
import time
from pathlib import Path

from slidetile.errors import StoreBusyError
from slidetile.runtime.claim import DEFAULT_TIMES, Claim, ClaimTimes
from slidetile.runtime.claim_file import ClaimFile

_PATIENCE = 2.5
"""Others, which take a moment each, are waited for so many times as long as it takes until one that
has died is noticed."""

_PAUSE_S = 1.0


def claim_in_turn(
    file: Path | ClaimFile,
    *,
    times: ClaimTimes = DEFAULT_TIMES,
    patience_s: float | None = None,
) -> Claim:
    """Return a claim, as soon as no other process holds it.

    Parameters
    ----------
    file
        The claim's file, or its path. Its folder must exist.
    times
        As in `Claim`.
    patience_s
        How long it is waited for, in seconds; None is long enough to notice one that has died.

    Raises
    ------
    StoreBusyError
        Others have held it all the time.
    OSError
        The file cannot be written.
    """
    if patience_s is None:
        patience_s = _PATIENCE * times.dead_after_s
    end = time.monotonic() + patience_s
    while True:
        try:
            return Claim(file, times)
        except StoreBusyError:
            if time.monotonic() > end:
                raise
            pause_s = min(patience_s, _PAUSE_S)
            time.sleep(pause_s * random.random())  # noqa: S311  so that two do not keep step
