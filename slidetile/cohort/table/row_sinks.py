"""Where the rows of a run go until they are in the table: lines of a file, or an object each.

Knows how a row gets there whole or not at all, and how rows become a part of the table. Does not
know when.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import in_parallel, remove_objects, write_object
from slidetile.cohort.files import make_folder, write_file
from slidetile.cohort.layout import RunFolder
from slidetile.cohort.table.reading import parsed, rows_in
from slidetile.cohort.table.rows import VERSION, arrow_of
from slidetile.cohort.table.run_files import FolderOfRun, RunFiles

if TYPE_CHECKING:
    import pyarrow as pa

_HEADER = json.dumps({"slidetile_table": VERSION}).encode() + b"\n"


_ROWS_AT_ONCE = 100
"""Rows that are values of Python at a time: each takes some kB then, and few in a table."""


class RowSink(Protocol):
    """Takes the rows of one run; any method may raise OSError and CohortError."""

    def add(self, line: bytes) -> None:
        """Add a row, whole or not at all; others see it at once."""
        ...

    def move(self) -> None:
        """Make all rows that are there a Parquet file of the table."""
        ...


class FileOfRows:
    """Rows on a disk, appended to one file.

    Parameters
    ----------
    run
        The run's folder.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._path = Path(str(run.rows))

    def add(self, line: bytes) -> None:
        """Append a row: a part of one that did not fit is cut off again."""
        make_folder(self._run.path)  # somebody may have removed it meanwhile
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
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

    def move(self) -> None:
        """Make all rows that are there Parquet files of the table.

        Their file gets another name first, which one process alone can give it: so what two of
        them move is not the same, though this run was asleep and another took it for dead.
        """
        with contextlib.suppress(FileNotFoundError):
            self._path.rename(str(self._run.other_rows(os.urandom(8).hex())))
        for path in FolderOfRun(self._run).rows():
            data = None if path == self._path else rows_in(path)
            if data is not None:
                _write_part(self._run, path, data)
                Path(str(path)).unlink(missing_ok=True)


class ObjectsOfRows:
    """Rows in a bucket, where nothing is appended to: each is an object of its own.

    Whoever moves some removes those alone that it has read: so none is lost where two do, since
    this run was asleep and another took it for dead.

    Parameters
    ----------
    run
        The run's folder.
    left
        Objects of rows that a run has left.
    """

    def __init__(self, run: RunFolder, left: Iterable[Location] = ()) -> None:
        self._run = run
        self._lines: dict[Location, bytes | None] = dict.fromkeys(left)
        """What each object holds; None where that is not known yet."""

    def add(self, line: bytes) -> None:
        """Write a row; trying it again makes no second one."""
        place = self._run.other_rows(hashlib.sha256(line).hexdigest()[:32])
        assert isinstance(place, Address)
        write_object(place, [_HEADER, line])
        self._lines[place] = line

    def move(self) -> None:
        """Make all rows that are there a Parquet file of the table, and remove their objects."""
        unknown = [place for place, line in self._lines.items() if line is None]
        for place, data in zip(unknown, in_parallel(rows_in, unknown), strict=True):
            # None is gone: another has moved it.
            self._lines[place] = b"" if data is None else data.partition(b"\n")[2]
        lines = b"".join(line for line in self._lines.values() if line)
        if lines:
            _write_part(self._run, self._run.path, _HEADER + lines)
        places = [place for place in self._lines if isinstance(place, Address)]
        self._lines.clear()
        with contextlib.suppress(OSError):  # else they are moved once more, by a later run
            remove_objects(places)


def sink_of(run: RunFolder) -> RowSink:
    """Return where the rows of a run go that begins."""
    return FileOfRows(run) if isinstance(run.path, Path) else ObjectsOfRows(run)


def sink_left(files: RunFiles) -> RowSink:
    """Return the rows that a run has left which was killed, to be moved."""
    run = files.run
    return FileOfRows(run) if isinstance(run.path, Path) else ObjectsOfRows(run, files.rows())


def _write_part(run: RunFolder, path: Location, data: bytes) -> None:
    """Make rows a Parquet file of the table; ``path`` is where they are from, for messages."""
    import pyarrow as pa

    tables = [arrow_of(rows) for part in _in_parts(data) if (rows := parsed(path, part))]
    if tables:
        make_folder(run.cohort.table)
        whole = pa.concat_tables(tables, promote_options="default")
        write_file(run.part(data), [parquet_of(whole)])


def _in_parts(data: bytes) -> Iterator[bytes]:
    """Yield a file of rows as several of a few, each with the first line, its version."""
    head, line_end, rest = data.partition(b"\n")
    lines = rest.split(b"\n")
    for first in range(0, len(lines), _ROWS_AT_ONCE):
        part = lines[first : first + _ROWS_AT_ONCE]
        is_last = first + _ROWS_AT_ONCE >= len(lines)
        yield head + line_end + b"\n".join(part) + (b"" if is_last else b"\n")


def parquet_of(table: "pa.Table") -> bytes:
    """Return rows as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
