"""Slides of which only a part was scanned: coordinates are QuPath's, and applied once."""

import json

import numpy as np
import pytest
import tifffile
from geojson_features import unmeasured

import slidetile as st

BOUNDS = st.Region(x=128, y=96, width=704, height=544)
AREAS = [(128, 96, 256, 192), (640, 512, 192, 128)]
"""What was scanned, as (x, y, width, height) of level 0."""


@pytest.fixture
def slide(scanned_slide):
    with st.open_slide(scanned_slide) as slide:
        yield slide


def boxes(areas, dx=0, dy=0):
    return {
        "type": "MultiPolygon",
        "coordinates": [
            [
                [
                    [x + dx, y + dy],
                    [x + w + dx, y + dy],
                    [x + w + dx, y + h + dy],
                    [x + dx, y + h + dy],
                ]
            ]
            for x, y, w, h in areas
        ],
    }


def scanned(shape, scale):
    mask = np.zeros(shape, bool)
    for x, y, width, height in AREAS:
        mask[y // scale : (y + height) // scale, x // scale : (x + width) // scale] = True
    return mask


def test_two_scenes_lie_on_one_canvas(slide):
    assert (slide.width, slide.height) == (1000, 800)
    assert slide.scan_area == BOUNDS
    assert slide.bounds == st.Region(x=0, y=0, width=1000, height=800)
    pixels = slide.read_region(slide.bounds)
    np.testing.assert_array_equal((pixels != 255).any(axis=2), scanned((800, 1000), 1))


def test_info_tells_the_scan_area(cli, scanned_slide, sample):
    assert "704×544 px at (128, 96)" in cli("info", scanned_slide).stdout
    assert "scan area" not in cli("info", sample).stdout


def test_regions_begin_where_qupath_begins(slide, tmp_path):
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps(boxes(AREAS, -BOUNDS.x, -BOUNDS.y)))
    tissue = st.draw_tissue(slide, st.read_annotations(path, slide), mpp=8)
    np.testing.assert_array_equal(tissue.mask, scanned((100, 125), 8))
    whole = tmp_path / "whole.geojson"
    whole.write_text(json.dumps(boxes(AREAS)))
    at_corner = st.draw_tissue(slide, st.read_annotations(whole, slide, origin="slide"), mpp=8)
    np.testing.assert_array_equal(at_corner.mask, tissue.mask)


def test_micrometres_begin_there_too(slide, tmp_path):
    path = tmp_path / "drawn.geojson"
    drawn = {**boxes([(0, 0, 256, 192)]), "unit": "um"}
    path.write_text(json.dumps(drawn))
    (area,) = st.read_annotations(path, slide).areas
    assert area.edges == (128, 96, 384, 288)


def test_what_is_written_begins_there_and_says_so(slide, tmp_path, caplog):
    path = tmp_path / "plan.geojson"
    tissue = st.find_tissue(slide, min_piece_area_um2=0)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64))
    caplog.clear()
    st.export_plan(slide, plan, path)
    content = json.loads(path.read_text())
    assert content["slidetile"] == {"unit": "px", "origin": [128, 96], "slide_size": [1000, 800]}
    tiles = [f for f in content["features"] if f["properties"]["objectType"] == "tile"]
    first = tiles[0]["geometry"]["coordinates"][0][0]
    assert first == [plan[0].region.x - 128, plan[0].region.y - 96]
    again = st.draw_tissue(slide, st.read_annotations(path, slide))
    np.testing.assert_array_equal(again.mask, tissue.mask)
    del content["slidetile"]  # as QuPath writes it back
    path.write_text(json.dumps(content))
    again = st.draw_tissue(slide, st.read_annotations(path, slide))
    np.testing.assert_array_equal(again.mask, tissue.mask)
    assert caplog.messages == []


def test_a_file_says_where_it_begins_itself(slide, tmp_path, caplog):
    told = {"origin": [0, 0], "unit": "px", "slide_size": [999, 800]}
    content = {"type": "FeatureCollection", "features": [boxes(AREAS)], "slidetile": told}
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps(content))
    assert st.read_annotations(path, slide).areas[0].edges == (128, 96, 384, 288)
    assert "made for a slide of 999×800 px, but two.scn has 1000×800" in caplog.text
    moved = st.read_annotations(path, slide, origin="scan-area")
    assert moved.areas[0].edges == (256, 192, 512, 384)


@pytest.mark.parametrize(
    ("name", "area"), [("whole", st.Region(x=0, y=0, width=1000, height=800)), ("scan", BOUNDS)]
)
def test_a_mask_lies_over_what_it_has_the_proportions_of(slide, tmp_path, name, area):
    mask = np.ones((area.height // 8, area.width // 8), bool)
    np.save(tmp_path / f"{name}.npy", mask)
    painted = st.read_annotations(tmp_path / f"{name}.npy", slide).painted
    assert (painted.origin, painted.scale) == ((area.x, area.y), (8, 8))
    forced = st.read_annotations(tmp_path / f"{name}.npy", slide, origin="slide").painted
    assert forced.origin == (0, 0)


def test_a_store_remembers_the_scan_area(slide, tmp_path):
    tissue = st.find_tissue(slide, min_piece_area_um2=0)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64))
    store = st.write_tiles(slide, plan, tmp_path / "x.zarr")
    assert store.attributes["source"]["scan_area"] == [128, 96, 704, 544]
    assert st.verify_store(store.path, slide=slide) == ()
    st.export_store(store, tmp_path / "store.geojson")
    st.export_plan(slide, plan, tmp_path / "plan.geojson")
    assert unmeasured(tmp_path / "store.geojson") == unmeasured(tmp_path / "plan.geojson")
    root = json.loads((store.path / "zarr.json").read_text())
    root["attributes"]["slidetile"]["source"]["scan_area"] = [0, 0, 0, 1]
    (store.path / "zarr.json").write_text(json.dumps(root))
    assert any("source.scan_area" in finding.what for finding in st.verify_store(store.path))


def test_scenes_of_an_ome_tiff_are_told(tmp_path, caplog):
    path = tmp_path / "scenes.ome.tif"
    images = [np.full((n, n, 3), n, np.uint8) for n in (96, 64, 32)]
    with tifffile.TiffWriter(path, ome=True) as writer:
        for image, name in zip(images, ("left", "right", "macro image"), strict=True):
            metadata = {"axes": "YXS", "Name": name}
            writer.write(image, photometric="rgb", tile=(32, 32), metadata=metadata)
    with st.open_slide(path) as slide:
        assert (slide.width, slide.height) == (96, 96)
    assert caplog.messages == [
        "scenes.ome.tif holds 2 scenes: only “left”, the largest, is read, not “right”."
    ]


@pytest.mark.parametrize("mpp", [2.0, 4.0, 1.7])
def test_at_another_resolution_all_stays_in_the_files_pixels(scanned_slide, tmp_path, mpp):
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps(boxes(AREAS, -BOUNDS.x, -BOUNDS.y)))
    with st.open_slide(scanned_slide) as slide:
        exact = st.draw_tissue(slide, st.read_annotations(path, slide), mpp=8.0)
    recipe = st.Recipe(
        mpp=mpp, tile=st.TileSpec(size=64), annotations=st.AnnotationsSpec(path=path)
    )
    with recipe.open(scanned_slide) as coarse:
        regions = st.read_annotations(path, coarse)
        assert regions.areas[0].edges == pytest.approx(np.array([128, 96, 384, 288]) / mpp)
        plan = recipe.plan(coarse)
        share = plan.tissue.tissue_fraction / exact.tissue_fraction
        assert share == pytest.approx(1, abs=0.05)
        st.export_plan(coarse, plan, tmp_path / "plan.geojson")
        back = st.draw_tissue(coarse, st.read_annotations(tmp_path / "plan.geojson", coarse))
        np.testing.assert_array_equal(back.mask, plan.tissue.mask)
        np.save(tmp_path / "mask.npy", exact.mask)
        painted = st.draw_tissue(coarse, st.read_annotations(tmp_path / "mask.npy", coarse))
        assert (painted.mask != plan.tissue.mask).mean() < 0.02
    content = json.loads((tmp_path / "plan.geojson").read_text())
    assert content["slidetile"]["slide_size"] == [1000, 800]
    tiles = [f for f in content["features"] if f["properties"]["objectType"] == "tile"]
    first = plan[0].inside
    corner = [first.x * mpp - 128, first.y * mpp - 96]
    assert tiles[0]["geometry"]["coordinates"][0][0] == pytest.approx(corner, abs=2e-3)
    store = st.tile_slide(scanned_slide, tmp_path / "x.zarr", recipe)
    assert store.attributes["source"]["scan_area"] == [128, 96, 704, 544]
    assert st.verify_store(store.path) == ()
    st.export_store(store, tmp_path / "store.geojson")
    assert unmeasured(tmp_path / "store.geojson") == unmeasured(tmp_path / "plan.geojson")
