"""Rows on this machine that could not be put into their bucket, until a later run puts them there.

Knows where they lie. Does not know what is in them.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from slidetile.cloud.address import Address
from slidetile.cloud.objects import in_parallel
from slidetile.cloud.scratch import Scratch
from slidetile.cohort.layout import CohortFolder, RunFolder
from slidetile.cohort.table.row_sinks import ObjectsOfRows
from slidetile.errors import explain
from slidetile.runtime.files import open_regular, read_opened, write_whole

_log = logging.getLogger(__name__)

_SUFFIX = ".jsonl"
_MOST_BYTES = 1 << 30


def keep_rows(run: RunFolder, lines: Iterable[bytes]) -> Path:
    """Write rows of a run into the folder of its cohort on this machine; return their file.

    It lies in the scratch folder of the bucket, and only this user can read it.

    Raises
    ------
    OSError
        They cannot be written, or the folder is somebody else's.
    """
    home = run.path
    assert isinstance(home, Address)
    folder = _folder_of(run.cohort)
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(each)
    path = folder / f"{run.name}{_SUFFIX}"
    head = json.dumps({"rows_of": str(run.cohort.path)}).encode() + b"\n"
    write_whole(path, [head, *lines])
    return path


def put_kept_rows(cohort: CohortFolder) -> None:
    """Put rows into a bucket that earlier runs have kept on this machine.

    What cannot be put stays for the next run; putting a row twice makes one.
    """
    if not isinstance(cohort.path, Address):
        return
    for path in _kept(_folder_of(cohort)):
        try:
            file = open_regular(path, follows_links=False)
            lines = read_opened(file, _MOST_BYTES).splitlines(keepends=True)[1:]
            sink = ObjectsOfRows(cohort.run(path.stem))
            in_parallel(sink.add, lines)
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s: its rows stay there: %s", path, explain(error))
        else:
            _log.warning(
                "rows of an earlier run that were kept on this machine are in %s now: %d.",
                *(cohort.path, len(lines)),
            )


def _kept(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        _check_own(folder.parent)
        _check_own(folder)
        yield from sorted(folder.glob(f"*{_SUFFIX}"))


def _folder_of(cohort: CohortFolder) -> Path:
    assert isinstance(cohort.path, Address)
    name = hashlib.sha256(str(cohort.path).encode()).hexdigest()[:16]
    return Scratch.of(cohort.path).folder / f"slidetile-rows-{os.getuid()}" / name


def _check_own(folder: Path) -> None:
    """Check that nobody else has made a folder, in which he might lay rows of his own."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(errno.EACCES, "it is not a folder of yours", str(folder))
