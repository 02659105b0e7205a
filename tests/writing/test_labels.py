"""What a store records of labels: the same from any run, and the same for windows as for tiles."""

import io
import pickle

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from labelled import box, feature, polygon, slide_of, write_labels

import slidetile as st
from slidetile.format.labels_file import pack_labels, unpack_labels
from slidetile.format.names import LABELS, TABLE
from slidetile.writing.group import GroupClaim, begin_store, finish_store, write_part


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return write_labels(
        tmp_path_factory.mktemp("labels") / "drawn by Eve.geojson",
        polygon("Tumor", [[700, 300], [3000, 500], [2500, 2300], [900, 1700]]),
        polygon("Tumor: in situ", box(1000, 1000, 1100, 1200), box(1020, 1020, 1030, 1030)),
        polygon("肿瘤", box(2000, 500, 2300, 900)),
        feature("mitosis", "MultiPoint", [[1500, 900], [1501, 901], [3839, 2559]]),
    )


def recipe_of(labels, **options):
    spec = st.TileSpec(size=256, **options)
    return st.Recipe(tile=spec, labels=st.LabelsSpec(path=labels))


@pytest.fixture(scope="module")
def store(sample, labels, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    return st.tile_slide(sample, path, recipe_of(labels))


def tree(path):
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }


def edges_of(table):
    x, y, width, height = (table[n].to_numpy() for n in ("x", "y", "width", "height"))
    return np.stack([x, y, x + width, y + height], axis=1)


def test_the_table_has_columns_for_each_class(store):
    names = ["class_tumor", "class_tumor_in_situ", "class_mitosis", "class_u80bfu7624"]
    columns = store.tiles.column_names
    place = columns.index("class")
    assert set(columns[place + 1 : place + 5]) == set(names)
    assert columns[place + 5] == "count_mitosis"
    assert sum(store.tiles["count_mitosis"].to_pylist()) == 3
    assert set(store.tiles["class"].to_pylist()) == {"Tumor", None}


def test_the_recorded_areas_give_the_tables_numbers(store):
    shares = store.class_areas.fractions(edges_of(store.tiles))
    for place, name in enumerate(store.class_areas.names):
        column = next(e.column for e in store.metadata.labels.classes if e.name == name)
        assert store.tiles[f"class_{column}"].to_numpy().tolist() == shares[:, place].tolist()
    winners = store.class_areas.winning(shares)
    names = [None if n < 0 else store.class_areas.names[n] for n in winners.tolist()]
    assert store.tiles["class"].to_pylist() == names


def test_windows_that_are_tiles_have_the_tiles_shares(store):
    windows = store.windows(size=256, edge="keep", min_tissue_fraction=0.0)
    shares = windows.class_fractions()
    assert windows.class_names == store.class_areas.names
    places = {tuple(e[:2]): n for n, e in enumerate(edges_of(store.tiles).tolist())}
    rows = [places[tuple(xy)] for xy in windows.coordinates.tolist()]
    assert np.array_equal(shares, store.class_areas.fractions(edges_of(store.tiles))[rows])
    assert np.array_equal(windows[3:7].class_fractions(), shares[3:7])
    assert np.array_equal(pickle.loads(pickle.dumps(windows)).class_fractions(), shares)  # noqa: S301


def test_coarser_windows_have_the_shares_of_the_pixels_under_them(store):
    windows = store.windows(size=100, mpp=0.7)
    regions = [windows.region(n) for n in range(len(windows))]
    assert np.array_equal(windows.class_fractions(), store.class_areas.fractions(regions))


def test_it_is_found_sound_and_done(store, sample, labels):
    assert st.verify_store(store.path, deep=True) == ()
    again = st.tile_slide(sample, store.path, recipe_of(labels))
    assert again.path == store.path
    with pytest.raises(st.OutdatedStoreError, match="with other settings"):
        st.tile_slide(sample, store.path, st.Recipe(tile=st.TileSpec(size=256)))


def test_the_same_labels_are_the_same_bytes(store, sample, labels, tmp_path):
    other = st.tile_slide(sample, tmp_path / "b.zarr", recipe_of(labels), workers=1)
    assert tree(other.path) == tree(store.path)


def test_a_store_without_labels_has_none(sample, tmp_path):
    bare = st.tile_slide(sample, tmp_path / "c.zarr", st.Recipe(tile=st.TileSpec(size=512)))
    assert bare.class_areas is None
    windows = bare.windows()
    assert (windows.class_names, windows.class_fractions().shape) == ((), (len(windows), 0))
    assert not (bare.path / LABELS).exists()
    assert [name for name in bare.tiles.column_names if name.startswith("class")] == []


def test_an_anonymous_store_names_no_file(sample, labels, tmp_path):
    options = st.WriteOptions(anonymous=True)
    store = st.tile_slide(sample, tmp_path / "d.zarr", recipe_of(labels), options=options)
    assert store.metadata.labels.name is None
    assert not any(b"Eve" in data or b"sample.svs" in data for data in tree(store.path).values())
    assert set(store.tiles["slide"].to_pylist()) == {store.metadata.source.fingerprint[:16]}
    assert st.verify_store(store.path) == ()


def test_one_query_reads_a_cohort_and_tells_its_slides(store, tmp_path):
    slide = slide_of()
    tissue = st.find_tissue(slide)
    other = st.write_tiles(
        slide, st.plan_tiles(slide, tissue, st.TileSpec(size=256)), tmp_path / "b.zarr"
    )
    for number, each in enumerate((store, other)):
        (tmp_path / f"c/{number}.zarr/tiles").mkdir(parents=True)
        (tmp_path / f"c/{number}.zarr" / TABLE).write_bytes((each.path / TABLE).read_bytes())
    glob = str(tmp_path / "c/*.zarr" / TABLE)
    told = duckdb.sql(
        f"select slide, count(*) n from read_parquet('{glob}', union_by_name=true) "  # noqa: S608
        "group by slide order by slide"
    ).fetchall()
    assert told == [("s", len(other)), ("sample", len(store))]
    frame = pl.scan_parquet(glob, missing_columns="insert", extra_columns="ignore")
    counts = frame.group_by(pl.col("slide").cast(pl.String)).len().sort("slide").collect()
    assert counts.rows() == told


def test_a_balanced_sample_of_the_table_is_that_of_the_plan(store, sample, labels, tmp_path):
    drawn = st.balanced_sample(store.tiles, 9, seed=2)
    spec = recipe_of(labels, sample=9, seed=2, balance="class")
    smaller = st.tile_slide(sample, tmp_path / "e.zarr", spec)
    cells = [tuple(row.values()) for row in smaller.tiles.select(["column", "row"]).to_pylist()]
    chosen = store.select(drawn).tiles.select(["column", "row"]).to_pylist()
    assert [tuple(row.values()) for row in chosen] == cells
    assert st.verify_store(smaller.path) == ()
    with pytest.raises(ValueError, match="no column class"):
        st.balanced_sample(store.tiles.drop_columns(["class"]), 9)
    with pytest.raises(ValueError, match="at least 1 tile"):
        st.balanced_sample(store.tiles, 0)


def test_tiles_chosen_by_class_are_verified(sample, labels, tmp_path):
    spec = recipe_of(labels, min_class_fractions={"Tumor: in situ": 0.5, "肿瘤": 0.9})
    store = st.tile_slide(sample, tmp_path / "f.zarr", spec)
    assert 0 < len(store) < 20
    assert st.verify_store(store.path) == ()
    again = st.tile_slide(sample, tmp_path / "f.zarr", spec)
    assert len(again) == len(store)


def test_a_whole_store_of_references_keeps_its_labels(sample, labels, tmp_path):
    spec = st.Recipe(
        tile=st.TileSpec(size=256), labels=st.LabelsSpec(path=labels), codec="reference"
    )
    quick = st.tile_slide(sample, tmp_path / "g.zarr", spec)
    whole = st.write_whole_store(quick, tmp_path / "h.zarr")
    assert whole.class_areas == quick.class_areas
    assert whole.metadata.labels == quick.metadata.labels
    assert st.verify_store(whole.path) == st.verify_store(quick.path) == ()


def test_the_file_comes_back_and_is_refused_where_it_is_another(store):
    facts, size = store.metadata.labels, store.class_areas.size
    data = pack_labels(store.class_areas)
    assert data == (store.path / LABELS).read_bytes()
    assert unpack_labels(io.BytesIO(data), facts, size) == store.class_areas
    rows = pq.read_table(io.BytesIO(data))
    for change, message in [
        (rows.slice(1), "rows, but the store says"),
        (rows.drop_columns(["y"]), "its columns are class, x, width"),
        (rows.take(list(range(len(rows)))[::-1]), "its classes are not those"),
    ]:
        sink = io.BytesIO()
        pq.write_table(change, sink)
        with pytest.raises(st.StoreError, match=message):
            unpack_labels(sink, facts, size)
    with pytest.raises(st.StoreError, match="could not be read as a table"):
        unpack_labels(io.BytesIO(data[:500]), facts, size)
    with pytest.raises(st.StoreError, match="it is not of this store"):
        unpack_labels(io.BytesIO(data), facts, (1000, 1000))


class StoppedError(Exception):
    """Somebody stops a run."""


def test_a_run_that_was_stopped_is_continued_to_the_same_bytes(sample, labels, store, tmp_path):
    def stop(progress):
        if progress.shards_done:
            raise StoppedError

    with pytest.raises(StoppedError):
        st.tile_slide(sample, tmp_path / "i.zarr", recipe_of(labels), on_progress=stop)
    other = write_labels(tmp_path / "other.geojson", polygon("Tumor", box(0, 0, 9, 9)))
    with pytest.raises(st.StoreMismatchError, match="labels"):
        st.tile_slide(sample, tmp_path / "i.zarr", recipe_of(other))
    again = st.tile_slide(sample, tmp_path / "i.zarr", recipe_of(labels))
    assert tree(again.path) == tree(store.path)


def test_parts_of_several_processes_make_the_same_bytes(sample, labels, store, tmp_path):
    recipe = recipe_of(labels)
    with recipe.open(sample) as slide, GroupClaim(tmp_path / "j.zarr") as claim:
        plan = pickle.loads(pickle.dumps(recipe.plan(slide)))  # noqa: S301
        group = begin_store(slide, plan, claim.permit, parts=2, codec="auto")
        for number in range(group.parts):
            write_part(slide, plan, group, number)
        finished = finish_store(slide, plan, group.permitted(claim.renew()))
    assert tree(finished.path) == tree(store.path)


def test_what_is_left_out_is_told(tmp_path, caplog):
    file = write_labels(
        tmp_path / "s.geojson",
        polygon("a", box(0, 0, 9, 9)),
        polygon("a*", box(0, 0, 9, 9)),
        polygon(None, box(0, 0, 9, 9)),
    )
    st.read_labels(file, slide_of())
    assert "left out of the labels: 1 area of the class a*, 1 object without a class" in caplog.text
