"""The files of a cohort's folder: stores, tables and logs, and what each is called.

Knows names. Does not know what is in the files.
"""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from slidetile.cloud.address import Location
from slidetile.format.names import STORE_SUFFIX

SUMMARY_NAME = "summary.csv"
"""The latest row of each slide, for people and spreadsheets."""

TABLE_NAME = "slides.parquet"
"""A folder of Parquet files, the rows of all runs."""

LOGS_NAME = "logs"
"""A folder with one for each run."""

PAGE_NAME = "index.html"
"""The page to look at a folder's stores with, behind a server of files."""

PAGES_NAME = "slidetile-pages"
"""The folder of all else that it needs."""


class CohortFolder(NamedTuple):
    """A folder of stores, and of the tables and logs of the runs that made them.

    It lies on a disk, or in a bucket, where it is what its objects' names begin with.
    """

    path: Location

    @property
    def is_gone(self) -> bool:
        """Whether it would lie on a disk, and does not; of a bucket nobody can tell."""
        return isinstance(self.path, Path) and not self.path.is_dir()

    @property
    def summary(self) -> Location:
        """The table for people."""
        return self.path / SUMMARY_NAME

    @property
    def table(self) -> Location:
        """The folder of the table's parts."""
        return self.path / TABLE_NAME

    @property
    def logs(self) -> Location:
        """The folder of the runs."""
        return self.path / LOGS_NAME

    @property
    def keys(self) -> Location:
        """What each slide is called, one a line."""
        return self.logs / "keys.jsonl"

    def store(self, key: str) -> Location:
        """Return the path of a slide's store."""
        return self.path / f"{key}{STORE_SUFFIX}"

    def run(self, name: str) -> "RunFolder":
        """Return the folder of a run."""
        return RunFolder(self, name)


class RunFolder(NamedTuple):
    """What one run leaves beside the stores."""

    cohort: CohortFolder
    name: str

    @property
    def path(self) -> Location:
        """The run's folder."""
        return self.cohort.logs / self.name

    @property
    def rows(self) -> Location:
        """Rows that are not yet in the table, on a disk: one a line, appended as slides end."""
        return self.path / "rows.jsonl"

    def other_rows(self, mark: str) -> Location:
        """Return a file like it: of rows that are moved into the table; in a bucket, of one row."""
        return self.path / f"rows-{mark}.jsonl"

    @property
    def owner(self) -> Location:
        """The claim of the process that appends them."""
        return self.path / "rows.owner"

    @property
    def note(self) -> Location:
        """What was run, with which settings."""
        return self.path / "run.json"

    def part(self, rows: bytes) -> Location:
        """Return the Parquet file of rows of the run, whose name tells them from any others."""
        return self.cohort.table / f"{self.name}-{hashlib.sha256(rows).hexdigest()[:16]}.parquet"

    def log(self, key: str) -> Location:
        """Return the log of a slide."""
        return self.path / log_name(key)

    def told_log(self, key: str) -> str:
        """Return the path of a slide's log below the cohort's folder."""
        return f"{LOGS_NAME}/{self.name}/{log_name(key)}"


def log_name(key: str) -> str:
    """Return what the log of a slide is called."""
    return f"{key}.log"


ROWS_PATTERN = "rows*.jsonl"
"""What the names of a run's files of rows are like."""


def new_run_name() -> str:
    """Return a name for a run that begins now, which no other run has; later ones sort later."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{os.urandom(4).hex()}"
