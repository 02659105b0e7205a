"""The command that reports what a cohort's folder holds.

Knows its options and exit codes. Does not know what a report looks like.
"""

import sys
from pathlib import Path

import click

from slidetile.cli.limits import tune_process
from slidetile.cli.options import PATH, json_option
from slidetile.cli.show import FAILED, OK, UNREADABLE, show_facts


@click.command()
@click.argument("folder", type=PATH, metavar="DIR")
@click.option("-o", "--output", type=PATH, help="The page.  [default: DIR/report.html]")
@click.option("--workers", type=click.IntRange(min=1), help="Stores read at a time; 4 at most.")
@json_option
def report(*, folder: Path, output: Path | None, workers: int | None, as_json: bool) -> None:
    """Write a page about a folder of stores: failures, warnings, every slide's picture.

    The page needs no network and no server. Exit code 1 says that a slide failed or a store is
    damaged, 3 that tiles could not be read; the page is written all the same.
    """
    tune_process()
    from slidetile.cli.report_facts import report_facts, report_lines
    from slidetile.cohort.report.report import write_report

    facts = report_facts(folder, write_report(folder, output, workers=workers))
    show_facts(facts, report_lines(facts), as_json=as_json)
    totals = facts["totals"]
    sys.exit(FAILED if totals["failed"] else UNREADABLE if totals["unreadable"] else OK)
