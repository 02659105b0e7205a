"""The runs of a cohort, and which files each has left of rows that are in no table yet.

Knows where they are found: in a bucket by one listing of all of them. Does not know rows.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import objects_below
from slidetile.cohort.files import unlisted
from slidetile.cohort.layout import ROWS_PATTERN, CohortFolder, RunFolder


class RunFiles(Protocol):
    """What is asked of a run's files, wherever they lie."""

    @property
    def run(self) -> RunFolder:
        """The run's folder."""
        ...

    def rows(self) -> Sequence[Location]:
        """Return the files of rows that are there, as far as is known."""
        ...

    def has_owner(self) -> bool:
        """Return whether a process may be adding some."""
        ...


@dataclass(frozen=True, slots=True)
class FolderOfRun:
    """A run's files on a disk, looked for whenever they are asked for."""

    run: RunFolder

    def rows(self) -> Sequence[Location]:
        """Return the file of rows, and those like it that are being moved into the table."""
        return sorted(Path(str(self.run.path)).glob(ROWS_PATTERN))

    def has_owner(self) -> bool:
        """Return whether a process may be adding some."""
        return os.path.lexists(str(self.run.owner))


@dataclass(frozen=True, slots=True)
class ObjectsOfRun:
    """A run's objects in a bucket, as they were listed."""

    run: RunFolder

    listed: Sequence[Address]
    """The objects."""

    def rows(self) -> Sequence[Location]:
        """Return the objects of rows."""
        return [each for each in self.listed if fnmatchcase(each.name, ROWS_PATTERN)]

    def has_owner(self) -> bool:
        """Return whether a process may be adding some."""
        return any(each == self.run.owner for each in self.listed)


def runs_of(cohort: CohortFolder) -> Sequence[RunFiles]:
    """Return the runs that have left a folder of logs, in the order in which they began.

    Raises
    ------
    CohortError
        The bucket does not list them.
    """
    logs = cohort.logs
    if isinstance(logs, Path):
        return [FolderOfRun(cohort.run(path.name)) for path in sorted(logs.glob("*"))]
    found = defaultdict[str, list[Address]](list)
    try:
        for each, _ in objects_below(logs):
            name, _, below = each.key[len(logs.key) + 1 :].partition("/")
            if below:
                found[name].append(each)
    except OSError as error:
        raise unlisted(logs, error) from error
    return [ObjectsOfRun(cohort.run(name), sorted(found[name])) for name in sorted(found)]
