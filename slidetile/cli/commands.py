"""The commands of the command line: they parse, call and render.

Longer than 300 lines, because all commands are here.
"""

import logging
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slidetile.cli.limits import check_address_space, fail_if_out_of_space, save_address_space
from slidetile.cli.options import (
    PATH,
    json_option,
    make_recipe,
    reader_option,
    recipe_options,
    take_writing_options,
    usage_errors,
    writing_options,
)
from slidetile.cli.progress import show_progress
from slidetile.cli.quantities import counted, size_bytes
from slidetile.cli.show import (
    FAILED,
    OK,
    UNREADABLE,
    fail,
    promise_json,
    show_document,
    show_error,
    show_facts,
    show_findings,
    show_result,
    show_results,
    warn,
)

if TYPE_CHECKING:
    from slidetile.planning.plan import TilePlan

_LAST_WORDS = "slidetile.last_words"


class _Group(click.Group):
    """Reports every expected failure as one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        from slidetile.cli.interrupt import Interruptible
        from slidetile.errors import SlidetileError, explain
        from slidetile.runtime.heap import tune_heap

        promise_json(ctx, as_json="--json" in ctx.args)
        tune_heap()
        save_address_space()
        interruptible = Interruptible(lambda: ctx.meta.get(_LAST_WORDS, "interrupted"))
        try:
            with interruptible:
                return super().invoke(ctx)
        except BaseException as error:
            # A signal causes every error that follows it: ctypes, for one, turns a
            # KeyboardInterrupt into an error of its own.
            if interruptible.was_interrupted or isinstance(error, KeyboardInterrupt):
                interruptible.say()
                sys.exit(interruptible.exit_code)
            is_expected = isinstance(error, SlidetileError | OSError | MemoryError)
            fail_if_out_of_space(error)
            if is_expected and not isinstance(error, BrokenPipeError):  # click ends quietly
                fail(explain(error), kind=type(error).__name__)
            if isinstance(error, click.UsageError):
                show_error("UsageError", error.format_message())
            raise


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slidetile")
@click.option("-v", "--verbose", is_flag=True, help="Log every step.")
def main(*, verbose: bool) -> None:
    """Find the tissue on whole slides and stream its tiles into Zarr stores.

    Exit codes: 0 success, 1 a slide failed or a store is damaged, 2 wrong usage, 3 finished, but
    some tiles could not be read, 130 and 143 interrupted by Ctrl-C or SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):  # terminals cannot show all file names
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("slidetile")
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # our own log says what matters


@main.command()
@click.argument("path", type=PATH)
@reader_option
@click.option("--slide-mpp", type=float, help="µm per pixel of the slide's level 0.")
@json_option
def info(*, path: Path, reader: str | None, slide_mpp: float | None, as_json: bool) -> None:
    """Show what a slide or a store is."""
    from slidetile.cli import facts, sentences
    from slidetile.slides.opening import open_slide
    from slidetile.store.store import open_store, seems_store

    if seems_store(path):
        stored = facts.store_facts(open_store(path))
        show_facts(stored, sentences.store_lines(stored), as_json=as_json)
        return
    with usage_errors(), open_slide(path, reader=reader, mpp=slide_mpp) as slide:
        read = facts.slide_facts(slide, path)
    show_facts(read, sentences.slide_lines(read), as_json=as_json)


@main.command()
@click.argument("slide", type=PATH)
@recipe_options
@click.option("-o", "--output", type=PATH, help="Path that the store would have.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core.")
@click.option("--preview", type=PATH, help="Draw the tissue mask and the tiles into this PNG.")
@click.option("--geojson", type=PATH, help="Write tissue outlines and tiles for QuPath.")
@json_option
def plan(
    *,
    slide: Path,
    output: Path | None,
    workers: int | None,
    preview: Path | None,
    geojson: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Estimate what tiling a slide would take, without writing a store."""
    from slidetile.annotations.export import export_plan
    from slidetile.cli.facts import plan_facts
    from slidetile.cli.sentences import plan_lines
    from slidetile.cohort.folder import store_name
    from slidetile.raster.drawing import png
    from slidetile.writing.estimate import estimate

    recipe = make_recipe(**options)
    target = output or Path(store_name(slide))
    with usage_errors(), recipe.open(slide) as opened:
        tiles = recipe.plan(opened)
        cost = estimate(opened, tiles, target, codec=recipe.codec, workers=workers)
        if geojson is not None:
            export_plan(opened, tiles, geojson)
    if preview is not None:
        preview.write_bytes(png(tiles.picture()))
    facts = plan_facts(
        opened,
        tiles,
        cost,
        slide_path=slide,
        store_path=target,
        preview_path=preview,
        geojson_path=geojson,
    )
    show_facts(facts, plan_lines(facts), as_json=as_json)
    if not cost.fits:
        warn(
            f"the store takes {size_bytes(cost.bytes)}, but only {size_bytes(cost.free_bytes)} "
            "are free where it would be written; choose another output"
        )


@main.command()
@click.argument("slide", type=PATH)
@recipe_options
@writing_options
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="The store.  [default: SLIDE.zarr in the current folder]",
)
@json_option
def tile(
    *,
    slide: Path,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find a slide's tissue and write its tiles into a store."""
    check_address_space()
    from slidetile.cli.facts import tile_facts
    from slidetile.cli.sentences import tile_lines
    from slidetile.cohort.folder import store_name
    from slidetile.recipe import tile_slide

    target = output or Path(store_name(slide))
    _set_last_words(f"{target} continues where it stopped", restart=options["restart"])
    writing = take_writing_options(options)
    recipe = make_recipe(**options)
    begin = time.perf_counter()
    plans: list[TilePlan] = []
    with usage_errors(), show_progress(quiet=as_json) as progress:
        store = tile_slide(
            slide, target, recipe, on_progress=progress, on_plan=plans.append, **writing
        )
    left_out = [each for plan in plans for each in plan.left_out]
    facts = tile_facts(store, time.perf_counter() - begin, progress.memory, left_out)
    show_facts(facts, tile_lines(facts), as_json=as_json)
    if store.unreadable:
        warn(
            f"unreadable tiles: {counted(store.unreadable)}; "
            "see the column status of the tile table"
        )
        sys.exit(UNREADABLE)


@main.command()
@click.argument("store", type=PATH)
@click.option("--slide", type=PATH, help="Compare the store's pixels with this slide's.")
@click.option("--deep", is_flag=True, help="Decode every chunk.")
@reader_option
@click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core.")
@json_option
def verify(
    *,
    store: Path,
    slide: Path | None,
    deep: bool,
    reader: str | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Check a store for damage and errors; the exit code is 1 if there are any."""
    from slidetile.cli.facts import verify_facts
    from slidetile.slides.opening import open_slide
    from slidetile.store.store import open_store
    from slidetile.verify.verify import verify_store

    with ExitStack() as stack:
        opened = None if slide is None else stack.enter_context(open_slide(slide, reader=reader))
        findings = verify_store(store, slide=opened, deep=deep, workers=workers)
    unreadable = None if findings else open_store(store).unreadable
    if as_json:
        show_document(verify_facts(store, slide, findings, unreadable))
    else:
        show_findings(findings)
    if findings:
        sys.exit(FAILED)
    if unreadable:
        warn(
            f"tiles that could not be read from the slide: {counted(unreadable)}; "
            "the store records them and is intact"
        )


@main.command()
@click.argument("store", type=PATH)
@click.option("-o", "--output", required=True, type=PATH, help="The GeoJSON file.")
@json_option
def export(*, store: Path, output: Path, as_json: bool) -> None:
    """Write a store's tissue outlines and tiles for QuPath, as GeoJSON."""
    from slidetile.annotations.export import export_store
    from slidetile.cli.facts import export_facts
    from slidetile.cli.sentences import export_lines
    from slidetile.store.store import open_store

    opened = open_store(store)
    export_store(opened, output)
    facts = export_facts(opened, output)
    show_facts(facts, export_lines(facts), as_json=as_json)


@main.command()
@click.argument("slides", nargs=-1, required=True, type=PATH)
@recipe_options
@writing_options
@click.option("-o", "--output", required=True, type=PATH, help="Folder of the stores.")
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Slides tiled at a time, each in its own process.",
)
@json_option
def batch(
    *,
    slides: tuple[Path, ...],
    output: Path,
    processes: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Tile many slides, or folders of slides; if one fails, it is reported and the others go on."""
    check_address_space()
    from slidetile.cli.facts import batch_facts
    from slidetile.cohort.batch import SUMMARY_NAME, tile_slides
    from slidetile.errors import SlideError

    how = "begins anew, to overwrite" if options["overwrite"] else "continues where it stopped"
    _set_last_words(f"the batch {how}", restart=options["restart"])
    writing = take_writing_options(options)
    with usage_errors():
        report = tile_slides(
            slides,
            output,
            make_recipe(**options),
            processes=processes,
            on_result=None if as_json else show_result,
            **writing,
        )
    if not report.results:
        raise SlideError(f"no slides found in {', '.join(map(str, slides))}")
    summary = output / SUMMARY_NAME
    if as_json:
        show_document(batch_facts(report.results, summary))
    else:
        show_results(report.results)
        click.echo(f"summary: {summary}")
    sys.exit(FAILED if report.failed else UNREADABLE if report.incomplete else OK)


def _set_last_words(how: str, *, restart: bool) -> None:
    """Set what the command says about continuing if it is interrupted."""
    again = f"run the same command again{', without --restart' if restart else ''}"
    click.get_current_context().meta[_LAST_WORDS] = f"interrupted: {how}: {again}"
