"""Each value, column and file of a store changed: an error of ours, or the right pixels.

Seeded: the same changes each time. What changes pixels without an error, `verify_store` finds.
"""

import copy
import json
import os
import random
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from known_tissue import drawn
from tampering import CODECS, TABLE, names, plan_of, small_slide

import slidetile as st
from slidetile.cli.facts import store_facts
from slidetile.export.exporting import export_store

VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, 2**53, 2**64, -(2**63), 10**400,
    0.0, -0.0, 0.5, 1e-300, 1e300, float("nan"), float("inf"), "", "0", "..", "a\0b", "\ud800",
    "x" * 70_000, [], [[]], {}, {"a": 1}, [1, 2], [1, 2, 3], [0, 0, 0], "native", "zstd", "raw",
]  # fmt: skip

SAMPLED = 16
"""Changes of a kind that are tried for each codec, of some hundred or thousand."""

NUMBERS = [-(2**31), -1, 0, 1, 7, 255, 2**31 - 1]


@pytest.fixture(scope="module")
def intact(sample, made_once):
    def write(folder):
        recipe = st.Recipe(tile=st.TileSpec(size=512, max_tiles=6), detector=drawn)
        st.tile_slide(sample, folder / "native.zarr", recipe)
        slide = small_slide()
        for codec in CODECS[1:]:
            st.write_tiles(slide, plan_of(slide), folder / f"{codec}.zarr", codec=codec)

    return made_once("tampered", write)


def pixels_of(store):
    """All pixels of a store, read from its tiles, its levels, its windows and its pictures."""
    yield from store
    area = store.tile_region(0)
    for number in range(1, len(store)):
        other = store.tile_region(number)
        left, top = min(area.x, other.x), min(area.y, other.y)
        right, bottom = max(area.right, other.right), max(area.bottom, other.bottom)
        area = st.Region.from_edges(left, top, right, bottom)
    for level in range(1, len(store.levels)):
        yield store.read_region(area, level=level)
    yield from store.windows(size=200, mpp=store.mpp and 2.2 * max(store.mpp))
    yield store.overview
    yield store.tissue


def read(path):
    """Read all of a store, as a library and as the commands do; return its pixels."""
    store = st.open_store(path)
    pixels = list(pixels_of(store))
    store_facts(store)
    store._repr_html_()
    export_store(store, path.with_suffix(".geojson"))
    return pixels


def judge(path, before, change):
    """Assert that a changed store is refused, or reads as it was, or is found to be changed."""
    try:
        after = read(path)
    except st.SlidetileError:
        after = None
    try:
        findings = st.verify_store(path, workers=1)
    except st.SlidetileError:
        findings = True
    is_same = (
        after is not None
        and len(after) == len(before)
        and all(np.array_equal(a, b) for a, b in zip(after, before, strict=True))
    )
    assert is_same or findings, f"{change} changes pixels, and nobody tells"


def leaves(node, path=()):
    """Every value in a JSON document, by the keys that lead to it."""
    yield path
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from leaves(node[key], (*path, key))


def changed(node, path, value):
    """A document with another value at a place, or without it."""
    if not path:
        return value
    node = copy.deepcopy(node)
    inner = node
    for key in path[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return node


def json_changes(path, random):
    """Yield changes of a value each, of all files of metadata."""
    for name in names(path):
        if name.endswith("zarr.json"):
            node = json.loads((path / name).read_bytes())
            for place in leaves(node):
                for value in (KeyError, *random.sample(VALUES, 1)):
                    if value is KeyError and not place:
                        continue
                    data = json.dumps(changed(node, place, value)).encode(errors="surrogatepass")
                    yield f"{name} {place} = {value!r:.40}", name, data


def table_changes(path, random):
    """Yield changes of the tile table: of a value, of a column, of its rows."""
    table = pq.read_table(path / TABLE)

    def packed(other):
        sink = pa.BufferOutputStream()
        pq.write_table(other, sink)
        return bytes(sink.getvalue())

    for place, name in enumerate(table.column_names):
        kind = table.field(place).type
        yield f"without {name}", TABLE, packed(table.drop_columns([name]))
        for other in (pa.float64(), pa.string(), pa.int8(), pa.list_(pa.int32())):
            values = pa.nulls(len(table), other)
            yield f"{name} as {other}", TABLE, packed(table.set_column(place, name, values))
        for value in (None, random.choice(NUMBERS)):
            row = random.randrange(len(table))
            values = table[name].to_pylist()
            plain = getattr(kind, "value_type", kind)  # of a dictionary that of its texts
            values[row] = None if value is None else as_kind(value, plain)
            array = pa.array(values, kind)
            other = table.set_column(place, table.field(place), array)
            yield f"{name}[{row}] = {value}", TABLE, packed(other)
    yield "no rows", TABLE, packed(table.slice(0, 0))
    yield "rows twice", TABLE, packed(pa.concat_tables([table, table]))
    yield "rows reversed", TABLE, packed(table.take(list(range(len(table)))[::-1]))


def as_kind(number, kind):
    """A number as a value of a column; as text, where it is one of text."""
    if kind == pa.string():
        return str(number)
    if kind == pa.float32():
        return np.float32(number)
    return number % (1 << 32) if kind == pa.uint32() else number


def file_changes(path, random):
    """Yield changes of the bytes of each file."""
    for name in names(path):
        data = (path / name).read_bytes()
        yield f"{name} is empty", name, b""
        yield f"{name} is zeros", name, bytes(len(data))
        yield f"{name} is garbage", name, random.randbytes(len(data))
        yield f"{name} is cut", name, data[: random.randrange(len(data))]
        yield f"{name} is longer", name, data + random.randbytes(9)
        for _ in range(2):
            flipped = bytearray(data)
            flipped[random.randrange(len(data))] ^= 1 << random.randrange(8)
            yield f"a bit of {name}", name, bytes(flipped)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("changes", [json_changes, table_changes, file_changes])
def test_a_change_is_an_error_of_ours_or_harmless_or_found(intact, tmp_path, codec, changes):
    path = shutil.copytree(intact / f"{codec}.zarr", tmp_path / "s.zarr")
    before = read(path)
    dice = random.Random(f"{codec} {changes.__name__}")  # noqa: S311  no secret
    possible = list(changes(path, dice))
    for what, name, data in dice.sample(possible, min(len(possible), SAMPLED)):
        kept = (path / name).read_bytes()
        (path / name).write_bytes(data)
        judge(path, before, what)
        (path / name).write_bytes(kept)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("instead", ["nothing", "a folder", "a pipe", "a link to nowhere"])
def test_what_is_no_file_is_an_error_of_ours(intact, tmp_path, codec, instead):
    path = shutil.copytree(intact / f"{codec}.zarr", tmp_path / "s.zarr")
    before = read(path)
    dice = random.Random(f"{codec} {instead}")  # noqa: S311  no secret
    for name in dice.sample(names(path), 6):
        kept = (path / name).rename(tmp_path / "kept")
        if instead == "a folder":
            (path / name).mkdir()
        elif instead == "a pipe":
            os.mkfifo(path / name)
        elif instead == "a link to nowhere":
            (path / name).symlink_to(tmp_path / "nowhere")
        judge(path, before, f"{instead} for {name}")
        if instead == "a folder":
            (path / name).rmdir()
        elif instead != "nothing":
            (path / name).unlink()
        kept.rename(path / name)
