"""The slide that a store without pixels refers to: found, compared, and never trusted blindly."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest

import slidetile as st
from slidetile.format.manifest import FileSum, pack_manifest, unpack_manifest
from slidetile.format.metadata.node import to_json
from slidetile.format.metadata.reference import ReferenceFacts
from slidetile.format.names import MANIFEST
from slidetile.verify.original import open_original

RECIPE = st.Recipe(codec="reference", tile=st.TileSpec(size=256))


@pytest.fixture
def slide(sample, tmp_path):
    folder = tmp_path / "lab" / "slides"
    folder.mkdir(parents=True)
    return shutil.copy2(sample, folder / "one.svs")


@pytest.fixture
def store(slide, tmp_path):
    return st.tile_slide(slide, tmp_path / "lab" / "stores" / "one.zarr", RECIPE)


def rewrite(store, **reference):
    """Change what the store says of the slide's place, and its manifest with it."""
    root = store.path / "zarr.json"
    node = json.loads(root.read_bytes())
    node["attributes"]["slidetile"]["reference"] |= reference
    root.write_bytes(to_json(node))
    manifest = store.path / MANIFEST
    sums = unpack_manifest(manifest.read_bytes())
    sums["zarr.json"] = FileSum.of(root.read_bytes())
    manifest.write_bytes(pack_manifest(sums))


def test_it_records_both_ways_to_the_slide(store, slide):
    facts = store.metadata.reference
    assert facts.relative == "../slides/one.svs"
    assert facts.absolute == os.path.realpath(slide)


def test_slide_and_store_move_together(store, tmp_path):
    expected = store[0]
    (tmp_path / "lab").rename(tmp_path / "moved")
    moved = st.open_store(tmp_path / "moved" / "stores" / "one.zarr")
    assert moved.slide_path == tmp_path / "moved" / "slides" / "one.svs"
    np.testing.assert_array_equal(moved[0], expected)
    assert st.verify_store(moved.path, deep=True) == ()


def test_the_store_moves_alone(store, slide, tmp_path):
    moved = shutil.move(store.path, tmp_path / "elsewhere.zarr")
    assert st.open_store(moved).slide_path == slide


def test_a_link_to_the_folder_leads_to_the_same(store, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "lab" / "stores")
    linked = st.open_store(tmp_path / "link" / "one.zarr")
    np.testing.assert_array_equal(linked[0], store[0])


def test_a_slide_that_was_moved_is_named_with_all_places_and_found_when_told(
    store, slide, tmp_path
):
    moved = slide.rename(tmp_path / "away.svs")
    with pytest.raises(st.StoreError) as caught:
        st.open_store(store.path)
    assert f"{slide} does not exist" in str(caught.value)
    assert "--slide" in str(caught.value)
    told = st.open_store(store.path, slide=moved)
    assert told.slide_path == moved
    copy = pickle.loads(pickle.dumps(told))  # noqa: S301
    np.testing.assert_array_equal(copy[0], told[0])
    (finding,) = st.verify_store(store.path)
    assert (finding.path, "does not exist" in finding.what) == ("zarr.json", True)
    with open_original(moved, store.path) as opened:
        assert st.verify_store(store.path, slide=opened, deep=True) == ()


def test_a_slide_that_changed_is_refused_with_both_fingerprints(store, slide):
    wanted = store.metadata.source.fingerprint
    with slide.open("r+b") as file:
        file.seek(2000)
        file.write(b"other")
    with pytest.raises(st.StoreError, match=rf"fingerprint is [0-9a-f]{{12}}….*{wanted[:12]}…"):
        st.open_store(store.path, slide=slide)
    # A store may name any file: of one that nobody else has named, nothing is told.
    with pytest.raises(st.StoreError, match=rf"is not that of the store's slide, {wanted[:12]}…"):
        st.open_store(store.path)
    (finding,) = st.verify_store(store.path)
    assert "another one or has changed" in finding.what


def test_a_slide_that_was_cut_short_is_refused(store, slide):
    os.truncate(slide, slide.stat().st_size // 2)
    with pytest.raises(st.StoreError, match="another one or has changed"):
        st.open_store(store.path)


def test_a_slide_that_changes_while_the_store_is_open_is_noticed(store, slide):
    np.testing.assert_array_equal(store[0], store[0])
    os.utime(slide)
    with slide.open("r+b") as file:
        file.write(b"II*\0")
    with pytest.raises(st.StoreError, match="changed while it was read"):
        store[1]


def test_another_slide_is_refused_whoever_names_it(store, shared_slides):
    with pytest.raises(st.StoreError, match="another one or has changed"):
        st.open_store(store.path, slide=shared_slides / "CMU-1-Small-Region.svs")


def test_a_pipe_is_not_waited_for(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    rewrite(store, relative="../../pipe", absolute=str(tmp_path / "pipe"))
    with pytest.raises(st.StoreError, match="is not a regular file"):
        st.open_store(store.path)


@pytest.mark.parametrize("place", ["/dev/zero", "/etc/passwd", "/", "s3://bucket/a.svs", "a\0b"])
def test_a_hostile_store_has_nothing_read_but_the_slide(store, place):
    rewrite(store, relative=place, absolute=place)
    with pytest.raises(st.StoreError, match="holds no pixels, and cannot read"):
        st.open_store(store.path)
    assert any("zarr.json" in finding.path for finding in st.verify_store(store.path))


def test_one_of_two_places_is_enough(store, slide):
    rewrite(store, relative="../slides/none.svs")
    assert st.open_store(store.path).slide_path == slide


def test_what_no_place_is_and_what_stores_with_pixels_do_not_say(store, sample, tmp_path):
    for text in ("", "a" * 5000):
        rewrite(store, relative=text)
        with pytest.raises(st.StoreError, match="relative"):
            st.open_store(store.path)
    other = st.tile_slide(sample, tmp_path / "b.zarr", st.Recipe(tile=RECIPE.tile))
    root = other.path / "zarr.json"
    node = json.loads(root.read_bytes())
    node["attributes"]["slidetile"]["reference"] = {"relative": "a", "absolute": "/a"}
    root.write_bytes(to_json(node))
    with pytest.raises(st.StoreError, match="must be there together"):
        st.open_store(other.path)


def test_a_level_that_is_cut_otherwise_is_refused(store):
    path = store.path / "0" / "zarr.json"
    node = json.loads(path.read_bytes())
    node["chunk_grid"]["configuration"]["chunk_shape"] = [3, 128, 128]
    path.write_bytes(to_json(node))
    with pytest.raises(st.StoreError, match="not cut into the blocks"):
        st.open_store(store.path)


def test_chunks_in_a_reference_store_are_strangers(store):
    chunk = store.path / "0" / "c" / "0" / "0" / "0"
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(b"pixels?")
    found = {finding.path for finding in st.verify_store(store.path)}
    assert "0/c/0/0/0" in found


def test_paths_are_the_same_in_every_program(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "real.svs").touch()
    (tmp_path / "data" / "name.svs").symlink_to("real.svs")
    (tmp_path / "link").symlink_to("data")
    facts = ReferenceFacts.of(tmp_path / "link" / "name.svs", tmp_path / "a" / "b.zarr")
    assert facts.relative == "../data/name.svs"
    assert facts.absolute == str(tmp_path.resolve() / "data" / "name.svs")
    assert facts.paths(tmp_path / "a" / "b.zarr") == (tmp_path.resolve() / "data" / "name.svs",)
