"""The table of a cohort for people, ``summary.csv``: the latest row of each slide of all runs.

Knows cells and the file they lie in. Does not know how a slide becomes a store.
"""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from slidetile.cloud.address import Location
from slidetile.cohort.files import claim_in_turn_at, read_file, write_file
from slidetile.cohort.layout import SUMMARY_NAME, CohortFolder
from slidetile.cohort.table.reading import known_slides
from slidetile.format.names import OWNER_SUFFIX
from slidetile.runtime.files import IrregularFileError, open_regular

_FORMULA = tuple("=+-@\t\r\n")
"""A cell that begins so is a formula to spreadsheet programs, which run it."""

_OURS = {"slide", "status", "store"}
"""Columns that every version has written."""

_ROWS_A_BATCH = 100
"""Rows that are text at a time: each takes some kB then."""

_HEAD_BYTES = 1 << 18
"""The columns of a summary in a bucket stand in its first bytes."""


def check_summary(folder: CohortFolder) -> None:
    """Check that no table of another's would be replaced, before any work is done.

    Raises
    ------
    FileExistsError
        A file of that name is there that slidetile has not written.
    OSError
        It cannot be read.
    """
    summary_columns(folder.summary)


def summary_columns(path: Location) -> list[str]:
    """Return the columns of a summary that is there; none where there is no file.

    Raises
    ------
    FileExistsError
        slidetile has not written it.
    OSError
        It cannot be read.
    """
    try:
        with _opened(path) as file:
            names = next(csv.reader(file), [])
    except FileNotFoundError:
        return []
    except IrregularFileError as error:
        raise FileExistsError(_foreign(path, str(error.strerror))) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileExistsError(_foreign(path, f"it is no CSV table: {error}")) from error
    if names and not set(names) >= _OURS:
        raise FileExistsError(_foreign(path, f"its columns are {', '.join(names):.200}"))
    return names


def _opened(path: Location) -> TextIO:
    """Open a summary, or in a bucket its first lines."""
    if isinstance(path, Path):  # a pipe would be waited for
        return os.fdopen(open_regular(path), newline="", encoding="utf-8")
    head = read_file(path, _HEAD_BYTES)
    return io.StringIO(head.rpartition(b"\n")[0].decode(), newline="")


def _foreign(path: Location, why: str) -> str:
    return (
        f"{path} is not a table that slidetile has written, so it is kept: {why}. Move it away, or "
        "choose another folder."
    )


def write_summary(folder: CohortFolder, *, patience_s: float | None = None) -> None:
    """Write the latest row of each slide of all runs into the folder's summary.

    Several runs may do so at a time: one after another, each with the rows of all.

    Raises
    ------
    FileExistsError
        A file of that name is there that slidetile has not written.
    CohortError
        The cohort's table cannot be read.
    StoreBusyError
        Another process has written the summary for minutes.
    OSError
        It cannot be written.
    """
    owner = folder.path / f"{SUMMARY_NAME}{OWNER_SUFFIX}"
    claim = claim_in_turn_at(owner, patience_s=patience_s)
    try:
        check_summary(folder)
        write_file(folder.summary, _lines(folder), before=claim.check)
    finally:
        claim.release()


def _lines(folder: CohortFolder) -> Iterator[bytes]:
    table = known_slides(folder)
    yield _csv([table.column_names])
    for batch in table.to_batches(max_chunksize=_ROWS_A_BATCH):
        yield _csv([list(row.values()) for row in batch.to_pylist()])


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def cell(value: object) -> str:
    """Return a value as the text of a cell that every program takes for text or a number.

    None is empty, and several texts are separated by bars. A text that a spreadsheet program would
    take for a formula begins with an apostrophe; bytes of a path that are no text are escaped.
    """
    if isinstance(value, list):
        value = " | ".join(map(str, value))
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = value.encode(errors="backslashreplace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def read_summary(path: Path) -> list[Mapping[str, str]]:
    """Return the rows of a summary as texts; none where there is no file.

    Raises
    ------
    FileExistsError
        slidetile has not written it.
    OSError
        It cannot be read.
    """
    if not summary_columns(path):
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [{n: text or "" for n, text in row.items() if n} for row in csv.DictReader(file)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileExistsError(_foreign(path, f"it is no CSV table: {error}")) from error
