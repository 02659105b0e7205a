"""Shards of WebDataset, read back with its own library: the very windows, and nothing else."""

import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from labelled import box, feature, polygon, write_labels
from PIL import Image
from tampering import damage_chunk
from webdataset.autodecode import Decoder, imagehandler
from webdataset.tariterators import group_by_keys, tar_file_expander

import slidetile as st
from slidetile.choices import UnfitChoiceError
from slidetile.raster.channels import Channel


@pytest.fixture(scope="module")
def store(sample, tmp_path_factory):
    return st.tile_slide(sample, tmp_path_factory.mktemp("store") / "sample.zarr")


def shards(folder):
    return sorted(folder.glob("*.tar"))


def samples(folder):
    """What WebDataset makes of the shards, in order.

    By the parts of its pipeline, since that leaves files open.
    """
    found = []
    for path in shards(folder):
        with path.open("rb") as stream:
            members = tar_file_expander([{"stream": stream, "url": str(path)}])
            found += map(Decoder([imagehandler("rgb8")]), group_by_keys(members))
    return found


def export(store, folder, **choices):
    return st.export_store(store, folder, st.WebdatasetExport(**choices))


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def begun(folder, stem="sample"):
    """Where an unfinished run has what it has written."""
    return folder / f"{stem}.shards.unfinished"


def test_classes_have_shares_or_counts_as_they_have_areas_or_points(sample, tmp_path):
    points = feature("Apoptosis", "MultiPoint", [[1300, 1000], [1301, 1000], [1700, 1400]])
    drawn = polygon("Tumor", box(1200, 800, 1500, 1100)), points
    labels = st.LabelsSpec(path=write_labels(tmp_path / "drawn.geojson", *drawn))
    store = st.tile_slide(sample, tmp_path / "sample.zarr", st.Recipe(labels=labels))
    export(store, tmp_path / "out", size=100, min_tissue_fraction=0)
    windows = store.windows(size=100, min_tissue_fraction=0)
    found = [sample["json"] for sample in samples(tmp_path / "out")]
    assert [set(facts["classes"]) for facts in found] == [{"Tumor"}] * len(windows)
    shares = windows.class_fractions()[:, windows.class_names.index("Tumor")]
    assert [facts["classes"]["Tumor"] for facts in found] == pytest.approx(shares, abs=1e-6)
    counted = {tuple(facts[a] for a in "xy"): facts["class_counts"] for facts in found}
    assert counted[1300, 1000] == {"Apoptosis": 2}
    assert counted[1700, 1400] == {"Apoptosis": 1}
    assert sum(each["Apoptosis"] for each in counted.values()) == 3
    assert windows.class_counts().sum(axis=0).tolist() == [3, 0]


def test_windows_that_are_chunks_are_copied(store, tmp_path):
    exported = export(store, tmp_path / "out")
    windows = store.windows()
    assert exported.counts == {"windows": 98, "copied windows": 98, "shards": 1}
    assert exported.size_bytes == sum(len(path.read_bytes()) for path in shards(tmp_path / "out"))
    found = samples(tmp_path / "out")
    assert len(found) == len(windows)
    for number, (sample, window) in enumerate(zip(found, windows, strict=True)):
        facts, (x, y) = sample["json"], windows.coordinates[number].tolist()
        np.testing.assert_array_equal(sample["jpg"], window)
        assert sample["__key__"] == f"sample_{x}_{y}"
        assert facts == {
            "slide": "sample.svs",
            "slide_fingerprint": store.metadata.source.fingerprint,
            "store": "sample.zarr",
            "window": number,
            "x": x,
            "y": y,
            "size": 256,
            "downsample": [1, 1],
            "mpp": [0.5, 0.5],
            "tissue_fraction": pytest.approx(float(windows.tissue_fractions[number]), abs=1e-6),
            "copied": True,
        }
    with tarfile.open(shards(tmp_path / "out")[0]) as tar:
        data = tar.extractfile(tar.next()).read()
    x, y = windows.coordinates[0].tolist()
    assert data == store.read_chunk_bytes(x // 256, y // 256)


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "CMU-1-small.tiff"])
def test_what_is_copied_of_a_real_slide_decodes_anywhere(shared_slides, tmp_path, name):
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", st.Recipe(codec="native"))
    size = store.grid(0).chunk_width
    if store.grid(0).chunk_height != size:
        pytest.skip("its chunks are no squares")
    exported = export(store, tmp_path / "out", size=size)
    assert exported.counts["copied windows"] == exported.counts["windows"] > 0
    for sample, window in zip(samples(tmp_path / "out"), store.windows(size=size), strict=True):
        np.testing.assert_array_equal(sample["jpg"], window)


def test_windows_of_a_coarser_level_are_copied_too(store, tmp_path):
    choices = {"size": 256, "mpp": 2.0, "min_tissue_fraction": 0}
    exported = export(store, tmp_path / "out", **choices)
    assert exported.counts["copied windows"] == exported.counts["windows"] > 0
    for sample, window in zip(samples(tmp_path / "out"), store.windows(**choices), strict=True):
        np.testing.assert_array_equal(sample["jpg"], window)
        assert (sample["json"]["downsample"], sample["json"]["mpp"]) == ([4, 4], [2, 2])


def test_a_window_that_reaches_over_the_edge_is_encoded(sample, tmp_path):
    slide = tmp_path / "odd.svs"
    script = sample.with_name("make_slide.py")
    size = ["--width", "1100", "--height", "900", "--tissue-fraction", "0.9"]
    subprocess.run([sys.executable, script, slide, *size], check=True, capture_output=True)
    store = st.tile_slide(slide, tmp_path / "a.zarr")
    choices = {"edge": "keep", "min_tissue_fraction": 0}
    exported = export(store, tmp_path / "out", **choices)
    windows = store.windows(**choices)
    over = [n for n in range(len(windows)) if over_the_edge(store, windows.region(n))]
    found = samples(tmp_path / "out")
    assert over
    assert [n for n, made in enumerate(found) if not made["json"]["copied"]] == over
    assert exported.counts["copied windows"] == len(windows) - len(over) > 0
    for made, window in zip(found, windows, strict=True):
        assert np.abs(made["jpg"].astype(int) - window).mean() < 3


def over_the_edge(store, region):
    return region.right > store.levels[0].width or region.bottom > store.levels[0].height


@pytest.mark.parametrize("choices", [{"size": 200}, {"stride": 128}, {"mpp": 0.7, "size": 224}])
def test_other_windows_are_encoded(store, tmp_path, choices):
    exported = export(store, tmp_path / "out", jpeg_quality=95, **choices)
    windows = store.windows(**choices)
    copied = [bool(not (windows.corners[n] % 256).any()) for n in range(len(windows))]
    expected = sum(copied) if "stride" in choices else 0
    assert exported.counts["copied windows"] == expected
    for sample, window in zip(samples(tmp_path / "out"), windows, strict=True):
        assert np.abs(sample["jpg"].astype(int) - window).mean() < 3


@pytest.mark.parametrize("image", ["png", "npy"])
def test_png_and_npy_lose_nothing(store, tmp_path, image):
    exported = export(store, tmp_path / "out", image=image, size=224, mpp=0.7)
    assert exported.counts["copied windows"] == 0
    windows = store.windows(size=224, mpp=0.7)
    for sample, window in zip(samples(tmp_path / "out"), windows, strict=True):
        np.testing.assert_array_equal(sample[image], window)


def test_shards_are_bounded(store, tmp_path):
    exported = export(store, tmp_path / "out", shard_bytes=200_000)
    sizes = [path.stat().st_size for path in shards(tmp_path / "out")]
    assert exported.counts["shards"] == len(sizes) > 3
    assert max(sizes) <= 200_000
    assert min(sizes[:-1]) > 150_000  # none is left half empty
    assert [path.name for path in shards(tmp_path / "out")][:2] == [
        "sample-000000.tar",
        "sample-000001.tar",
    ]
    assert [s["json"]["window"] for s in samples(tmp_path / "out")] == list(range(98))


def test_a_window_larger_than_a_shard_is_one(store, tmp_path):
    exported = export(store, tmp_path / "out", shard_bytes=1)
    assert exported.counts["shards"] == 98


@pytest.mark.parametrize("workers", [1, 4])
def test_the_same_bytes_whatever_the_workers(store, tmp_path, workers):
    spec = st.WebdatasetExport(size=200, shard_bytes=300_000)
    st.export_store(store, tmp_path / "one", spec, workers=2)
    st.export_store(store, tmp_path / "two", spec, workers=workers)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_an_interrupted_run_is_continued_with_the_same_bytes(store, tmp_path):
    choices = {"size": 200, "shard_bytes": 300_000}
    export(store, tmp_path / "whole", **choices)

    class StopError(Exception):
        pass

    def stop(progress):
        if progress.tiles_done >= 64:
            raise StopError

    with pytest.raises(StopError):
        st.export_store(
            store, tmp_path / "out", st.WebdatasetExport(**choices), on_progress=stop, workers=1
        )
    assert not files(tmp_path / "out")
    left = files(begun(tmp_path / "out"))
    assert {"shards.json", "unfinished.json", "sample-000000.tar"} < left.keys()
    assert not [name for name in left if name.endswith(".tmp")]
    first = (begun(tmp_path / "out") / "sample-000000.tar").stat()
    export(store, tmp_path / "out", **choices)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert (tmp_path / "out" / "sample-000000.tar").stat().st_ino == first.st_ino


def test_a_shard_that_was_cut_short_is_written_again(store, tmp_path):
    choices = {"size": 200, "shard_bytes": 300_000}
    export(store, tmp_path / "out", **choices)
    whole = files(tmp_path / "out")
    (tmp_path / "out" / "sample.shards.json").unlink()
    with pytest.raises(FileExistsError, match=r"sample-000000\.tar exists and is no shard"):
        export(store, tmp_path / "out", **choices)
    (tmp_path / "out" / "sample.shards.json").write_bytes(whole["sample.shards.json"])
    os.truncate(tmp_path / "out" / "sample-000001.tar", 512)
    export(store, tmp_path / "out", **choices)
    assert files(tmp_path / "out") == whole


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


LOSSES = {
    "gone": lambda path: path.unlink(),
    "cut": lambda path: os.truncate(path, 512),
    "zeroed": zeroed,
}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a_shard_that_is_lost_of_a_finished_export_is_written_again(store, tmp_path, lose, number):
    choices = {"size": 200, "shard_bytes": 300_000}
    first = export(store, tmp_path / "out", **choices)
    whole = files(tmp_path / "out")
    lose(tmp_path / "out" / f"sample-{number:06d}.tar")
    assert export(store, tmp_path / "out", **choices) == first
    assert files(tmp_path / "out") == whole


@pytest.mark.parametrize("value", ["7", -1, None, True])
def test_a_finished_list_that_is_damaged_is_written_again(store, tmp_path, value):
    export(store, tmp_path / "out")
    whole = files(tmp_path / "out")
    index = tmp_path / "out" / "sample.shards.json"
    facts = json.loads(index.read_bytes())
    facts["shards"][0]["windows"] = value
    index.write_text(json.dumps(facts))
    export(store, tmp_path / "out")
    assert files(tmp_path / "out") == whole


def test_a_finished_export_is_left_as_it_is(store, tmp_path):
    first = export(store, tmp_path / "out")
    made = shards(tmp_path / "out")[0].stat()
    assert not first.already_done
    assert export(store, tmp_path / "out") == replace(first, already_done=True)
    assert shards(tmp_path / "out")[0].stat().st_ino == made.st_ino


def test_other_settings_need_a_word(store, tmp_path):
    export(store, tmp_path / "out", shard_bytes=100_000)
    with pytest.raises(FileExistsError, match=r"other settings.*--overwrite"):
        export(store, tmp_path / "out", size=512)
    export(store, tmp_path / "out", size=512, existing="overwrite")
    export(store, tmp_path / "fresh", size=512)
    assert files(tmp_path / "out") == files(tmp_path / "fresh")


def test_files_of_others_stay(store, tmp_path):
    (tmp_path / "sample-000000.tar").write_bytes(b"mine")
    (tmp_path / "notes.txt").write_text("mine")
    for existing in ("continue", "restart", "overwrite"):
        with pytest.raises(FileExistsError, match=r"sample-000000\.tar exists"):
            export(store, tmp_path, existing=existing)
    (tmp_path / "sample-000000.tar").unlink()
    (tmp_path / "sample.shards.json").write_text('{"shards": []}')
    for existing in ("continue", "restart", "overwrite"):
        with pytest.raises(FileExistsError, match=r"is no list of shards that slidetile .*away"):
            export(store, tmp_path, existing=existing)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "sample.shards.json"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_no_list_can_have_other_files_deleted(store, tmp_path):
    kept = tmp_path / "kept.tar"
    kept.write_bytes(b"mine")
    shard = {"name": "../kept.tar", "windows": 1, "copied": 0, "size_bytes": 4, "sha256": ""}
    folder = tmp_path / "out"
    folder.mkdir()
    facts = {"shards": [shard], "slidetile": {}}
    (folder / "sample.shards.json").write_text(json.dumps(facts))
    export(store, folder, existing="overwrite")
    assert kept.read_bytes() == b"mine"


def test_two_stores_share_a_folder(store, sample, tmp_path):
    other = st.tile_slide(sample, tmp_path / "other.b.zarr", st.Recipe(codec="zstd"))
    export(store, tmp_path / "out", size=512)
    export(other, tmp_path / "out", size=512, image="png")
    names = {path.name for path in shards(tmp_path / "out")}
    assert names == {"sample-000000.tar", "other_b-000000.tar"}
    assert len({s["__key__"] for s in samples(tmp_path / "out")}) == 2 * len(
        store.windows(size=512)
    )


def test_a_damaged_chunk_ends_the_run_and_is_named(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "a.zarr")
    x, y = store.windows().corners[50].tolist()
    damage_chunk(store.path, x // 256, y // 256)
    with pytest.raises(st.StoreError, match=f"column {x // 256}, row {y // 256} .* is damaged"):
        export(st.open_store(store.path), tmp_path / "out", shard_bytes=100_000)
    assert "a.shards.json" not in files(tmp_path / "out")
    assert len(shards(begun(tmp_path / "out", "a"))) > 0


def test_a_store_that_is_replaced_ends_the_run(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "a.zarr")

    def replace(progress):
        if progress.tiles_done < len(store.windows(size=200)):
            recipe = st.Recipe(tile=st.TileSpec(size=512))
            options = st.WriteOptions(existing="overwrite")
            st.tile_slide(sample, store.path, recipe, options=options)

    spec = st.WebdatasetExport(size=200)
    with pytest.raises(st.StoreError, match="replaced"):
        st.export_store(store, tmp_path / "out", spec, on_progress=replace)


def test_windows_on_unreadable_tiles_are_left_out_and_counted(damaged_sample, tmp_path):
    recipe = st.Recipe(tile=st.TileSpec(size=256))
    store = st.tile_slide(damaged_sample, tmp_path / "a.zarr", recipe)
    exported = export(store, tmp_path / "out")
    assert exported.left_out == {"windows on unreadable tiles": 1}
    assert len(samples(tmp_path / "out")) == exported.counts["windows"] == len(store.windows())


def test_channels_and_16_bits_need_another_image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60000, (256, 256, 2), np.uint16)
    channels = tuple(Channel(name=name, colour=(255, 255, 255)) for name in ("a", "b"))
    slide = st.ArraySlide(pixels, channels=channels)
    overview = st.read_overview(slide)
    tissue = st.TissueMask.from_mask(np.ones(overview.image.shape[:2], bool), overview)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64))
    store = st.write_tiles(slide, plan, tmp_path / "a.zarr")
    for image in ("jpeg", "png"):
        with pytest.raises(UnfitChoiceError, match="1 or 3 channels, but the store has 2"):
            export(store, tmp_path / "out", image=image, size=64)
    export(store, tmp_path / "out", image="npy", size=64)
    found = samples(tmp_path / "out")
    np.testing.assert_array_equal(found[0]["npy"], store.windows(size=64)[0])
    assert found[0]["json"]["mpp"] is None


def test_a_store_without_tiles_gives_an_empty_list(tmp_path):
    slide = st.ArraySlide(np.full((512, 512, 3), 255, np.uint8), mpp=0.5)
    plan = st.plan_tiles(slide, st.find_tissue(slide))
    store = st.write_tiles(slide, plan, tmp_path / "a.zarr")
    exported = export(store, tmp_path / "out", image="png")
    assert exported.counts == {"windows": 0, "copied windows": 0, "shards": 0}
    assert json.loads((tmp_path / "out" / "a.shards.json").read_text())["shards"] == []


def test_an_anonymous_store_names_no_slide(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "x1.zarr", options=st.WriteOptions(anonymous=True))
    export(store, tmp_path / "out", size=512)
    facts = samples(tmp_path / "out")[0]["json"]
    assert facts["slide"] is None
    assert "store" not in facts
    assert all(b"sample.svs" not in data for data in files(tmp_path / "out").values())


def test_a_png_is_one_for_every_reader(store, tmp_path):
    export(store, tmp_path / "out", image="png", size=512)
    with tarfile.open(shards(tmp_path / "out")[0]) as tar:
        data = tar.extractfile(tar.next()).read()
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), store.windows(size=512)[0])


def test_a_folder_in_a_store_or_a_bucket_is_refused(store):
    with pytest.raises(FileExistsError, match="lies in the store"):
        export(store, store.path / "out")
    with pytest.raises(UnfitChoiceError, match="named as zarr is, but webdataset was to be"):
        export(store, store.path)
    assert not st.verify_store(store.path)
    with pytest.raises(UnfitChoiceError, match=r"bucket/out is in a bucket, .*copy it there"):
        export(store, "s3://bucket/out")


def test_choices_are_checked_at_once():
    wrong = (
        {"image": "gif"},
        {"jpeg_quality": 0},
        {"jpeg_quality": 9, "image": "png"},
        {"shard_bytes": 0},
        {"existing": "x"},
        {"color": "x"},
        {"size": 9000},
    )
    for choices in wrong:
        with pytest.raises(ValueError, match=r"."):
            st.WebdatasetExport(**choices)


def test_the_command_line_writes_the_same(store, cli, tmp_path):
    export(store, tmp_path / "one", size=512, mpp=1.0)
    options = ("--to", "webdataset", "--size", 512, "--mpp", 1.0, "-o", tmp_path / "two")
    result = cli("export", store.path, *options, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert {each["what"]: each["count"] for each in facts["counts"]}["windows"] > 0
    assert files(tmp_path / "one") == files(tmp_path / "two")
    result = cli("export", store.path, "--to", "webdataset", "-o", tmp_path / "two")
    assert result.exit_code != 0
    assert "--overwrite" in result.output
