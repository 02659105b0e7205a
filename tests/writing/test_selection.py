"""What filters dropped, as stores record it: the plan's numbers, and no names."""

import json

import numpy as np
import pytest

import slidetile as st
from slidetile.format.metadata.selection import MOST_LEFT_OUT
from slidetile.recipe.comparing import matches
from slidetile.writing.selection import found_again, left_out_again, selection_of


def numbers(left_out):
    return [
        (each.what, each.reason, each.count, each.of, each.area_px, each.area_um2, each.flag)
        for each in left_out
    ]


@pytest.fixture
def drawn(tmp_path):
    ring = [[0, 0], [1920, 0], [1920, 2560], [0, 2560], [0, 0]]
    shapes = [
        {"type": "Polygon", "coordinates": [ring]},
        {"type": "Point", "coordinates": [1, 2]},
    ]
    feature = {
        "type": "Feature",
        "geometry": shapes[0],
        "properties": {"classification": {"name": "Jane Doe*"}},
    }
    path = tmp_path / "Jane Doe.geojson"
    features = [*({"type": "Feature", "geometry": each, "properties": {}} for each in shapes)]
    collection = {"type": "FeatureCollection", "features": [*features, feature]}
    path.write_text(json.dumps(collection))
    return path


def test_a_store_has_the_numbers_of_its_plan(sample, drawn, tmp_path):
    spec = st.AnnotationsSpec(path=drawn, mode="intersect")
    plans = []
    store = st.tile_slide(
        sample, tmp_path / "x.zarr", st.Recipe(annotations=spec), on_plan=plans.append
    )
    (plan,) = plans
    selection = store.metadata.selection
    assert selection == selection_of(plan)
    assert numbers(left_out_again(selection)) == numbers(plan.left_out)
    assert [each.limit for each in left_out_again(selection)] == [
        each.limit for each in plan.left_out
    ]
    assert found_again(selection) == plan.tissue.found
    assert selection.tissue.area_um2 == plan.tissue.area.um2
    labels = np.asarray(store.tissue)
    assert selection.tissue.pieces == labels.max()
    assert {"outside the annotations", "no areas", "class that is not used"} <= {
        each.reason for each in selection.left_out
    }
    assert st.verify_store(store.path) == ()


def test_no_name_of_a_file_or_a_class_is_recorded(sample, drawn, tmp_path):
    spec = st.AnnotationsSpec(path=drawn, mode="intersect")
    store = st.tile_slide(sample, tmp_path / "x.zarr", st.Recipe(annotations=spec))
    assert b"Jane" not in (store.path / "zarr.json").read_bytes()


def test_a_whole_store_has_the_record_of_the_store_without_pixels(sample, tmp_path):
    quick = st.tile_slide(sample, tmp_path / "q.zarr", st.Recipe(codec="reference"))
    whole = st.write_whole_store(quick, tmp_path / "w.zarr")
    made = st.tile_slide(sample, tmp_path / "m.zarr")
    assert whole.metadata.selection == quick.metadata.selection == made.metadata.selection
    root = [(store.path / "zarr.json").read_bytes() for store in (whole, made)]
    assert root[0] == root[1]


def test_a_store_of_before_is_read_and_said_to_be_done(sample, tmp_path, cli):
    store = st.tile_slide(sample, tmp_path / "x.zarr")
    told = json.loads(cli("info", store.path, "--json").stdout)
    assert told["tissue_area_um2"] == store.metadata.selection.tissue.area_um2
    assert [each["reason"] for each in told["left_out"]] == [
        each.reason for each in store.metadata.selection.left_out
    ]
    root = json.loads((store.path / "zarr.json").read_text())
    del root["attributes"]["slidetile"]["selection"]
    (store.path / "zarr.json").write_text(json.dumps(root, indent=2, ensure_ascii=False) + "\n")
    again = st.open_store(store.path)
    assert again.metadata.selection is None
    told = json.loads(cli("info", store.path, "--json").stdout)
    assert (told["tissue_pieces"], told["found_tissue"], told["left_out"]) == (None, None, [])
    assert "tissue" not in cli("info", store.path).stdout
    with st.open_slide(sample) as slide:
        assert matches(st.Recipe(), again, slide)


def test_a_store_begun_before_is_continued(sample, tmp_path):
    def stop(progress):
        if progress.shards_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        st.tile_slide(sample, tmp_path / "x.zarr", on_progress=stop)
    note = json.loads((tmp_path / "x.zarr.partial" / "unfinished.json").read_text())
    assert "selection" not in note["slidetile"]
    assert st.tile_slide(sample, tmp_path / "x.zarr").metadata.selection is not None


def test_more_filters_than_a_store_holds_are_refused(sample):
    with st.open_slide(sample) as slide:
        tissue = st.find_tissue(slide)
    one = tissue.left_out[0]
    many = st.TissueMask.from_mask(
        tissue.mask, tissue.overview, left_out=(one,) * (MOST_LEFT_OUT + 1)
    )
    with st.open_slide(sample) as slide, pytest.raises(ValueError, match="left_out"):
        selection_of(st.plan_tiles(slide, many))
