"""What commands show: progress, facts, tables, warnings and errors."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from slidetile.cohort.batch import SlideResult
    from slidetile.verify.finding import Finding
    from slidetile.writing.options import OnProgress, Progress

OK, FAILED, USAGE, UNREADABLE = 0, 1, 2, 3

SECONDS_BETWEEN_LINES = 5.0


def fail(message: str) -> NoReturn:
    """Say what went wrong, and exit."""
    click.echo(f"error: {message}", err=True)
    sys.exit(FAILED)


def warn(message: str) -> None:
    """Say what the user should know, and go on."""
    click.echo(f"warning: {message}", err=True)


class ShownProgress:
    """Shows progress, and keeps the last for the summary."""

    def __init__(self, show: "OnProgress") -> None:
        self._show = show
        self._last: Progress | None = None

    def __call__(self, progress: "Progress") -> None:
        """Show how far a run is."""
        self._last = progress
        self._show(progress)

    def memory_facts(self) -> dict[str, Any]:
        """Tell what the run took of memory."""
        assert self._last is not None, "a run reports at least once"
        return asdict(self._last.memory)


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[ShownProgress]:
    """Give a function that shows progress: a bar on a terminal, a line now and then elsewhere."""
    if quiet:
        yield ShownProgress(lambda _: None)
    elif not sys.stderr.isatty():
        yield ShownProgress(_PlainProgress())
    else:
        with _bar() as bar:
            task = bar.add_task("tiles", total=None, megabytes=0.0, speed=0.0)
            begin = time.perf_counter()

            def show(progress: "Progress") -> None:
                megabytes = progress.bytes_written / 1e6
                bar.update(
                    task,
                    total=progress.tiles_total,
                    completed=progress.tiles_done,
                    megabytes=megabytes,
                    speed=megabytes / max(1e-6, time.perf_counter() - begin),
                )

            yield ShownProgress(show)


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
        TextColumn("{task.fields[megabytes]:.0f} MB"),
        TextColumn("{task.fields[speed]:.0f} MB/s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _tiles_per_second_column() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class TilesPerSecond(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.0f} tiles/s")

    return TilesPerSecond()


class _PlainProgress:
    """Writes a line every few seconds, for logs."""

    def __init__(self) -> None:
        self._begin = self._said = time.perf_counter()

    def __call__(self, progress: "Progress") -> None:
        now = time.perf_counter()
        is_last = progress.shards_done == progress.shards_total
        if now - self._said < SECONDS_BETWEEN_LINES and not is_last:
            return
        self._said = now
        seconds = max(1e-6, now - self._begin)
        click.echo(
            f"{progress.tiles_done}/{progress.tiles_total} tiles, "
            f"{progress.tiles_done / seconds:.0f} tiles/s, "
            f"{progress.bytes_written / seconds / 1e6:.0f} MB/s",
            err=True,
        )


def show_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print facts: as JSON, or a line each."""
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' '):{width}}  {_readable(name, value)}")


def _readable(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if name.endswith("bytes"):
        return readable_bytes(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_readable(name, item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_readable(key, item)}" for key, item in value.items())
    return str(value)


def readable_bytes(count: int) -> str:
    """Write a number of bytes with a unit, in four digits or so."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def show_findings(findings: Sequence["Finding"], *, as_json: bool) -> None:
    """Print what is wrong with a store: as JSON, or a line each and their number."""
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    for finding in findings:
        click.echo(str(finding))
    click.echo(f"findings: {len(findings)}")


def tell_result(result: "SlideResult") -> None:
    """Print how a slide of a batch ended."""
    size = readable_bytes(result.bytes)
    ending = result.reason or f"{result.tiles} tiles, {result.codec}, {size}"
    click.echo(f"{result.slide}: {result.status}: {ending} ({result.seconds:.1f} s)", err=True)


def show_results(results: Sequence["SlideResult"], summary: Path, *, as_json: bool) -> None:
    """Print how a batch ended: as JSON, or a table and where its summary is."""
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2))
        return
    _show_table(results)
    click.echo(f"summary: {summary}")


def _show_table(results: Sequence["SlideResult"]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    slide, reason = (Column(name, overflow="fold") for name in ("slide", "reason"))
    table = Table(slide, "status", "tiles", "unreadable", "size", "seconds", reason)
    for result in results:
        numbers = str(result.tiles), str(result.unreadable), readable_bytes(result.bytes)
        cells = result.slide, result.status, *numbers, f"{result.seconds:.1f}", result.reason
        table.add_row(*map(Text, cells))
    console = Console()
    if not console.is_terminal:
        console.width = table.__rich_measure__(console, console.options.update(width=9999)).maximum
    console.print(table)
