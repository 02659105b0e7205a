"""The command that reports what a cohort's folder holds.

Knows its options and exit codes. Does not know what a report looks like.
"""

import sys
import time

import click

from slidetile.cli.limits import tune_process
from slidetile.cli.options import json_option
from slidetile.cli.places import PLACE, storage_option
from slidetile.cli.progress import SECONDS_BETWEEN_LINES
from slidetile.cli.quantities import counted
from slidetile.cli.show import FAILED, OK, UNREADABLE, say, show_facts
from slidetile.cloud.address import Location
from slidetile.counts import how_many


class _Lines:
    """Says now and then how many slides are read, on the error stream."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            say(f"{counted(done)}/{how_many(total, 'slides')} read", err=True)


@click.command()
@click.argument("folder", type=PLACE, metavar="DIR")
@click.option("-o", "--output", type=PLACE, help="The page.  [default: DIR/report.html]")
@click.option("--workers", type=click.IntRange(min=1), help="Stores read at a time; 4 at most.")
@storage_option
@json_option
def report(
    *, folder: Location, output: Location | None, workers: int | None, as_json: bool
) -> None:
    """Write a page about a folder of stores: failures, warnings, every slide's picture.

    DIR and the page may each lie in a bucket. The page needs no network and no server. Exit code 1
    says that a slide failed or a store is damaged, 3 that tiles could not be read; the page is
    written all the same.
    """
    tune_process()
    from slidetile.cli.report_facts import report_facts, report_lines
    from slidetile.cohort.report.report import write_report

    told = write_report(folder, output, workers=workers, on_read=_Lines())
    facts = report_facts(folder, told)
    show_facts(facts, report_lines(facts), as_json=as_json)
    totals = facts["totals"]
    sys.exit(FAILED if totals["failed"] else UNREADABLE if totals["unreadable"] else OK)
