"""Slides that another run is tiling at the moment: they are waited for.

Knows claims. Does not know what becomes of the slides.
"""

import logging
import time
from collections.abc import Sequence

from slidetile.cloud.address import Location
from slidetile.cohort.files import refuse_if_claimed_at
from slidetile.cohort.job import SlideJob
from slidetile.cohort.result import SlideResult
from slidetile.errors import StoreBusyError
from slidetile.format.names import owner_path

_log = logging.getLogger(__name__)

LOOK_S, LONGEST_LOOK_S = 0.5, 5.0
"""How long it takes until claims are looked at again: at first, and at most."""


def is_elsewhere(result: SlideResult) -> bool:
    """Return whether a slide failed since another process writes its store."""
    return result.error_type == StoreBusyError.__name__


def released(jobs: Sequence[SlideJob]) -> list[SlideJob]:
    """Return those of some jobs whose stores no other process writes any more, once there are any.

    They are done then, unless that process has failed or died.
    """
    _log.warning(
        "slides that another run is tiling, and that are waited for: %d, such as %s.",
        *(len(jobs), jobs[0].label),
    )
    pause_s = LOOK_S
    while True:
        time.sleep(pause_s)
        if free := [job for job in jobs if _is_free(job.here / job.store)]:
            return free
        pause_s = min(LONGEST_LOOK_S, 1.5 * pause_s)


def _is_free(store: Location) -> bool:
    try:
        refuse_if_claimed_at(owner_path(store))
    except StoreBusyError:
        return False
    except OSError:  # the job says what is wrong
        return True
    return True
