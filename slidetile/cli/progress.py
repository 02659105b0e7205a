"""The progress of a run: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from slidetile.cli.quantities import bytes_per_second, counted, size_bytes, tiles_per_second

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
def show_progress(*, quiet: bool) -> Iterator[ShownProgress]:
    """Yield a function that shows progress."""
    if quiet:
        yield ShownProgress(lambda _: None)
    elif not sys.stderr.isatty():
        yield ShownProgress(_PlainProgress())
    else:
        with _bar() as bar:
            yield ShownProgress(_BarProgress(bar))


class _BarProgress:
    """Moves a progress bar of rich."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("tiles", total=None, size="", speed="")
        self._begin = time.perf_counter()

    def __call__(self, progress: "Progress") -> None:
        seconds = max(1e-6, time.perf_counter() - self._begin)
        self._bar.update(
            self._task,
            total=progress.tiles_total,
            completed=progress.tiles_done,
            size=size_bytes(progress.bytes_written),
            speed=bytes_per_second(progress.bytes_written / seconds),
        )


class _PlainProgress:
    """Writes a line every few seconds, for logs."""

    def __init__(self) -> None:
        self._begin = self._last = time.perf_counter()

    def __call__(self, progress: "Progress") -> None:
        now = time.perf_counter()
        is_last = progress.shards_done == progress.shards_total
        if now - self._last < SECONDS_BETWEEN_LINES and not is_last:
            return
        self._last = now
        seconds = max(1e-6, now - self._begin)
        click.echo(
            f"{counted(progress.tiles_done)}/{counted(progress.tiles_total)} tiles, "
            f"{tiles_per_second(progress.tiles_done / seconds)}, "
            f"{bytes_per_second(progress.bytes_written / seconds)}",
            err=True,
        )


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _tiles_per_second_column(),
        TextColumn("{task.fields[size]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _tiles_per_second_column() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class TilesPerSecond(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(tiles_per_second(task.speed or 0))

    return TilesPerSecond()
