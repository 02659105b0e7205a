"""What was stored and is not there is damage, in every way of reading; what never was is not."""

import errno
import io
import os
import shutil

import numpy as np
import pytest
import tifffile
from known_tissue import drawn
from tampering import CODECS, chunks_of, packed, plan_of, shards, small_slide

import slidetile as st
from slidetile.export.exporting import export_store

MISSING = "is missing, though it was stored"


@pytest.fixture(scope="module")
def intact(sample, tmp_path_factory):
    """One store of each codec."""
    folder = tmp_path_factory.mktemp("absence")
    recipe = st.Recipe(tile=st.TileSpec(size=512), detector=drawn)
    st.tile_slide(sample, folder / "native.zarr", recipe)
    slide = small_slide()
    for codec in CODECS[1:]:
        st.write_tiles(slide, plan_of(slide), folder / f"{codec}.zarr", codec=codec)
    return folder


@pytest.fixture
def copied(intact, tmp_path):
    return lambda codec: shutil.copytree(intact / f"{codec}.zarr", tmp_path / "s.zarr")


def whole(store):
    """The region of a whole slide."""
    return st.Region(x=0, y=0, width=store.levels[0].width, height=store.levels[0].height)


def everything(store):
    """All pixels of a store, however they are read."""
    for number in range(len(store.levels)):
        yield store.read_region(whole(store), level=number)
    yield from store
    yield from store.windows(size=100, min_tissue_fraction=0)
    yield from store.windows(size=64, mpp=1.1, min_tissue_fraction=0)
    yield store.overview
    yield store.tissue


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_never_stored_is_no_damage(intact, codec):
    assert all(pixels.size for pixels in everything(st.open_store(intact / f"{codec}.zarr")))


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("codec", CODECS)
def test_each_shard_that_is_deleted_is_missed(copied, codec, level):
    path = copied(codec)
    for name in shards(path, level):
        for is_open in (False, True):
            opened = st.open_store(path)
            kept = (path / name).read_bytes()
            if is_open:
                list(everything(opened))  # its index is known then
            (path / name).unlink()
            reader = opened if is_open else st.open_store(path)
            with pytest.raises(st.StoreError, match=MISSING):
                reader.read_region(whole(reader), level=level)
            (path / name).write_bytes(kept)


@pytest.mark.parametrize("codec", CODECS)
def test_every_way_of_reading_tells(copied, codec, tmp_path):
    path = copied(codec)
    opened = st.open_store(path)
    windows = opened.windows(size=100, min_tissue_fraction=0)
    averaged = opened.windows(size=64, mpp=0.6, min_tissue_fraction=0)
    for name in shards(path, 0):
        (path / name).unlink()
    ways = [
        lambda: opened[0],
        lambda: list(opened.select([0, 1])),
        lambda: windows[0],
        lambda: list(windows),
        lambda: windows.__getitems__([0, 1]),
        lambda: averaged[0],
    ]
    for read in ways:
        with pytest.raises(st.StoreError, match=MISSING):
            read()
    for name in ("overview/0/c/0/0/0", "labels/tissue/0/c/0/0"):
        (path / name).unlink()
    for read in (
        lambda: st.open_store(path).overview,
        lambda: st.open_store(path).tissue,
        lambda: st.open_store(path)._repr_html_(),
        lambda: export_store(st.open_store(path), tmp_path / "a.geojson"),
        lambda: st.open_store(path).windows(),
    ):
        with pytest.raises(st.StoreError, match=MISSING):
            read()


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("codec", ["native", "zstd", "jxl", "jpeg"])
def test_a_chunk_left_out_of_its_shard_is_missed(copied, codec, level):
    """The shard's index is right, so that only what tiles need can tell; native levels cannot."""
    path = copied(codec)
    opened = st.open_store(path)
    before = opened.read_region(whole(opened), level=level)
    name = max(shards(path, level), key=lambda name: (path / name).stat().st_size)
    grid = opened._arrays[level].grid
    chunks = chunks_of((path / name).read_bytes(), grid.chunks_per_shard)
    chunks.pop(max(chunks, key=lambda place: len(chunks[place])))
    (path / name).write_bytes(packed(path, name, chunks))
    if codec == "native" and level:
        after = st.open_store(path).read_region(whole(opened), level=level)
        assert not np.array_equal(before, after)  # the manifest alone tells, to `verify`
        assert st.verify_store(path)
        return
    with pytest.raises(st.StoreError, match=MISSING):
        st.open_store(path).read_region(whole(opened), level=level)


@pytest.mark.parametrize("codec", CODECS)
def test_unreadable_tiles_are_no_damage(damaged_sample, tmp_path, codec):
    recipe = st.Recipe(tile=st.TileSpec(size=256), codec=codec, detector=drawn)
    store = st.tile_slide(damaged_sample, tmp_path / "s.zarr", recipe)
    assert store.unreadable
    assert all(pixels.size for pixels in everything(store))
    for number, status in enumerate(store.tiles["status"].to_pylist()):
        if status == "unreadable" and codec != "native":
            assert store[number].shape == (256, 256, 3)
    for name in shards(store.path):  # where unreadable chunks share a shard with others, too
        kept = (store.path / name).read_bytes()
        (store.path / name).unlink()
        with pytest.raises(st.StoreError, match=MISSING):
            st.open_store(store.path).read_region(whole(store))
        (store.path / name).write_bytes(kept)


def test_tiles_that_a_slide_does_not_have_are_no_damage(tmp_path):
    """A native chunk may be absent from the slide itself: its tile is ok, and white there."""
    slide = sparse_slide(tmp_path / "sparse.tif")
    everywhere = st.Recipe(
        tile=st.TileSpec(size=512), detector=lambda image: np.ones(image.shape[:2], np.bool_)
    )
    store = st.tile_slide(slide, tmp_path / "s.zarr", everywhere)
    assert store.codec == "native"
    assert not store.unreadable
    tiles = list(store)
    assert (tiles[0][:256, :256] == 255).all()
    assert not (tiles[0][256:, :256] == 255).all()
    assert all(pixels.size for pixels in everything(store))
    (store.path / shards(store.path)[0]).unlink()
    with pytest.raises(st.StoreError, match=MISSING):
        list(st.open_store(store.path))


def sparse_slide(path):
    """Write a slide of 1024 px a side whose first native tile is not there."""
    pixels = np.random.default_rng(0).integers(0, 200, (1024, 1024, 3), np.uint8)
    options = {"tile": (256, 256), "compression": "jpeg", "photometric": "rgb", "metadata": None}
    half_um = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels, **options, **half_um)
    data = io.BytesIO(path.read_bytes())
    with tifffile.TiffFile(data) as tiff:
        tags = tiff.pages.first.tags
        places = {name: tags[name].valueoffset for name in ("TileOffsets", "TileByteCounts")}
    for place in places.values():
        data.seek(place)
        data.write(bytes(4))
    path.write_bytes(data.getvalue())
    return path


@pytest.mark.parametrize("codec", CODECS)
def test_zarr_tells_too(copied, codec):
    path = copied(codec)
    opened = st.open_store(path)
    before = opened.zarr["0"][:]
    assert np.array_equal(before.transpose(1, 2, 0), opened.read_region(whole(opened)))
    for level in (0, 1):
        name = shards(path, level)[0]
        kept = (path / name).rename(path.parent / "kept")
        with pytest.raises(st.StoreError, match=MISSING):
            st.open_store(path).zarr[str(level)][:]
        kept.rename(path / name)
    shutil.rmtree(path)
    with pytest.raises(st.StoreError, match="was deleted or moved"):
        opened.zarr["0"][:]


def test_a_shard_that_the_system_does_not_read_is_told(copied, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    store = st.open_store(copied("zstd"))
    level = store.zarr["0"]
    monkeypatch.setattr(os, "pread", fail)
    for read in (lambda: store[0], lambda: level[:]):
        with pytest.raises(st.StoreError, match="could not be read: Input/output error"):
            read()
