"""How many slides a machine tiles at once, and what each may take of it.

Knows cores and memory. Does not know slides.
"""

from dataclasses import dataclass

from slidetile.runtime.cpus import worker_count
from slidetile.runtime.memory import OVERHEAD, USABLE_SHARE, SystemGauge

ASSUMED_PEAK_BYTES = 1 << 30
"""What a slide's process is taken to need before any was measured."""

LEAST_LIMIT_BYTES = 512 << 20
"""No process is ended for holding less than this: its libraries alone take a third of it."""

LIMIT = 1.25
"""A process is ended that holds so many times its share; its budget keeps what is in flight below
0.7 of it."""


@dataclass(slots=True)
class Sizing:
    """How many slides are tiled at once: as many as there are cores and memory for.

    Slides at once = available × 0.7 ÷ (3 × the peak of one slide), and never more than cores.
    """

    cores: int
    """Cores of this process."""

    available_bytes: int
    """Memory that all slides together may take."""

    processes: int | None = None
    """How many slides at once, where the caller says it; None leaves it to the machine."""

    peak_bytes: int = ASSUMED_PEAK_BYTES
    """The highest peak of a slide's process that was measured."""

    _is_measured: bool = False

    @classmethod
    def of_this_machine(
        cls, *, processes: int | None = None, memory_bytes: int | None = None
    ) -> "Sizing":
        """Return the sizing of a batch that begins now, of which memory may be given."""
        available = SystemGauge().available_bytes()
        least = available if memory_bytes is None else min(available, memory_bytes)
        return cls(cores=worker_count(None), available_bytes=max(1, least), processes=processes)

    def measured(self, peak_bytes: int | None) -> None:
        """Note the peak of a slide's process; None is unknown."""
        if peak_bytes is not None:
            self.peak_bytes = max(peak_bytes, self.peak_bytes if self._is_measured else 1)
            self._is_measured = True

    def slides_at_once(self) -> int:
        """Return how many slides there is room for now."""
        if self.processes is not None:
            return max(1, self.processes)
        fitting = round(self.available_bytes * USABLE_SHARE) // (OVERHEAD * self.peak_bytes)
        return max(1, min(self.cores, fitting))

    def workers(self) -> int:
        """Return how many threads a slide gets that begins now."""
        return max(1, self.cores // self.slides_at_once())

    def share_bytes(self) -> int:
        """Return how much memory a slide gets that begins now."""
        return max(1, self.available_bytes // self.slides_at_once())

    def limit_bytes(self) -> int:
        """Return the memory at which a slide's process is ended."""
        return max(LEAST_LIMIT_BYTES, int(LIMIT * self.share_bytes()))
