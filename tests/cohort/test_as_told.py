"""What a dry run tells, and what the run then does: the same, whatever lies in the folder."""

import json
import shutil

import pytest
from batches import tile_here

import slidetile as st
from slidetile.cohort.job import BEGUN_ANEW, MADE_ANEW

SMALL = st.Recipe(tile=st.TileSpec(size=512))
OTHER = st.Recipe(tile=st.TileSpec(size=256))


@pytest.fixture
def slide(sample, tmp_path):
    return shutil.copy(sample, tmp_path / "slide.svs")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "out" / "slide.zarr"


def begin(slide, store, recipe=SMALL, **options):
    """Leave an unfinished store with some of its shards."""

    def stop(progress):
        if progress.shards_done:
            raise KeyboardInterrupt

    chosen = st.WriteOptions(**options)
    with pytest.raises(KeyboardInterrupt):
        st.tile_slide(slide, store, recipe, on_progress=stop, options=chosen)


def finish(slide, store, recipe=SMALL):
    tile_here([slide], store.parent, recipe)


def empty(path, zeros=0):
    path.write_bytes(bytes(zeros))


def nothing(_slide, _store):
    pass


def begun(slide, store):
    begin(slide, store)


def begun_otherwise(slide, store):
    begin(slide, store, OTHER)


def begun_without_its_note(slide, store):
    begin(slide, store)
    empty(store.with_name("slide.zarr.partial") / "unfinished.json")


def done(slide, store):
    finish(slide, store)


def made_otherwise(slide, store):
    finish(slide, store, OTHER)


def made_and_begun_otherwise(slide, store):
    finish(slide, store, OTHER)
    begin(slide, store, st.Recipe(tile=st.TileSpec(size=1024)), existing="overwrite")


def emptied(slide, store):
    finish(slide, store)
    empty(store / "zarr.json")


def emptied_and_zeros(slide, store):
    finish(slide, store)
    empty(store / "zarr.json", zeros=(store / "zarr.json").stat().st_size)


def without_its_root(slide, store):
    finish(slide, store)
    (store / "zarr.json").unlink()


def emptied_that_no_table_knows(slide, store):
    st.tile_slide(slide, store, SMALL)
    empty(store / "zarr.json")


def lost_a_shard(slide, store):
    finish(slide, store)
    next(path for path in store.glob("0/c/**/*") if path.is_file()).unlink()


def a_folder_in_the_way(_slide, store):
    store.mkdir(parents=True)
    (store / "mine.txt").write_text("mine")


def an_empty_mark_in_a_folder_of_theirs(_slide, store):
    store.mkdir(parents=True)
    (store / "zarr.json").touch()
    (store / "mine.txt").write_text("mine")


def anothers_store(slide, store):
    other = store.parent.with_name("other.svs")
    other.write_bytes(slide.read_bytes() + b"more")
    st.tile_slide(other, store, SMALL)


CASES = {
    nothing: ("tile", "ok", None),
    begun: ("continue", "ok", None),
    begun_otherwise: ("begin anew", "ok", BEGUN_ANEW),
    begun_without_its_note: ("begin anew", "ok", BEGUN_ANEW),
    done: ("already done", "already done", None),
    made_otherwise: ("make anew", "ok", MADE_ANEW),
    made_and_begun_otherwise: ("make anew", "ok", MADE_ANEW),
    emptied: ("make anew", "ok", MADE_ANEW),
    emptied_and_zeros: ("make anew", "ok", MADE_ANEW),
    without_its_root: ("make anew", "ok", MADE_ANEW),
    emptied_that_no_table_knows: ("make anew", "ok", MADE_ANEW),
    lost_a_shard: ("make anew", "ok", MADE_ANEW),
    a_folder_in_the_way: ("fail", "failed", None),
    an_empty_mark_in_a_folder_of_theirs: ("fail", "failed", None),
    anothers_store: ("fail", "failed", None),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_run_does_what_its_dry_run_told(cli, slide, store, tree, tmp_path, case):
    case(slide, store)
    action, status, note = CASES[case]
    before = tree(tmp_path)
    line = ("batch", slide, "-o", store.parent, "--tile-size", 512, "--processes", 0, "--json")
    (told,) = json.loads(cli(*line, "--dry-run").stdout)["slides"]
    assert tree(tmp_path) == before
    assert told["action"] == action
    (did,) = json.loads(cli(*line).stdout)["slides"]
    assert did["status"] == status
    if status == "failed":
        assert did["error"]["message"] == told["reason"]
        after = tree(tmp_path)
        assert {name: after.get(name) for name in before} == before
        return
    assert did["note"] == note
    assert did["tiles"] == told["tiles"]
    fresh = st.tile_slide(slide, tmp_path / "fresh.zarr", SMALL)
    assert tree(store) == tree(fresh.path)


def test_a_store_that_was_emptied_is_replaced_by_tile_only_on_purpose(cli, slide, store):
    emptied_that_no_table_knows(slide, store)
    line = ("tile", slide, "-o", store, "--tile-size", 512)
    result = cli(*line)
    assert result.exit_code == 1
    assert "its root metadata is empty or gone, as after a power failure" in result.stderr
    assert cli(*line, "--overwrite").exit_code == 0
    assert len(st.open_store(store))
