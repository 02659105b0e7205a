"""The file of a store that says where each class lies: rectangles and points of level-0 pixels.

Knows the file's columns. Does not know where it lies.
"""

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many
from slidetile.errors import StoreError
from slidetile.format.metadata.labels import ClassFacts, LabelFacts
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.filling import LARGEST_RECTANGLE_COUNT

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_COLUMNS = ("class", "x", "y", "width", "height")

GROUP_ROWS = 1 << 20
"""Rows of a row group, which is written and read at a time."""

_BYTES_PER_ROW = 64
"""Most bytes of a decompressed row, and of its share of the headers."""

_HEADER_BYTES = 1 << 16


def pack_labels(areas: ClassAreas) -> bytes:
    """Return the file: for each class its rectangles and then its points, which have no size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    schema = _schema()
    # Values as they are: what other encodings save, compression saves, and its memory is foreseen.
    options: dict[str, Any] = {"compression": "zstd", "use_dictionary": False}
    with pq.ParquetWriter(sink, schema, **options) as writer:
        for place, (rectangles, points) in enumerate(
            zip(areas.rectangles, areas.points, strict=True)
        ):
            rows = np.concatenate([rectangles, np.tile(points, 2)])
            rows[:, 2:] -= rows[:, :2]
            for first in range(0, len(rows), GROUP_ROWS):
                writer.write_table(_table(place, rows[first : first + GROUP_ROWS], schema))
    return bytes(sink.getvalue())


def unpack_labels(file: BinaryIO, facts: LabelFacts, size: tuple[int, int]) -> ClassAreas:
    """Return the areas in the file, which is not trusted.

    Parameters
    ----------
    file
        The open file.
    facts
        What the store says of them.
    size
        (width, height) of level 0.

    Raises
    ------
    StoreError
        It is damaged, or not what the store says. The message is about "it".
    """
    from slidetile.format._parquet import ParquetTable

    if facts.rows > LARGEST_RECTANGLE_COUNT * 2:
        raise StoreError(f"it is to have {facts.rows:,} rows, more than any store has")
    parquet = ParquetTable(file, texts=())
    if parquet.schema.remove_metadata() != _schema():
        raise StoreError(f"its columns are {', '.join(parquet.schema.names):.200}")
    if parquet.rows != facts.rows or sum(group.rows for group in parquet.groups) != facts.rows:
        raise StoreError(
            f"it has {how_many(parquet.rows, 'rows')}, but the store says {facts.rows:,}"
        )
    for group in parquet.groups:
        if (
            group.rows < 0
            or not 0 <= group.decoded_bytes <= _HEADER_BYTES + _BYTES_PER_ROW * group.rows
        ):
            raise StoreError(f"it claims {group.decoded_bytes} bytes for {group.rows} rows")
    parts = [_numbers(parquet.read(number)) for number in range(len(parquet.groups))]
    rows = np.concatenate([np.empty((0, 5), np.int32), *parts])
    return _areas(rows, facts, size)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([pa.field(name, pa.int32()) for name in LABEL_COLUMNS])


def _table(place: int, rows: NDArray[np.int32], schema: "pa.Schema") -> "pa.Table":
    import pyarrow as pa

    columns = (np.full(len(rows), place, np.int32), *rows.T)
    # Not by `pyarrow.array`, which loads numpy's masked arrays.
    arrays = [
        pa.Array.from_buffers(
            pa.int32(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(column))]
        )
        for column in columns
    ]
    return pa.table(arrays, schema=schema)


def _numbers(group: "pa.Table") -> NDArray[np.int32]:
    if any(group[name].null_count for name in LABEL_COLUMNS):
        raise StoreError("a value in it is missing")
    return np.stack([group[name].to_numpy() for name in LABEL_COLUMNS], axis=1)


def _areas(rows: NDArray[np.int32], facts: LabelFacts, size: tuple[int, int]) -> ClassAreas:
    """Return the areas that rows describe, class by class."""
    counts = [each.rectangles + each.points for each in facts.classes]
    if not np.array_equal(rows[:, 0], np.repeat(np.arange(len(counts)), counts)):
        raise StoreError("its classes are not those of the store, one after the other")
    parts = np.split(rows[:, 1:], np.cumsum(counts)[:-1])
    found = [_of_class(part, each) for part, each in zip(parts, facts.classes, strict=True)]
    rectangles, points = zip(*found, strict=True)
    try:
        areas = ClassAreas(names=facts.names, size=size, rectangles=rectangles, points=points)
    except ValueError as error:
        raise StoreError(f"it is not of this store: {error}") from error
    for each, area in zip(facts.classes, areas.areas_px.tolist(), strict=True):
        if area != each.area_px:
            raise StoreError(f"the class {each.name!r:.60} has {area} px in it, not {each.area_px}")
    return areas


def _of_class(
    rows: NDArray[np.int32], facts: ClassFacts
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    rectangles, points = rows[: facts.rectangles].copy(), rows[facts.rectangles :]
    if points[:, 2:].any():
        raise StoreError(f"a point of the class {facts.name!r:.60} in it has a size")
    with np.errstate(over="ignore"):
        rectangles[:, 2:] += rectangles[:, :2]
    for edges in (rectangles, points):
        order = edges[:, 1].astype(np.int64) << 32 | (edges[:, 0].astype(np.int64) & 0xFFFFFFFF)
        if (np.diff(order) < 0).any():
            raise StoreError(f"the class {facts.name!r:.60} in it is not in order")
    return rectangles, points[:, :2].copy()
