"""The tile table's columns, and its file."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many
from slidetile.errors import StoreError
from slidetile.format.class_columns import WINNER, ClassColumn
from slidetile.format.metadata.node import JsonNode
from slidetile.format.metadata.quality import QUALITY_MPP
from slidetile.format.metadata.store import StoreMetadata
from slidetile.raster.channels import Channel, are_plain
from slidetile.raster.class_areas import LONGEST_CLASS_NAME

if TYPE_CHECKING:
    import pyarrow as pa

    from slidetile.format._parquet import GroupRecord

COLOUR_MEANS = ("mean_red", "mean_green", "mean_blue")
"""The means of a store whose channels are grey, or red, green and blue."""

_OTHER_QUALITIES = (
    *("saturated_fraction", "clipped_fraction", "pen_fraction", "laplacian_variance"),
)

QUALITY_COLUMNS = (*COLOUR_MEANS, *_OTHER_QUALITIES)
"""The quality columns of such a store's tile table: float32, null where there is nothing to
measure."""

FACTS = (
    *("tile_id", "column", "row", "x", "y", "width", "height", "region"),
    *("tissue_fraction", "status", "bytes", "crc32c"),
)
"""The other columns, but for `CORE`."""

CORE = "core"
"""The column of a store whose tiles are named by the cores of a microarray; null where a tile lies
in none."""

SLIDE = "slide"
"""The column that tells the slide in a cohort: the same for all tiles of a store."""

TEXTS = ("status", CORE, WINNER)

Quality = dict[str, NDArray[np.float32]]
"""One value per tile, by column; NaN where there is nothing to measure."""

MOST_SMALL_ROWS = 1 << 20
"""Rows that a file of any length may claim, 60 MB in memory. Beyond them each row takes a byte at
least: the ids of tiles alone take three, however alike all else is."""

BYTES_PER_VALUE = 16
"""Most bytes of a decompressed value: twice those of the widest, in a dictionary and out of it."""

PAGE_BYTES = 1 << 16
"""Bytes of a column's headers besides its values."""

LONGEST_WORD = {"status": 64, CORE: 64, WINNER: LONGEST_CLASS_NAME}
"""Most characters of a text, in case of damage."""

OK = "ok"
UNREADABLE = "unreadable"

Mpp = tuple[float, float] | None
"""Micrometres per pixel, as (x, y), or None where unknown."""


def mean_columns(channels: Sequence[Channel]) -> tuple[str, ...]:
    """Return the names of the columns that hold the channels' means."""
    if are_plain(channels):
        return COLOUR_MEANS
    return tuple(f"mean_{number}" for number in range(len(channels)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """Which columns a tile table has besides `FACTS`."""

    means: Sequence[str] = COLOUR_MEANS
    """The names of the channels' means, by `mean_columns`."""

    slide: str | None = None
    """What the column `SLIDE` says; None where there is none, in stores of version 1."""

    has_cores: bool = False
    """Whether there is `CORE`."""

    classes: tuple[ClassColumn, ...] = ()
    """The classes, each with its columns; where there are some, there is `WINNER`."""

    @classmethod
    def of(cls, metadata: StoreMetadata) -> Self:
        """Return the columns of a store's table."""
        return cls(
            means=mean_columns(metadata.channel_info),
            slide=metadata.slide_id,
            has_cores=metadata.cores is not None,
            classes=() if metadata.labels is None else metadata.labels.columns,
        )

    @property
    def class_types(self) -> dict[str, Literal["text", "share", "count"]]:
        """The columns of classes, in their order, and what each holds."""
        shares = dict.fromkeys((each.share for each in self.classes), "share")
        counts = dict.fromkeys((each.count for each in self.classes if each.has_points), "count")
        winner = {WINNER: "text"} if self.classes else {}
        return {**winner, **shares, **counts}  # type: ignore[dict-item]  # mypy widens the values


def quality_names(table: "pa.Table") -> list[str]:
    """Return the names of a table's quality columns, in their order."""
    return [
        name for name in table.column_names if name in _OTHER_QUALITIES or name.startswith("mean_")
    ]


def schema(mpp: Mpp = None, shape: TableShape | None = None) -> "pa.Schema":
    """Return the names and types of the table's columns, in their order.

    ``mpp`` is the resolution at which quality was measured; the quality columns record it.
    """
    import pyarrow as pa

    shape = shape or TableShape()
    of_class = {"text": pa.string(), "share": pa.float64(), "count": pa.int32()}

    numbers = ("tile_id", "column", "row", "x", "y", "width", "height", "region")
    types = {
        **dict.fromkeys(numbers, pa.int32()),
        "tissue_fraction": pa.float32(),
        "status": pa.string(),
        "bytes": pa.int64(),
        "crc32c": pa.uint32(),
        **({} if shape.slide is None else {SLIDE: pa.dictionary(pa.int32(), pa.string())}),
        **({CORE: pa.string()} if shape.has_cores else {}),
        **{name: of_class[kind] for name, kind in shape.class_types.items()},
    }
    measured_at = {"mpp": json.dumps(mpp)}
    fields = [pa.field(name, kind) for name, kind in types.items()]
    names = (*shape.means, *_OTHER_QUALITIES)
    fields += [pa.field(name, pa.float32(), metadata=measured_at) for name in names]
    return pa.schema(fields)


def write_parquet(table: "pa.Table") -> bytes:
    """Return the table as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def slide_column(slide: str, count: int) -> "pa.DictionaryArray":
    """Return the column `SLIDE` of so many rows."""
    import pyarrow as pa

    places = pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(bytes(4 * count))])
    return pa.DictionaryArray.from_arrays(places, pa.array([slide], pa.string()))


def read_parquet(file: BinaryIO, row_count: int, shape: TableShape | None = None) -> "pa.Table":
    """Read the table from its file, which is not trusted.

    What the file says of its columns and rows is compared with what they must be before any value
    is read; then each row group is read and checked by itself. Whether the values fit the store is
    not checked here; see `slidetile.format.rows`.

    Parameters
    ----------
    file
        The open file.
    row_count
        The rows that the store says it has.
    shape
        Which columns the store says it has; None is those of `FACTS` and of colours.

    Raises
    ------
    StoreError
        It is damaged, has other rows, claims more memory than they can take, or does not have the
        columns of `schema`. The message is about "it".
    """
    import pyarrow as pa

    from slidetile.format._parquet import ParquetTable

    shape = shape or TableShape()
    parquet = ParquetTable(file, texts=(*TEXTS, SLIDE))
    fields = _checked_fields(parquet.schema, schema(shape=shape))
    if parquet.rows != row_count:
        tiles = how_many(row_count, "tiles")
        raise StoreError(f"it has {how_many(parquet.rows, 'rows')}, the store {tiles}")
    _check_record(parquet.groups, row_count, len(fields), file.seek(0, os.SEEK_END))
    groups = [_typed(parquet.read(n), fields, shape) for n in range(len(parquet.groups))]
    return pa.concat_tables(groups) if groups else fields.empty_table()


def _checked_fields(found: "pa.Schema", wanted: "pa.Schema") -> "pa.Schema":
    """Return the columns of a file whose texts were read as dictionaries, as `schema` has them."""
    import pyarrow as pa

    fields = found
    for name in TEXTS:
        place = found.get_field_index(name)
        if place >= 0 and found.field(place).type == pa.dictionary(pa.int32(), pa.string()):
            fields = fields.set(place, found.field(place).with_type(pa.string()))
    if fields.remove_metadata() != wanted:
        raise StoreError(f"its columns are {', '.join(found.names):.400}")
    return fields


def _check_record(
    groups: "Sequence[GroupRecord]", row_count: int, columns: int, file_bytes: int
) -> None:
    """Compare what a file says that its rows take with what they can."""
    if sum(group.rows for group in groups) != row_count or any(g.rows < 0 for g in groups):
        raise StoreError(f"its row groups do not add up to {row_count} rows")
    if row_count > MOST_SMALL_ROWS + min(file_bytes, sum(g.decoded_bytes for g in groups)):
        raise StoreError(f"it claims {row_count} rows in {file_bytes} bytes, which no table does")
    for group in groups:
        most = columns * (PAGE_BYTES + BYTES_PER_VALUE * group.rows)
        if not 0 <= group.decoded_bytes <= most:
            raise StoreError(
                f"it claims {group.decoded_bytes} bytes for {group.rows} rows, which take {most} "
                "at most"
            )


def _texts(part: "pa.DictionaryArray") -> list[str | None]:
    """Return the texts of an array; None for those that are missing."""
    texts = part.dictionary.to_pylist()
    return [None if place is None else texts[place] for place in part.indices.to_pylist()]


def _words(column: "pa.ChunkedArray", name: str) -> list[str | None]:
    """Return the texts of a column."""
    texts = [text for part in column.chunks for text in part.dictionary.to_pylist()]
    if any(text is None or len(text) > LONGEST_WORD[name] for text in texts):
        raise StoreError(f"a {name} in it is no word")
    return [text for part in column.chunks for text in _texts(part)]


def _of_slide(column: "pa.ChunkedArray", slide: str) -> "pa.DictionaryArray":
    """Return the column `SLIDE` anew, if it says the same of all tiles."""
    for part in column.chunks:
        texts = part.dictionary.to_pylist()
        if any(text != slide for text in texts) or part.indices.null_count:
            raise StoreError(f"its column slide does not say {slide!r:.60} of every tile")
    return slide_column(slide, len(column))


def _typed(group: "pa.Table", fields: "pa.Schema", shape: TableShape) -> "pa.Table":
    """Return a row group with its texts as such, if no value is missing that must be there."""
    import pyarrow as pa

    for name in (name for name in TEXTS if name in fields.names):
        place = fields.get_field_index(name)
        words = _words(group.column(place), name)
        # Not by `cast`: it loads all of Arrow's functions, which takes as long as opening a store.
        group = group.set_column(place, fields.field(place), pa.array(words, pa.string()))
    if shape.slide is not None:
        place = fields.get_field_index(SLIDE)
        found = _of_slide(group.column(place), shape.slide)
        group = group.set_column(place, fields.field(place), found)
    must = [name for name, kind in shape.class_types.items() if kind != "text"]
    facts = group.select([*FACTS, *must])
    empty = [name for name in facts.column_names if facts[name].null_count]
    if empty:
        raise StoreError(f"values of {', '.join(empty)} are missing")
    return group


def quality_mpp(table: "pa.Table") -> Mpp:
    """Return the recorded resolution at which a table's quality was measured.

    Raises
    ------
    StoreError
        It is missing or not valid.
    """
    field = table.schema.field("laplacian_variance")
    try:
        mpp = json.loads((field.metadata or {}).get(b"mpp", b""))
    except (ValueError, RecursionError) as error:  # as json documents
        raise StoreError(f"the mpp of its laplacian_variance is not JSON: {error}") from error
    return cast("Mpp", QUALITY_MPP.read(JsonNode(mpp, "the mpp of its laplacian_variance")))
