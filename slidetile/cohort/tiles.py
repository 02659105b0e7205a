"""The tiles of all stores of a cohort as one table, read only where it is asked for.

Knows which stores there are. Does not know what tiles look like.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slidetile.cloud.address import Address, locate
from slidetile.cloud.options import using_storage_options
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.table.reading import known_slides
from slidetile.cohort.table.rows import COLUMNS, KEY
from slidetile.cohort.tile_tables import table_schema, tile_tables
from slidetile.errors import CohortError

if TYPE_CHECKING:
    import pyarrow.dataset as ds


def scan_tiles(
    folder: str | os.PathLike[str] | Address, *, storage_options: Mapping[str, str] | None = None
) -> "ds.Dataset":
    """Return the tile tables of all finished stores in a folder as one dataset.

    Nothing is read but the tables' schemas: the dataset is handed to polars
    (``pl.scan_pyarrow_dataset``), to DuckDB by its variable's name, or to pandas by ``to_table``.

    Parameters
    ----------
    folder
        A folder of stores, such as `tile_slides` writes into, or where it lies in a bucket. There,
        each store takes four requests to be found, and one whenever its table is read, which has
        to be the one that was found: a store that is replaced meanwhile is an error, no mixture.
    storage_options
        As in `open_store`.

    Returns
    -------
    pyarrow.dataset.Dataset
        A row for each tile: the columns of the tile tables, after ``key``, the store's name without
        its suffix, and the columns of the cohort's manifest, as text. What a store does not have,
        such as a class that others have, is null. Stores are in the order of
        their keys. docs/reference/store-format.md explains the tile table.

    Raises
    ------
    CohortError
        The folder does not exist or holds no finished store, or its table cannot be read; or the
        bucket cannot be listed or read.
    OSError
        It cannot be read.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    with using_storage_options(storage_options):
        cohort = CohortFolder(locate(folder))
    if cohort.is_gone:
        raise CohortError(f"{cohort.path} does not exist: give the output folder of batch.")
    tables = tile_tables(cohort.path)
    if not tables.paths:
        raise CohortError(
            f"{cohort.path} holds no finished store: give the output folder of batch."
        )
    tiles = table_schema(tables)
    rows = {row[KEY]: _renamed(row, tiles.names) for row in _columns_of(cohort)}
    # Arrow would read ahead in a thread that outlives the call.
    options = ds.ParquetFragmentScanOptions(pre_buffer=False)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    files = tables.file_system()
    names = list(dict.fromkeys(name for row in rows.values() for name in row if name != KEY))
    fragments = [
        form.make_fragment(
            path,
            filesystem=files,
            partition_expression=_same(key, rows.get(key, {}), names),
        )
        for key, path in tables.paths
    ]
    texts = [pa.field(name, pa.string()) for name in (KEY, *names)]
    schema = pa.schema([*texts, *(field for field in tiles if field.name != KEY)])
    return ds.FileSystemDataset(fragments, schema, form, files)


def _columns_of(cohort: CohortFolder) -> list[dict[str, Any]]:
    """Return the key of each slide, and the manifest's columns."""
    table = known_slides(cohort)
    names = [name for name in table.column_names if name not in COLUMNS]
    rows: list[dict[str, Any]] = table.select([KEY, *names]).to_pylist()
    return rows


def _renamed(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """Return a row whose columns do not hide those of the tile table."""
    return {
        f"manifest_{name}" if name in columns and name != KEY else name: value
        for name, value in row.items()
    }


def _same(key: str, row: dict[str, Any], names: Sequence[str]) -> Any:
    """Return the expression that every tile of a store has: its key, and the manifest's columns."""
    import pyarrow.compute as pc

    expression = pc.field(KEY) == key
    for name in names:
        value = row.get(name)
        field = pc.field(name)
        expression &= field.is_null() if value is None else field == value
    return expression
