"""The table of a batch, ``summary.csv``: a row for each slide of every run into its folder.

Knows rows and the file they lie in. Does not know how a slide becomes a store.
"""

import csv
import io
import logging
import os
import random
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from slidetile.errors import StoreBusyError, explain
from slidetile.format.names import OWNER_SUFFIX
from slidetile.runtime.claim import Claim
from slidetile.runtime.files import IrregularFileError, open_regular, write_whole

_log = logging.getLogger(__name__)

SUMMARY_NAME = "summary.csv"

KEY = "slide"
"""The column that tells the rows apart: the slide's absolute path."""

PATIENCE_S, LAST_PATIENCE_S = 10.0, 150.0
"""How long a run waits for another that writes the table, which takes it milliseconds: while there
is another row to come, and at the end. A run that has died is noticed within a minute."""

_PAUSE_S = 0.05

_FORMULA = tuple("=+-@\t\r\n")
"""A cell that begins so is a formula to spreadsheet programs, which run it."""


class Summary:
    """The table of a folder, to which several runs may add rows at a time.

    Each run reads the rows that are there, replaces those of its own slides, and writes the table
    anew, in the order in which folders are searched. A claim's file beside it,
    ``summary.csv.owner``, lets one do so at a time.

    Parameters
    ----------
    folder
        The folder, which exists.
    columns
        Names of the table's columns.

    Raises
    ------
    FileExistsError
        A file of that name is there that slidetile has not written.
    OSError
        It cannot be read.
    """

    def __init__(self, folder: Path, columns: Iterable[str]) -> None:
        self.path = folder / SUMMARY_NAME
        self._columns = list(columns)
        self._rows: dict[str, dict[str, str]] = {}
        self._is_behind = True
        self._read()

    def enter(self, row: Mapping[str, object]) -> None:
        """Add a row, or replace its slide's; where that fails now, it is tried again later."""
        cells = {name: cell(value) for name, value in row.items()}
        self._rows[cells[KEY]] = cells
        self._is_behind = True
        try:
            self._write(PATIENCE_S)
        except (OSError, StoreBusyError) as error:
            _log.warning("%s will be written later: %s", self.path, explain(error))

    def finish(self) -> None:
        """Write the rows that could not be written before.

        Raises
        ------
        StoreBusyError
            Another process has held the table for minutes.
        OSError
            It cannot be written.
        """
        if self._is_behind:
            self._write(LAST_PATIENCE_S)

    def _write(self, patience_s: float) -> None:
        claim = _claimed(self.path.with_name(SUMMARY_NAME + OWNER_SUFFIX), patience_s)
        try:
            rows = self._merged(self._read())
            data = self._table([rows[slide] for slide in sorted(rows, key=_place)])
            write_whole(self.path, [data], before_rename=claim.check)
        finally:
            claim.release()
        self._is_behind = False

    def _merged(self, found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        """Return the rows of all runs: this one's replace others', but for slides in others' hands.

        What another run says of a slide that it was tiling meanwhile is what became of it.
        """
        own = {
            slide: row
            for slide, row in self._rows.items()
            if slide not in found or row.get("error_type") != StoreBusyError.__name__
        }
        return {**found, **own}

    def _read(self) -> dict[str, dict[str, str]]:
        """Return the rows that are there, by slide."""
        try:
            opened = open_regular(self.path)  # a pipe would be waited for
            with os.fdopen(opened, newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                names = reader.fieldnames or self._columns
                if KEY not in names or not set(names) <= set(self._columns):
                    raise FileExistsError(self._foreign(f"its columns are {', '.join(names):.200}"))
                return {_absolute(row[KEY]): _whole(row) for row in reader if row[KEY]}
        except FileNotFoundError:
            return {}
        except IrregularFileError as error:
            raise FileExistsError(self._foreign(str(error.strerror))) from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise FileExistsError(self._foreign(f"it is no CSV table: {error}")) from error

    def _foreign(self, why: str) -> str:
        return (
            f"{self.path} is not a table that slidetile has written, so it is kept: {why}. Move it "
            "away, or choose another folder."
        )

    def _table(self, rows: Iterable[Mapping[str, str]]) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()


def cell(value: object) -> str:
    """Return a value as the text of a cell that every program takes for text or a number.

    None is empty. A text that a spreadsheet program would take for a formula begins with an
    apostrophe; bytes of a path that are no text are escaped.
    """
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = value.encode(errors="backslashreplace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _whole(row: dict[str, str]) -> dict[str, str]:
    """Return a row without cells beyond the last column, and without cells that are missing."""
    return {name: text or "" for name, text in row.items() if name is not None}


def _absolute(slide: str) -> str:
    """Return a slide's path as this version writes it; earlier ones wrote it as given."""
    return os.path.abspath(slide)  # noqa: PTH100  links stay


def _place(slide: str) -> list[tuple[bool, str]]:
    """Return where a slide's row stands: as folders are searched, files before subfolders."""
    *folders, name = Path(slide).parts
    return [*((True, folder) for folder in folders), (False, name)]


def _claimed(path: Path, patience_s: float) -> Claim:
    """Return the claim of a table, as soon as no other run holds it."""
    end = time.monotonic() + patience_s
    while True:
        try:
            return Claim(path)
        except StoreBusyError:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE_S * random.random())  # noqa: S311  so that two do not keep step
