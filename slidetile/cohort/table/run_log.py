"""The rows of one run: appended to a file as slides end, and moved into the table now and then."""

import contextlib
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from slidetile.cohort.layout import RunFolder
from slidetile.cohort.table.reading import parsed, rows_in, runs_of
from slidetile.cohort.table.rows import VERSION, Row, arrow_of
from slidetile.errors import CohortError, StoreBusyError, explain
from slidetile.runtime.claim import Claim, refuse_if_claimed
from slidetile.runtime.files import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

ROWS_A_PART = 1000
"""Rows of a run that are one Parquet file: few enough to hold, enough for few files."""

_HEADER = json.dumps({"slidetile_table": VERSION}).encode() + b"\n"


class RunLog:
    """The rows of a run under way; others see each row at once, and none is ever written twice.

    Rows go into ``rows.jsonl`` of the run's own folder, so that runs side by side never write one
    file. Whenever there are many they become a Parquet file of the table.

    Parameters
    ----------
    run
        The run's folder, which is made.

    Raises
    ------
    OSError
        The folder cannot be made or written.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self._pending: list[bytes] = []
        """Rows that could not be written yet."""
        self._count = 0
        run.path.mkdir(parents=True, exist_ok=True)
        run.cohort.table.mkdir(exist_ok=True)
        self._claim = Claim(run.owner)

    def note(self, facts: dict[str, Any]) -> None:
        """Write what is run, and with which settings."""
        text = json.dumps(facts, indent=2, ensure_ascii=False, default=str)
        write_whole(self.run.note, [f"{text}\n".encode(errors="backslashreplace")])

    def enter(self, row: Row) -> None:
        """Append a row; where that fails now, it is tried again with the next."""
        self._pending.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        try:
            self._append()
            if self._count >= ROWS_A_PART:
                self._seal()
        except (OSError, CohortError) as error:
            _log.warning("%s: rows will be written later: %s", self.run.rows, explain(error))

    def finish(self) -> None:
        """Move all rows into the table, and those of runs that have died.

        Raises
        ------
        OSError
            They cannot be written.
        """
        self._append()
        self._count += 1
        self._seal()
        for run in runs_of(self.run.cohort):
            if run.name != self.run.name:
                seal_dead(run)

    def close(self) -> None:
        """Let others move the rows that are left into the table."""
        self._claim.release()

    def _append(self) -> None:
        while self._pending:
            _append_line(self.run, self._pending[0])
            del self._pending[0]
            self._count += 1

    def _seal(self) -> None:
        if self._count:
            self._count = 0  # also where it fails: these rows are moved with the next thousand
            _move(self.run)


def _append_line(run: RunFolder, line: bytes) -> None:
    """Append a line, whole or not at all: a part of one that did not fit is cut off again."""
    run.path.mkdir(parents=True, exist_ok=True)  # somebody may have removed it meanwhile
    file = os.open(run.rows, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
    try:
        before = os.fstat(file).st_size
        data = line if before else _HEADER + line
        try:
            written = os.write(file, data)
            if written < len(data):
                os.write(file, data[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


def _move(run: RunFolder) -> None:
    """Make the rows of a run Parquet files of the table.

    Their file gets another name first, which one process alone can give it: so what two of them
    move is not the same, though this run was asleep and another took it for dead.
    """
    with contextlib.suppress(FileNotFoundError):
        run.rows.rename(run.moving())
    for path in run.all_rows:
        data = None if path == run.rows else rows_in(path)
        if data is None:
            continue
        rows = parsed(path, data)
        if rows:
            run.cohort.table.mkdir(exist_ok=True)
            write_whole(run.part(data), [parquet_of(arrow_of(rows))])
        path.unlink(missing_ok=True)


def parquet_of(table: "pa.Table") -> bytes:
    """Return rows as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def seal_dead(run: RunFolder) -> None:
    """Move the rows into the table that a run has left which was killed; leave a living one's."""
    if not run.all_rows:
        return
    try:
        claim = Claim(run.owner)
    except (StoreBusyError, OSError):
        return
    try:
        _move(run)
    except (CohortError, OSError) as error:
        _log.warning("the rows of an earlier run stay in its log: %s", explain(error))
    finally:
        claim.release()


def is_any_under_way(but: RunFolder) -> bool:
    """Return whether runs of the same cohort are under way, other than one."""
    return any(run.name != but.name and _is_alive(run) for run in runs_of(but.cohort))


def _is_alive(run: RunFolder) -> bool:
    if not os.path.lexists(run.owner):  # as nearly all
        return False
    try:
        refuse_if_claimed(run.owner)
    except StoreBusyError:
        return True
    except OSError:
        return False
    return False
