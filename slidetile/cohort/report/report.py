"""Write the report of a cohort's folder.

Knows the order of things. Does not know how stores are read, slides judged or pages made.
"""

from collections.abc import Callable
from dataclasses import dataclass

from slidetile.cloud.address import Address, Location
from slidetile.cohort.report.facts import CohortFacts, cohort_facts
from slidetile.cohort.report.page import BEGINS, data_json, page_parts
from slidetile.cohort.report.reading import find_cohort, read_cohort
from slidetile.cohort.report.shelf import PictureShelf
from slidetile.cohort.report.slide import ReportedSlide
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.files import as_text
from slidetile.store.output_file import OutputKind, check_output, write_output

REPORT_NAME = "report.html"
"""The report's name in a cohort's folder."""

REPORT = OutputKind(name="a report of slidetile's", begins=BEGINS)

MOST_PAGE_BYTES = 20_000_000
"""Pictures lie beside a page that would be larger with them."""

FRAME_BYTES = 200_000
"""Bytes of a page besides pictures and facts: style, script, and failures that are listed."""


OnRead = Callable[[int, int], None]
"""Takes how many slides are read, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report that was written."""

    path: Location
    """Where it is."""

    size_bytes: int
    """Its length."""

    pictures: Location | None
    """The folder of its pictures; None where the page has them."""

    facts: CohortFacts
    """What it tells."""


def write_report(
    folder: Location,
    output: Location | None = None,
    *,
    workers: int | None = None,
    most_page_bytes: int = MOST_PAGE_BYTES,
    on_read: OnRead | None = None,
) -> Report:
    """Write the report of a folder that holds stores, a batch's table, or both.

    The same folder gives the same bytes. What is wrong with a store is told in the report.

    Parameters
    ----------
    folder
        The folder, or where that lies in a bucket.
    output
        The page, which may lie elsewhere than the folder; None is ``report.html`` in the folder.
        Pictures that do not fit into it lie beside it, in ``NAME_files``.
    workers
        Stores read at a time, 4 at most; None is one for each core. In a bucket eight are read at a
        time.
    most_page_bytes
        Pictures lie beside a page that would be larger with them.
    on_read
        Called after each slide was read.

    Raises
    ------
    SlideError
        The folder is none, or holds nothing to report.
    FileExistsError
        Something is in the page's place that slidetile has not written.
    OSError
        The folder cannot be read, or the page not be written.
    """
    path = folder / REPORT_NAME if output is None else output
    check_output(path, REPORT)
    shelf = PictureShelf(path.with_name(f"{path.stem}_files"), most_page_bytes)
    whole = folder if isinstance(folder, Address) else folder.resolve()
    found, slides = find_cohort(whole), list[ReportedSlide]()
    for read in read_cohort(found, workers=worker_count(workers)):
        slides.append(read.slide)
        if read.picture is not None:
            shelf.put(read.slide.key, read.picture)
        if on_read is not None:
            on_read(len(slides), len(found))
    shelf.settle(FRAME_BYTES + len(data_json(cohort_facts(slides, shelf.address))))
    facts = cohort_facts(slides, shelf.address)
    title = as_text(whole.name) or str(whole)
    parts = page_parts(title, facts, shelf.inlined(), beside=shelf.is_beside)
    size = write_output(path, parts, REPORT)
    shelf.clear()
    pictures = shelf.folder if shelf.is_beside else None
    return Report(path=path, size_bytes=size, pictures=pictures, facts=facts)
