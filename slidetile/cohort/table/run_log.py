"""The rows of one run: added as slides end, and moved into the table now and then."""

import json
import logging
import threading
from pathlib import Path
from typing import Any

from slidetile.cloud.address import Address
from slidetile.cohort.files import claim_at, make_folder, refuse_if_claimed_at, write_file
from slidetile.cohort.layout import RunFolder
from slidetile.cohort.table.kept_rows import keep_rows
from slidetile.cohort.table.row_sinks import sink_left, sink_of
from slidetile.cohort.table.rows import Row
from slidetile.cohort.table.run_files import RunFiles, runs_of
from slidetile.counts import how_many
from slidetile.errors import CohortError, StoreBusyError, explain

_log = logging.getLogger(__name__)

ROWS_A_PART = 1000
"""Rows of a run that are one Parquet file: few enough to hold, enough for few files."""


class RunLog:
    """The rows of a run under way; others see each row at once, and none is ever written twice.

    Rows go into the run's own folder, so that runs side by side never write one file. Whenever
    there are many they become a Parquet file of the table.

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
        self._is_cut_off = False
        self.kept: Path | None = None
        """The file of this machine that has rows which could not be put into the bucket."""
        self._sink = sink_of(run)
        make_folder(run.path)
        make_folder(run.cohort.table)
        self._claim = claim_at(run.owner)

    def note(self, facts: dict[str, Any]) -> None:
        """Write what is run, and with which settings."""
        text = json.dumps(facts, indent=2, ensure_ascii=False, default=str)
        write_file(self.run.note, [f"{text}\n".encode(errors="backslashreplace")])

    def enter(self, row: Row) -> None:
        """Add a row; where that fails now, it is tried again with the next."""
        self._pending.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        if self._is_cut_off:
            return
        try:
            self._add()
            if self._count >= ROWS_A_PART:
                self._seal()
        except (OSError, CohortError) as error:
            _log.warning("%s: rows will be written later: %s", self.run.path, explain(error))

    def cut_off(self) -> None:
        """Ask nothing more of the bucket: it is gone. Rows are kept on this machine."""
        self._is_cut_off = True

    def finish(self) -> None:
        """Move all rows into the table, and those of runs that have died.

        Rows that cannot be put into a bucket are kept on this machine, for its next run.

        Raises
        ------
        OSError
            They cannot be written.
        """
        if self._is_cut_off:
            self._keep()
            return
        try:
            self._add()
            self._count += 1
            self._seal()
        except OSError as error:
            raise self._unwritten(error) from error
        for files in runs_of(self.run.cohort):
            if files.run.name != self.run.name:
                seal_dead(files)

    def close(self) -> None:
        """Let others move the rows that are left into the table."""
        if self._is_cut_off:  # it would wait for minutes; if it is not released, it grows old
            threading.Thread(
                target=self._claim.release, name="slidetile_release", daemon=True
            ).start()
        else:
            self._claim.release()

    def _add(self) -> None:
        while self._pending:
            self._sink.add(self._pending[0])
            del self._pending[0]
            self._count += 1

    def _unwritten(self, error: OSError) -> OSError:
        """Return the error that says what becomes of rows which are not in the bucket."""
        if isinstance(self.run.path, Path):
            return error
        count = len(self._pending)
        rows = how_many(count, "rows of this run") if count else "a part of the table"
        self._keep()
        kept = "" if self.kept is None else f"; they are kept in {self.kept} for the next run"
        why = (
            f"{rows} could not be written ({error.strerror or error}){kept}; finished stores are "
            "kept: run the same command again, which makes what is lacking"
        )
        return type(error)(error.errno, why, str(self.run.path))

    def _keep(self) -> None:
        """Keep the rows on this machine that could not be put into the bucket."""
        if not self._pending or not isinstance(self.run.path, Address):
            return
        try:
            self.kept = keep_rows(self.run, self._pending)
        except OSError as error:
            _log.warning("rows that could not be written are lost: %s", explain(error))

    def _seal(self) -> None:
        if self._count:
            self._count = 0  # also where it fails: these rows are moved with the next thousand
            self._sink.move()


def seal_dead(files: RunFiles) -> None:
    """Move the rows into the table that a run has left which was killed; leave a living one's."""
    if not files.rows():
        return
    try:
        claim = claim_at(files.run.owner)
    except (StoreBusyError, OSError):
        return
    try:
        sink_left(files).move()
    except (CohortError, OSError) as error:
        _log.warning("the rows of an earlier run stay in its log: %s", explain(error))
    finally:
        claim.release()


def is_any_under_way(but: RunFolder) -> bool:
    """Return whether runs of the same cohort are under way, other than one."""
    others = (files for files in runs_of(but.cohort) if files.run.name != but.name)
    return any(_is_alive(files) for files in others)


def _is_alive(files: RunFiles) -> bool:
    if not files.has_owner():  # as nearly all
        return False
    try:
        refuse_if_claimed_at(files.run.owner)
    except StoreBusyError:
        return True
    except OSError:
        return False
    return False
