"""Where the page of a report is written: a file, or an object of a bucket.

Knows what slidetile may replace. Does not know what is in the page.
"""

from collections.abc import Iterable
from pathlib import Path

from slidetile.cloud.address import Location
from slidetile.cohort.files import read_file, write_file
from slidetile.cohort.report.page import BEGINS
from slidetile.store.output_file import OutputKind, check_output, write_output
from slidetile.writing.destination import check_place

REPORT = OutputKind(name="a report of slidetile's", begins=BEGINS)


def check_page(place: Location) -> None:
    """Check that a report may be written somewhere, before any work is done for it.

    Raises
    ------
    FileExistsError
        Something is there that is no report of slidetile's, or it would lie in a store.
    OSError
        It lies on a web server, or the bucket cannot be read.
    """
    if isinstance(place, Path):
        check_output(place, REPORT)
        return
    check_place(place)
    try:
        begins = read_file(place, len(BEGINS))
    except FileNotFoundError:
        return
    if begins not in (b"", BEGINS):
        raise FileExistsError(
            f"{place} exists and is not {REPORT.name}, so it is not replaced: choose another "
            "output, or move it away."
        )


def write_page(place: Location, parts: Iterable[bytes]) -> int:
    """Write a page, whole or not at all, and return its bytes; folders above it are made.

    Raises
    ------
    FileExistsError
        As in `check_page`.
    OSError
        It cannot be written.
    """
    counted = _Counted(parts)
    if isinstance(place, Path):
        write_output(place, counted, REPORT)
    else:
        check_page(place)
        write_file(place, counted)
    return counted.bytes


class _Counted:
    """Parts, and how many bytes they have had so far."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self.bytes = 0

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> bytes:
        part = next(self._parts)
        self.bytes += len(part)
        return part
