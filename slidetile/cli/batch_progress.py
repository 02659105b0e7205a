"""The progress of a batch: bars on a terminal, plain lines elsewhere, JSON for log collectors."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slidetile.cli.bar import BarProgress, show_bar
from slidetile.cli.json_log import tell_event
from slidetile.cli.plain import printable
from slidetile.cli.quantities import counted, duration
from slidetile.cli.show import result_line, say
from slidetile.counts import how_many

if TYPE_CHECKING:
    from slidetile.cloud.address import Location
    from slidetile.cohort.result import SlideResult
    from slidetile.writing.options import Progress

SECONDS_BETWEEN_LINES = 1.0
"""In a log file there is at most one line a second, but for slides that failed."""

SECONDS_WITHOUT_LINES = 30.0
"""So long nothing is written while slides take long."""


class Pace:
    """How far a batch is, in slides and in pixels.

    Parameters
    ----------
    slides
        Slides of the batch.
    tile_px
        Width and height of a tile, in pixels.
    """

    def __init__(self, slides: int, tile_px: int) -> None:
        self.slides = slides
        self.done = 0
        self.failed = 0
        self._tile_mp = tile_px * tile_px / 1e6
        self._mp = 0.0
        self._worked = self._skipped = 0
        self._running: dict[str, Progress] = {}
        self._begin_s = time.perf_counter()

    def result(self, result: "SlideResult") -> None:
        """Note a slide that has ended."""
        self.done += 1
        if result.status == "already done" and self._worked == 0 and not self._running:
            self._begin_s = time.perf_counter()  # those that are done say nothing of the pace
            self._skipped += 1
        else:
            self._worked += 1
        self.failed += result.status == "failed"
        self._running.pop(result.slide, None)
        if result.status in ("ok", "unreadable tiles"):
            self._mp += result.tiles * self._tile_mp

    def progress(self, slide: str, progress: "Progress") -> None:
        """Note how far a slide is."""
        self._running[slide] = progress

    @property
    def slides_done(self) -> float:
        """Slides that have ended, and the parts of those in hand."""
        parts = (each.tiles_done / max(1, each.tiles_total) for each in self._running.values())
        return min(self.slides, self.done + sum(parts))

    @property
    def mp_per_s(self) -> float:
        """Megapixels of tiles written in a second."""
        under_way = sum(each.tiles_done for each in self._running.values()) * self._tile_mp
        return (self._mp + under_way) / max(1e-6, time.perf_counter() - self._begin_s)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the pace so far; None where there is none yet."""
        worked = self.slides_done - self._skipped
        if worked <= 0:
            return None
        elapsed = time.perf_counter() - self._begin_s
        return elapsed * (self.slides - self.slides_done) / worked

    @property
    def speed(self) -> str:
        """The pace in words."""
        return f"{self.mp_per_s:,.0f} MP/s"


class ShownBatch:
    """Shows nothing of a batch but what its subclasses show."""

    def result(self, result: "SlideResult") -> None:
        """Show what became of a slide."""

    def progress(self, slide: str, progress: "Progress") -> None:
        """Show how far a slide is."""


@contextmanager
def show_batch(
    folder: "Location", *, quiet: bool, slides: int, tile_px: int, as_log: bool = False
) -> Iterator[ShownBatch]:
    """Yield what shows the results and the progress of a batch, whose output is a folder."""
    pace = Pace(slides, tile_px)
    if as_log:
        yield _JsonBatch(pace)
    elif quiet:
        yield ShownBatch()
    elif not sys.stderr.isatty():
        plain = PlainBatch(pace, folder)
        try:
            yield plain
        finally:
            plain.end()
    else:
        with show_bar() as bar:
            yield _BarBatch(bar, pace, folder)


class PlainBatch(ShownBatch):
    """Writes lines for a log: what failed at once, all else at most one line a second."""

    def __init__(self, pace: Pace, folder: "Location") -> None:
        self._pace = pace
        self._folder = folder
        self._last_s = time.perf_counter() - SECONDS_BETWEEN_LINES
        self._untold: list[SlideResult] = []

    def result(self, result: "SlideResult") -> None:
        """Show what became of a slide, now or with the next line."""
        self._pace.result(result)
        if result.status == "failed":
            self._tell(result_line(result, self._folder))
            return
        self._untold.append(result)
        if time.perf_counter() - self._last_s >= SECONDS_BETWEEN_LINES:
            self.end()

    def progress(self, slide: str, progress: "Progress") -> None:
        """Show how far the batch is, where nothing was written for long."""
        self._pace.progress(slide, progress)
        if time.perf_counter() - self._last_s >= SECONDS_WITHOUT_LINES:
            tiles = f"{counted(progress.tiles_done)}/{how_many(progress.tiles_total, 'tiles')}"
            self._tell(f"{self._position()}; {slide}: {tiles}")

    def end(self) -> None:
        """Write what no line has told yet."""
        if not self._untold:
            return
        if len(self._untold) == 1:
            self._tell(result_line(self._untold[0], self._folder))
        else:
            statuses = Counter(result.status for result in self._untold)
            kinds = ", ".join(f"{counted(count)} {status}" for status, count in statuses.items())
            self._tell(f"{self._position()}; {kinds}, the last: {self._untold[-1].slide}")
        self._untold.clear()

    def _position(self) -> str:
        left = self._pace.seconds_left
        told = [f"{counted(self._pace.done)}/{how_many(self._pace.slides, 'slides')}"]
        if self._pace.failed:
            told.append(f"{counted(self._pace.failed)} failed")
        told.append(self._pace.speed)
        if left is not None and self._pace.done < self._pace.slides:
            told.append(f"about {duration(left)} left")
        return ", ".join(told)

    def _tell(self, line: str) -> None:
        self._last_s = time.perf_counter()
        say(line, err=True)


class _JsonBatch(ShownBatch):
    """Writes an event for each slide that ends."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def result(self, result: "SlideResult") -> None:
        self._pace.result(result)
        facts = asdict(result)
        facts["columns"] = dict(result.columns)
        done = {"slides_done": self._pace.done, "slides": self._pace.slides}
        tell_event("slide", {**facts, **done, "mp_per_s": round(self._pace.mp_per_s, 1)})

    def progress(self, slide: str, progress: "Progress") -> None:
        self._pace.progress(slide, progress)


class _BarBatch(ShownBatch):
    """Moves a bar for the slides, and one for each slide that is being tiled."""

    def __init__(self, bar: Any, pace: Pace, folder: "Location") -> None:
        self._bar = bar
        self._folder = folder
        self._pace = pace
        self._task = bar.add_task("slides", total=pace.slides, size="", speed="", of_tiles=False)
        self._running: dict[str, BarProgress] = {}

    def result(self, result: "SlideResult") -> None:
        from rich.text import Text

        self._pace.result(result)
        if (running := self._running.pop(result.slide, None)) is not None:
            running.remove()
        self._move()
        if result.status != "already done":
            self._bar.console.print(Text(printable(result_line(result, self._folder))))

    def progress(self, slide: str, progress: "Progress") -> None:
        self._pace.progress(slide, progress)
        if slide not in self._running:
            self._running[slide] = BarProgress(self._bar, printable(Path(slide).name))
        self._running[slide](progress)
        self._move()

    def _move(self) -> None:
        failed = f"{counted(self._pace.failed)} failed" if self._pace.failed else ""
        self._bar.update(
            self._task, completed=self._pace.slides_done, size=failed, speed=self._pace.speed
        )
