"""The command ``batch``: it parses, calls and renders."""

import logging
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slidetile.cli.cluster_options import ClusterChoice, cluster_options
from slidetile.cli.label_options import (
    NO_LABEL_CHOICES,
    refuse_label_choices,
    take_label_choices,
)
from slidetile.cli.last_words import set_last_words
from slidetile.cli.limits import check_address_space, tune_process
from slidetile.cli.options import (
    NO_ANNOTATION_CHOICES,
    isolate_option,
    json_option,
    make_recipe,
    recipe_options,
    refuse_annotation_choices,
    take_annotation_choices,
    take_writing_options,
    usage_errors,
    writing_options,
)
from slidetile.cli.places import PLACE, storage_option
from slidetile.cli.scratch_options import scratch_options
from slidetile.cli.settings import SettingsCommand, config_option
from slidetile.cli.show import (
    FAILED,
    OK,
    UNREADABLE,
    say,
    show_document,
    show_results,
    tell_left_out,
    warn,
)
from slidetile.cli.tally import Tally

if TYPE_CHECKING:
    from slidetile.cli.batch_progress import ShownBatch
    from slidetile.cohort.batch_options import BatchOptions
    from slidetile.cohort.cohort import Cohort
    from slidetile.cohort.engines.engine import Engine
    from slidetile.cohort.part import Part
    from slidetile.recipe.recipe import Recipe
    from slidetile.writing.options import WriteOptions


def part_of(_ctx: click.Context, _param: click.Parameter, text: str | None) -> "Part | None":
    """Return the part of a cohort that an option names."""
    if text is None:
        return None
    from slidetile.cohort.part import Part

    with usage_errors():
        return Part.parse(text)


@click.command(cls=SettingsCommand)
@click.argument("inputs", nargs=-1, required=True, type=PLACE)
@recipe_options
@writing_options
@click.option(
    "-o",
    "--output",
    required=True,
    type=PLACE,
    help="Folder of the stores, or where they lie in a bucket.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=0),
    help="Slides tiled at a time, each in its own process; 0 tiles them in the command's own.  "
    "[default: as many as there are cores and memory for]",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End a slide that takes longer, and go on with the others; needs --processes of 1 or "
    "more.  [default: no limit]",
)
@click.option(
    "--retry",
    "retries",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Try a slide again so often, after all others, whose failure may pass: a disk that did "
    "not answer, a process that was killed.",
)
@click.option(
    "--part",
    metavar="NUMBER/COUNT",
    callback=part_of,
    help="Tile only this part of the slides, such as 3/16: one for each job of an array.",
)
@click.option(
    "--dry-run", is_flag=True, help="Tell what would be done, and what it would take; do nothing."
)
@click.option(
    "--log-json/--no-log-json", help="Log to the standard error as JSON, one object a line."
)
@cluster_options
@isolate_option
@config_option
@storage_option
@scratch_options
@json_option
def batch(
    *,
    inputs: tuple[Path, ...],
    output: Path,
    part: "Part | None",
    dry_run: bool,
    log_json: bool,
    isolate: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Tile many slides; if one fails, it is reported and the others go on.

    INPUTS are slides, folders that are searched for slides, globs, and manifests: CSV or Parquet
    files with a column path, and perhaps id, mpp, annotations and labels.
    """
    check_address_space()
    tune_process()
    cluster = ClusterChoice.take(options, isolate=isolate)
    how = _batch_options(options, isolate=isolate)
    restart = options["restart"]
    mode = "begins anew, to overwrite" if options["overwrite"] else "continues where it stopped"
    set_last_words(f"the batch {mode}", restart=restart)
    writing = take_writing_options(options)
    how = replace(how, workers=writing["workers"])
    from slidetile.cli.batch_progress import show_batch

    choices = None
    if options["annotations"] is None:  # a manifest may name some
        choices = take_annotation_choices(options)
        options |= NO_ANNOTATION_CHOICES
    label_choices = None
    if options["labels"] is None:
        label_choices = take_label_choices(options)
        options |= NO_LABEL_CHOICES
    recipe = make_recipe(**options)
    cohort = _cohort(inputs, output, part, choices, writes=not dry_run)
    cohort = _with_labels(cohort, recipe, label_choices)
    if dry_run:
        _tell_forecast(cohort, recipe, how, writing["options"], as_json=as_json)
        return
    tally = Tally(keeps_all=as_json)
    with (
        cluster.engine(how, memory_bytes=writing["options"].memory_bytes) as engine,
        show_batch(
            cohort.folder.path,
            quiet=as_json and not log_json,
            slides=len(cohort.entries),
            tile_px=recipe.tile.size,
            as_log=log_json,
        ) as shown,
    ):
        _tile(cohort, recipe, how, writing["options"], engine, tally=tally, shown=shown)
    if not tally.slides:
        _tell_none(cohort, inputs, part)
    tally.sort([entry.key for entry in cohort.entries])
    _tell_results(tally, cohort, as_json=as_json)
    sys.exit(FAILED if tally.failed else UNREADABLE if tally.incomplete else OK)


def _tell_results(tally: Tally, cohort: "Cohort", *, as_json: bool) -> None:
    summary = cohort.folder.summary
    if as_json:
        from slidetile.cli.outcome_facts import batch_facts

        show_document(batch_facts(tally.results, summary))
        return
    show_results(tally)
    tell_left_out(tally.left_out)
    say(f"summary: {summary}{'' if cohort.part is None else ', by the part that ends last'}")


def _batch_options(options: dict[str, Any], *, isolate: bool) -> "BatchOptions":
    """Remove the options about the batch itself from a command's; return them as a value."""
    from slidetile.cohort.batch_options import BatchOptions

    names = ("processes", "timeout_s", "retries")
    chosen = {name: options.pop(name) for name in names}
    if isolate and chosen["processes"] == 0:
        chosen["processes"] = 1
    if chosen["timeout_s"] is not None and chosen["processes"] == 0:
        raise click.UsageError("--timeout ends a slide's process: it needs --processes 1 or more.")
    with usage_errors():
        return BatchOptions(**chosen)


def _cohort(
    inputs: Sequence[Path],
    output: Path,
    part: "Part | None",
    choices: dict[str, Any] | None,
    *,
    writes: bool,
) -> "Cohort":
    """Return the slides; what options say of annotations is of those that a manifest names, too."""
    from slidetile.cohort.cohort import Cohort

    cohort = Cohort.of(inputs, output, part=part, writes=writes)
    if choices is not None:
        if not any(each.annotations for each in cohort.entries):
            refuse_annotation_choices(choices)
        entries = tuple(
            each
            if each.annotations is None
            else replace(each, annotations=replace(each.annotations, **choices))
            for each in cohort.entries
        )
        return replace(cohort, entries=entries)
    return cohort


def _with_labels(cohort: "Cohort", recipe: "Recipe", choices: dict[str, Any] | None) -> "Cohort":
    """Return the slides; what options say of labels is of those that a manifest names, too."""
    if choices is None:
        return cohort
    if not any(each.labels for each in cohort.entries):
        refuse_label_choices(choices)
        if recipe.tile.needs_labels:
            raise click.UsageError(
                "--min-class-fraction and --balance choose tiles by their classes: give --labels, "
                "or a manifest with a column labels."
            )
        return cohort
    with usage_errors():
        entries = tuple(
            each if each.labels is None else replace(each, labels=replace(each.labels, **choices))
            for each in cohort.entries
        )
    return replace(cohort, entries=entries)


def _tile(
    cohort: "Cohort",
    recipe: "Recipe",
    how: "BatchOptions",
    options: "WriteOptions",
    engine: "Engine | None",
    *,
    tally: Tally,
    shown: "ShownBatch",
) -> None:
    from slidetile.cohort.batch import cohort_results

    ended = cohort_results(
        cohort, recipe, how, options=options, engine=engine, on_progress=shown.progress
    )
    with closing(ended) as results:
        for result in results:
            tally.add(result)
            shown.result(result)


def _tell_none(cohort: "Cohort", inputs: Sequence[Path], part: "Part | None") -> None:
    """Say why there are no slides; a part of few may have none, which is no failure."""
    from slidetile.cohort.inputs.folder import nothing_found
    from slidetile.errors import SlideError

    if not cohort.total:
        raise SlideError(nothing_found(inputs))
    logging.getLogger(__name__).warning(
        "part %s has none of the %d slides: there are fewer slides than parts.", part, cohort.total
    )


def _tell_forecast(
    cohort: "Cohort",
    recipe: "Recipe",
    how: "BatchOptions",
    options: "WriteOptions",
    *,
    as_json: bool,
) -> None:
    from slidetile.cli.forecast_facts import forecast_facts, forecast_line, total_line
    from slidetile.cohort.engines.local import InProcesses, InThisProcess
    from slidetile.cohort.forecast import forecasts
    from slidetile.cohort.sizing import Sizing

    sizing = Sizing.of_this_machine(processes=how.processes, memory_bytes=options.memory_bytes)
    sizing.measured(cohort.peak_bytes)
    engine: Engine = InThisProcess()
    if how.processes != 0:
        engine = InProcesses(sizing.slides_at_once, timeout_s=how.timeout_s)
    found = []
    with closing(forecasts(cohort, recipe, engine, options=options)) as told:
        for forecast in told:
            found.append(forecast)
            if not as_json:
                say(forecast_line(forecast))
    facts = forecast_facts(found)
    if as_json:
        show_document(facts)
    else:
        say(total_line(facts))
    if not facts["fits"]:
        warn("the stores take more than is free where they would be written")
    sys.exit(FAILED if facts["failing"] else OK)
