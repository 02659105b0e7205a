"""Stores of another codec, made of a store alone."""

from dataclasses import replace

import numpy as np
import pytest
from export_readers import stored
from known_tissue import drawn
from labelled import box, polygon, write_labels

import slidetile as st

LOSSLESS = ("zstd", "raw", "jxl")


@pytest.mark.parametrize(
    ("before", "after"),
    [("native", "zstd"), ("native", "jpeg"), ("zstd", "raw"), ("raw", "jxl"), ("jpeg", "zstd")],
)
def test_the_tiles_are_the_same_and_the_store_is_sound(stores, tmp_path, before, after):
    store = stores(before)
    told = st.export_store(store, tmp_path / "a.zarr", st.ZarrExport(codec=after))
    made = st.open_store(tmp_path / "a.zarr")
    assert told.counts == {"tiles": len(store)}
    assert not st.verify_store(made.path, deep=True)
    same = ["tile_id", "column", "row", "x", "y", "width", "height", "region", "status"]
    same.append("tissue_fraction")
    if before in LOSSLESS and after in LOSSLESS:  # else what quality is measured on differs
        same = [name for name in store.tiles.column_names if name not in ("bytes", "crc32c")]
    assert made.tiles.select(same).equals(store.tiles.select(same))
    for number in range(len(store)):
        inside = store.tile_region(number).intersection(
            st.Region(x=0, y=0, width=store.levels[0].width, height=store.levels[0].height)
        )
        ours, theirs = made.read_region(inside), store.read_region(inside)
        if after in LOSSLESS:
            assert np.array_equal(ours, theirs)
        else:
            assert np.abs(ours.astype(int) - theirs).mean() < 3
    assert np.array_equal(made.tissue, store.tissue)
    assert np.array_equal(made.overview, store.overview)
    assert made.metadata.source == store.metadata.source
    recoded = made.metadata.recoded
    assert (recoded.codec, recoded.digest) == (before, store.digest)


def test_tiles_are_compared_with_the_slide_where_they_can_be(sample, stores, tmp_path):
    """Chunks reach beyond the tiles, where a native store has less than the slide."""
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=256))
    native = st.tile_slide(sample, tmp_path / "native.zarr", recipe)
    st.export_store(native, tmp_path / "zstd.zarr", st.ZarrExport(codec="zstd"))
    st.export_store(stores("jpeg"), tmp_path / "lossy.zarr", st.ZarrExport(codec="zstd"))
    lossy = st.open_store(tmp_path / "lossy.zarr")
    st.export_store(lossy, tmp_path / "again.zarr", st.ZarrExport(codec="raw"))
    other = st.ArraySlide(np.zeros((2560, 3840, 3), np.uint8), mpp=0.5)
    with st.open_slide(sample) as slide:
        assert not st.verify_store(tmp_path / "zstd.zarr", slide=slide)
        assert st.verify_store(tmp_path / "zstd.zarr", slide=other), "it is another slide"
        for name in ("lossy", "again"):
            with pytest.raises(st.StoreError, match="was made of a jpeg store"):
                st.verify_store(tmp_path / f"{name}.zarr", slide=slide)


def test_coarser_levels_of_lossless_codecs_are_the_same(stores, tmp_path):
    store = stores("raw")
    st.export_store(store, tmp_path / "a.zarr", st.ZarrExport(codec="zstd"))
    direct, made = stores("zstd"), st.open_store(tmp_path / "a.zarr")
    for level in range(len(direct.levels)):
        assert list(made.stored_chunks(level)) == list(direct.stored_chunks(level))
        assert np.array_equal(stored(made, level)[0], stored(direct, level)[0])


def test_an_interrupted_run_is_continued_to_the_same_bytes(stores, tmp_path, tree, stop, stopped):
    store, spec = stores("native"), st.ZarrExport(codec="zstd")
    st.export_store(store, tmp_path / "a.zarr", spec, workers=1)
    with pytest.raises(stopped):
        st.export_store(store, tmp_path / "b.zarr", spec, workers=2, on_progress=stop(6))
    assert not (tmp_path / "b.zarr" / "zarr.json").exists()
    with pytest.raises(st.StoreMismatchError, match="recoded"):  # the same slide, another store
        st.export_store(stores("jpeg"), tmp_path / "b.zarr", spec)
    st.export_store(store, tmp_path / "b.zarr", spec, workers=2)
    assert tree(tmp_path / "a.zarr") == tree(tmp_path / "b.zarr")


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_tiles_that_could_not_be_read_stay_so(damaged_sample, tmp_path, codec, cli):
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec=codec, detector=drawn)
    store = st.tile_slide(damaged_sample, tmp_path / "a.zarr", recipe)
    assert store.unreadable
    told = st.export_store(store, tmp_path / "b.zarr", st.ZarrExport(codec="jxl"))
    made = st.open_store(tmp_path / "b.zarr")
    assert told.left_out == {"unreadable tiles": store.unreadable}
    assert made.tiles["status"].equals(store.tiles["status"])
    assert made.unreadable_reasons == store.unreadable_reasons
    assert made.metadata.damage == store.metadata.damage
    assert not st.verify_store(made.path, deep=True)
    command = ("export", store.path, "--to", "zarr", "--codec", "jxl", "-o", tmp_path / "c.zarr")
    assert cli(*command).exit_code == 3


def test_an_anonymous_store_has_no_names(stores, tmp_path):
    spec = st.ZarrExport(codec="zstd", anonymous=True)
    st.export_store(stores("native"), tmp_path / "a.zarr", spec)
    made = st.open_store(tmp_path / "a.zarr")
    assert (made.metadata.source.name, made.metadata.source.vendor) == (None, None)
    assert b"sample.svs" not in (made.path / "zarr.json").read_bytes()
    assert not st.verify_store(made.path)


def test_an_anonymous_store_does_not_name_its_file_of_labels(sample, tmp_path):
    file = write_labels(tmp_path / "Muster.geojson", polygon("Tumor", box(1100, 1100, 1500, 1500)))
    recipe = st.Recipe(labels=st.LabelsSpec(path=file))
    store = st.tile_slide(sample, tmp_path / "a.zarr", recipe)
    assert store.metadata.labels.name == "Muster.geojson"
    st.export_store(store, tmp_path / "b.zarr", st.ZarrExport(codec="zstd", anonymous=True))
    made = st.open_store(tmp_path / "b.zarr")
    assert made.metadata.labels == replace(store.metadata.labels, name=None)
    written = [path for path in made.path.rglob("*") if path.is_file()]
    assert not [path for path in written if b"Muster" in path.read_bytes()]
    assert not st.verify_store(made.path)


def test_a_copy_is_refused_with_what_to_do(stores, tmp_path, cli):
    command = ("export", stores("zstd").path, "--to", "zarr", "-o", tmp_path / "a.zarr")
    for choice in ((), ("--codec", "native")):
        result = cli(*command, *choice)
        assert result.exit_code == 1
        assert "copy its folder, or choose another codec: zstd, jxl, jpeg or raw" in result.output
    wrong = cli(*command, "--codec", "reference")
    assert (wrong.exit_code, "must be one of auto" in wrong.output) == (2, True)


def test_damage_is_told_by_its_place(sample, tmp_path):
    from tampering import damage_chunk

    path = tmp_path / "a.zarr"
    store = st.tile_slide(sample, path, st.Recipe(codec="zstd", tile=st.TileSpec(size=512)))
    column, row = list(store.stored_chunks(0))[3]
    damage_chunk(path, column, row)
    with pytest.raises(st.StoreError, match=f"chunk at column {column}, row {row} .* damaged"):
        st.export_store(st.open_store(path), tmp_path / "b.zarr", st.ZarrExport(codec="raw"))
    assert not (tmp_path / "b.zarr").exists()
