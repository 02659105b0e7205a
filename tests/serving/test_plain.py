"""A store as a plain image, key by key: the store's own levels, and exact halvings between them."""

import json
import shutil

import numpy as np
import ome_zarr_models
import pytest
import zarr
from served_stores import CODECS, odd_slide, write, write_tiff

import slidetile as st
from slidetile.runtime.byte_cache import ByteCache
from slidetile.serving.plain import PlainPyramid


def copy_of(pyramid, folder):
    """Write all that a pyramid gives into a folder, as a program would read it."""
    for key in (key for key in keys_of(pyramid) if pyramid.get(key) is not None):
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pyramid.get(key))
    return zarr.open_group(folder, mode="r")


def keys_of(pyramid):
    yield from ("zarr.json", "labels/zarr.json", "labels/tissue/zarr.json")
    for level in pyramid.levels:
        rows, columns = level.is_there.shape
        yield from (f"{level.number}/zarr.json", f"labels/tissue/{level.number}/zarr.json")
        for row, column in np.ndindex(rows, columns):
            yield f"labels/tissue/{level.number}/c/{row}/{column}"
            apart = 1 if pyramid.store.metadata.is_plain else pyramid.store.metadata.channels
            for channel in range(apart):
                yield f"{level.number}/c/{channel}/{row}/{column}"


def halved(pixels):
    """Return the halving of [row, column, channel], by its definition."""
    height, width, _ = pixels.shape
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(int)
    quarters = even[::2, ::2], even[1::2, ::2], even[::2, 1::2], even[1::2, 1::2]
    return (sum(quarters) + 2) >> 2


def check_levels(group, pyramid):
    store, finer = pyramid.store, None
    for level in pyramid.levels:
        found = np.moveaxis(group[str(level.number)][:], 0, -1)
        assert found.shape[:2] == (level.height, level.width)
        if level.source is None:
            assert np.array_equal(found, halved(finer))
        else:
            size = level.width << level.number, level.height << level.number
            region = st.Region(x=0, y=0, width=size[0], height=size[1])
            own = store.read_region(region, level=level.source)
            stored = store.levels[level.source]
            part = slice(min(stored.height, level.height)), slice(min(stored.width, level.width))
            assert np.array_equal(found[part], own[part])
        finer = found
    assert max(finer.shape[:2]) <= 512


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_becomes_a_plain_image(folder, tmp_path, codec):
    pyramid = PlainPyramid(st.open_store(folder / f"{codec}.zarr"))
    own = [0, None, 1, None] if codec in ("native", "reference") else [0, 1, 2, None]
    assert [level.source for level in pyramid.levels] == own
    group = copy_of(pyramid, tmp_path / "plain.zarr")
    image = ome_zarr_models.open_ome_zarr(group)
    assert isinstance(image, ome_zarr_models.v05.Image)
    check_levels(group, pyramid)
    for level in range(4):
        step = 1 << level
        assert np.array_equal(
            group[f"labels/tissue/{level}"][:], pyramid.store.tissue[::step, ::step]
        )


@pytest.mark.parametrize(
    ("downsamples", "own"), [((1, 4, 16), [0, None, 1]), ((1,), [0, None, None])]
)
@pytest.mark.parametrize("plain", ["zstd", "raw"])
def test_levels_of_1_4_and_16_and_one_alone(tmp_path, downsamples, own, plain):
    write_tiff(tmp_path / "a.tiff", downsamples)
    with st.open_slide(tmp_path / "a.tiff") as slide:
        store = write(slide, tmp_path / "a.zarr", "native", size=208)
    assert len(store.levels) == len(downsamples)
    pyramid = PlainPyramid(store, codec=plain)
    assert [level.source for level in pyramid.levels] == own
    group = copy_of(pyramid, tmp_path / "plain.zarr")
    check_levels(group, pyramid)
    last = json.loads(pyramid.get("0/zarr.json"))["codecs"][-1]["name"]
    assert last == ("zstd" if plain == "zstd" else "bytes")


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint16, 1), (np.uint16, 5), (np.uint8, 1)])
def test_any_channels_of_any_depth(tmp_path, dtype, channels):
    store = write(odd_slide(dtype, channels), tmp_path / "a.zarr", "zstd", size=208)
    pyramid = PlainPyramid(store)
    group = copy_of(pyramid, tmp_path / "plain.zarr")
    assert group["0"].dtype == store.dtype
    check_levels(group, pyramid)


@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "/",
            "zarr.json/",
            "../zarr.json",
            "0",
            "0/c",
            "0/c/0/0",
            "00/zarr.json",
            "9/zarr.json",
        ),
        *("0/c/1/1/1", "0/c/0/99/0", "0/c/0/0/99", "0/c/0/00/0", "0/c/0/-1/0", "9/c/0/0/0"),
        *("tiles/tiles.parquet", "labels/tissue/0/c/9/9", "labels/other/zarr.json", ".zattrs"),
        *("0/c/0/0/0/0", "0/c/\u0660/0/0", "99999999999/c/0/0/0"),
    ],
)
def test_other_keys_have_nothing(folder, key):
    assert PlainPyramid(st.open_store(folder / "zstd.zarr")).get(key) is None


def test_a_damaged_chunk_is_an_error_and_never_glass(folder, tmp_path):
    path = tmp_path / "a.zarr"
    shutil.copytree(folder / "zstd.zarr", path)
    shard = path / "0/c/0/1/1"
    shard.write_bytes(shard.read_bytes()[:100] + b"\xff" * 4 + shard.read_bytes()[104:])
    pyramid = PlainPyramid(st.open_store(path))
    broken = [key for key in keys_of(pyramid) if is_damaged(pyramid, key)]
    assert broken == ["0/c/0/2/2"]
    shard.unlink()
    assert is_damaged(PlainPyramid(st.open_store(path)), "0/c/0/3/3")


def is_damaged(pyramid, key):
    try:
        pyramid.get(key)
    except st.StoreError as error:
        return "damaged" in str(error)
    return False


def test_damage_goes_up_to_the_levels_that_are_made_of_it(folder, tmp_path):
    path = tmp_path / "a.zarr"
    shutil.copytree(folder / "native.zarr", path)
    (path / "0/c/0/0/0").unlink()
    pyramid = PlainPyramid(st.open_store(path))
    there = np.argwhere(pyramid.levels[1].is_there)
    assert all(is_damaged(pyramid, f"1/c/0/{row}/{column}") for row, column in there.tolist())
    assert pyramid.get("2/c/0/0/0") is not None  # which is the slide's own


def test_a_store_that_is_replaced_is_an_error(folder, tmp_path):
    path = tmp_path / "a.zarr"
    shutil.copytree(folder / "zstd.zarr", path)
    pyramid = PlainPyramid(st.open_store(path))
    assert pyramid.get("0/c/0/1/1") is not None
    shutil.rmtree(path)
    with pytest.raises(st.StoreError, match="deleted or moved"):
        pyramid.get("0/c/0/1/1")
    shutil.copytree(folder / "jpeg.zarr", path)
    with pytest.raises(st.StoreError, match="replaced"):
        pyramid.get("zarr.json")


def test_what_is_kept_is_bounded(folder):
    kept = ByteCache(most_bytes=3 << 20)
    pyramid = PlainPyramid(st.open_store(folder / "native.zarr"), kept=kept)
    once = {key: pyramid.get(key) for key in keys_of(pyramid)}
    for key, data in once.items():
        assert pyramid.get(key) == data
        assert kept.kept_bytes <= 3 << 20


def test_a_codec_that_is_not_plain_is_refused(folder):
    with pytest.raises(ValueError, match="zstd or raw"):
        PlainPyramid(st.open_store(folder / "zstd.zarr"), codec="jpeg")
