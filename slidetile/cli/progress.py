"""The progress of a run: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from slidetile.cli.bar import BarProgress, show_bar
from slidetile.cli.quantities import bytes_per_second, counted, tiles_per_second
from slidetile.cli.show import say
from slidetile.counts import how_many

if TYPE_CHECKING:
    from slidetile.runtime.governor import MemoryUse
    from slidetile.writing.options import OnProgress, Progress

SECONDS_BETWEEN_LINES = 5.0


class ShownProgress:
    """Shows progress, and keeps the last report for the summary."""

    def __init__(self, show: "OnProgress") -> None:
        self._show = show
        self._last: Progress | None = None

    def __call__(self, progress: "Progress") -> None:
        """Show the progress of a run."""
        self._last = progress
        self._show(progress)

    @property
    def memory(self) -> "MemoryUse | None":
        """The memory that the run used; None where there was nothing to do."""
        return None if self._last is None else self._last.memory


@contextmanager
def show_progress(*, quiet: bool, things: str = "tiles") -> Iterator[ShownProgress]:
    """Yield a function that shows progress; ``things`` are what is counted."""
    if quiet:
        yield ShownProgress(lambda _: None)
    elif not sys.stderr.isatty():
        yield ShownProgress(_PlainProgress(things))
    else:
        with show_bar() as bar:
            yield ShownProgress(BarProgress(bar, things, things=things))


class _PlainProgress:
    """Writes a line every few seconds, for logs."""

    def __init__(self, things: str) -> None:
        self._things = things
        self._begin = self._last = time.perf_counter()

    def __call__(self, progress: "Progress") -> None:
        now = time.perf_counter()
        is_last = progress.shards_done == progress.shards_total
        if now - self._last < SECONDS_BETWEEN_LINES and not is_last:
            return
        self._last = now
        seconds = max(1e-6, now - self._begin)
        say(
            f"{counted(progress.tiles_done)}/{how_many(progress.tiles_total, self._things)}, "
            f"{tiles_per_second(progress.tiles_done / seconds, self._things)}, "
            f"{bytes_per_second(progress.bytes_written / seconds)}",
            err=True,
        )
