"""docs/reference/store-format.md, taken at its word: a reader written from that page alone.

slidetile writes the stores here and gives the pixels to compare with; it reads nothing in `Reader`.
"""

import hashlib
import json
import math
import re
import struct
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import google_crc32c
import imagecodecs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from known_tissue import sample_tissue
from paths import ROOT, SAMPLE

import slidetile as st

PAGE = (ROOT / "docs" / "reference" / "store-format.md").read_text(encoding="utf-8")
CODECS = ("native", "zstd", "jpeg", "raw")
ABSENT = (1 << 64) - 1
EXAMPLE = re.compile(r"^\*\*(\w+)\*\*, `([^`]+)`:\n\n```json\n(.*?)^```", re.MULTILINE | re.DOTALL)

QUALITY = (
    *("mean_red", "mean_green", "mean_blue"),
    *("saturated_fraction", "clipped_fraction", "laplacian_variance", "pen_fraction"),
)

crc = google_crc32c.value


class Reader:
    """One array of a store, as the page describes it."""

    def __init__(self, folder, codec):
        node = json.loads((folder / "zarr.json").read_bytes())
        self.folder, self.codec, self.fill = folder, codec, node["fill_value"]
        self.dtype = {"uint8": "u1", "uint32": "<u4"}[node["data_type"]]
        self.channels, self.height, self.width = node["shape"]
        shard = node["chunk_grid"]["configuration"]["chunk_shape"]
        chunk = shard if codec == "raw" else node["codecs"][0]["configuration"]["chunk_shape"]
        _, self.h, self.w = chunk
        self.down, self.across = shard[1] // self.h, shard[2] // self.w
        self.shards = {}
        self.rows, self.columns = -(-self.height // self.h), -(-self.width // self.w)

    def shard(self, key):
        if key not in self.shards:
            path = self.folder / key
            self.shards[key] = path.read_bytes() if path.exists() else None
        return self.shards[key]

    def stored(self, column, row):
        """Return a chunk as it is stored, or None."""
        (shard_row, i), (shard_column, j) = divmod(row, self.down), divmod(column, self.across)
        data = self.shard(f"c/0/{shard_row}/{shard_column}")
        if data is None:
            return None
        if self.codec == "raw":
            return data
        n = self.down * self.across
        body, index, checksum = data[: -16 * n - 4], data[-16 * n - 4 : -4], data[-4:]
        assert struct.unpack("<I", checksum) == (crc(index),)
        offset, length = struct.unpack_from("<QQ", index, 16 * (i * self.across + j))
        if (offset, length) == (ABSENT, ABSENT) or not length:
            return None
        assert offset <= len(body)
        assert length <= len(body)
        assert offset + length <= len(body)
        return body[offset : offset + length]

    def payload(self, column, row):
        stored = self.stored(column, row)
        if stored is None or self.codec not in ("native", "jpeg"):
            return stored
        assert struct.unpack("<I", stored[-4:]) == (crc(stored[:-4]),)
        return stored[:-4]

    def pixels(self, column, row):
        """Return a chunk as [channel, row, column], or None."""
        payload = self.payload(column, row)
        if payload is None:
            return None
        if self.codec in ("native", "jpeg"):
            assert payload.startswith(b"\xff\xd8")
            return imagecodecs.jpeg8_decode(payload).transpose(2, 0, 1)
        shape = self.channels, self.h, self.w
        if self.codec == "zstd":
            assert payload.startswith(b"\x28\xb5\x2f\xfd")
            assert payload[4] & 4, "RFC 8878, 3.1.1.1.1: the content checksum flag"
            payload = imagecodecs.zstd_decode(payload)
        return np.frombuffer(payload, self.dtype).reshape(shape)

    def whole(self):
        """Return the array as [channel, row, column]."""
        shape = self.channels, self.rows * self.h, self.columns * self.w
        canvas = np.full(shape, self.fill, self.dtype)
        for row, column in np.ndindex(self.rows, self.columns):
            if (pixels := self.pixels(column, row)) is not None:
                y, x = row * self.h, column * self.w
                canvas[:, y : y + self.h, x : x + self.w] = pixels
        return canvas[:, : self.height, : self.width]

    def chunks_of(self, tile):
        """Yield (column, row) of the chunks that meet the part of a tile inside the slide."""
        right, bottom = tile["x"] + tile["width"], tile["y"] + tile["height"]
        for row in range(tile["y"] // self.h, -(-bottom // self.h)):
            for column in range(tile["x"] // self.w, -(-right // self.w)):
                yield column, row


def levels_of(path, codec):
    multiscale = attributes(path)["ome"]["multiscales"][0]
    paths = [dataset["path"] for dataset in multiscale["datasets"]]
    assert paths == [str(number) for number in range(len(paths))]
    return [Reader(path / name, codec) for name in paths]


def attributes(path):
    return json.loads((path / "zarr.json").read_bytes())["attributes"]


def halved(pixels):
    """Halve as the page says, without any of slidetile's tricks."""
    _, height, width = pixels.shape
    even = np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2)), "edge").astype(np.uint16)
    quads = even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    return ((quads + 2) >> 2).astype(np.uint8)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    for codec in CODECS:
        write_sample(folder / f"{codec}.zarr", codec)
    interrupt(folder / "unfinished.zarr", "native")
    (folder / "unfinished.zarr.partial").rename(folder / "unfinished.zarr")
    return folder


def write_sample(path, codec, **options):
    """Write the sample's tissue as it was drawn, with what detecting it would have recorded."""
    with st.open_slide(SAMPLE) as slide:
        tissue = sample_tissue(slide, st.find_tissue(slide).parameters)
        plan = st.plan_tiles(slide, tissue, st.TileSpec(size=512))
        return st.write_tiles(slide, plan, path, codec=codec, **options)


def interrupt(path, codec):
    def stop(progress):
        if progress.shards_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(path, codec, on_progress=stop)


def odd_pixels():
    coarse = np.random.default_rng(0).integers(0, 256, (147, 163, 3), np.uint8)
    return coarse.repeat(15, axis=0).repeat(13, axis=1)[:2203, :2117]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Stores of a slide whose sides are odd, and not multiples of a chunk."""
    folder = tmp_path_factory.mktemp("odd")
    slide = st.ArraySlide(odd_pixels(), mpp=(0.5, 0.25), background=(240, 230, 220))
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[-9:, -20:] = mask[:20, :3] = True  # the bottom right corner, and one far from it
    plan = st.plan_tiles(slide, st.TissueMask.from_mask(mask, overview), st.TileSpec(size=208))
    for codec in ("zstd", "jpeg", "raw"):
        st.write_tiles(slide, plan, folder / f"{codec}.zarr", codec=codec)
    return folder


@pytest.mark.parametrize("codec", CODECS)
def test_every_level_reads_as_slidetile_reads_it(stores, codec):
    path = stores / f"{codec}.zarr"
    store = st.open_store(path)
    levels = levels_of(path, codec)
    assert len(levels) == len(store.levels) > 1
    for number, level in enumerate(levels):
        theirs = store.read_region(
            st.Region(x=0, y=0, width=store.levels[0].width, height=store.levels[0].height),
            level=number,
        )
        np.testing.assert_array_equal(level.whole().transpose(1, 2, 0), theirs)


@pytest.mark.parametrize("codec", ["native", "zstd", "raw"])
def test_tiles_are_the_slides_own_pixels(stores, codec):
    path = stores / f"{codec}.zarr"
    canvas = levels_of(path, codec)[0].whole().transpose(1, 2, 0)
    with st.open_slide(SAMPLE) as slide:
        for tile in pq.read_table(path / "tiles/tiles.parquet").to_pylist():
            place = {name: tile[name] for name in ("x", "y", "width", "height")}
            region = st.Region(**place)
            np.testing.assert_array_equal(canvas[region.slices], slide.read_region(region))


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


def averaged(pixels, factor):
    """Return the means of blocks of [channel, row, column], and where their centres lie."""
    starts = [np.arange(0, length, factor) for length in pixels.shape[1:]]
    stops = [
        np.minimum(start + factor, length)
        for start, length in zip(starts, pixels.shape[1:], strict=True)
    ]
    n = np.multiply.outer(*(stop - start for start, stop in zip(starts, stops, strict=True)))
    sums = np.add.reduceat(pixels.astype(np.int64), starts[0], axis=1)
    sums = np.add.reduceat(sums, starts[1], axis=2)
    centres = [(start + stop) / 2 for start, stop in zip(starts, stops, strict=True)]
    return (sums + n // 2) // n, centres


def quality_of(level, factor, d, tile):
    """Measure a tile as the page says, block by block in whole numbers."""
    colours, changes = [], []
    for row, column in np.ndindex(level.rows, level.columns):
        pixels = level.pixels(column, row)
        if pixels is None:
            continue
        top, left = row * level.h, column * level.w
        blocks, (y, x) = averaged(pixels[:, : level.height - top, : level.width - left], factor)
        x, y = (left + x) * d[0], (top + y) * d[1]
        own = np.ix_(
            (tile["y"] <= y) & (y < tile["y"] + tile["height"]),
            (tile["x"] <= x) & (x < tile["x"] + tile["width"]),
        )
        red, green, blue = (plane[own] for plane in blocks)
        colours.append(np.stack([red, green, blue]).reshape(3, -1))
        g = (77 * red + 150 * green + 29 * blue + 128) // 256
        around = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:]
        changes.append((around - 4 * g[1:-1, 1:-1]).ravel())
    colours, changes = np.concatenate(colours, axis=1), np.concatenate(changes)
    high, low = colours.max(axis=0), colours.min(axis=0)
    n, s, q = (int(value) for value in (len(changes), changes.sum(), (changes**2).sum()))
    return [
        *(colours.sum(axis=1) / colours.shape[1]),
        np.count_nonzero(255 * (high - low) > 8 * high) / len(high),
        np.count_nonzero(high == 255) / len(high),
        q / n - (s / n) ** 2,
    ]


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


@pytest.mark.parametrize("codec", ["zstd", "jpeg", "raw"])
def test_quality_of_odd_slides(odd, codec):
    path = odd / f"{codec}.zarr"
    told = attributes(path)["slidetile"]["quality"]
    level, step = levels_of(path, codec)[told["level"]], 2.0 ** told["level"]
    table = pq.read_table(path / "tiles/tiles.parquet").to_pylist()
    for tile in table[:: max(1, len(table) // 12)] + table[-2:]:
        measured = quality_of(level, told["factor"], (step, step), tile)
        assert [tile[name] for name in QUALITY[:-1]] == np.float32(measured).tolist()


@pytest.mark.parametrize("codec", ["zstd", "jpeg", "raw"])
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


def averaging(asked, own, length):
    """Return weights [output pixel, source pixel] along an axis, as the page defines them."""
    factor = Fraction(str(asked)) / Fraction(str(own))
    edges = [0]
    while edges[-1] < length * 16384:
        edge = math.floor(16384 * len(edges) * factor + Fraction(1, 2))
        edges.append(min(edge, length * 16384))
    weights = np.zeros((len(edges) - 1, length), np.int64)
    for i, (begin, end) in enumerate(pairwise(edges)):
        for j in range(begin // 16384, -(-end // 16384)):
            weights[i, j] = min(end, (j + 1) * 16384) - max(begin, j * 16384)
    return weights


def test_averaged_levels_are_as_defined(tmp_path):
    source = odd_pixels()[:411, :733]
    slide = st.ArraySlide(source, mpp=(0.29, 0.25))
    view = st.rescale_slide(slide, mpp=0.7)
    tissue = st.find_tissue(view, min_piece_area_um2=0)
    plan = st.plan_tiles(view, tissue, st.TileSpec(min_tissue_fraction=0))
    st.write_tiles(view, plan, tmp_path / "s.zarr", codec="zstd")
    across, down = averaging(0.7, 0.29, 733), averaging(0.7, 0.25, 411)
    sums = np.einsum("iy,yxc,jx->cij", down, source.astype(np.int64), across, optimize=True)
    areas = np.multiply.outer(down.sum(axis=1), across.sum(axis=1))
    np.testing.assert_array_equal(
        Reader(tmp_path / "s.zarr/0", "zstd").whole(), (2 * sums + areas) // (2 * areas)
    )
    told = attributes(tmp_path / "s.zarr")["slidetile"]["level_0"]
    assert told == {
        "mpp": [0.7, 0.7],
        "slide_level": 0,
        "factor": [70 / 29, 2.8],
        "scale": [70 / 29, 2.8],
    }


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


def test_coarser_chunks_are_stored_under_whole_wanted_shards(odd):
    finer, coarser = levels_of(odd / "zstd.zarr", "zstd")[:2]
    shards = [tuple(map(int, file.parts[-2:])) for file in files(finer.folder / "c")]
    places = {(column, row) for row, column in shards}  # a shard halved is as large as a chunk
    everywhere = np.ndindex(coarser.columns, coarser.rows)
    assert {cell for cell in everywhere if coarser.stored(*cell) is not None} == places


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_coarser_levels_are_exact_halvings_of_what_is_stored(odd, codec):
    levels = levels_of(odd / f"{codec}.zarr", codec)
    wholes = [level.whole() for level in levels]
    for finer, coarser in pairwise(wholes):
        np.testing.assert_array_equal(coarser, halved(finer))
    assert max(wholes[-1].shape[1:]) <= 1024 < max(wholes[-2].shape[1:])


def test_jpeg_levels_are_halvings_of_what_is_stored_encoded(odd):
    finer, coarser = (level.whole() for level in levels_of(odd / "jpeg.zarr", "jpeg")[:2])
    assert np.abs(coarser.astype(int) - halved(finer)).mean() < 2


def test_scale_and_translation(odd):
    for number, dataset in enumerate(
        attributes(odd / "zstd.zarr")["ome"]["multiscales"][0]["datasets"]
    ):
        d = 2**number
        steps = {step["type"]: step[step["type"]] for step in dataset["coordinateTransformations"]}
        assert steps["scale"] == [1, d * 0.25, d * 0.5]
        middle = [0, (d - 1) / 2 * 0.25, (d - 1) / 2 * 0.5]
        assert steps.get("translation", [0, 0, 0]) == middle


def test_outside_is_background_and_not_stored_is_fill(odd):
    store = st.open_store(odd / "zstd.zarr")
    assert attributes(odd / "zstd.zarr")["slidetile"]["background"] == [240, 230, 220]
    outside = store.read_region(st.Region(x=2116, y=2202, width=2, height=2))[1, 1]
    assert outside.tolist() == [240, 230, 220]
    level = levels_of(odd / "zstd.zarr", "zstd")[0]
    assert level.fill == 255
    assert level.stored(2, 0) is None
    assert (level.whole()[:, :512, 1024:1536] == 255).all()


def test_overview_and_tissue(stores):
    path = stores / "native.zarr"
    store = st.open_store(path)
    overview, tissue = (Reader(path / name / "0", "zstd") for name in ("overview", "tissue"))
    np.testing.assert_array_equal(overview.whole().transpose(1, 2, 0), store.overview)
    labels = tissue.whole()[0]
    np.testing.assert_array_equal(labels, store.tissue)
    assert labels.dtype == np.uint32
    firsts = [np.flatnonzero(labels.ravel() == k)[0] for k in range(1, labels.max() + 1)]
    assert firsts == sorted(firsts)
    assert set(pq.read_table(path / "tiles/tiles.parquet")["region"].to_pylist()) <= set(
        range(1, int(labels.max()) + 1)
    )


def test_raw_chunks_can_be_mapped(stores):
    path = stores / "raw.zarr"
    level = levels_of(path, "raw")[0]
    tile = pq.read_table(path / "tiles/tiles.parquet").slice(0, 1).to_pylist()[0]
    row, column = tile["y"] // 1024, tile["x"] // 1024
    mapped = np.memmap(path / f"0/c/0/{row}/{column}", np.uint8, "r")
    for c, y, x in ((0, 0, 0), (2, 17, 300), (1, 1023, 1023)):
        expected = level.whole()[c, row * 1024 + y, column * 1024 + x]
        assert mapped[(c * 1024 + y) * 1024 + x] == expected


def test_table_has_the_documented_columns(stores):
    pattern = r"^\| (`\w+`(?:, `\w+`)*) \| (int32|int64|uint32|float32|string) \|"
    rows = re.findall(pattern, section("## The tile table"), re.MULTILINE)
    documented = [(name, kind) for names, kind in rows for name in re.findall(r"\w+", names)]
    schema = pq.read_schema(stores / "zstd.zarr/tiles/tiles.parquet")
    types = {"float32": pa.float32(), "string": pa.string()}
    expected = [(name, types.get(kind) or getattr(pa, kind)()) for name, kind in documented]
    assert [(field.name, field.type) for field in schema] == expected
    for codec in CODECS:
        table = pq.read_table(stores / f"{codec}.zarr/tiles/tiles.parquet")
        assert not any(column.null_count for column in table.columns)
        mpp = attributes(stores / f"{codec}.zarr")["slidetile"]["quality"]["mpp"]
        assert {
            json.loads(f.metadata[b"mpp"]) == mpp for f in table.schema if f.name in QUALITY
        } == {True}


def test_attributes_are_the_documented_ones(stores):
    rows = re.findall(r"^\| `(\w+)` \| ", section("### attributes.slidetile"), re.MULTILINE)
    for codec in CODECS:
        told = attributes(stores / f"{codec}.zarr")["slidetile"]
        assert {*told, "icc_profile"} == set(rows)
        settings = {"zstd": {"level": 1}, "jpeg": {"quality": 90}}
        assert told["parameters"]["codec"] == settings.get(codec, {})


def section(heading):
    """Return the page from a heading to the next one."""
    return re.split(r"^#+ ", PAGE.split(f"{heading}\n")[1], flags=re.MULTILINE)[0]


def test_fingerprint_is_as_defined(stores):
    data, mib = SAMPLE.read_bytes(), 1 << 20
    content = struct.pack("<Q", len(data)) + data[:mib] + data[-mib:]
    told = attributes(stores / "native.zarr")["slidetile"]
    assert told["source"]["fingerprint"] == hashlib.sha256(content).hexdigest()
    table = pq.read_table(stores / "native.zarr/tiles/tiles.parquet")
    labels = Reader(stores / "native.zarr/tissue/0", "zstd").whole()
    digest = hashlib.sha256()
    for name in ("column", "row", "tissue_fraction"):
        digest.update(table[name].to_numpy().tobytes())
    digest.update(labels.astype("<i4").tobytes())
    assert told["parameters"]["plan_sha256"] == digest.hexdigest()


def test_fingerprint_of_a_slide_that_was_never_a_file(odd):
    expected = hashlib.sha256(b"(2203, 2117, 3)" + odd_pixels().tobytes()).hexdigest()
    assert attributes(odd / "raw.zarr")["slidetile"]["source"]["fingerprint"] == expected


def test_why_the_table_has_checksums_of_checksums():
    assert crc(b"123456789") == 0xE3069283
    for data in (b"one chunk", b"quite another"):
        assert crc(data + struct.pack("<I", crc(data))) == 0x48674BC7


def test_payloads_are_baseline_jpeg_with_a_colour_marker(stores):
    for codec, marker in (("native", b"Adobe"), ("jpeg", b"JFIF")):
        level = levels_of(stores / f"{codec}.zarr", codec)[0]
        cells = ((column, row) for row, column in np.ndindex(level.rows, level.columns))
        payload = next(data for cell in cells if (data := level.payload(*cell)))
        head = payload[: payload.index(b"\xff\xda")]
        assert marker in head
        frame = head[head.index(b"\xff\xc0") :]
        assert struct.unpack_from(">BHHB", frame, 4) == (8, level.h, level.w, 3)


def test_native_scan_data_are_the_slides_own(stores):
    level = levels_of(stores / "native.zarr", "native")[0]
    slide = SAMPLE.read_bytes()
    for row, column in np.ndindex(level.rows, level.columns):
        if (payload := level.payload(column, row)) is not None:
            assert payload[payload.rindex(b"\xff\xda") :] in slide


def test_anonymous_store_leaves_names_out(tmp_path):
    write_sample(tmp_path / "a.zarr", "auto", options=st.WriteOptions(anonymous=True))
    told = attributes(tmp_path / "a.zarr")
    assert not {"name", "vendor"} & set(told["slidetile"]["source"])
    assert told["ome"]["multiscales"][0]["name"] == "slide"
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or not re.search(
            rb'\bsample\b(?!": null)|aperio', path.read_bytes(), re.IGNORECASE
        )


EXAMPLES = EXAMPLE.findall(PAGE)


@pytest.mark.parametrize(
    ("codec", "path", "text"), EXAMPLES, ids=[f"{c}-{p}" for c, p, _ in EXAMPLES]
)
def test_example_is_what_is_written(stores, codec, path, text):
    written = json.loads((stores / f"{codec}.zarr" / path).read_bytes())
    assert_agrees(json.loads(text), written, f"{codec}/{path}")


def test_every_example_is_checked():
    assert len(EXAMPLES) == PAGE.count("```json") == 8


def assert_agrees(example, written, where):
    """Compare with the elisions that the page states."""
    if isinstance(example, dict):
        named = {key: value for key, value in example.items() if key != "…"}
        assert set(named) <= set(written), where
        assert "…" in example or set(named) == set(written), where
        for key, value in named.items():
            assert_agrees(value, written[key], f"{where}.{key}")
    elif isinstance(example, list):
        open_ended = example[-1:] == ["…"]
        items = example[:-1] if open_ended else example
        assert len(items) <= len(written) if open_ended else len(items) == len(written), where
        for number, item in enumerate(items):
            assert_agrees(item, written[number], f"{where}[{number}]")
    elif isinstance(example, str) and example.endswith("…"):
        assert written.startswith(example[:-1]), where
    else:
        assert (type(example), example) == (type(written), written), where


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
            *(f"{name}/zarr.json" for name in ("overview", "tissue", "overview/0", "tissue/0")),
            *(f"{name}/0/c/0/0/0" for name in ("overview", "tissue")),
        }
    assert not (stores / "unfinished.zarr/zarr.json").exists()
    assert not (stores / "unfinished.zarr/tiles").exists()


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


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
    for codec in ("native", "jpeg"):
        interrupt(tmp_path / f"{codec}.zarr", codec)
        write_sample(tmp_path / f"{codec}.zarr", codec, workers=1)
        ours = {p.relative_to(tmp_path): p.read_bytes() for p in files(tmp_path / f"{codec}.zarr")}
        whole = {p.relative_to(stores): p.read_bytes() for p in files(stores / f"{codec}.zarr")}
        assert ours == whole


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("group", ["", "overview", "tissue"])
def test_groups_are_valid_ome_zarr(stores, codec, group):
    import ome_zarr_models
    import zarr

    image = ome_zarr_models.open_ome_zarr(
        zarr.open_group(stores / f"{codec}.zarr" / group, mode="r")
    )
    assert isinstance(image, ome_zarr_models.v05.image.Image)
    assert image.attributes.ome.version == "0.5"


def test_the_validators_command_agrees(stores):
    command = [
        Path(sys.executable).with_name("ome-zarr-models"),
        "validate",
        stores / "native.zarr",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Valid OME-Zarr" in done.stdout


PLAIN_ZARR = """
import hashlib, sys, zarr
assert "slidetile" not in sys.modules
for path in sys.argv[1:]:
    group = zarr.open(path, mode="r")
    for dataset in group.attrs["ome"]["multiscales"][0]["datasets"]:
        print(hashlib.sha256(group[dataset["path"]][:].tobytes()).hexdigest())
"""


def test_plain_zarr_reads_every_level(stores):
    """With no import of slidetile: zarr finds the JPEG codec by its entry point."""
    paths = [stores / f"{codec}.zarr" for codec in CODECS]
    command = [sys.executable, "-c", PLAIN_ZARR, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=stores)
    assert done.returncode == 0, done.stderr
    ours = [
        hashlib.sha256(level.whole().tobytes()).hexdigest()
        for codec, path in zip(CODECS, paths, strict=True)
        for level in levels_of(path, codec)
    ]
    assert done.stdout.split() == ours


def test_tensorstore_reads_lossless_stores(stores):
    import tensorstore

    for codec in ("zstd", "raw"):
        for level in levels_of(stores / f"{codec}.zarr", codec):
            kvstore = {"driver": "file", "path": f"{level.folder}/"}
            array = tensorstore.open({"driver": "zarr3", "kvstore": kvstore}).result()
            np.testing.assert_array_equal(array.read().result(), level.whole())
