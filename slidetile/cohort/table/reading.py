"""Reading a cohort's table: the parts of all runs, and the rows that are in none yet."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slidetile.cohort.layout import CohortFolder, RunFolder
from slidetile.cohort.table.rows import COLUMNS, ENDED, KEY, VERSION, Row, arrow_of, latest
from slidetile.errors import CohortError, explain
from slidetile.runtime.files import read_regular

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

MOST_BYTES = 1 << 30
"""Most bytes of the rows of one run that are not in the table yet."""


def read_slides(folder: str | Path, *, columns: Sequence[str] | None = None) -> "pa.Table":
    """Return what became of each slide of a cohort: the latest row of each key.

    Rows of runs that are under way, and of those that were killed, are among them.

    Parameters
    ----------
    folder
        The folder that `tile_slides` has written into.
    columns
        Which columns to read; None reads all. ``key`` and ``ended`` are always among them.

    Returns
    -------
    pyarrow.Table
        A row for each slide, in the order of the keys; no rows where the folder has no table.
        docs/reference/cohort-tables.md explains the columns.

    Raises
    ------
    CohortError
        A part of the table cannot be read, or is of a newer version.
    """
    import pyarrow as pa

    wanted = None if columns is None else list(dict.fromkeys([KEY, *columns, ENDED]))
    cohort = CohortFolder(Path(folder))
    tables = []
    # Before the parts: rows that are moved into one meanwhile are read twice, and not never.
    for run in runs_of(cohort):
        if rows := unsealed(run):
            table = _sound(run, rows)
            tables.append(table if wanted is None else table.select(_known(table, wanted)))
    tables += [_part(path, wanted) for path in parts_of(cohort)]
    if not tables:
        empty = arrow_of([])
        return empty if wanted is None else empty.select(_known(empty, wanted))
    whole = pa.concat_tables(tables, promote_options="default")
    return latest(_in_order(whole))


def _sound(run: RunFolder, rows: Sequence[Row]) -> "pa.Table":
    """Return the rows of a run whose values have the types of their columns."""
    import pyarrow as pa

    try:
        return arrow_of(rows)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        sound = [row for row in rows if _fits(row)]
        _log.warning(
            "%s: rows with values of other types, left out: %d.", run.path, len(rows) - len(sound)
        )
        return arrow_of(sound)


def _fits(row: Row) -> bool:
    import pyarrow as pa

    try:
        arrow_of([row])
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _known(table: "pa.Table", wanted: Sequence[str]) -> list[str]:
    return [name for name in wanted if name in table.column_names]


def _in_order(table: "pa.Table") -> "pa.Table":
    """Return a table with the columns of every row first."""
    others = [name for name in table.column_names if name not in COLUMNS]
    return table.select([*_known(table, list(COLUMNS)), *others])


def parts_of(cohort: CohortFolder) -> list[Path]:
    """Return the Parquet files of a cohort's table, in the order in which runs began."""
    return sorted(cohort.table.glob("*.parquet"))


def runs_of(cohort: CohortFolder) -> Iterator[RunFolder]:
    """Yield the runs that have left a folder of logs, in the order in which they began."""
    for path in sorted(cohort.logs.glob("*")):
        yield cohort.run(path.name)


def unsealed(run: RunFolder) -> list[Row]:
    """Return the rows of a run that are not in the table yet.

    Raises
    ------
    CohortError
        They cannot be read, or are of a newer version.
    """
    found: dict[Path, list[Row]] = {}
    while left := [path for path in run.all_rows if path not in found]:
        for path in left:
            data = rows_in(path)
            if data is not None:  # else it has another name now, or is in the table
                found[path] = parsed(path, data)
    return [row for rows in found.values() for row in rows]


def rows_in(path: Path) -> bytes | None:
    """Return what a file of rows holds; None where there is none.

    Raises
    ------
    CohortError
        It cannot be read.
    """
    try:
        return read_regular(path, MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CohortError(f"{path} cannot be read: {explain(error)}.") from error


def parsed(path: Path, data: bytes) -> list[Row]:
    """Return the rows of a file.

    Raises
    ------
    CohortError
        It is of a newer version.
    """
    whole, _, cut = data.rpartition(b"\n")  # a run that is killed may leave half a line
    if cut:
        _log.info("%s: its last row is not whole, and is left out.", path)
    first, *lines = whole.split(b"\n") if whole else [b""]
    _check_version(path, _version_in(first) if first else VERSION)
    return [row for line in lines if (row := _row(path, line)) is not None]


def _version_in(line: bytes) -> object:
    try:
        return json.loads(line)["slidetile_table"]
    except (ValueError, TypeError, KeyError):
        return "unknown"


def _row(path: Path, line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not isinstance(row.get(KEY), str):
        _log.warning("%s: a line is no row, and is left out: %.100r", path, line)
        return None
    return row


def _part(path: Path, wanted: Sequence[str] | None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as opened:
            # Arrow would read ahead in a thread that outlives the call.
            file = pq.ParquetFile(opened, pre_buffer=False)
            marked = (file.schema_arrow.metadata or {}).get(b"slidetile_table", b"unknown")
            _check_version(path, int(marked) if marked.isdigit() else marked.decode())
            names = None if wanted is None else [n for n in wanted if n in file.schema_arrow.names]
            return file.read(columns=names, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise CohortError(
            f"{path} cannot be read: {explain(error)}. It is a part of the cohort's table; move it "
            "away to go on without its rows: the next run makes them again."
        ) from error


def _check_version(path: Path, version: object) -> None:
    if version != VERSION:
        raise CohortError(
            f"{path} is a table of version {version}, but this slidetile knows version {VERSION}: "
            "update slidetile, or choose another output folder."
        )
