"""A Parquet file that is not trusted: its own record first, then its values, a group at a time.

Knows the Parquet library, and is the one place where its errors become ours. Does not know what
the columns mean.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from slidetile.errors import StoreError, one_line

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

LARGEST_RECORD_BYTES = 1 << 20
"""Most bytes of one name or text in a file's own record."""

MOST_ROW_GROUPS = 1 << 16
"""Most items of a list in a file's own record; writers put a million rows into a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """A row group, as the file describes it.

    Not column by column: where the library is asked for those of a damaged file, it ends the
    process (Arrow 26 does, by a C++ exception that nothing catches).
    """

    rows: int
    """Its rows."""

    decoded_bytes: int
    """What its pages take once they are decompressed."""


class ParquetTable:
    """A Parquet file, whose values are read when its record has been checked.

    Parameters
    ----------
    file
        The open file.
    texts
        The names of columns of text, which are read as dictionaries: a long text that all rows
        share is in memory once.

    Raises
    ------
    StoreError
        It is no Parquet file.
    """

    def __init__(self, file: BinaryIO, *, texts: Sequence[str]) -> None:
        with _foreign():
            self._file = _opened(file)
            record = self._file.metadata
            there = [name for name in texts if name in self._file.schema_arrow.names]
            if there:
                self._file = _opened(file, read_dictionary=there, metadata=record)
            self.rows: int = record.num_rows
            self.schema: pa.Schema = self._file.schema_arrow
            groups = [record.row_group(number) for number in range(record.num_row_groups)]
            self.groups = tuple(
                GroupRecord(rows=group.num_rows, decoded_bytes=group.total_byte_size)
                for group in groups
            )

    def read(self, group: int) -> "pa.Table":
        """Return the rows of one row group, its texts as dictionaries.

        Raises
        ------
        StoreError
            It is damaged.
        """
        with _foreign():
            table = self._file.read_row_group(group, use_threads=False)
            table.validate(full=True)
            return table


def _opened(file: BinaryIO, **options: Any) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    # Reading ahead takes a thread of Arrow's, which lets go of Python's memory at its leisure: it
    # aborts a process that ends meanwhile.
    return pq.ParquetFile(
        file,
        pre_buffer=False,
        thrift_string_size_limit=LARGEST_RECORD_BYTES,
        thrift_container_size_limit=MOST_ROW_GROUPS,
        **options,
    )


@contextlib.contextmanager
def _foreign() -> Iterator[None]:
    """Turn whatever the Parquet library makes of bytes that are no table into a StoreError.

    Of damaged files it raises what its own authors did not foresee: KeyError, TypeError,
    OverflowError, ArrowNotImplementedError. Nothing of ours runs within.
    """
    try:
        yield
    except Exception as error:
        raise StoreError(f"it could not be read as a table: {one_line(error)}") from error
