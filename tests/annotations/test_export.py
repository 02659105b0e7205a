"""What is written for QuPath comes back to the same place."""

import json
import tracemalloc

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as hs

import slidetile as st
from slidetile.format.table import QUALITY_COLUMNS


def features(path, kind):
    content = json.loads(path.read_text())
    assert content["type"] == "FeatureCollection"
    return [f for f in content["features"] if f["properties"]["objectType"] == kind]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=hs.data())
def test_any_mask_comes_back_pixel_by_pixel(tmp_path, data):
    width, height = data.draw(hs.tuples(hs.integers(1, 60), hs.integers(1, 60)))
    mpp = data.draw(hs.sampled_from([0.5, 1.0, 3.3]))
    x, y = data.draw(hs.tuples(hs.integers(-9, 20), hs.integers(-9, 20)))
    slide = st.ArraySlide(
        np.zeros((height, width, 3), np.uint8),
        mpp=mpp,
        scan_area=data.draw(hs.sampled_from([None, st.Region(x=x, y=y, width=9, height=9)])),
    )
    overview = st.read_overview(slide, mpp=data.draw(hs.sampled_from([1.0, 2.0, 8.0])))
    mask = np.random.default_rng(data.draw(hs.integers(0, 99))).random(
        (overview.height, overview.width)
    ) < data.draw(hs.floats(0.1, 1))
    plan = st.plan_tiles(slide, st.TissueMask.from_mask(mask, overview), st.TileSpec(size=16))
    path = tmp_path / "x.geojson"
    st.export_plan(slide, plan, path)
    back = st.read_annotations(path, slide)
    np.testing.assert_array_equal(back.mask_on(overview), mask)
    assert len(features(path, "annotation")) == len(plan.tissue.pieces)


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "CMU-1-small.tiff", "test3-DAPI.ndpi"])
def test_real_slides_come_back(shared_slides, tmp_path, name):
    path = tmp_path / "x.geojson"
    with st.open_slide(shared_slides / name) as slide:
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=256))
        st.export_plan(slide, plan, path)
        tissue = st.draw_tissue(slide, st.read_annotations(path, slide, classes=["Tissue"]))
    np.testing.assert_array_equal(tissue.mask, plan.tissue.mask)
    shapes = [shapely.from_geojson(json.dumps(f["geometry"])) for f in features(path, "annotation")]
    assert all(shape.is_valid for shape in shapes)
    for shape, part in zip(shapes, plan.tissue.pieces, strict=True):
        left, top, right, bottom = shape.bounds
        around = st.Region.from_edges(
            int(left), int(top), int(np.ceil(right)), int(np.ceil(bottom))
        )
        assert part.bounds.contains(around)
    assert len(features(path, "tile")) == len(plan)


def test_a_store_writes_what_its_plan_wrote(sample, tmp_path, cli):
    plan_path, store_path = tmp_path / "plan.geojson", tmp_path / "store.geojson"
    with st.open_slide(sample) as slide:
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=512))
        store = st.write_tiles(slide, plan, tmp_path / "x.zarr")
    assert cli("plan", sample, "--tile-size", 512, "--geojson", plan_path).exit_code == 0
    assert cli("export", store.path, "-o", store_path).exit_code == 0
    assert features(plan_path, "annotation") == features(store_path, "annotation")
    tiles, planned = features(store_path, "tile"), features(plan_path, "tile")
    for row, tile, before in zip(store.tiles.to_pylist(), tiles, planned, strict=True):
        found = tile["properties"].pop("measurements")
        known = before["properties"].pop("measurements")
        assert tile == before
        assert known == {
            "tile id": row["tile_id"],
            "column": row["column"],
            "row": row["row"],
            "tissue fraction": round(row["tissue_fraction"], 6),
            "tissue piece": row["region"],
        }
        assert found == known | {name.replace("_", " "): row[name] for name in QUALITY_COLUMNS}
        right, bottom = row["x"] + row["width"], row["y"] + row["height"]
        corners = [[row["x"], row["y"]], [right, row["y"]], [right, bottom], [row["x"], bottom]]
        assert tile["geometry"]["coordinates"] == [[*corners, corners[0]]]
    assert not list(tmp_path.glob("*.tmp"))


def test_unreadable_tiles_have_a_class(damaged_sample, tmp_path):
    store = st.tile_slide(damaged_sample, tmp_path / "x.zarr", st.Recipe(codec="zstd"))
    st.export_store(store, tmp_path / "x.geojson")
    classes = [
        tile["properties"].get("classification")
        for tile in features(tmp_path / "x.geojson", "tile")
    ]
    expected = [status == "unreadable" for status in store.tiles["status"].to_pylist()]
    assert any(expected)
    assert [c is not None and c["name"] == "Unreadable" for c in classes] == expected
    tiles = features(tmp_path / "x.geojson", "tile")
    measured = [tile["properties"]["measurements"] for tile in tiles]
    assert ["laplacian variance" not in each for each in measured] == expected


@pytest.mark.slow
def test_many_tiles_are_streamed(tmp_path):
    slide = st.ArraySlide(np.zeros((3264, 4096, 1), np.uint8), mpp=8.0)
    overview = st.read_overview(slide, mpp=64.0)
    mask = np.ones((overview.height, overview.width), bool)
    plan = st.plan_tiles(slide, st.TissueMask.from_mask(mask, overview), st.TileSpec(size=16))
    assert len(plan) > 50_000
    path = tmp_path / "many.geojson"
    tracemalloc.start()
    try:
        st.export_plan(slide, plan, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 10e6
    assert peak < 6e6
    last = json.loads(path.read_text().splitlines()[-2])
    assert last["properties"]["measurements"]["tile id"] == len(plan) - 1


def test_a_file_that_cannot_be_finished_leaves_the_old_one(sample, tmp_path):
    path = tmp_path / "x.geojson"
    path.write_text("old")
    with st.open_slide(sample) as slide:
        plan = st.plan_tiles(slide, st.find_tissue(slide))
        other = st.ArraySlide(np.zeros((9, 9, 3), np.uint8))
        with pytest.raises(ValueError, match=r"belongs to a slide of 3840×2560 px, but this.*9×9"):
            st.export_plan(other, plan, path)
    assert path.read_text() == "old"
    with pytest.raises(OSError, match="which is not a folder"):
        st.export_plan(slide, plan, path / "x.geojson")
    assert path.read_text() == "old"


def test_a_folder_that_is_missing_is_made(sample, tmp_path):
    path = tmp_path / "none" / "x.geojson"
    with st.open_slide(sample) as slide:
        st.export_plan(slide, st.plan_tiles(slide, st.find_tissue(slide)), path)
    assert json.loads(path.read_text())["features"]


def test_a_store_that_lies_about_its_tissue_is_refused(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "x.zarr")
    node = store.path / "overview" / "zarr.json"
    node.write_text(node.read_text().replace("coordinateTransformations", "nothing"))
    with pytest.raises(st.StoreError, match=r"overview/zarr.json is damaged"):
        st.export_store(st.open_store(store.path), tmp_path / "x.geojson")
