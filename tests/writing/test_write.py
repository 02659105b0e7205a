"""From real slides to stores and back: the same pixels, the same bytes."""

import filecmp
import os
from pathlib import Path

import numpy as np
import pytest
from known_tissue import sample_tissue
from paths import SAMPLE

import slidetile as st
from slidetile.format.table import OK

OVERWRITE = st.WriteOptions(existing="overwrite")
RESTART = st.WriteOptions(existing="restart")

SHARED = [
    "CMU-1-Small-Region.svs",
    "CMU-1-small.tiff",
    "wsic-CMU-1-Small-Region.jpeg.tiff",
    "petebankhead-OS-1-detail.ome.tif",
    "test3-DAPI.ndpi",
    "multi_frame_jpeg_camelyon_challenge_image.dcm",
    "dicom-CMU-1-Small-Region",
]
NATIVE = SHARED


def open_shared(folder, name):
    path = folder / name
    return st.open_slide(min(path.iterdir()) if path.is_dir() else path)


def plan_of(slide, size=None):
    tissue = sample_tissue(slide) if slide.source.name == SAMPLE.name else st.find_tissue(slide)
    spec = st.TileSpec(size=size or (1024 if slide.width > 1500 else 256))
    return st.plan_tiles(slide, tissue, spec)


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("codec", ["auto", "zstd", "raw"])
def test_every_tile_equals_the_slide_bit_for_bit(shared_slides, tmp_path, name, codec):
    with open_shared(shared_slides, name) as slide:
        plan = plan_of(slide)
        store = st.write_tiles(slide, plan, tmp_path / "s.zarr", codec=codec)
        assert len(store) == len(plan) > 0
        assert set(store.tiles["status"].to_pylist()) == {OK}
        for tile in plan:
            assert np.array_equal(store[tile.tile_id], slide.read_region(tile.region))
        if codec == "auto":
            assert store.codec == ("native" if name in NATIVE else "zstd")


@pytest.mark.parametrize("name", [SHARED[0], SHARED[3], SHARED[5]])
@pytest.mark.parametrize("codec", ["auto", "zstd", "jxl", "jpeg", "raw"])
def test_the_bytes_do_not_depend_on_the_number_of_workers(shared_slides, tmp_path, name, codec):
    trees = []
    for workers in (1, 4):
        with open_shared(shared_slides, name) as slide:
            path = tmp_path / str(workers) / "s.zarr"
            st.write_tiles(slide, plan_of(slide, 256), path, codec=codec, workers=workers)
        trees.append(tree(path))
    assert trees[0] == trees[1]
    assert not any(name.endswith(".tmp") for name in trees[0])


@pytest.mark.parametrize("size", [16, 240, 256, 1008, 1024, 2048, 8192])
@pytest.mark.parametrize("codec", ["native", "zstd", "raw"])
def test_any_tile_size(tmp_path, size, codec):
    with st.open_slide(SAMPLE) as slide:
        plan = plan_of(slide, size)
        store = st.write_tiles(slide, plan, tmp_path / "s.zarr", codec=codec)
        assert store.tile_size == size
        for i in range(0, len(plan), max(1, len(plan) // 20)):
            assert np.array_equal(store[i], slide.read_region(plan[i].region))


def mean_of_quads(image):
    padded = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
    wide = padded.astype(int)
    quads = wide[0::2, 0::2] + wide[1::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 1::2]
    return ((quads + 2) // 4).astype(np.uint8)


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_each_level_is_the_exact_halving_of_what_is_stored_below(tmp_path, codec):
    rng = np.random.default_rng(3)
    slide = st.ArraySlide(rng.integers(0, 256, (2051, 3077, 3), np.uint8))
    tissue = st.find_tissue(slide, detector=lambda image: image[..., 0] > 120)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=256, min_tissue_fraction=0.3))
    store = st.write_tiles(slide, plan, tmp_path / "s.zarr", codec=codec)
    assert [level.size for level in store.levels] == [(3077, 2051), (1539, 1026), (770, 513)]
    below = store.read_region(slide.bounds)
    for number in range(1, 3):
        level = store.read_region(slide.bounds, level=number)
        assert np.array_equal(level, mean_of_quads(below))
        below = level


def test_a_jpeg_level_is_made_from_the_pixels_of_the_slide(tmp_path):
    codec = st.JpegCodec(quality=60)
    with st.open_slide(SAMPLE) as slide:
        store = st.write_tiles(slide, plan_of(slide, 512), tmp_path / "s.zarr", codec=codec)
        exact = st.write_tiles(slide, plan_of(slide, 512), tmp_path / "e.zarr", codec="zstd")
        area = st.Region(x=1024, y=0, width=1024, height=1024)
        halved = exact.read_region(area, level=1)
        assert np.array_equal(halved, mean_of_quads(exact.read_region(area)))
        again = codec.decode(codec.encode(halved), halved.shape)
        assert np.array_equal(store.read_region(area, level=1), again)


def test_native_levels_are_the_slides_own(tmp_path):
    with st.open_slide(SAMPLE) as slide:
        store = st.write_tiles(slide, plan_of(slide, 512), tmp_path / "s.zarr")
        assert store.codec == "native"
        assert [level.size for level in store.levels] == [level.size for level in slide.levels]
        for tile in plan_of(slide, 512):
            for number in range(len(slide.levels)):
                assert np.array_equal(
                    store.read_region(tile.inside, level=number),
                    slide.read_region(tile.inside, level=number),
                )


def test_only_planned_chunks_are_stored(tmp_path):
    with st.open_slide(SAMPLE) as slide:
        plan = plan_of(slide, 512)
        store = st.write_tiles(slide, plan, tmp_path / "s.zarr")
        planned = np.zeros((slide.height, slide.width), np.bool_)
        for tile in plan:
            planned[tile.inside.slices] = True
        elsewhere = store.read_region(slide.bounds)[~planned]
        assert elsewhere.size
        assert (elsewhere == 255).all()


def test_no_tissue_gives_a_store_without_tiles(tmp_path):
    slide = st.ArraySlide(np.full((300, 400, 3), 250, np.uint8), mpp=1.0)
    store = st.write_tiles(slide, st.plan_tiles(slide, st.find_tissue(slide)), tmp_path / "s.zarr")
    assert len(store) == 0
    assert list(store) == []
    assert store.tiles.num_rows == 0
    assert (store.read_region(slide.bounds) == 255).all()


def test_grey_slides_stay_grey(tmp_path):
    slide = st.ArraySlide(np.random.default_rng(0).integers(0, 255, (700, 900, 1), np.uint8))
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=256, min_tissue_fraction=0))
    for codec in ("zstd", "raw", "jxl", "jpeg"):
        store = st.write_tiles(slide, plan, tmp_path / f"{codec}.zarr", codec=codec)
        assert store[0].shape == (256, 256, 1)
        if codec != "jpeg":
            assert np.array_equal(store.read_region(slide.bounds), slide.read_region(slide.bounds))


def test_native_is_refused_with_the_reason_where_it_cannot_be(tmp_path):
    slide = st.ArraySlide(np.zeros((64, 64, 3), np.uint8), name="mem")
    plan = plan_of(slide, 64)
    with pytest.raises(st.NotNativeError, match="mem: level 0 is not made of tiles that can"):
        st.write_tiles(slide, plan, tmp_path / "s.zarr", codec="native")
    assert not list(tmp_path.iterdir())


def test_a_finished_store_is_replaced_only_on_purpose_and_only_when_the_new_one_is_done(tmp_path):
    path = tmp_path / "s.zarr"
    with st.open_slide(SAMPLE) as slide:
        first = tree(st.write_tiles(slide, plan_of(slide, 512), path).path)
        for options in (None, RESTART):
            with pytest.raises(st.StoreExistsError, match="exists already"):
                st.write_tiles(slide, plan_of(slide, 1024), path, options=options)
        with pytest.raises(ZeroDivisionError):
            st.write_tiles(
                slide,
                plan_of(slide, 1024),
                path,
                options=OVERWRITE,
                on_progress=lambda progress: 1 / (progress.shards_done == 0),
            )
        assert tree(path) == first
        st.write_tiles(slide, plan_of(slide, 1024), path, options=OVERWRITE)
        assert st.open_store(path).tile_size == 1024
        assert os.listdir(tmp_path) == ["s.zarr"]  # noqa: PTH208  names only


def test_a_folder_that_is_no_store_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    slide = st.ArraySlide(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(st.StoreExistsError, match="is not a store, so it is not overwritten"):
        st.write_tiles(
            slide,
            plan_of(slide, 64),
            tmp_path / "photos",
            options=OVERWRITE,
        )
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"cat"


class Interrupted(Exception):  # noqa: N818  no error: a test's way to stop
    """Stops a run."""


def of_several_shards(request, codec):
    """A slide whose level 0 is several shards; one that is copied is 4096 px wide."""
    return request.getfixturevalue("long_slide") if codec == "native" else SAMPLE


def stop_after(shards):
    def on_progress(progress):
        if progress.shards_done >= shards:
            raise Interrupted

    return on_progress


@pytest.mark.parametrize(
    ("codec", "shards"),
    [
        *((codec, shards) for codec in ("zstd", "jxl", "jpeg", "raw") for shards in (1, 4, 9, 12)),
        *(pytest.param("native", shards, marks=pytest.mark.slow) for shards in (1, 2, 4)),
    ],
)
def test_an_interrupted_run_continues_to_the_same_bytes(request, tmp_path, codec, shards):
    with st.open_slide(of_several_shards(request, codec)) as slide:
        plan = plan_of(slide, 512)
        whole = tree(st.write_tiles(slide, plan, tmp_path / "whole.zarr", codec=codec).path)
        path = tmp_path / "cut.zarr"
        with pytest.raises(Interrupted):
            st.write_tiles(slide, plan, path, codec=codec, on_progress=stop_after(shards))
        assert not path.exists()
        with pytest.raises(st.IncompleteStoreError, match="is not finished"):
            st.open_store(path)
        seen = []
        st.write_tiles(slide, plan, path, codec=codec, on_progress=seen.append)
        assert seen[0].shards_done >= min(shards, 1)
        assert seen[-1].shards_done == seen[-1].shards_total
        assert tree(path) == whole


def test_progress_is_reported_to_whatever_can_be_called(tmp_path):
    class Reports(list):  # empty at first, and so false
        __call__ = list.append

    reports = Reports()
    slide = st.ArraySlide(np.zeros((64, 64, 3), np.uint8))
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=64, min_tissue_fraction=0))
    st.write_tiles(slide, plan, tmp_path / "s.zarr", on_progress=reports)
    assert [report.shards_done for report in reports] == [0, 1]


def test_a_damaged_or_missing_shard_of_an_interrupted_run_is_made_again(tmp_path):
    with st.open_slide(SAMPLE) as slide:
        plan = plan_of(slide, 512)
        whole = st.write_tiles(slide, plan, tmp_path / "whole.zarr", codec="zstd").path
        path = tmp_path / "cut.zarr"
        with pytest.raises(Interrupted):
            st.write_tiles(slide, plan, path, codec="zstd", on_progress=stop_after(13))
        shards = sorted((tmp_path / "cut.zarr.partial" / "0" / "c").rglob("[0-9]*/[0-9]*/[0-9]*"))
        shards[0].write_bytes(shards[0].read_bytes()[:-9])
        shards[1].unlink()
        st.write_tiles(slide, plan, path, codec="zstd")
        assert tree(path) == tree(whole)


@pytest.mark.parametrize(
    ("codec", "damage"),
    [("zstd", "flip"), ("raw", "cut"), pytest.param("native", "flip", marks=pytest.mark.slow)],
)
def test_a_damaged_chunk_of_an_interrupted_run_is_made_again(request, tmp_path, codec, damage):
    with st.open_slide(of_several_shards(request, codec)) as slide:
        plan = plan_of(slide, 512)
        whole = tree(st.write_tiles(slide, plan, tmp_path / "whole.zarr", codec=codec).path)
        path = tmp_path / "cut.zarr"
        with pytest.raises(Interrupted):
            st.write_tiles(slide, plan, path, codec=codec, on_progress=stop_after(3))
        shard = next(
            p for p in (tmp_path / "cut.zarr.partial" / "0" / "c").rglob("*") if p.is_file()
        )
        data = bytearray(shard.read_bytes())
        data[500] ^= 1
        shard.write_bytes(data if damage == "flip" else data[:1000])
        st.write_tiles(slide, plan, path, codec=codec)
        assert tree(path) == whole


def test_a_run_that_ended_just_before_the_last_rename_is_finished(tmp_path):
    path = tmp_path / "s.zarr"
    with st.open_slide(SAMPLE) as slide:
        plan = plan_of(slide, 512)
        whole = tree(st.write_tiles(slide, plan, path).path)
        path.rename(tmp_path / "s.zarr.partial")
        st.write_tiles(slide, plan, path)
    assert tree(path) == whole


def test_what_an_interrupted_replacement_left_is_no_hindrance(tmp_path):
    path = tmp_path / "s.zarr"
    left = tmp_path / "s.zarr.replaced" / "0"
    left.mkdir(parents=True)
    with st.open_slide(SAMPLE) as slide:
        st.write_tiles(slide, plan_of(slide, 512), path)
        store = st.write_tiles(slide, plan_of(slide, 1024), path, options=OVERWRITE)
    assert store.tile_size == 1024
    assert not left.exists()


def test_other_settings_or_another_slide_are_refused_by_name(tmp_path):
    path = tmp_path / "s.zarr"
    with st.open_slide(SAMPLE) as slide:
        plan = plan_of(slide, 512)
        with pytest.raises(Interrupted):
            st.write_tiles(slide, plan, path, on_progress=stop_after(1))
        with pytest.raises(
            st.StoreMismatchError, match=r"otherwise \(parameters, tile_count, tile_size"
        ):
            st.write_tiles(slide, plan_of(slide, 1024), path)
        twin = st.ArraySlide(slide.read_region(slide.bounds), mpp=slide.mpp)
        with pytest.raises(st.StoreMismatchError, match="source"):
            st.write_tiles(twin, plan, path, codec="zstd")
        store = st.write_tiles(slide, plan_of(slide, 1024), path, options=RESTART)
    assert store.tile_size == 1024


def test_the_store_knows_its_source_and_its_settings(tmp_path):
    with st.open_slide(SAMPLE) as slide:
        plan = st.plan_tiles(slide, sample_tissue(slide, parameters={"drawn by": "a generator"}))
        store = st.write_tiles(slide, plan, tmp_path / "s.zarr")
        source = store.attributes["source"]
        assert source["name"] == "sample.svs"
        assert source["fingerprint"] == slide.source.fingerprint
        assert store.mpp == slide.mpp
        assert store.attributes["complete"] is True
        assert store.attributes["parameters"]["tissue"] == {"drawn by": "a generator"}
    files = filecmp.dircmp(store.path, store.path).common
    assert sorted(files) == ["0", "1", "labels", "overview", "tiles", "zarr.json"]
