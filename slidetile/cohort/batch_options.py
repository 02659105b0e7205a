"""How a batch is carried out: processes, time limits, retries, threads."""

from dataclasses import dataclass

from slidetile.runtime.cpus import worker_count


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """How a batch is carried out; nothing of it changes what is in a store.

    Raises
    ------
    ValueError
        ``processes`` or ``retries`` is negative, ``workers`` less than 1, or ``timeout_s`` not
        above 0, or given with ``processes`` of 0.
    """

    processes: int | None = None
    """Slides tiled at once, each in a process of its own; None as many as there are cores and
    memory for. 0 tiles them one after another in the calling process."""

    timeout_s: float | None = None
    """Seconds that a slide may take, with the start of its process; None is for ever."""

    retries: int = 0
    """How often a slide is tried again whose failure may pass; see `may_pass`."""

    workers: int | None = None
    """Threads for each slide; None divides the cores among the processes."""

    def __post_init__(self) -> None:
        for name in ("processes", "retries"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must be 0 or more, but it is {getattr(self, name)}.")
        worker_count(self.workers)
        if self.timeout_s is None:
            return
        if not self.timeout_s > 0:
            raise ValueError(f"timeout_s must be more than 0 seconds, but it is {self.timeout_s}.")
        if self.processes == 0:
            raise ValueError(
                "A time limit for a slide ends its process, so it needs processes (--processes) of "
                "1 or more, but this is 0: the slides are tiled in the calling process."
            )
