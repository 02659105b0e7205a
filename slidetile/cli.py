"""The command line: parse, call, render. The only module that prints and exits."""

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from slidetile.recipe import Recipe
    from slidetile.tiling import OnProgress, Progress

OK, FAILED, USAGE, UNREADABLE = 0, 1, 2, 3

SECONDS_BETWEEN_LINES = 5.0

_LAST_WORDS = "slidetile.last_words"

_PATH = click.Path(path_type=Path, readable=False)  # what cannot be read is for a slide's row

Command = TypeVar("Command", bound=Callable[..., Any])


class _Group(click.Group):
    """Turns every foreseeable failure into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        from slidetile.batch import one_line
        from slidetile.errors import SlidetileError
        from slidetile.interrupt import Interruptible

        interruptible = Interruptible(lambda: ctx.meta.get(_LAST_WORDS, "interrupted"))
        try:
            with interruptible:
                return super().invoke(ctx)
        except KeyboardInterrupt:
            interruptible.say()
            sys.exit(interruptible.exit_code)
        except BrokenPipeError:  # whoever reads our output has seen enough: click ends quietly
            raise
        except (SlidetileError, OSError, MemoryError) as error:
            _fail(one_line(error))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slidetile")
@click.option("-v", "--verbose", is_flag=True, help="Tell more of what is done.")
def main(*, verbose: bool) -> None:
    """Find the tissue on whole slides and stream its tiles into Zarr stores.

    Exit codes: 0 all well, 1 a slide failed or a store is damaged, 2 wrong usage, 3 finished, but
    some tiles could not be read, 130 and 143 interrupted by Ctrl-C or SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):  # a file name may hold what a terminal cannot show
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("slidetile")
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # ours says what matters to a user


def _recipe_options(command: Command) -> Command:
    """Add the options that make a `Recipe`, with its names and defaults."""
    options = [
        click.option("--tile-size", default=1024, show_default=True, help="Side in pixels."),
        click.option(
            "--min-tissue-fraction",
            default=0.05,
            show_default=True,
            help="Leave out tiles with a smaller share of tissue; 0 keeps all.",
        ),
        click.option(
            "--codec",
            type=click.Choice(["auto", "native", "zstd", "jpeg", "raw"]),
            default="auto",
            show_default=True,
            help="auto copies the slide's own tiles where it can, else zstd.",
        ),
        click.option(
            "--quality", type=click.IntRange(1, 100), help="Of the codec jpeg.  [default: 90]"
        ),
        click.option(
            "--tissue-mpp",
            default=8.0,
            show_default=True,
            help="Look for tissue at this resolution, in µm per pixel.",
        ),
        click.option(
            "--slide-mpp",
            type=float,
            help="µm per pixel of the slide, where its own value is missing or wrong.",
        ),
        click.option(
            "--reader", type=click.Choice(["tiff", "openslide"]), help="Insist on a reader."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class _Bytes(click.ParamType[int]):
    """A number of bytes with a unit, such as 2GB or 512MiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*([0-9.]+)\s*([kMGT]?)(i?)B?\s*", value, re.IGNORECASE)
        if match is None or match[1].count(".") > 1:
            self.fail(f"{value!r} is no size such as 2GB or 512MiB.", param, ctx)
        power = " kmgt".index(match[2].lower() or " ")
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def _writing_options(command: Command) -> Command:
    """Add the options that make `WriteOptions`, and the number of workers."""
    options = [
        click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core."),
        click.option("--overwrite", is_flag=True, help="Replace a finished store."),
        click.option("--restart", is_flag=True, help="Throw away an unfinished store."),
        click.option(
            "--durable",
            is_flag=True,
            help="Sync all to the disk before a store gets its name: safe from power failures.",
        ),
        click.option(
            "--anonymous", is_flag=True, help="Leave the file name and free text out of the store."
        ),
        click.option(
            "--memory",
            type=_Bytes(),
            help="Hold at most this much, such as 2GB; what is really free unless given.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


_json_option = click.option(
    "--json", "as_json", is_flag=True, help="For machines: JSON, nothing else."
)


@main.command()
@click.argument("path", type=_PATH)
@click.option("--reader", type=click.Choice(["tiff", "openslide"]), help="Insist on a reader.")
@click.option("--slide-mpp", type=float, help="µm per pixel of the slide.")
@_json_option
def info(*, path: Path, reader: str | None, slide_mpp: float | None, as_json: bool) -> None:
    """Tell what a slide or a store is."""
    from slidetile.facts import slide_facts, store_facts
    from slidetile.folder import STORE_SUFFIX
    from slidetile.readers import open_slide
    from slidetile.store import open_store

    if path.is_dir() or path.suffix == STORE_SUFFIX:
        facts = store_facts(open_store(path))
    else:
        with _usage_errors(), open_slide(path, reader=reader, mpp=slide_mpp) as slide:
            facts = slide_facts(slide)
    _show(facts, as_json=as_json)


@main.command()
@click.argument("slide", type=_PATH)
@_recipe_options
@click.option("-o", "--output", type=_PATH, help="Where the store would be.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core.")
@click.option("--preview", type=_PATH, help="Draw mask and grid into this PNG.")
@_json_option
def plan(
    *,
    slide: Path,
    output: Path | None,
    workers: int | None,
    preview: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Tell what tiling a slide would take, without writing a store."""
    from slidetile.estimate import estimate
    from slidetile.facts import plan_facts
    from slidetile.preview import png

    recipe = _recipe(**options)
    with _usage_errors(), recipe.open(slide) as opened:
        tiles = recipe.plan(opened)
        target = output or _default_store(slide)
        cost = estimate(opened, tiles, target, codec=recipe.codec, workers=workers)
    if preview is not None:
        preview.write_bytes(png(tiles.picture()))
    _show(plan_facts(tiles, cost, preview), as_json=as_json)
    if not cost.fits:
        _warn(f"only {_bytes(cost.free_bytes)} are free where the store would lie")


@main.command()
@click.argument("slide", type=_PATH)
@_recipe_options
@_writing_options
@click.option(
    "-o",
    "--output",
    type=_PATH,
    help="The store; SLIDE.zarr here unless given.",
)
@_json_option
def tile(
    *,
    slide: Path,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find a slide's tissue and write its tiles into a store."""
    from slidetile.facts import store_facts
    from slidetile.recipe import tile_slide

    target = output or _default_store(slide)
    _set_last_words(f"{target} continues where it stopped", restart=options["restart"])
    writing = _take_writing_options(options)
    recipe = _recipe(**options)
    begin = time.perf_counter()
    with _usage_errors(), _progress(quiet=as_json) as progress:
        store = tile_slide(slide, target, recipe, on_progress=progress, **writing)
    seconds = round(time.perf_counter() - begin, 2)
    facts = {**store_facts(store), "seconds": seconds, **progress.memory_facts()}
    _show(facts, as_json=as_json)
    if facts["unreadable"]:
        _warn(f"unreadable tiles: {facts['unreadable']}; the table says which")
        sys.exit(UNREADABLE)


@main.command()
@click.argument("store", type=_PATH)
@click.option("--slide", type=_PATH, help="Compare the pixels with those of this slide.")
@click.option("--deep", is_flag=True, help="Decode every chunk.")
@click.option("--reader", type=click.Choice(["tiff", "openslide"]), help="Of the slide.")
@_json_option
def verify(
    *, store: Path, slide: Path | None, deep: bool, reader: str | None, as_json: bool
) -> None:
    """Look for everything that is wrong with a store; exit code 1 where there is something."""
    from slidetile.readers import open_slide
    from slidetile.store import open_store
    from slidetile.verify import verify_store

    with ExitStack() as stack:
        opened = None if slide is None else stack.enter_context(open_slide(slide, reader=reader))
        findings = verify_store(store, slide=opened, deep=deep)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(f"findings: {len(findings)}")
    if findings:
        sys.exit(FAILED)
    statuses = open_store(store).tiles["status"].to_pylist()
    if unreadable := len(statuses) - statuses.count("ok"):
        _warn(f"tiles the slide could not give: {unreadable}; the store says so and is intact")


@main.command()
@click.argument("slides", nargs=-1, required=True, type=_PATH)
@_recipe_options
@_writing_options
@click.option("-o", "--output", required=True, type=_PATH, help="Folder of the stores.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Slides at a time, each in a process of its own.",
)
@_json_option
def batch(
    *,
    slides: tuple[Path, ...],
    output: Path,
    processes: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Tile many slides, or folders of them; a bad one gets its row and the rest goes on."""
    from slidetile.batch import SUMMARY_NAME, tile_slides

    how = "begins anew, to overwrite" if options["overwrite"] else "continues where it stopped"
    _set_last_words(f"the batch {how}", restart=options["restart"])
    writing = _take_writing_options(options)
    with _usage_errors():
        report = tile_slides(
            slides,
            output,
            _recipe(**options),
            processes=processes,
            on_result=None if as_json else _tell_result,
            **writing,
        )
    if as_json:
        click.echo(json.dumps([asdict(result) for result in report.results], indent=2))
    else:
        _show_table(report.results)
        click.echo(f"summary: {output / SUMMARY_NAME}")
    if not report.results:
        _fail(f"no slides found in {', '.join(map(str, slides))}")
    sys.exit(FAILED if report.failed else UNREADABLE if report.incomplete else OK)


def _recipe(
    *, tile_size: int, min_tissue_fraction: float, codec: str, quality: int | None, **others: Any
) -> "Recipe":
    from slidetile.codecs import JpegCodec
    from slidetile.plan import TileSpec
    from slidetile.recipe import Recipe

    if quality is not None and codec != "jpeg":
        raise click.UsageError(f"--quality is of --codec jpeg, but the codec is {codec}.")
    with _usage_errors():
        spec = TileSpec(size=tile_size, min_tissue_fraction=min_tissue_fraction)
        chosen: Any = codec if quality is None else JpegCodec(quality=quality)
        return Recipe(tile=spec, codec=chosen, **others)


def _take_writing_options(options: dict[str, Any]) -> dict[str, Any]:
    """Take out of a command's options those about writing, and return them as keywords."""
    from slidetile.tiling import WriteOptions

    overwrite, restart = options.pop("overwrite"), options.pop("restart")
    if overwrite and restart:
        raise click.UsageError(
            "--overwrite replaces a finished store, --restart throws away an unfinished one: "
            "give the one you mean."
        )
    with _usage_errors():
        write_options = WriteOptions(
            existing="overwrite" if overwrite else "restart" if restart else "continue",
            anonymous=options.pop("anonymous"),
            memory_bytes=options.pop("memory"),
            durable=options.pop("durable"),
        )
    return {"workers": options.pop("workers"), "options": write_options}


def _set_last_words(how: str, *, restart: bool) -> None:
    """Have the command say how it goes on, should it be interrupted."""
    again = f"run the same command again{', without --restart' if restart else ''}"
    click.get_current_context().meta[_LAST_WORDS] = f"interrupted: {how}: {again}"


def _default_store(slide: Path) -> Path:
    from slidetile.folder import store_names

    return Path(store_names([slide])[0])


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Report a value out of its range as wrong usage."""
    try:
        yield
    except ValueError as error:
        logging.getLogger(__name__).debug("usage error", exc_info=True)
        raise click.UsageError(str(error)) from error


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(FAILED)


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)


class _Shown:
    """Shows progress, and keeps the last for the summary."""

    def __init__(self, show: "OnProgress") -> None:
        self._show = show
        self._last: Progress | None = None

    def __call__(self, progress: "Progress") -> None:
        self._last = progress
        self._show(progress)

    def memory_facts(self) -> dict[str, Any]:
        assert self._last is not None, "a run reports at least once"
        return asdict(self._last.memory)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[_Shown]:
    """Give a function that shows progress: a bar on a terminal, a line now and then elsewhere."""
    if quiet:
        yield _Shown(lambda _: None)
    elif not sys.stderr.isatty():
        yield _Shown(_PlainProgress())
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

            yield _Shown(show)


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


def _show(facts: dict[str, Any], *, as_json: bool) -> None:
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
        return _bytes(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_readable(name, item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_readable(key, item)}" for key, item in value.items())
    return str(value)


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _tell_result(result: Any) -> None:
    ending = result.reason or f"{result.tiles} tiles, {result.codec}, {_bytes(result.bytes)}"
    click.echo(f"{result.slide}: {result.status}: {ending} ({result.seconds:.1f} s)", err=True)


def _show_table(results: Any) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    slide, reason = (Column(name, overflow="fold") for name in ("slide", "reason"))
    table = Table(slide, "status", "tiles", "unreadable", "size", "seconds", reason)
    for result in results:
        numbers = str(result.tiles), str(result.unreadable), _bytes(result.bytes)
        cells = result.slide, result.status, *numbers, f"{result.seconds:.1f}", result.reason
        table.add_row(*map(Text, cells))
    console = Console()
    if not console.is_terminal:
        console.width = table.__rich_measure__(console, console.options.update(width=9999)).maximum
    console.print(table)
