"""docs/reference/store-format.md, taken at its word: the tile table."""

import json
import re
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from page_reader import QUALITY, attributes, crc, levels_of, quality_of, section
from page_stores import CODECS

import slidetile as st


@pytest.mark.parametrize("codec", CODECS)
def test_bytes_and_checksums_of_the_table(stores, codec):
    path = stores / f"{codec}.zarr"
    level = levels_of(path, codec)[0]
    for tile in pq.read_table(path / "tiles/tiles.parquet").to_pylist():
        cells = list(level.chunks_of(tile))
        assert tile["status"] == "ok"
        assert tile["bytes"] == sum(len(level.stored(*cell)) for cell in cells)
        checksums = b"".join(struct.pack("<I", crc(level.payload(*cell))) for cell in cells)
        assert tile["crc32c"] == crc(checksums)


@pytest.mark.parametrize("codec", CODECS)
def test_quality_of_the_table(stores, codec):
    path = stores / f"{codec}.zarr"
    told = attributes(path)["slidetile"]
    number, factor = told["quality"]["level"], told["quality"]["factor"]
    level = levels_of(path, codec)[number]
    d = 2.0**number, 2.0**number
    if codec == "native":
        d = told["source"]["width"] / level.width, told["source"]["height"] / level.height
    expected = [m * step * factor for m, step in zip(told["source"]["mpp"], d, strict=True)]
    assert told["quality"]["mpp"] == expected
    for tile in pq.read_table(path / "tiles/tiles.parquet").to_pylist():
        measured = quality_of(level, factor, d, tile)
        assert [tile[name] for name in QUALITY[:-1]] == np.float32(measured).tolist()
        assert tile["pen_fraction"] == 0


@pytest.mark.parametrize("codec", CODECS[1:])
def test_quality_of_odd_slides(odd, codec):
    path = odd / f"{codec}.zarr"
    told = attributes(path)["slidetile"]["quality"]
    level, step = levels_of(path, codec)[told["level"]], 2.0 ** told["level"]
    table = pq.read_table(path / "tiles/tiles.parquet").to_pylist()
    for tile in table[:: max(1, len(table) // 12)] + table[-2:]:
        measured = quality_of(level, told["factor"], (step, step), tile)
        assert [tile[name] for name in QUALITY[:-1]] == np.float32(measured).tolist()


@pytest.mark.parametrize("codec", CODECS[1:])
def test_tables_of_odd_slides(odd, codec):
    path = odd / f"{codec}.zarr"
    told = attributes(path)["slidetile"]
    level = levels_of(path, codec)[0]
    table = pq.read_table(path / "tiles/tiles.parquet").to_pylist()
    assert len(table) == told["tile_count"] > 3
    wanted = set()
    for number, tile in enumerate(table):
        assert tile["tile_id"] == number
        assert (tile["x"], tile["y"]) == (208 * tile["column"], 208 * tile["row"])
        assert tile["width"] == min(208, level.width - tile["x"])
        assert tile["height"] == min(208, level.height - tile["y"])
        cells = list(level.chunks_of(tile))
        wanted.update(cells)
        checksums = b"".join(struct.pack("<I", crc(level.payload(*cell))) for cell in cells)
        assert tile["crc32c"] == crc(checksums)
    cells = [(tile["row"], tile["column"]) for tile in table]
    assert cells == sorted(set(cells))
    everywhere = {(column, row) for row, column in np.ndindex(level.rows, level.columns)}
    stored = {cell for cell in everywhere if level.stored(*cell) is not None}
    assert stored == wanted < everywhere


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_unreadable_chunks_are_absent_and_left_out_of_the_checksum(damaged_sample, tmp_path, codec):
    path = tmp_path / "store.zarr"
    st.tile_slide(damaged_sample, path, st.Recipe(codec=codec, tile=st.TileSpec(size=512)))
    level = levels_of(path, codec)[0]
    unreadable = 0
    for tile in pq.read_table(path / "tiles/tiles.parquet").to_pylist():
        payloads = [level.payload(*cell) for cell in level.chunks_of(tile)]
        there = [payload for payload in payloads if payload is not None]
        assert tile["status"] == ("ok" if len(there) == len(payloads) else "unreadable")
        assert tile["crc32c"] == crc(b"".join(struct.pack("<I", crc(data)) for data in there))
        unreadable += tile["status"] == "unreadable"
    assert unreadable == 1


def test_table_has_the_documented_columns(stores):
    pattern = r"^\| (`\w+`(?:, `\w+`)*) \| (int32|int64|uint32|float32|string)(?:, \S+)? \|"
    rows = re.findall(pattern, section("## The tile table"), re.MULTILINE)
    documented = [(name, kind) for names, kind in rows for name in re.findall(r"\w+", names)]
    schema = pq.read_schema(stores / "zstd.zarr/tiles/tiles.parquet")
    types = {"float32": pa.float32(), "string": pa.string()}
    slide = pa.dictionary(pa.int32(), pa.string())
    expected = [
        (name, slide if name == "slide" else types.get(kind) or getattr(pa, kind)())
        for name, kind in documented
    ]
    assert [(field.name, field.type) for field in schema] == expected
    for codec in CODECS:
        table = pq.read_table(stores / f"{codec}.zarr/tiles/tiles.parquet")
        assert not any(column.null_count for column in table.columns)
        mpp = attributes(stores / f"{codec}.zarr")["slidetile"]["quality"]["mpp"]
        assert {
            json.loads(f.metadata[b"mpp"]) == mpp for f in table.schema if f.name in QUALITY
        } == {True}


def test_why_the_table_has_checksums_of_checksums():
    assert crc(b"123456789") == 0xE3069283
    for data in (b"one chunk", b"quite another"):
        assert crc(data + struct.pack("<I", crc(data))) == 0x48674BC7
