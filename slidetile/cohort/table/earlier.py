"""Tables of earlier versions, which were nothing but a ``summary.csv``: their rows are taken over.

Knows what those wrote. Does not know what becomes of the rows.
"""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from slidetile.cloud.address import Address
from slidetile.cohort.files import files_in, make_folder, write_file
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.table.row_sinks import parquet_of
from slidetile.cohort.table.rows import COLUMNS, KEY, Row, arrow_of
from slidetile.cohort.table.summary import read_summary, summary_columns

RUN = "00000000T000000Z-earlier"
"""The name of the run that such rows are of, which sorts before all others."""

_NUMBERS = {"tiles": int, "unreadable": int, "tile_bytes": int, "tissue_pieces": int}


def take_over(folder: CohortFolder) -> None:
    """Make the summary of an earlier version a part of the table, where that was not done yet.

    So the slides keep what they are called, and their rows.

    Raises
    ------
    FileExistsError
        slidetile has not written the summary.
    OSError
        It cannot be read, or the table cannot be written.
    """
    if any(part.name.startswith(f"{RUN}-") for part in files_in(folder.table, ".parquet")):
        return
    rows = earlier_rows(folder)
    if rows:
        make_folder(folder.table)
        data = repr(rows).encode()
        write_file(folder.run(RUN).part(data), [parquet_of(arrow_of(rows))])


def earlier_rows(folder: CohortFolder) -> list[Row]:
    """Return the rows of a summary of an earlier version, each with a key of its own.

    None where there is no summary, or it is of this version.

    Raises
    ------
    FileExistsError
        slidetile has not written the summary.
    OSError
        It cannot be read.
    """
    summary = folder.summary
    if isinstance(summary, Address):  # no earlier version has written into a bucket
        return []
    if KEY in summary_columns(summary):
        return []
    rows = [row for found in read_summary(summary) if (row := _row(found)) is not None]
    taken: set[str] = set()
    for row in rows:  # those that failed have no store, and so perhaps the name of another
        keys = itertools.chain([row["key"]], (f"{row['key']}_{n}" for n in itertools.count(2)))
        row["key"] = next(key for key in keys if key not in taken)
        taken.add(row["key"])
    return rows


def _row(found: Mapping[str, str]) -> Row | None:
    slide, store = found.get("slide", ""), found.get("store", "")
    if not slide:
        return None
    texts = {name: found[name] for name in COLUMNS if found.get(name)}
    row: Row = {n: text for n, text in texts.items() if COLUMNS[n] == "string"}
    row |= {name: kind(texts[name]) for name, kind in _NUMBERS.items() if _is_whole(texts, name)}
    path = os.path.abspath(slide)  # noqa: PTH100  links stay; earlier ones wrote it as given
    key = Path(store).stem if store else Path(path).stem
    return {**row, "key": key, "slide": path, "warnings": [], "run": RUN, "ended": ""}


def _is_whole(texts: Mapping[str, str], name: str) -> bool:
    return texts.get(name, "").isdecimal()
