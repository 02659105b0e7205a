"""`verify_store`: an intact store has no findings, and whatever is done to one gives some."""

import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from paths import SAMPLE

import slidetile as st
from slidetile.format.checksum import crc32c
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.format.manifest import FileSum, pack_manifest, unpack_manifest
from slidetile.format.names import MANIFEST
from slidetile.format.shard import pack_shard
from slidetile.format.table import schema
from slidetile.store.array import ArrayFile

CODECS = ("native", "zstd", "jpeg", "raw")
TABLE = "tiles/tiles.parquet"


def pixels():
    coarse = np.random.default_rng(0).integers(0, 256, (56, 77, 3), np.uint8)
    return coarse.repeat(20, axis=0).repeat(20, axis=1)[:1107, :1533]


def small_slide(array=None):
    """A slide in memory, its sides odd, with two regions of tissue."""
    return st.ArraySlide(pixels() if array is None else array, mpp=(0.5, 0.25), name="small")


def plan_of(slide):
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[-9:, -20:] = mask[:20, :9] = True
    tissue = st.TissueMask.from_mask(mask, overview)
    return st.plan_tiles(slide, tissue, st.TileSpec(size=208))


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """One store of each codec, never changed."""
    folder = tmp_path_factory.mktemp("intact")
    st.tile_slide(SAMPLE, folder / "native.zarr", st.Recipe(tile=st.TileSpec(size=512)))
    slide = small_slide()
    for codec in CODECS[1:]:
        st.write_tiles(slide, plan_of(slide), folder / f"{codec}.zarr", codec=codec)
    return folder


@pytest.fixture
def copied(intact, tmp_path):
    """Copy the store of a codec, to be changed."""
    return lambda codec: Path(shutil.copytree(intact / f"{codec}.zarr", tmp_path / "s.zarr"))


def slide_of(codec):
    return st.open_slide(SAMPLE) if codec == "native" else small_slide()


def names(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def shards(path, level=0):
    return [name for name in names(path) if name.startswith(f"{level}/c/")]


def reseal(path):
    """Make the manifest of a changed store fit, so that only its sense can give it away."""
    files = {n: FileSum.of((path / n).read_bytes()) for n in names(path) if n != MANIFEST}
    (path / MANIFEST).write_bytes(pack_manifest(files))


def edit_json(path, name, change):
    node = json.loads((path / name).read_bytes())
    change(node)
    (path / name).write_text(json.dumps(node))
    reseal(path)


def told(findings):
    return "\n".join(map(str, findings))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("deep", [False, True])
def test_an_intact_store_has_no_findings(intact, codec, deep):
    path = intact / f"{codec}.zarr"
    assert st.verify_store(path, deep=deep) == ()
    with slide_of(codec) as slide:
        assert st.verify_store(str(path), slide=slide, deep=deep) == ()


@pytest.mark.parametrize("name", ["CMU-1-small.tiff", "petebankhead-OS-1-detail.ome.tif"])
def test_intact_stores_of_real_slides(shared_slides, tmp_path, name):
    for codec in ("native", "zstd", "jpeg"):
        path = tmp_path / f"{codec}.zarr"
        st.tile_slide(
            shared_slides / name, path, st.Recipe(codec=codec, tile=st.TileSpec(size=256))
        )
        with st.open_slide(shared_slides / name) as slide:
            assert st.verify_store(path, slide=slide, deep=True) == ()


def test_a_store_without_tiles_has_no_findings(tmp_path):
    slide = st.ArraySlide(np.full((300, 400, 3), 250, np.uint8), mpp=1.0)
    st.write_tiles(slide, st.plan_tiles(slide, st.find_tissue(slide)), tmp_path / "s.zarr")
    assert st.verify_store(tmp_path / "s.zarr", slide=slide, deep=True) == ()


def test_a_grey_store_has_no_findings(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (700, 900, 1), np.uint8)
    slide = st.ArraySlide(grey, icc_profile=b"profile")
    for codec in CODECS[1:]:
        path = tmp_path / f"{codec}.zarr"
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(min_tissue_fraction=0))
        st.write_tiles(slide, plan, path, codec=codec)
        assert st.verify_store(path, slide=slide, deep=True) == ()


@pytest.mark.parametrize("codec", CODECS)
def test_a_flipped_bit_anywhere_is_found(copied, codec):
    path = copied(codec)
    rng = np.random.default_rng(1)
    for name in names(path):
        file, data = path / name, (path / name).read_bytes()
        last = len(data) - 1
        for place in sorted({0, 7, last // 2, last - 5, last, *rng.integers(0, last, 2).tolist()}):
            flipped = bytearray(data)
            flipped[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(flipped)
            findings = st.verify_store(path)
            assert {finding.path for finding in findings} & {name, MANIFEST}, (name, place)
        file.write_bytes(data)
    assert st.verify_store(path) == ()


def test_every_bit_of_a_manifest_counts():
    files = {
        "0/zarr.json": FileSum.of(b"{}"),
        "zarr.json": FileSum.of(b""),
        "é x": FileSum.of(b"a"),
    }
    data = pack_manifest(files)
    assert unpack_manifest(data) == files
    assert data.splitlines()[0] == b"%08x 2 0/zarr.json" % crc32c(b"{}")
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError, match=r"line|utf-8"):
            unpack_manifest(bytes(flipped))
    for length in range(len(data)):
        with pytest.raises(ValueError, match=r"line|utf-8"):
            unpack_manifest(data[:length])


@pytest.mark.parametrize("codec", CODECS)
def test_any_missing_or_cut_file_is_found(copied, codec):
    path = copied(codec)
    for name in names(path):
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[:-1])
        assert name in {finding.path for finding in st.verify_store(path)}
        (path / name).write_bytes(data + b"\0")
        assert name in {finding.path for finding in st.verify_store(path)}
        (path / name).unlink()
        if name == MANIFEST:
            assert told(st.verify_store(path)) == f"{MANIFEST}: {MANIFEST} is missing"
        else:
            assert st.Finding(name, "it is missing") in st.verify_store(path)
        (path / name).write_bytes(data)


def test_an_extra_file_is_found_even_where_the_manifest_lists_it(copied):
    path = copied("zstd")
    (path / "tiles" / "notes.txt").write_text("mine")
    extra = st.Finding("tiles/notes.txt", "it is no file of this store")
    assert st.verify_store(path) == (extra,)
    reseal(path)
    assert st.verify_store(path) == (extra,)


@pytest.mark.parametrize(
    "name", ["0/c/0/0/9", "0/c/0/7/0", "9/c/0/0/0", "0/c/0/0/00", "2/zarr.json"]
)
def test_a_shard_or_level_that_cannot_be_is_found(copied, name):
    path = copied("zstd")
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path / shards(path)[0], path / name)
    reseal(path)
    assert st.verify_store(path) == (st.Finding(name, "it is no file of this store"),)


def test_links_are_found_and_not_followed(copied, tmp_path):
    path = copied("zstd")
    shard = path / shards(path)[0]
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    (path / "1").rename(tmp_path / "level")
    (path / "1").symlink_to(tmp_path / "level")
    os.mkfifo(path / "pipe")
    found = told(st.verify_store(path, deep=True))
    assert f"{shards(path)[0]}: it is a symbolic link" in found
    assert "1: it is a symbolic link" in found
    assert "1/zarr.json is missing" in found
    assert "pipe: it is no regular file" in found


def test_empty_folders_mean_nothing_and_names_of_stores_neither(copied, tmp_path):
    path = copied("zstd")
    (path / "0" / "c" / "0" / "99").mkdir()
    path = path.rename(tmp_path / "another name")
    (tmp_path / "link").symlink_to(path)
    assert st.verify_store(tmp_path / "link", deep=True) == ()


def test_swapped_shards_are_found_with_and_without_their_manifest(copied):
    for codec in CODECS[1:]:  # a shard of copied tiles holds all of the sample
        path = copied(codec)
        one, two = (path / name for name in shards(path)[:2])
        data = one.read_bytes(), two.read_bytes()
        one.write_bytes(data[1])
        two.write_bytes(data[0])
        assert {shards(path)[0], shards(path)[1]} <= {f.path for f in st.verify_store(path)}
        reseal(path)
        assert "crc32c" in told(st.verify_store(path))
        shutil.rmtree(path)


def change_row(path, row, column, value):
    table = pq.read_table(path / TABLE)
    values = table[column].to_pylist()
    values[row] = value
    at = table.column_names.index(column)
    changed = table.set_column(at, table.field(at), pa.array(values, table.field(at).type))
    pq.write_table(changed, path / TABLE)
    reseal(path)


@pytest.mark.parametrize("codec", ["native", "zstd"])
@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("tile_id", 2, "its tile_id is 2 instead of 3"),
        ("column", 0, "its x is"),
        ("column", 1 << 20, "lies outside the slide"),
        ("row", -1, "lies outside the slide"),
        ("row", 0, "its y is"),
        ("x", 1, "its x is 1"),
        ("y", 1, "its y is 1"),
        ("width", 1, "its width is 1"),
        ("height", 0, "its height is 0"),
        ("region", 0, "its region is 0"),
        ("region", 99, "its region is 99"),
        ("region", -1, "its region is -1"),
        ("tissue_fraction", 1.5, "its tissue_fraction is 1.5"),
        ("tissue_fraction", float("nan"), "its tissue_fraction is nan"),
        ("tissue_fraction", 0.123, "plan_sha256"),
        ("status", "unreadable", "it is unreadable, but all its chunks are stored"),
        ("status", "fine", "its status is 'fine'"),
        ("status", "ok\0", "its status is"),
        ("bytes", 12, "its bytes is 12"),
        ("crc32c", 0, "its crc32c is 0"),
        ("mean_red", 12.5, "its mean_red is 12.5, but its pixels give"),
        ("mean_green", None, "its mean_green is nan, but its pixels give"),
        ("mean_blue", -1.0, "its mean_blue is -1, but"),
        ("saturated_fraction", 0.125, "its saturated_fraction is 0.125"),
        ("clipped_fraction", 0.5, "its clipped_fraction is 0.5"),
        ("pen_fraction", 0.25, "its pen_fraction is 0.25, but"),
        ("laplacian_variance", float("inf"), "its laplacian_variance is inf"),
    ],
)
def test_a_wrong_row_is_found_though_the_manifest_fits(copied, codec, column, value, what):
    path = copied(codec)
    table = pq.read_table(path / TABLE).to_pylist()
    row = 3 if table[3]["row"] and table[3]["column"] else 20
    what = what.replace("of 3", f"of {row}")
    change_row(path, row, column, value)
    findings = st.verify_store(path)
    assert what in told(findings)
    assert row in {finding.tile for finding in findings} or what == "plan_sha256"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda table: table.slice(1), "rows, the store"),
        (lambda table: pa.concat_tables([table, table.slice(0, 1)]), "rows, the store"),
        (lambda table: table.take([1, 0, *range(2, len(table))]), "does not come after"),
        (lambda table: table.take([0, 0, *range(2, len(table))]), "does not come after"),
        (lambda table: table.drop_columns(["bytes"]), "its columns are"),
        (lambda table: table.select(table.column_names[::-1]), "its columns are"),
        (lambda table: table.set_column(0, "tile_id", table["bytes"]), "its columns are"),
        (lambda table: table.cast(schema(mpp=(9.0, 9.0))), "the mpp of its laplacian_variance"),
    ],
)
def test_a_wrong_table_is_found_though_the_manifest_fits(copied, change, what):
    path = copied("zstd")
    pq.write_table(change(pq.read_table(path / TABLE)), path / TABLE)
    reseal(path)
    assert what in told(st.verify_store(path))


def test_a_row_left_out_everywhere_is_found(copied):
    path = copied("zstd")
    table = pq.read_table(path / TABLE).slice(1)
    ids = pa.array(range(len(table)), pa.int32())
    pq.write_table(table.set_column(0, table.field(0), ids), path / TABLE)
    edit_json(
        path, "zarr.json", lambda n: n["attributes"]["slidetile"].update(tile_count=len(table))
    )
    assert "plan_sha256" in told(st.verify_store(path))


@pytest.mark.parametrize("codec", CODECS)
def test_a_shard_left_out_of_the_manifest_too_is_found(copied, codec):
    path = copied(codec)
    (path / shards(path)[0]).unlink()
    reseal(path)
    found = told(st.verify_store(path))
    assert "its bytes is" in found
    assert codec == "native" or "it is ok, but not all its chunks are stored" in found


def test_a_coarser_shard_left_out_of_the_manifest_too_is_found(copied):
    path = copied("zstd")
    (path / shards(path, 1)[0]).unlink()
    reseal(path)
    assert "1/c/0/0/0: it lacks the chunks 0" in told(st.verify_store(path))


def test_a_shard_that_no_tile_needs_is_found(copied):
    path = copied("raw")
    missing = {f"0/c/0/{row}/{column}" for row in range(2) for column in range(2)}
    name = min(missing - set(shards(path)))
    (path / name).parent.mkdir(exist_ok=True)
    shutil.copy(path / shards(path)[0], path / name)
    reseal(path)
    assert f"{name}: no tile needs its chunks 0" in told(st.verify_store(path))


def chunks_of(data, count):
    """The stored chunks of a shard, by place."""
    index = struct.iter_unpack("<2Q", data[-16 * count - 4 : -4])
    return {
        place: data[offset : offset + length]
        for place, (offset, length) in enumerate(index)
        if length < 1 << 60
    }


def packed(path, name, chunks):
    """The shard file ``name`` with these stored chunks."""
    grid = ArrayFile(path / name.split("/")[0], ZstdCodec()).grid
    return b"".join(pack_shard({place: (chunk,) for place, chunk in chunks.items()}, grid))


def repack(path, name, change, *, all_chunks=False):
    """Change the pixels of the first chunk of a zstd shard, and the manifest with them."""
    chunks = chunks_of((path / name).read_bytes(), 4)
    codec = ZstdCodec()
    for place in sorted(chunks)[: None if all_chunks else 1]:
        decoded = codec.decode(chunks[place], (512, 512, 3)).transpose(2, 0, 1).copy()
        change(decoded)
        chunks[place] = codec.encode(decoded)
    (path / name).write_bytes(packed(path, name, chunks))
    reseal(path)


def refit_table(path):
    """Take over into the table what its chunks give."""
    for finding in st.verify_store(path):
        column, value = finding.what.split()[1], int(finding.what.split()[-1])
        change_row(path, finding.tile, column, value)


def test_a_pixel_that_differs_from_the_slides_by_one_is_found(copied):
    path = copied("zstd")

    def change(planes):
        planes[1, 5, 9] ^= 1

    repack(path, shards(path)[0], change)
    refit_table(path)
    assert st.verify_store(path) == ()
    place = "1 of its pixels are not the slide's, the first at x 9, y 5 of this level"
    assert st.verify_store(path, slide=small_slide())[0].what == f"chunk 0: {place}"


def test_pixels_outside_the_slide_mean_nothing(copied):
    path = copied("zstd")

    def change(planes):
        planes[:, -1, -1] ^= 255

    repack(path, "0/c/0/1/1", change)
    refit_table(path)
    assert st.verify_store(path, slide=small_slide(), deep=True) == ()


def test_a_coarser_level_that_is_no_halving_is_found_by_looking_deep(copied):
    path = copied("zstd")

    def change(planes):
        planes[2, 3, 4] ^= 1

    repack(path, shards(path, 1)[0], change)
    assert st.verify_store(path) == ()
    assert st.verify_store(path, slide=small_slide()) == ()
    finding = st.Finding("1/c/0/0/0", "chunk 0 is not the halving of level 0")
    assert st.verify_store(path, deep=True) == (finding,)


def test_what_is_found_and_its_order_do_not_depend_on_the_workers(tmp_path):
    rng = np.random.default_rng(0)
    slide = st.ArraySlide(rng.integers(0, 40, (2048, 4096, 3), np.uint8))
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(min_tissue_fraction=0))
    path = tmp_path / "s.zarr"
    st.write_tiles(slide, plan, path, codec="zstd")

    def change(planes):
        planes[1, 5, 9] ^= 1

    for name in shards(path, 1):
        repack(path, name, change, all_chunks=True)
    found = [st.verify_store(path, deep=True, workers=workers) for workers in (1, 2, 7)]
    assert found[0] == found[1] == found[2]
    places = [(finding.path, finding.what) for finding in found[0]]
    assert len(places) > 8
    assert places == sorted(places)
    for name in shards(path):
        repack(path, name, change, all_chunks=True)
    (path / shards(path)[3]).write_bytes(b"short")
    (path / shards(path)[5]).unlink()
    found = [st.verify_store(path, slide=slide, workers=workers) for workers in (1, 2, 7)]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > 16
    with pytest.raises(ValueError, match="workers is at least 1, but it is 0"):
        st.verify_store(path, workers=0)


@pytest.mark.parametrize(("codec", "count"), [("native", 256), ("zstd", 4), ("jpeg", 4)])
def test_a_chunk_that_does_not_decode_is_found_though_every_checksum_fits(copied, codec, count):
    path = copied(codec)
    name = shards(path, 1)[0]
    chunks = chunks_of((path / name).read_bytes(), count)
    payload = b"\xff\xd8 nothing \xff\xd9"
    sealed = payload if codec == "zstd" else payload + struct.pack("<I", crc32c(payload))
    chunks[min(chunks)] = sealed
    (path / name).write_bytes(packed(path, name, chunks))
    reseal(path)
    assert "1/zarr.json: the chunk at column " in told(st.verify_store(path))
    assert f"{name}: chunk {min(chunks)} is damaged" in told(st.verify_store(path, deep=True))


def test_chunks_out_of_order_are_found(copied):
    path = copied("zstd")
    name = next(n for n in shards(path) if (path / n).stat().st_size > 2000)
    data = (path / name).read_bytes()
    index = bytearray(struct.pack("<2Q", 0, 3) + data[-52:-4])
    (path / name).write_bytes(data[:-68] + index + struct.pack("<I", crc32c(bytes(index))))
    reseal(path)
    assert "its chunks do not lie one after another" in told(st.verify_store(path))


def test_another_slide_is_not_compared(intact):
    other = pixels()
    other[0, 0, 0] ^= 1
    (finding,) = st.verify_store(intact / "zstd.zarr", slide=small_slide(other))
    assert "their pixels were not compared" in finding.what
    with st.open_slide(SAMPLE) as slide:
        (finding,) = st.verify_store(intact / "jpeg.zarr", slide=slide, deep=True)
    assert "sample.svs" in finding.what


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("damage", [lambda byte: byte ^ 16, lambda _: 0], ids=["other", "zero"])
def test_a_slide_that_changed_where_its_fingerprint_does_not_look_is_found(tmp_path, codec, damage):
    slide = tmp_path / "long.svs"
    data = bytearray(SAMPLE.read_bytes() + bytes(2 << 20))
    slide.write_bytes(data)
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=512))
    path = st.tile_slide(slide, tmp_path / "s.zarr", recipe).path
    with tifffile.TiffFile(slide) as file:
        page = file.pages.first
        tiles = zip(page.dataoffsets, page.databytecounts, strict=True)
        start, size = max((t for t in tiles if t[0] > 1 << 20), key=lambda tile: tile[1])
    for place in range(start + size // 2, start + size // 2 + 40):
        data[place] = damage(data[place])
    slide.write_bytes(data)
    with st.open_slide(slide) as changed:
        assert changed.source.fingerprint == st.open_store(path).attributes["source"]["fingerprint"]
        found = told(st.verify_store(path, slide=changed))
    assert "of its pixels are not the slide's" in found or "could not be read there" in found


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_unreadable_tiles_are_no_findings(damaged_sample, tmp_path, cli, codec):
    path = tmp_path / "s.zarr"
    st.tile_slide(damaged_sample, path, st.Recipe(codec=codec, tile=st.TileSpec(size=512)))
    with st.open_slide(damaged_sample) as slide:
        assert st.verify_store(path, slide=slide, deep=True) == ()
    result = cli("verify", path)
    assert (result.exit_code, result.stdout) == (0, "findings: 0\n")
    assert "tiles the slide could not give: 1" in result.stderr
    row = pq.read_table(path / TABLE)["status"].to_pylist().index("unreadable")
    change_row(path, row, "status", "ok")
    assert "not all its chunks are stored" in (found := told(st.verify_store(path))) or (
        codec == "native" and "its mean_red is nan, but its pixels give" in found
    )


JSON_CHANGES = {
    "zarr.json": [
        lambda n: n["attributes"]["slidetile"].update(format_version=2),
        lambda n: n["attributes"]["slidetile"].update(complete=False),
        lambda n: n["attributes"]["slidetile"].update(tile_count=-1),
        lambda n: n["attributes"]["slidetile"].update(tile_size=224),
        lambda n: n["attributes"]["slidetile"].update(tile_size=17),
        lambda n: n["attributes"]["slidetile"].update(codec="jpeg"),
        lambda n: n["attributes"]["slidetile"].update(codec="auto"),
        lambda n: n["attributes"]["slidetile"].update(background=[0, 0, 0]),
        lambda n: n["attributes"]["slidetile"].update(icc_profile="*"),
        lambda n: n["attributes"]["slidetile"]["source"].update(width=1532),
        lambda n: n["attributes"]["slidetile"]["source"].update(mpp=[0.5, 0.5]),
        lambda n: n["attributes"]["slidetile"]["source"].update(fingerprint="?"),
        lambda n: n["attributes"]["slidetile"]["parameters"]["codec"].update(level=7),
        lambda n: n["attributes"]["slidetile"]["parameters"].update(plan_sha256="0" * 64),
        lambda n: n["attributes"]["slidetile"].pop("quality"),
        lambda n: n["attributes"]["slidetile"]["quality"].update(level=0),
        lambda n: n["attributes"]["slidetile"]["quality"].update(factor=6),
        lambda n: n["attributes"]["slidetile"]["quality"].update(mpp=[4.0, 4.5]),
        lambda n: n["attributes"]["slidetile"]["quality"].update(pen_method="1"),
        lambda n: n["attributes"]["ome"]["multiscales"][0]["datasets"].pop(),
        lambda n: n["attributes"]["ome"]["multiscales"][0]["datasets"].append({"path": "../x"}),
        lambda n: n["attributes"]["ome"]["multiscales"][0]["axes"][0].update(name="z"),
        lambda n: n["attributes"].pop("slidetile"),
        lambda n: n.update(node_type="array"),
        lambda n: n.update(consolidated_metadata={}),
    ],
    "0/zarr.json": [
        lambda n: n.update(shape=[3, 1107, 1534]),
        lambda n: n.update(shape=[3, 1 << 60, 1 << 60]),
        lambda n: n.update(fill_value=0),
        lambda n: n.update(fill_value="NaN"),
        lambda n: n.update(data_type="int8"),
        lambda n: n["codecs"][0]["configuration"].update(chunk_shape=[3, 1, 1]),
        lambda n: n["codecs"][0]["configuration"].update(index_location="start"),
        lambda n: n["chunk_grid"]["configuration"].update(chunk_shape=[3, 2048, 2048]),
    ],
    "1/zarr.json": [lambda n: n.update(shape=[3, 553, 767])],
    "overview/zarr.json": [
        lambda n: n["attributes"]["ome"]["multiscales"][0]["datasets"].clear(),
        lambda n: n["attributes"]["ome"]["multiscales"][0].update(name="view"),
    ],
    "tissue/0/zarr.json": [lambda n: n.update(shape=[1, 9, 9]), lambda n: n.update(fill_value=1)],
    "tiles/zarr.json": [lambda n: n["attributes"].update(x=1)],
}


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name, all_ in JSON_CHANGES.items() for change in all_]
)
def test_metadata_that_contradict_the_rest_are_found_though_the_manifest_fits(copied, name, change):
    path = copied("zstd")
    edit_json(path, name, change)
    assert st.verify_store(path) != ()


def leaves(node, keys=()):
    """Yield the path of every value in JSON."""
    yield keys
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in items:
        yield from leaves(value, (*keys, key))


def test_nonsense_anywhere_in_the_metadata_never_raises(copied):
    path = copied("zstd")
    rng = np.random.default_rng(2)
    nonsense = [None, -1, 1 << 70, 1e308, "x", [], {}, [[]], True, [1, 2], "9" * 5000]
    for name in ("zarr.json", "0/zarr.json", "overview/zarr.json", "tissue/0/zarr.json"):
        text = (path / name).read_text()
        for keys in list(leaves(json.loads(text)))[1:]:
            node = json.loads(text)
            inner = node
            for key in keys[:-1]:
                inner = inner[key]
            inner[keys[-1]] = nonsense[rng.integers(len(nonsense))]
            (path / name).write_text(json.dumps(node))
            assert st.verify_store(path, deep=bool(rng.integers(2))) != (), keys
        (path / name).write_text("[" * 100_000)
        assert st.verify_store(path) != ()
        (path / name).write_text(text)


def test_a_huge_file_is_not_read(copied):
    path = copied("zstd")
    for name in (shards(path)[0], TABLE, "0/zarr.json"):
        with (path / name).open("r+b") as file:
            file.truncate(1 << 40)
    found = told(st.verify_store(path, deep=True))
    assert f"{shards(path)[0]}: it has {1 << 40} bytes" in found
    with (path / MANIFEST).open("r+b") as file:
        file.truncate(1 << 40)
    assert MANIFEST in {finding.path for finding in st.verify_store(path)}


def test_paths_in_a_manifest_lead_nowhere(copied, tmp_path):
    path = copied("zstd")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    files = unpack_manifest((path / MANIFEST).read_bytes())
    files["../secret"] = files["/etc/hostname"] = FileSum.of(b"secret")
    (path / MANIFEST).write_bytes(pack_manifest(files))
    assert told(st.verify_store(path)) == "../secret: it is missing\n/etc/hostname: it is missing"


def test_what_is_no_finished_store_is_refused(intact, tmp_path):
    with pytest.raises(st.StoreError, match="does not exist"):
        st.verify_store(tmp_path / "none.zarr")
    with pytest.raises(st.IncompleteStoreError):
        st.verify_store(tmp_path)
    (tmp_path / "zarr.json").write_text('{"attributes": {}}')
    with pytest.raises(st.StoreError, match="not a slidetile store"):
        st.verify_store(tmp_path)
    path = shutil.copytree(intact / "raw.zarr", tmp_path / "cut.zarr")
    (path / "unfinished.json").write_text("{}")
    assert told(st.verify_store(path)) == "unfinished.json: it is no file of this store"
    (path / "zarr.json").unlink()
    with pytest.raises(st.IncompleteStoreError):
        st.verify_store(path)


def test_names_cannot_move_a_terminals_cursor():
    finding = st.Finding("a\x1b[2J\nb", "it is\tmissing × 2", tile=4)
    assert str(finding) == "a\\x1b[2J b: tile 4: it is missing × 2"


class Interrupted(Exception):  # noqa: N818  no error: a test's way to stop
    """Stops a run."""


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_a_continued_store_has_no_findings(tmp_path, long_slide, codec):
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=512))
    path = tmp_path / "s.zarr"

    def stop(progress):
        if progress.shards_done >= 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        st.tile_slide(long_slide, path, recipe, on_progress=stop)
    partial = tmp_path / "s.zarr.partial"
    for stray in ("0.tmp", ".0123456789abcdef.tmp"):
        (partial / "0" / "c" / "0" / stray).write_bytes(b"left")
    shard = partial / shards(partial)[0]
    shard.write_bytes(shard.read_bytes()[:-1])
    st.tile_slide(long_slide, path, recipe)
    assert st.verify_store(path, deep=True) == ()
    st.tile_slide(long_slide, tmp_path / "whole.zarr", recipe)
    assert (path / MANIFEST).read_bytes() == (tmp_path / "whole.zarr" / MANIFEST).read_bytes()


def test_the_command_says_that_all_is_well(cli, intact):
    path = intact / "native.zarr"
    for arguments in ((), ("--deep",), ("--slide", SAMPLE, "--deep", "--workers", "3")):
        result = cli("verify", path, *arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "findings: 0\n", "")
    assert json.loads(cli("verify", path, "--json").stdout) == []


def test_the_command_lists_what_it_finds(cli, copied):
    path = copied("native")
    (path / "b").write_bytes(b"")
    (path / "a").write_bytes(b"")
    result = cli("verify", path)
    assert result.exit_code == 1
    lines = ["a: it is no file of this store", "b: it is no file of this store", "findings: 2"]
    assert result.stdout.splitlines() == lines
    result = cli("verify", path, "--json")
    assert result.exit_code == 1
    expected = {"path": "a", "what": "it is no file of this store", "tile": None}
    assert json.loads(result.stdout)[0] == expected


def test_the_command_on_what_is_no_store(cli, copied, tmp_path):
    result = cli("verify", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "does not exist" in result.stderr
    result = cli("verify", copied("native"), "--slide", tmp_path / "none.svs")
    assert (result.exit_code, result.stdout) == (1, "")
