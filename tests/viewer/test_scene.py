"""What a page is told: geometry, columns and words, as JSON."""

import base64
import json

import numpy as np
import pyarrow as pa
import pytest

import slidetile as st
from slidetile.raster.grid import TileGrid
from slidetile.viewer.scene.columns import Column, numeric_columns, row_facts
from slidetile.viewer.scene.scene import Tiles
from slidetile.viewer.views.slide import live_plan_view, plan_view, slide_view, tissue_view
from slidetile.viewer.views.store import StoreView

TYPES = {"u1": np.uint8, "i4": "<i4", "f4": "<f4", "f8": "<f8"}


def unpacked(text, kind="i4"):
    return np.frombuffer(base64.b64decode(text), TYPES[kind])


def test_a_store_is_told_as_its_table_has_it(stores):
    store = st.open_store(stores / "native.zarr")
    scene = json.loads(json.dumps(StoreView(store).scene().json, allow_nan=False))
    assert (scene["name"], scene["kind"], scene["mpp"]) == ("native.zarr", "store", [0.5, 0.5])
    tiles = scene["overlay"]["tiles"]
    assert tiles["count"] == len(store)
    for name, key in (("column", "columns"), ("row", "rows")):
        assert np.array_equal(unpacked(tiles[key]), store.tiles[name].to_numpy())
    names = [column["name"] for column in tiles["values"]]
    assert names[:3] == ["region", "tissue_fraction", "bytes"]
    assert "laplacian_variance" in names
    for column in tiles["values"]:
        values = unpacked(column["data"], column["type"])
        assert np.array_equal(values, store.tiles[column["name"]].to_numpy(), equal_nan=True)
        assert column["limits"] == [np.nanmin(values), np.nanmax(values)]


def test_outlines_lie_where_the_tissue_is(stores):
    store = st.open_store(stores / "native.zarr")
    rings = StoreView(store).scene().json["overlay"]["outlines"]
    xs = np.concatenate([ring[0::2] for ring in rings])
    columns = np.flatnonzero((store.tissue > 0).any(axis=0))
    assert (xs.min(), xs.max()) == (columns[0] * 8, (columns[-1] + 1) * 8)


def test_a_million_tiles_are_packed_small():
    side = 1000
    rows, columns = (each.ravel().astype(np.int32) for each in np.indices((side, side)))
    grid = TileGrid(width=side * 256, height=side * 256, size=256, stride=256)
    fraction = Column("tissue_fraction", np.linspace(0, 1, side * side, dtype=np.float32))
    facts = Tiles(grid=grid, columns=columns, rows=rows, values=(fraction,)).facts
    assert len(json.dumps(facts)) < 17_000_000


def test_missing_values_have_no_limits():
    nothing = Column("mean_red", np.full(3, np.nan, np.float32)).facts
    assert (nothing["limits"], nothing["missing"]) == (None, 3)
    table = pa.table({"bytes": pa.array([1 << 40, 3], pa.int64()), "status": ["ok", "ok"]})
    (column,) = numeric_columns(table)
    assert column.facts["type"] == "f8"
    assert row_facts(table, 0) == [["bytes", 1 << 40], ["status", "ok"]]
    with pytest.raises(IndexError, match="no tile 2"):
        row_facts(table, 2)


def test_each_kind_of_view_has_its_scene(sample):
    with st.open_slide(sample) as slide:
        tissue = st.find_tissue(slide)
        plan = st.plan_tiles(slide, tissue, st.TileSpec(size=512))
        views = [
            slide_view(slide),
            tissue_view(tissue, slide),
            plan_view(plan, slide),
            live_plan_view(slide),
            tissue_view(tissue),
            plan_view(plan),
        ]
        scenes = [view.scene().json for view in views]
        assert [scene["kind"] for scene in scenes] == [
            *("slide", "tissue", "plan", "plan", "tissue", "plan"),
        ]
        assert all(
            view.tile(len(s["levels"]) - 1, 0, 0) for view, s in zip(views, scenes, strict=True)
        )
    assert [scene["levels"][0]["downsample"] for scene in scenes] == [[1, 1]] * 4 + [[8, 8]] * 2
    assert [bool(scene["overlay"]["settings"]) for scene in scenes] == [0, 0, 0, 1, 0, 0]
    assert [bool(scene["overlay"]["outlines"]) for scene in scenes] == [0, 1, 1, 1, 1, 1]
    assert dict(views[2].row(1))["tile_id"] == 1
    with pytest.raises(ValueError, match="without its slide"):
        views[2].replan({"size": 256})


def test_no_tissue_and_no_mpp_are_told(tmp_path):
    glass = st.ArraySlide(np.full((600, 800, 3), 240, np.uint8))
    scene = live_plan_view(glass).scene().json
    assert scene["mpp"] is None
    assert scene["overlay"]["notes"] == ["No tissue was found."]
    assert scene["overlay"]["tiles"]["count"] == 0
    plan = st.plan_tiles(glass, st.find_tissue(glass))
    store = st.write_tiles(glass, plan, tmp_path / "empty.zarr", codec="zstd")
    scene = StoreView(store).scene().json
    assert scene["overlay"]["notes"][0].startswith("The store has no tiles")
    assert all(column["limits"] is None for column in scene["overlay"]["tiles"]["values"])


def test_unreadable_tiles_are_told(damaged_sample, tmp_path):
    recipe = st.Recipe(tile=st.TileSpec(size=256))
    store = st.tile_slide(damaged_sample, tmp_path / "damaged.zarr", recipe)
    overlay = StoreView(store).scene().json["overlay"]
    unreadable = unpacked(overlay["tiles"]["unreadable"], "u1")
    assert unreadable.sum() == store.unreadable == 1
    assert overlay["notes"] == ["1 tile could not be read from the slide, and are red."]


def test_scores_are_columns_beside_those_of_the_table(stores):
    store = st.open_store(stores / "native.zarr")
    values = np.linspace(0, 1, len(store))
    values[2] = np.nan
    view = StoreView(store, scores={"score": values})
    (column,) = [each for each in view.scene().overlay.tiles.values if each.name == "score"]
    assert np.array_equal(column.values, values, equal_nan=True)
    assert view.scene().json["overlay"]["tiles"]["colour"] == "score"
    assert StoreView(store).scene().json["overlay"]["tiles"]["colour"] == ""
    assert ["score", None] in view.row(2)
    assert ["score", 1.0] in view.row(len(store) - 1)
    assert "score" not in store.tiles.column_names
    with pytest.raises(ValueError, match=f"are 3, but there are {len(store)} tiles: give one"):
        StoreView(store, scores={"score": [1, 2, 3]})
    with pytest.raises(ValueError, match="has a column bytes already"):
        StoreView(store, scores={"bytes": values})
    names = {each.name for each in StoreView(store).scene().overlay.tiles.values}
    assert "score" not in names
    assert "tissue_fraction" in names
