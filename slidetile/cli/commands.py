"""The commands of the command line: they parse, call and render.

Longer than 300 lines, because all commands are here.
"""

import functools
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from slidetile.choices import UnfitChoiceError
from slidetile.cli.batch_command import batch
from slidetile.cli.config_command import config_command
from slidetile.cli.export_command import export
from slidetile.cli.json_log import log_as_json, logs_json, promise_json_log
from slidetile.cli.last_words import is_server, last_words, set_last_words
from slidetile.cli.limits import (
    check_address_space,
    fail_if_out_of_space,
    save_address_space,
    tune_process,
)
from slidetile.cli.options import (
    DetectorNames,
    compared_recipes,
    isolate_option,
    json_option,
    make_recipe,
    make_tissue_recipe,
    reader_option,
    recipe_options,
    referred_option,
    take_writing_options,
    tissue_options,
    usage_errors,
    writing_options,
)
from slidetile.cli.places import PATH, PLACE, storage_option
from slidetile.cli.plain import ErrorStreamHandler, printable_lines
from slidetile.cli.quantities import counted, size_bytes
from slidetile.cli.rename_command import rename_codec_command
from slidetile.cli.report_command import report
from slidetile.cli.scratch_options import scratch_options
from slidetile.cli.serve_command import serve
from slidetile.cli.settings import SettingsCommand, config_option
from slidetile.cli.show import (
    FAILED,
    OK,
    UNPRINTED,
    UNREADABLE,
    OutputError,
    fail,
    promise_json,
    say,
    show_document,
    show_error,
    show_facts,
    show_findings,
    tell_failure,
    warn,
)
from slidetile.cli.streams import documents_only, prepare_streams
from slidetile.cli.view_command import view

if TYPE_CHECKING:
    from slidetile.cli.facts import PlanFacts, SlideFacts, StoreFacts, TileFacts
    from slidetile.cli.outcome_facts import VerifyFacts
    from slidetile.cli.tissue_facts import TissueFacts
    from slidetile.tissue.detector import AnyDetector
    from slidetile.tissue.left_out import LeftOut


class _Group(click.Group):
    """Reports every expected failure as one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        prepare_streams()
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        as_json = "--json" in ctx.args
        promise_json(ctx, as_json=as_json)
        promise_json_log(ctx, ctx.args)
        with documents_only(ctx) if as_json else nullcontext():
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        from slidetile.cli.interrupt import Interruptible

        save_address_space()
        interruptible = Interruptible(lambda: last_words(ctx), lambda: is_server(ctx))
        try:
            with interruptible:
                return super().invoke(ctx)
        except BaseException as error:
            # A signal causes every error that follows it: ctypes, for one, turns a
            # KeyboardInterrupt into an error of its own.
            if interruptible.was_interrupted or isinstance(error, KeyboardInterrupt):
                interruptible.say()
                sys.exit(interruptible.exit_code)
            _report(error)
            raise


_EXTRA = "slidetile["
"""What tells how to install what is missing, and is no bug."""


def _report(error: BaseException) -> None:
    """Report an error, and exit where it was foreseen; a bug's traceback follows otherwise."""
    from slidetile.errors import SlidetileError, explain
    from slidetile.runtime.foreign import ForeignExitError

    is_expected = isinstance(error, SlidetileError | OSError | MemoryError | ForeignExitError)
    is_expected = is_expected or (isinstance(error, ImportError) and _EXTRA in str(error))
    fail_if_out_of_space(error)
    if is_expected and not isinstance(error, BrokenPipeError):  # click ends quietly
        code = UNPRINTED if isinstance(error, OutputError) else FAILED
        fail(explain(error), kind=type(error).__name__, code=code)
    if isinstance(error, click.UsageError):
        told = " ".join(error.format_message().split())
        if logs_json():
            fail(told, kind="UsageError", code=error.exit_code)
        error.message = printable_lines(error.message)  # type: ignore[misc]
        show_error("UsageError", told)
    elif isinstance(error, Exception) and logs_json() and not isinstance(error, BrokenPipeError):
        logging.getLogger(__name__).error("a bug of slidetile's", exc_info=error)
        fail(explain(error), kind=type(error).__name__)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slidetile")
@click.option("-v", "--verbose", count=True, help="Log every step; -vv tracebacks, too.")
def main(*, verbose: int) -> None:
    """Find the tissue on whole slides and stream its tiles into Zarr stores.

    Exit codes: 0 success, 1 a slide failed or a store is damaged, 2 wrong usage, 3 finished, but
    some tiles could not be read, 4 the standard output could not be written, 129, 130 and
    143 interrupted by the end of its terminal (SIGHUP), by Ctrl-C or by SIGTERM.
    """
    logger = logging.getLogger("slidetile")
    logger.handlers = [ErrorStreamHandler()]
    if logs_json():
        log_as_json(click.get_current_context())
    logger.setLevel({0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG))
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # our own log says what matters


@main.command()
@click.argument("paths", nargs=-1, required=True, type=PLACE, metavar="PATH...")
@reader_option
@click.option("--slide-mpp", type=float, help="µm per pixel of the slide's level 0.")
@referred_option
@isolate_option
@storage_option
@scratch_options
@json_option
def info(
    *,
    paths: tuple[Path, ...],
    reader: str | None,
    slide_mpp: float | None,
    slide: Path | None,
    isolate: bool,
    as_json: bool,
) -> None:
    """Show what slides and stores are; for a folder, what those in it are."""
    from slidetile.cli.outcome_facts import several_facts
    from slidetile.cli.several import each_outcome, things_meant
    from slidetile.slides.mpp import check_mpp

    if slide_mpp is not None:
        with usage_errors():
            check_mpp(slide_mpp)
    meant = things_meant(paths)
    if slide is not None and len(meant.paths) > 1:
        raise click.UsageError(f"--slide is of one store, but {len(meant.paths)} paths are given.")
    call = functools.partial(_facts_about, reader=reader, slide_mpp=slide_mpp, slide=slide)
    show = functools.partial(_show_thing, is_one=meant.is_one)
    outcomes = each_outcome(call, meant, _show_nothing if as_json else show, isolate=isolate)
    if as_json:
        whole = several_facts(meant.paths, outcomes)
        show_document(cast("SlideFacts", outcomes[0]) if meant.is_one else whole)
    if any(isinstance(outcome, Exception) for outcome in outcomes):
        sys.exit(FAILED)


def _show_nothing(_: object) -> None:
    """Leave all to the document."""


def _facts_about(
    path: Path, *, reader: str | None, slide_mpp: float | None, slide: Path | None
) -> "SlideFacts | StoreFacts":
    from slidetile.cli.facts import slide_facts, store_facts
    from slidetile.slides.opening import open_slide
    from slidetile.store.store import open_store, seems_store

    if seems_store(path):
        return store_facts(open_store(path, slide=slide))
    with open_slide(path, reader=reader, mpp=slide_mpp) as opened:
        return slide_facts(opened, path)


def _show_thing(outcome: "SlideFacts | StoreFacts | Exception", *, is_one: bool) -> None:
    from slidetile.cli.sentences import slide_lines, store_lines

    if isinstance(outcome, Exception):
        tell_failure(outcome)
        return
    lines = slide_lines(outcome) if outcome["kind"] == "slide" else store_lines(outcome)
    show_facts(outcome, lines, as_json=False)
    if not is_one:
        say("")


@main.command(cls=SettingsCommand)
@click.argument("slide", type=PLACE)
@recipe_options
@click.option("-o", "--output", type=PLACE, help="Path that the store would have.")
@click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core.")
@click.option("--preview", type=PATH, help="Draw the tissue mask and the tiles into this PNG.")
@click.option("--geojson", type=PATH, help="Write tissue outlines and tiles for QuPath.")
@config_option
@storage_option
@scratch_options
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
    begin = time.perf_counter()  # before anything heavy is loaded
    from slidetile.annotations.export import GEOJSON, export_plan
    from slidetile.cli.facts import plan_facts
    from slidetile.cli.sentences import plan_lines
    from slidetile.cohort.inputs.keys import store_name
    from slidetile.raster.drawing import png
    from slidetile.store.output_file import PNG, check_output, write_output
    from slidetile.writing.estimate import estimate

    tune_process()
    for path, kind in ((preview, PNG), (geojson, GEOJSON)):
        if path is not None:
            check_output(path, kind)
    recipe = make_recipe(**options)
    target = output or Path(store_name(slide))
    with usage_errors(UnfitChoiceError), recipe.open(slide) as opened:
        tiles = recipe.plan(opened)
        cost = estimate(
            opened,
            tiles,
            target,
            codec=recipe.codec,
            check=recipe.check,
            workers=workers,
            begun_s=time.perf_counter() - begin,
        )
        if geojson is not None:
            export_plan(opened, tiles, geojson)
    if preview is not None:
        write_output(preview, [png(tiles.picture())], PNG)
    paths: dict[str, Any] = {"slide_path": slide, "store_path": target}
    paths |= {"preview_path": preview, "geojson_path": geojson}
    facts = plan_facts(opened, tiles, cost, **paths)
    show_facts(facts, plan_lines(facts), as_json=as_json)
    _warn_of_plan(facts, tiles.left_out)


def _warn_of_plan(facts: "PlanFacts", left_out: "Sequence[LeftOut]") -> None:
    from slidetile.cohort.no_tiles import why_no_tiles

    if not facts["tiles"]:
        has_tissue, is_drawn = bool(facts["tissue_pieces"]), facts["found_tissue"] is None
        warn(why_no_tiles(left_out, has_tissue=has_tissue, is_drawn=is_drawn))
    if not facts["fits"] and facts["free_bytes"] is not None:
        warn(
            f"the store takes {size_bytes(facts['store_bytes'])}, but only "
            f"{size_bytes(facts['free_bytes'])} are free where it would be written; choose another "
            "output"
        )


@main.command(cls=SettingsCommand)
@click.argument("slide", type=PLACE)
@tissue_options
@click.option("--preview", type=PATH, help="Draw the masks side by side into this PNG.")
@click.option(
    "--compare",
    type=DetectorNames(),
    help="Other detectors, separated by commas: otsu,density,MODULE:OBJECT; default is the one "
    "that is chosen by the slide's overview.",
)
@config_option
@storage_option
@scratch_options
@json_option
def tissue(
    *,
    slide: Path,
    preview: Path | None,
    compare: "dict[str, AnyDetector | None] | None",
    as_json: bool,
    **options: Any,
) -> None:
    """Show where tissue is found on a slide, what is dropped and why; compare detectors."""
    from slidetile.cli.tissue_facts import tissue_facts
    from slidetile.raster.drawing import png
    from slidetile.store.output_file import PNG, check_output, write_output
    from slidetile.tissue.picture import tissue_picture

    tune_process()
    if preview is not None:
        check_output(preview, PNG)
    recipes = compared_recipes(make_tissue_recipe(**options), compare or {})
    first = next(iter(recipes.values()))
    with usage_errors(UnfitChoiceError), first.open(slide) as opened:
        tissues = {name: recipe.tissue(opened) for name, recipe in recipes.items()}
    if preview is not None:
        write_output(preview, [png(tissue_picture(tissues))], PNG)
    _show_tissue(tissue_facts(opened, slide, tissues, preview), as_json=as_json)


def _show_tissue(facts: "TissueFacts", *, as_json: bool) -> None:
    from slidetile.cli.sentences import outcome_lines, tissue_lines

    show_facts(facts, tissue_lines(facts), as_json=as_json)
    for outcome in facts["tissue"]:
        if not as_json:
            say("")
            show_facts(outcome, outcome_lines(outcome), as_json=False)
        if outcome["note"] is not None:
            warn(f"{outcome['detector']}: {outcome['note']}")


@main.command(cls=SettingsCommand)
@click.argument("slide", type=PLACE)
@recipe_options
@writing_options
@click.option(
    "-o",
    "--output",
    type=PLACE,
    help="The store.  [default: SLIDE.zarr in the current folder]",
)
@isolate_option
@config_option
@storage_option
@scratch_options
@json_option
def tile(
    *,
    slide: Path,
    output: Path | None,
    isolate: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find a slide's tissue and write its tiles into a store."""
    check_address_space()
    tune_process()
    from slidetile.cli.facts import tile_facts
    from slidetile.cli.progress import show_progress
    from slidetile.cli.sentences import tile_lines
    from slidetile.cli.several import told, told_apart
    from slidetile.cohort.inputs.keys import store_name
    from slidetile.cohort.no_tiles import store_note
    from slidetile.recipe.tiling import tile_slide

    target = output or Path(store_name(slide))
    set_last_words(f"{target} continues where it stopped", restart=options["restart"])
    writing = take_writing_options(options)
    recipe = make_recipe(**options)
    begin = time.perf_counter()
    left_out: list[LeftOut] = []
    with usage_errors(UnfitChoiceError), show_progress(quiet=as_json) as progress:
        call = functools.partial(tile_slide, slide, target, recipe, **writing)
        make = functools.partial(told_apart, slide) if isolate else told
        store = make(call, progress, left_out.extend)
    facts = tile_facts(store, time.perf_counter() - begin, progress.memory, left_out)
    show_facts(facts, tile_lines(facts), as_json=as_json)
    if (note := store_note(store)) is not None:
        warn(note)
    _tell_unreadable(facts)


def _tell_unreadable(facts: "TileFacts") -> None:
    """Warn of unreadable tiles, and exit, if a store has some."""
    from slidetile.cli.sentences import unreadable_tiles

    if facts["store"]["unreadable"]:
        again = "; --retry-unreadable tries them again" if facts["already_done"] else ""
        warn(
            f"unreadable tiles: {unreadable_tiles(facts['store'])}; "
            f"see the column status of the tile table{again}"
        )
        sys.exit(UNREADABLE)


@main.command()
@click.argument("stores", nargs=-1, required=True, type=PLACE, metavar="STORE...")
@click.option("--slide", type=PLACE, help="Compare the store's pixels with this slide's.")
@click.option("--deep", is_flag=True, help="Decode every chunk.")
@reader_option
@click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core.")
@storage_option
@json_option
def verify(
    *,
    stores: tuple[Path, ...],
    slide: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Check stores, or a folder's, for damage and errors; exit code 1 if there are any."""
    from slidetile.cli.outcome_facts import several_verified_facts
    from slidetile.cli.several import each_outcome, stores_meant

    tune_process()
    meant = stores_meant(stores)
    if slide is not None and len(meant.paths) > 1:
        raise click.UsageError(
            f"--slide is of one store, but {len(meant.paths)} are given: check them one by one."
        )
    call = functools.partial(_verified, slide=slide, **options)
    show = functools.partial(_show_verified, is_one=meant.is_one)
    outcomes = each_outcome(call, meant, _show_nothing if as_json else show)
    if as_json:
        whole = several_verified_facts(meant.paths, outcomes)
        show_document(cast("VerifyFacts", outcomes[0]) if meant.is_one else whole)
    _warn_of_unreadable(outcomes)
    sys.exit(FAILED if any(map(_is_bad, outcomes)) else OK)


def _verified(
    store: Path, *, slide: Path | None, deep: bool, reader: str | None, workers: int | None
) -> "VerifyFacts":
    from slidetile.cli.outcome_facts import verify_facts
    from slidetile.store.store import open_store
    from slidetile.verify.original import open_original
    from slidetile.verify.verify import verify_store

    with ExitStack() as stack:
        opened = None
        if slide is not None:
            opened = stack.enter_context(open_original(slide, store, reader=reader))
        findings = verify_store(store, slide=opened, deep=deep, workers=workers)
    unreadable = None if findings else open_store(store, slide=slide).unreadable
    return verify_facts(store, slide, findings, unreadable)


def _show_verified(outcome: "VerifyFacts | Exception", *, is_one: bool) -> None:
    from slidetile.verify.finding import Finding

    if isinstance(outcome, Exception):
        tell_failure(outcome)
        return
    findings = [Finding(**finding) for finding in outcome["findings"]]
    show_findings(findings, store=None if is_one else outcome["store_path"])


def _is_bad(outcome: "VerifyFacts | Exception") -> bool:
    return isinstance(outcome, Exception) or bool(outcome["findings"])


def _warn_of_unreadable(outcomes: "Sequence[VerifyFacts | Exception]") -> None:
    sound = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    unreadable = sum(facts["unreadable"] or 0 for facts in sound)
    if unreadable:
        warn(
            f"tiles that could not be read from the slide: {counted(unreadable)}; "
            "the store records them and is intact"
        )


main.add_command(batch)
main.add_command(config_command([tile, batch]))
main.add_command(export)
main.add_command(rename_codec_command)
main.add_command(report)
main.add_command(serve)
main.add_command(view)
