"""The files of a cohort's folder: stores, tables and logs, and what each is called.

Knows names. Does not know what is in the files.
"""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from slidetile.format.names import STORE_SUFFIX

SUMMARY_NAME = "summary.csv"
"""The latest row of each slide, for people and spreadsheets."""

TABLE_NAME = "slides.parquet"
"""A folder of Parquet files, the rows of all runs."""

LOGS_NAME = "logs"
"""A folder with one for each run."""


class CohortFolder(NamedTuple):
    """A folder of stores, and of the tables and logs of the runs that made them."""

    path: Path

    @property
    def summary(self) -> Path:
        """The table for people."""
        return self.path / SUMMARY_NAME

    @property
    def table(self) -> Path:
        """The folder of the table's parts."""
        return self.path / TABLE_NAME

    @property
    def logs(self) -> Path:
        """The folder of the runs."""
        return self.path / LOGS_NAME

    @property
    def keys(self) -> Path:
        """What each slide is called, one a line."""
        return self.logs / "keys.jsonl"

    def store(self, key: str) -> Path:
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
    def path(self) -> Path:
        """The run's folder."""
        return self.cohort.logs / self.name

    @property
    def rows(self) -> Path:
        """Rows that are not yet in the table: one a line, appended as slides end."""
        return self.path / "rows.jsonl"

    @property
    def all_rows(self) -> list[Path]:
        """That file, and those like it that are being moved into the table."""
        return sorted(self.path.glob("rows*.jsonl"))

    def moving(self) -> Path:
        """Return a name for the file while its rows are moved into the table."""
        return self.path / f"rows-{os.urandom(8).hex()}.jsonl"

    @property
    def owner(self) -> Path:
        """The claim of the process that appends them."""
        return self.path / "rows.owner"

    @property
    def note(self) -> Path:
        """What was run, with which settings."""
        return self.path / "run.json"

    def part(self, rows: bytes) -> Path:
        """Return the Parquet file of rows of the run, whose name tells them from any others."""
        return self.cohort.table / f"{self.name}-{hashlib.sha256(rows).hexdigest()[:16]}.parquet"

    def log(self, key: str) -> Path:
        """Return the log of a slide."""
        return self.path / f"{key}.log"


def new_run_name() -> str:
    """Return a name for a run that begins now, which no other run has; later ones sort later."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{os.urandom(4).hex()}"
