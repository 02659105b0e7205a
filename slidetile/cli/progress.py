"""The progress of a run: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slidetile.cli.plain import printable
from slidetile.cli.quantities import bytes_per_second, counted, size_bytes, tiles_per_second
from slidetile.cli.show import result_line, say
from slidetile.counts import how_many

if TYPE_CHECKING:
    from slidetile.cohort.batch import SlideResult
    from slidetile.runtime.governor import MemoryUse
    from slidetile.writing.options import OnProgress, Progress

SECONDS_BETWEEN_LINES = 5.0

SECONDS_BETWEEN_BATCH_LINES = 30.0
"""In a batch each slide's result is a line, too."""


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


class ShownBatch:
    """Shows nothing of a batch but what its subclasses show."""

    def result(self, result: "SlideResult") -> None:
        """Show what became of a slide."""

    def progress(self, slide: str, progress: "Progress") -> None:
        """Show how far a slide is."""


@contextmanager
def show_batch(*, quiet: bool, slides: int) -> Iterator[ShownBatch]:
    """Yield what shows the results and the progress of a batch."""
    if quiet:
        yield ShownBatch()
    elif not sys.stderr.isatty():
        yield _PlainBatch(slides)
    else:
        with _bar() as bar:
            yield _BarBatch(bar, slides)


class _PlainBatch(ShownBatch):
    """Writes a line for each result, and now and then one for a slide that takes long."""

    def __init__(self, slides: int) -> None:
        self._slides = slides
        self._done = 0
        self._last = time.perf_counter()

    def result(self, result: "SlideResult") -> None:
        self._done += 1
        self._last = time.perf_counter()
        say(result_line(result), err=True)

    def progress(self, slide: str, progress: "Progress") -> None:
        now = time.perf_counter()
        if now - self._last < SECONDS_BETWEEN_BATCH_LINES:
            return
        self._last = now
        tiles = f"{counted(progress.tiles_done)}/{how_many(progress.tiles_total, 'tiles')}"
        slides = f"{counted(self._done)}/{how_many(self._slides, 'slides')}"
        say(f"{slides}; {slide}: {tiles}", err=True)


class _BarBatch(ShownBatch):
    """Moves a bar for the slides, and one for each slide that is being tiled."""

    def __init__(self, bar: Any, slides: int) -> None:
        self._bar = bar
        self._task = bar.add_task("slides", total=slides, size="", speed="")
        self._running: dict[str, _BarProgress] = {}

    def result(self, result: "SlideResult") -> None:
        from rich.text import Text

        if (running := self._running.pop(result.slide, None)) is not None:
            running.remove()
        self._bar.advance(self._task)
        self._bar.console.print(Text(printable(result_line(result))))

    def progress(self, slide: str, progress: "Progress") -> None:
        if slide not in self._running:
            self._running[slide] = _BarProgress(self._bar, printable(Path(slide).name))
        self._running[slide](progress)


class _BarProgress:
    """Moves a progress bar of rich."""

    def __init__(self, bar: Any, name: str = "tiles") -> None:
        self._bar = bar
        self._task = bar.add_task(name, total=None, size="", speed="")
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

    def remove(self) -> None:
        """Take the bar away."""
        self._bar.remove_task(self._task)


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
        say(
            f"{counted(progress.tiles_done)}/{how_many(progress.tiles_total, 'tiles')}, "
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
        TextColumn("{task.description}", markup=False),  # it may be a file's name
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
            is_tiles = task.fields["size"] != ""
            return Text(tiles_per_second(task.speed or 0) if is_tiles else "")

    return TilesPerSecond()
