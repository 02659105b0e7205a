"""Slides that lie elsewhere than before: known again, and never two with one key."""

import json
import logging
import shutil

import pytest
from batches import tile_here

import slidetile as st
from slidetile.cohort.cohort import Cohort
from slidetile.format.metadata.unfinished import UnfinishedNote

SMALL = st.Recipe(tile=st.TileSpec(size=512))


def outcome(report):
    return {result.key: result.status for result in report.results}


@pytest.fixture
def three(sample, tmp_path):
    """Three slides of different bytes, two of which share a name."""
    folder = tmp_path / "before"
    for number, name in enumerate(("a/one.svs", "a/two.svs", "b/one.svs")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.read_bytes() + bytes(number))
    return folder


def told_of_places(caplog):
    """What was logged, but for the two slides that share their name."""
    return [record.name for record in caplog.records if record.name != "slidetile.cohort.alike"]


def test_a_folder_that_is_mounted_elsewhere_is_the_same_cohort(three, tree, tmp_path, caplog):
    out = tmp_path / "out"
    first = outcome(tile_here([three], out, SMALL))
    assert first == dict.fromkeys(("a_one", "two", "b_one"), "ok")
    stores = {key: tree(out / f"{key}.zarr") for key in first}
    now = three.rename(tmp_path / "now")
    with caplog.at_level(logging.WARNING):
        again = tile_here([now], out, SMALL)
    assert outcome(again) == dict.fromkeys(first, "already done")
    assert {key: tree(out / f"{key}.zarr") for key in first} == stores
    assert "lie elsewhere than before, and keep their keys: 3, such as" in caplog.text
    told = {row["key"]: row["slide"] for row in st.read_slides(out).to_pylist()}
    assert told == {
        "a_one": str(now / "a" / "one.svs"),
        "b_one": str(now / "b" / "one.svs"),
        "two": str(now / "a" / "two.svs"),
    }
    caplog.clear()
    assert outcome(tile_here([now], out, SMALL)) == dict.fromkeys(first, "already done")
    assert told_of_places(caplog) == []  # it is noted


def test_a_folder_that_a_link_leads_to_now_is_the_same_cohort(three, tmp_path):
    out = tmp_path / "out"
    first = outcome(tile_here([three], out, SMALL))
    now = three.rename(tmp_path / "now")
    three.symlink_to(now)
    assert outcome(tile_here([now], out, SMALL)) == dict.fromkeys(first, "already done")


def test_a_slide_whose_store_was_only_begun_keeps_its_key(sample, tree, tmp_path):
    out, slide = tmp_path / "out", tmp_path / "before" / "one.svs"
    slide.parent.mkdir()
    slide.write_bytes(sample.read_bytes())
    tile_here([slide], out, SMALL)
    whole = tree(out / "one.zarr")
    begun = out / "one.zarr.partial"
    (out / "one.zarr").rename(begun)
    note = UnfinishedNote.of(st.StoreMetadata.from_json((begun / "zarr.json").read_bytes()))
    (begun / "unfinished.json").write_bytes(note.to_json("one.zarr"))
    (begun / "zarr.json").unlink()
    now = slide.parent.rename(tmp_path / "now")
    assert outcome(tile_here([now], out, SMALL)) == {"one": "ok"}
    assert tree(out / "one.zarr") == whole
    assert not begun.exists()


def test_a_slide_whose_store_has_no_pixels_keeps_its_key(sample, tmp_path):
    out, slide = tmp_path / "out", tmp_path / "before" / "one.svs"
    slide.parent.mkdir()
    slide.write_bytes(sample.read_bytes())
    recipe = st.Recipe(codec="reference")
    tile_here([slide], out, recipe)
    now = slide.parent.rename(tmp_path / "now")
    assert outcome(tile_here([now], out, recipe)) == {"one": "ok"}
    assert st.open_store(out / "one.zarr").slide_path == now / "one.svs"


def test_a_dry_run_knows_moved_slides_and_notes_nothing(cli, three, tree, tmp_path):
    out = tmp_path / "out"
    tile_here([three], out, SMALL)
    now = three.rename(tmp_path / "now")
    before = tree(out)
    line = ("batch", now, "-o", out, "--tile-size", 512, "--processes", 0)
    facts = json.loads(cli(*line, "--dry-run", "--json").stdout)
    assert {each["action"] for each in facts["slides"]} == {"already done"}
    assert tree(out) == before


def test_a_copy_of_a_slide_that_is_still_there_has_a_key_of_its_own(three, tmp_path):
    out = tmp_path / "out"
    tile_here([three / "a" / "two.svs"], out, SMALL)
    copied = tmp_path / "copied" / "two.svs"
    copied.parent.mkdir()
    shutil.copy(three / "a" / "two.svs", copied)
    (result,) = tile_here([copied], out, SMALL).results
    assert result.key.startswith("two-")
    assert result.status == "ok"


def test_another_slide_of_the_name_of_one_that_is_gone_has_a_key_of_its_own(three, tmp_path):
    out = tmp_path / "out"
    tile_here([three / "a" / "one.svs"], out, SMALL)
    (three / "a" / "one.svs").unlink()
    (result,) = tile_here([three / "b" / "one.svs"], out, SMALL).results
    assert result.key.startswith("one-")
    assert result.status == "ok"


def test_two_copies_of_a_slide_that_is_gone_do_not_share_its_key(three, tmp_path):
    out = tmp_path / "out"
    tile_here([three / "a" / "two.svs"], out, SMALL)
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        shutil.copy(three / "a" / "two.svs", tmp_path / name)
    (three / "a" / "two.svs").unlink()
    report = tile_here([tmp_path / "x", tmp_path / "y"], out, SMALL)
    assert len({result.key for result in report.results}) == 2
    assert report.results[0].key == "two"
    assert [result.status for result in report.results] == ["already done", "ok"]


def test_a_slide_that_comes_back_does_not_share_its_key_with_the_one_that_took_it(three, tmp_path):
    out = tmp_path / "out"
    old, new = three / "a" / "two.svs", tmp_path / "two.svs"
    tile_here([old], out, SMALL)
    old.rename(new)
    assert outcome(tile_here([new], out, SMALL)) == {"two": "already done"}
    shutil.copy(new, old)
    first, second = tile_here([new, old], out, SMALL).results
    assert (first.key, first.status) == ("two", "already done")
    assert (second.key, second.status) == ("a_two", "ok")


def test_what_had_no_store_yet_moves_with_the_others(three, tmp_path):
    out = tmp_path / "out"
    tile_here([three / "b"], out, SMALL)
    cohort = Cohort.of([three], out)  # as a run that was stopped before it began them
    keys = {entry.key for entry in cohort.entries}
    now = three.rename(tmp_path / "now")
    assert outcome(tile_here([now], out, SMALL)).keys() == keys


def test_what_has_no_store_is_not_taken_for_a_slide_elsewhere(three, tmp_path):
    out = tmp_path / "out"
    Cohort.of([three / "a" / "two.svs"], out)
    now = three.rename(tmp_path / "now")
    (result,) = tile_here([now / "a" / "two.svs"], out, SMALL).results
    assert result.key.startswith("two-")


def test_a_moved_slide_whose_settings_have_changed_is_made_anew_in_its_place(three, tmp_path):
    out = tmp_path / "out"
    tile_here([three / "b"], out, SMALL)
    now = three.rename(tmp_path / "now")
    (result,) = tile_here([now / "b"], out, st.Recipe(tile=st.TileSpec(size=256))).results
    assert (result.key, result.status) == ("one", "ok")
    assert st.open_store(result.store).tile_size == 256


def test_a_manifest_may_give_a_moved_slide_its_key_as_its_id(three, tmp_path):
    out = tmp_path / "out"
    tile_here([three / "b"], out, SMALL)
    now = three.rename(tmp_path / "now")
    manifest = now / "cohort.csv"
    manifest.write_text("path,id\nb/one.svs,one\n")
    assert outcome(tile_here([manifest], out, SMALL)) == {"one": "already done"}
    manifest.write_text("path,id\na/one.svs,one\n")
    # An id is the manifest's to give, once it has asked for it.
    assert outcome(tile_here([manifest], out, SMALL)) == {"one": "failed"}


def test_a_store_that_another_id_leaves_behind_is_told(three, tree, tmp_path, caplog):
    out = tmp_path / "out"
    manifest = three / "cohort.csv"
    manifest.write_text("path,id\nb/one.svs,P1\na/two.svs,P2\n")
    tile_here([manifest], out, SMALL)
    before = tree(out / "P1.zarr")
    manifest.write_text("path,id\nb/one.svs,Q1\na/two.svs,P2\n")
    for _ in range(2):  # as long as it is there
        caplog.clear()
        tile_here([manifest], out, SMALL)
        assert "under other keys than now: 1 (P1)." in caplog.text
        assert tree(out / "P1.zarr") == before
    shutil.rmtree(out / "P1.zarr")
    caplog.clear()
    tile_here([manifest], out, SMALL)
    assert told_of_places(caplog) == []
