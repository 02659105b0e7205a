"""What commands print: one JSON document for machines; lines, tables and warnings for people."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from slidetile.cli.json_log import logs_json, tell_event
from slidetile.cli.plain import printable
from slidetile.cli.quantities import counted, duration, size_bytes
from slidetile.cli.streams import document_stream
from slidetile.counts import how_large, how_many

if TYPE_CHECKING:
    from slidetile.cli.tally import Tally
    from slidetile.cloud.address import Location
    from slidetile.cohort.result import SlideResult
    from slidetile.verify.finding import Finding

OK, FAILED, UNREADABLE, UNPRINTED = 0, 1, 3, 4  # click itself ends with 2 on wrong usage

_AS_JSON = "slidetile.as_json"


class OutputError(OSError):
    """What a command says could not be written to the standard output; what it did is done."""


@contextlib.contextmanager
def _to_standard_output() -> Iterator[None]:
    """Tell errors of the standard output from those of slides and stores."""
    try:
        yield
    except BrokenPipeError:  # the reader has all that it wants: click ends quietly
        raise
    except OSError as error:
        raise OutputError(
            f"the standard output could not be written: {error.strerror or error}; what is in "
            "stores and files stays: make room where the output goes, and run the command again"
        ) from error


def promise_json(context: click.Context, *, as_json: bool) -> None:
    """Record whether a command prints JSON, so that its errors are JSON too."""
    context.meta[_AS_JSON] = as_json


def say(text: str, *, err: bool = False) -> None:
    """Print a line. All text that may come from files is printed by this, or by rich below.

    On the error stream of a command that logs as JSON it is an event, "message".
    """
    if err and logs_json():
        tell_event("message", {"level": "info", "message": text})
        return
    with contextlib.nullcontext() if err else _to_standard_output():
        click.echo(printable(text), err=err)


def mention(text: str) -> None:
    """Print a line for people beside a command's output; none where the command prints JSON.

    One that logs as JSON logs it in any case.
    """
    context = click.get_current_context(silent=True)
    if logs_json() or context is None or not context.meta.get(_AS_JSON):
        say(text, err=True)


def show_document(facts: Mapping[str, Any]) -> None:
    """Print facts as JSON."""
    with _to_standard_output():
        click.echo(json.dumps(facts, indent=2, allow_nan=False), file=document_stream())


def show_facts(facts: Mapping[str, Any], lines: Mapping[str, str], *, as_json: bool) -> None:
    """Print facts as JSON, or else the lines made from them for people, each after its name."""
    if as_json:
        show_document(facts)
        return
    width = max(map(len, lines))
    for name, text in lines.items():
        say(f"{name:{width}}  {text}")


def tell_failure(error: Exception, *, of: "Location | None" = None) -> None:
    """Report that one of several failed, with what it is ``of`` if the error names it not."""
    from slidetile.errors import explain

    message = explain(error)
    named = "" if of is None or str(of) in message else f"{of}: "
    say(f"error: {named}{message}", err=True)


def show_error(kind: str, message: str) -> None:
    """Print why a command failed as JSON, if the command prints JSON."""
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(_AS_JSON):
        with contextlib.suppress(OSError):  # the error may be that nothing can be written there
            show_document({"error": {"type": kind, "message": message}})


def fail(message: str, *, kind: str, code: int = FAILED) -> NoReturn:
    """Report what went wrong, and exit.

    Parameters
    ----------
    message
        What went wrong and what to do, on one line.
    kind
        The name of the error's class, for machines.
    code
        The exit code.
    """
    show_error(kind, message)
    if logs_json():
        tell_event("error", {"level": "error", "type": kind, "message": message})
    else:
        say(f"error: {message}", err=True)
    sys.exit(code)


def warn(message: str) -> None:
    """Print a warning, and go on."""
    if logs_json():
        tell_event("message", {"level": "warning", "message": message})
    else:
        say(f"warning: {message}", err=True)


def show_findings(findings: Sequence["Finding"], *, store: str | None = None) -> None:
    """Print the findings of `verify`, one on each line, and their number.

    ``store`` begins each line, where there are several.
    """
    where = "" if store is None else f"{store}: "
    for finding in findings:
        say(f"{where}{finding}")
    say(f"{where}findings: {counted(len(findings))}")


def result_line(result: "SlideResult", folder: "Location") -> str:
    """Return the line about one slide of a batch, whose logs are below a folder."""
    details = result.reason
    if details is not None and result.log is not None:
        details = f"{details.rstrip('.')} (see {folder / result.log})"
    if details is None:
        size = size_bytes(result.tile_bytes)
        tiles = how_many(result.tiles, "tiles")
        details = ", ".join(filter(None, (tiles, _tissue(result), result.codec, size)))
    # What was left out of a slide that has tiles is logged, and in the table.
    note = "" if result.tiles or result.note is None else f": {result.note}"
    return f"{result.slide}: {result.status}: {details} ({duration(result.seconds)}){note}"


def _tissue(result: "SlideResult") -> str:
    """Return how much tissue a slide has, where that is known."""
    if result.tissue_pieces is None:
        return ""
    pieces = f"{how_many(result.tissue_pieces, 'pieces')} of tissue"
    area = how_large(_um2(result.tissue_area_mm2))
    return pieces if area is None else f"{pieces} ({area})"


def _um2(area_mm2: float | None) -> float | None:
    return None if area_mm2 is None else area_mm2 * 1e6


def show_results(tally: "Tally") -> None:
    """Print results of a batch as a table, one row for each slide, and how many there are."""
    if tally.results:
        _show_table(tally.results)
    told = ", ".join(f"{counted(count)} {status}" for status, count in tally.statuses.items())
    say(f"{how_many(tally.slides, 'slides')}: {told}")


def _show_table(results: Sequence["SlideResult"]) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    slide, reason = (Column(name, overflow="fold") for name in ("slide", "reason or note"))
    table = Table(slide, "status", "tissue", "tiles", "unreadable", "size", "time", reason)
    for result in results:
        numbers = counted(result.tiles), counted(result.unreadable), size_bytes(result.tile_bytes)
        why = result.reason or result.note or ""
        tissue = how_large(_um2(result.tissue_area_mm2)) or ""
        cells = result.slide, result.status, tissue, *numbers, duration(result.seconds), why
        table.add_row(*(Text(printable(text)) for text in cells))
    console = Console()
    if not console.is_terminal:
        console.width = table.__rich_measure__(console, console.options.update(width=9999)).maximum
    with _to_standard_output():
        console.print(table)
        sys.stdout.flush()


def tell_left_out(dropped: int) -> None:
    """Say on how many slides of a batch filters dropped something, and where it is told."""
    if dropped:
        say(
            f"left out: something on {how_many(dropped, 'slides')}; the summary's column left_out "
            "says what, how much, and which option keeps it"
        )
