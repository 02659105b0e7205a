"""Watches memory during a run, and changes how much may be in flight."""

import logging
import math
import time
from dataclasses import dataclass

from slidetile.runtime.heap import free_what_can_be_freed
from slidetile.runtime.memory import Budget, Gauge
from slidetile.runtime.places import Places

_log = logging.getLogger(__name__)

HIGH_SHARE = 0.8
"""Above this share of the limit, less is kept in flight."""

LOW_SHARE = 0.6
"""Below this share of it, more is allowed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """What a run held."""

    peak_bytes: int
    """The most resident memory of the process that was seen."""

    budget_bytes: int
    """What everything in flight was allowed to take."""

    throttled: int
    """How often less was kept in flight because memory ran short."""


class Governor:
    """Watches memory during a run and changes how much may be in flight; never what is written.

    Parameters
    ----------
    budget
        The run's memory.
    gauge
        Measures how much is in use.
    interval_s
        Looks that follow one another sooner are not made: to measure takes time too.
    """

    def __init__(self, budget: Budget, gauge: Gauge, *, interval_s: float = 0.25) -> None:
        self.places = Places(budget.units)
        self._budget = budget
        self._gauge = gauge
        self._peak = gauge.resident_bytes()
        self._peak_before = gauge.peak_bytes()
        self._throttled = 0
        self._interval_s = interval_s
        self._looked_at = -math.inf

    @property
    def use(self) -> MemoryUse:
        """What the run has held so far."""
        peak = self._gauge.peak_bytes()
        if peak == self._peak_before:  # it was higher before this run than ever in it
            peak = self._peak
        return MemoryUse(
            peak_bytes=peak,
            budget_bytes=self._budget.in_flight_bytes,
            throttled=self._throttled,
        )

    def look(self) -> None:
        """Measure, and act: halve what is in flight when memory runs short, regrow one by one."""
        if time.monotonic() - self._looked_at < self._interval_s:
            return
        self._looked_at = time.monotonic()
        resident, available = self._gauge.resident_bytes(), self._gauge.available_bytes()
        self._peak = max(self._peak, resident)
        limit = self._budget.limit_bytes
        share = max(resident / limit, resident / max(1, resident + available))
        size = self.places.size
        if share > HIGH_SHARE and size > 1:
            self._throttled += 1
            self.places.resize(max(1, size // 2))
            free_what_can_be_freed()
            _log.warning(
                "memory: %.0f %% of %d MB in use, so %d instead of %d shards in flight",
                100 * share,
                limit // 1_000_000,
                self.places.size,
                size,
            )
        elif share < LOW_SHARE and size < self._budget.units:
            self.places.resize(size + 1)
