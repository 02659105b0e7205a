"""Progress bars of a terminal."""

import time
from typing import TYPE_CHECKING, Any

from slidetile.cli.quantities import bytes_per_second, size_bytes, tiles_per_second

if TYPE_CHECKING:
    from slidetile.writing.options import Progress


class BarProgress:
    """Moves a progress bar of rich."""

    def __init__(self, bar: Any, name: str = "tiles", *, things: str = "tiles") -> None:
        self._bar = bar
        self._task = bar.add_task(name, total=None, size="", speed="", of_tiles=True, things=things)
        self._begin = time.perf_counter()

    def __call__(self, progress: "Progress") -> None:
        """Move the bar."""
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


def show_bar() -> Any:
    """Return the bars of a run, to be entered."""
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
            is_tiles = task.fields["of_tiles"]
            if not is_tiles:
                return Text("")
            return Text(tiles_per_second(task.speed or 0, task.fields["things"]))

    return TilesPerSecond()
