"""docs/reference/store-format.md, taken at its word: the tree of files, shards and chunks."""

import re
import struct

import numpy as np
import pyarrow.parquet as pq
import pytest
from page_reader import crc, files, levels_of
from page_stores import CODECS, interrupt, write_sample
from paths import SAMPLE


def test_coarser_chunks_are_stored_under_whole_wanted_shards(odd):
    finer, coarser = levels_of(odd / "zstd.zarr", "zstd")[:2]
    shards = [tuple(map(int, file.parts[-2:])) for file in files(finer.folder / "c")]
    places = {(column, row) for row, column in shards}  # a shard halved is as large as a chunk
    everywhere = np.ndindex(coarser.columns, coarser.rows)
    assert {cell for cell in everywhere if coarser.stored(*cell) is not None} == places


def test_raw_chunks_can_be_mapped(stores):
    path = stores / "raw.zarr"
    level = levels_of(path, "raw")[0]
    tile = pq.read_table(path / "tiles/tiles.parquet").slice(0, 1).to_pylist()[0]
    row, column = tile["y"] // 1024, tile["x"] // 1024
    mapped = np.memmap(path / f"0/c/0/{row}/{column}", np.uint8, "r")
    for c, y, x in ((0, 0, 0), (2, 17, 300), (1, 1023, 1023)):
        expected = level.whole()[c, row * 1024 + y, column * 1024 + x]
        assert mapped[(c * 1024 + y) * 1024 + x] == expected


def test_payloads_are_baseline_jpeg_with_a_colour_marker(stores):
    for codec, marker in (("native", b"Adobe"), ("jpeg", b"JFIF")):
        level = levels_of(stores / f"{codec}.zarr", codec)[0]
        cells = ((column, row) for row, column in np.ndindex(level.rows, level.columns))
        payload = next(data for cell in cells if (data := level.payload(*cell)))
        head = payload[: payload.index(b"\xff\xda")]
        assert marker in head
        frame = head[head.index(b"\xff\xc0") :]
        assert struct.unpack_from(">BHHB", frame, 4) == (8, level.h, level.w, 3)


def test_payloads_are_bare_jpeg_xl_codestreams(stores):
    level = levels_of(stores / "jxl.zarr", "jxl")[0]
    cells = ((column, row) for row, column in np.ndindex(level.rows, level.columns))
    payloads = [data for cell in cells if (data := level.payload(*cell))]
    assert len(payloads) > 3
    assert {data[:2] for data in payloads} == {b"\xff\x0a"}


def test_native_scan_data_are_the_slides_own(stores):
    level = levels_of(stores / "native.zarr", "native")[0]
    slide = SAMPLE.read_bytes()
    for row, column in np.ndindex(level.rows, level.columns):
        if (payload := level.payload(column, row)) is not None:
            assert payload[payload.rindex(b"\xff\xda") :] in slide


def test_tree_of_finished_and_unfinished_stores(stores):
    for codec in CODECS:
        names = {
            str(p.relative_to(stores / f"{codec}.zarr")) for p in files(stores / f"{codec}.zarr")
        }
        shards = {name for name in names if re.fullmatch(r"\d+/c/0/\d+/\d+", name)}
        levels = {name.split("/")[0] for name in shards}
        assert names - shards == {
            "zarr.json",
            "tiles/zarr.json",
            "tiles/tiles.parquet",
            "tiles/checksums.txt",
            *(f"{level}/zarr.json" for level in levels),
            *(f"{name}/zarr.json" for name in ("overview", "overview/0")),
            *("labels/zarr.json", "labels/tissue/zarr.json", "overview/0/c/0/0/0"),
            *(f"labels/tissue/{level}/zarr.json" for level in levels),
            *(f"labels/tissue/{level}/c/0/0" for level in levels),
        }
    assert not (stores / "unfinished.zarr/zarr.json").exists()
    assert not (stores / "unfinished.zarr/tiles").exists()


@pytest.mark.parametrize("codec", CODECS)
def test_the_manifest_lists_every_file_and_itself(stores, codec):
    path, name = stores / f"{codec}.zarr", "tiles/checksums.txt"
    *lines, last = (path / name).read_bytes().splitlines(keepends=True)
    names = sorted(str(p.relative_to(path)) for p in files(path) if p != path / name)
    contents = [(path / name).read_bytes() for name in names]
    assert lines == [
        b"%08x %d %s\n" % (crc(data), len(data), name.encode())
        for name, data in zip(names, contents, strict=True)
    ]
    above = b"".join(lines)
    assert last == b"%08x %d tiles/checksums.txt\n" % (crc(above), len(above))


def test_a_continued_store_is_the_same_byte_for_byte(stores, tmp_path):
    for codec in ("native", "jxl", "jpeg"):
        interrupt(tmp_path / f"{codec}.zarr", codec)
        write_sample(tmp_path / f"{codec}.zarr", codec, workers=1)
        ours = {p.relative_to(tmp_path): p.read_bytes() for p in files(tmp_path / f"{codec}.zarr")}
        whole = {p.relative_to(stores): p.read_bytes() for p in files(stores / f"{codec}.zarr")}
        assert ours == whole
