"""How long this process has been running."""

import os
import time

from slidetile.runtime._holder import process_start, uptime_s


def age_s() -> float:
    """Return the seconds since this process began; the time it has computed, where unknown.

    What a command takes begins long before its first line: Python and libraries are loaded.
    """
    ticks = process_start(os.getpid())
    if not ticks.isdecimal():
        return time.process_time()
    return max(0.0, uptime_s() - int(ticks) / os.sysconf("SC_CLK_TCK"))
