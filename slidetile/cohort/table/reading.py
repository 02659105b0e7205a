"""Reading a cohort's table: the parts of all runs, and the rows that are in none yet."""

import io
import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.objects import in_parallel
from slidetile.cloud.options import using_storage_options
from slidetile.cohort.files import files_in, read_file
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.table.rows import COLUMNS, ENDED, KEY, VERSION, Row, arrow_of, latest
from slidetile.cohort.table.run_files import RunFiles, runs_of
from slidetile.errors import CohortError, explain

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)

Result = TypeVar("Result")

MOST_BYTES = 1 << 30
"""Most bytes of the rows of one run that are not in the table yet."""


def read_slides(
    folder: str | os.PathLike[str] | Address,
    *,
    columns: Sequence[str] | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> "pa.Table":
    """Return what became of each slide of a cohort: the latest row of each key.

    Rows of runs that are under way, and of those that were killed, are among them.

    Parameters
    ----------
    folder
        The folder that `tile_slides` has written into, or where that lies in a bucket.
    columns
        Which columns to read; None reads all. ``key`` and ``ended`` are always among them.
    storage_options
        As in `open_store`.

    Returns
    -------
    pyarrow.Table
        A row for each slide, in the order of the keys; no rows where no slide has ended yet.
        docs/reference/cohort-tables.md explains the columns.

    Raises
    ------
    CohortError
        There is no cohort: no table, and no run that would write one; a part of the table cannot
        be read, or is of a newer version; or the bucket does not list
        its objects.
    """
    with using_storage_options(storage_options):
        cohort = CohortFolder(locate(folder))
    found = known_slides(cohort, columns=columns)
    if not found.num_rows and not runs_of(cohort):
        what = "does not exist" if cohort.is_gone else "holds no table of slides"
        raise CohortError(f"{cohort.path} {what}: give the output folder of batch.")
    return found


def known_slides(cohort: CohortFolder, *, columns: Sequence[str] | None = None) -> "pa.Table":
    """Return the rows of `read_slides`; none where there is no cohort yet."""
    import pyarrow as pa

    wanted = None if columns is None else list(dict.fromkeys([KEY, *columns, ENDED]))
    tables = []
    # Before the parts: rows that are moved into one meanwhile are read twice, and not never.
    for files in runs_of(cohort):
        if rows := unsealed(files):
            table = _sound(files.run.path, rows)
            tables.append(table if wanted is None else table.select(_known(table, wanted)))
    tables += _read_all(lambda path: _part(path, wanted), parts_of(cohort))
    if not tables:
        empty = arrow_of([])
        return empty if wanted is None else empty.select(_known(empty, wanted))
    whole = pa.concat_tables(tables, promote_options="default")
    return latest(_in_order(whole))


def _sound(run: Location, rows: Sequence[Row]) -> "pa.Table":
    """Return the rows of a run whose values have the types of their columns."""
    import pyarrow as pa

    try:
        return arrow_of(rows)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        sound = [row for row in rows if _fits(row)]
        _log.warning(
            "%s: rows with values of other types, left out: %d.", run, len(rows) - len(sound)
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


def parts_of(cohort: CohortFolder) -> list[Location]:
    """Return the Parquet files of a cohort's table, in the order in which runs began."""
    return files_in(cohort.table, ".parquet")


def unsealed(files: RunFiles) -> list[Row]:
    """Return the rows of a run that are not in the table yet.

    Raises
    ------
    CohortError
        They cannot be read, or are of a newer version.
    """
    found: dict[Location, list[Row]] = {}
    while left := [path for path in files.rows() if path not in found]:
        for path, data in zip(left, _read_all(rows_in, left), strict=True):
            if data is not None:  # else it has another name now, or is in the table
                found[path] = parsed(path, data)
            elif isinstance(path, Address):
                found[path] = []  # in the table
    return [row for rows in found.values() for row in rows]


def _read_all(read: Callable[[Location], Result], places: Sequence[Location]) -> list[Result]:
    """Return what is read of several places: those in a bucket several at a time."""
    if places and isinstance(places[0], Address):
        return in_parallel(read, places)
    return [read(place) for place in places]


def rows_in(path: Location) -> bytes | None:
    """Return what a file of rows holds; None where there is none.

    Raises
    ------
    CohortError
        It cannot be read.
    """
    try:
        return read_file(path, MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CohortError(f"{path} cannot be read: {explain(error)}.") from error


def parsed(path: Location, data: bytes) -> list[Row]:
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


def _row(path: Location, line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not isinstance(row.get(KEY), str):
        _log.warning("%s: a line is no row, and is left out: %.100r", path, line)
        return None
    return row


def _part(path: Location, wanted: Sequence[str] | None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with _opened(path) as opened:
            # Arrow would read ahead in a thread that outlives the call.
            file = pq.ParquetFile(opened, pre_buffer=False)
            marked = (file.schema_arrow.metadata or {}).get(b"slidetile_table", b"unknown")
            _check_version(path, int(marked) if marked.isdigit() else marked.decode())
            names = None if wanted is None else [n for n in wanted if n in file.schema_arrow.names]
            return file.read(columns=names, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        if isinstance(path, Address) and not isinstance(error, pa.ArrowException):
            raise CohortError(f"{path} cannot be read: {explain(error)}.") from error
        raise CohortError(
            f"{path} cannot be read: {explain(error)}. It is a part of the cohort's table; move it "
            "away to go on without its rows: the next run makes them again."
        ) from error


def _opened(path: Location) -> BinaryIO:
    return path.open("rb") if isinstance(path, Path) else io.BytesIO(read_file(path, MOST_BYTES))


def _check_version(path: Location, version: object) -> None:
    if version != VERSION:
        raise CohortError(
            f"{path} is a table of version {version}, but this slidetile knows version {VERSION}: "
            "update slidetile, or choose another output folder."
        )
