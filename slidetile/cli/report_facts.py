"""The facts of a report as the command line prints them, and the lines made from them."""

from slidetile.cli.quantities import counted, size_bytes
from slidetile.cloud.address import Address, Location
from slidetile.cohort.report.facts import CohortFacts
from slidetile.cohort.report.report import Report
from slidetile.counts import how_many
from slidetile.runtime.files import as_text


class ReportFacts(CohortFacts):
    """What `report` reports."""

    folder_path: str
    report_path: str
    report_bytes: int
    pictures_path: str | None


def report_facts(folder: Location, report: Report) -> ReportFacts:
    """Return the facts of a report that was written."""
    return {
        **report.facts,
        "folder_path": _text(folder),
        "report_path": _text(report.path),
        "report_bytes": report.size_bytes,
        "pictures_path": None if report.pictures is None else _text(report.pictures),
    }


def _text(place: Location) -> str:
    return str(place) if isinstance(place, Address) else as_text(place)


def report_lines(facts: ReportFacts) -> dict[str, str]:
    """Return the lines about a report, by name."""
    totals = facts["totals"]
    kinds = [kind for kind in facts["warning_kinds"] if kind["slides"]]
    lines = {
        "slides": counted(totals["slides"]),
        "failed": counted(totals["failed"]),
        "with warnings": counted(totals["with_warnings"]),
        **{kind["kind"]: how_many(kind["slides"], "slides") for kind in kinds},
        "tiles": counted(totals["tiles"]),
        "report": f"{facts['report_path']} ({size_bytes(facts['report_bytes'])})",
    }
    if facts["pictures_path"] is not None:
        lines["pictures"] = f"{facts['pictures_path']}: keep it beside the report"
    return lines
