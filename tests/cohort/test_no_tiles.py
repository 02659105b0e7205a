"""A slide without tiles is told why, by what filters dropped, and what to do."""

import numpy as np
import pytest
import tifffile
from batches import tile_here

import slidetile as st
from slidetile.cohort.no_tiles import store_note, why_no_tiles


def dark(image):
    return image[..., 0] < 128


@pytest.fixture
def speck(tmp_path):
    """A slide of 640×640 px, 1 µm, with a square of 40 px in its last corner."""
    pixels = np.full((640, 640, 3), 255, np.uint8)
    pixels[600:640, 600:640] = (180, 60, 140)
    path = tmp_path / "speck.tiff"
    size = {"resolution": (10_000, 10_000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, pixels, tile=(128, 128), photometric="rgb", **size)
    return path


@pytest.mark.parametrize(
    ("choices", "why", "remedy"),
    [
        (
            {"min_piece_area_um2": 1e6, "tissue_mpp": 1.0, "detector": st.OtsuDetector()},
            "there is tissue, but no tile holds enough of it",
            "a smaller --min-tissue-fraction",
        ),
        (
            {"tile": st.TileSpec(size=256, edge="drop"), "detector": st.OtsuDetector()},
            "all of it lies behind the last whole tile, so there are 0 tiles",
            "--edge keep or shift",
        ),
    ],
)
def test_a_store_says_why_it_has_no_tiles(speck, tmp_path, choices, why, remedy):
    spec = choices.get("tile", st.TileSpec(size=640, min_tissue_fraction=0.5))
    recipe = st.Recipe(**{**choices, "tile": spec})
    report = tile_here([speck], tmp_path / "out", recipe)
    (row,) = report.results
    assert row.tiles == 0
    assert why in row.note
    assert remedy in row.note
    assert row.note == store_note(st.open_store(row.store))


@pytest.fixture
def slide():
    pixels = np.full((100, 100, 3), 255, np.uint8)
    pixels[10:12, 10:12] = 0
    pixels[50:52, 10:12] = 0
    return st.ArraySlide(pixels, mpp=10.0)


def note(slide, path, tissue):
    store = st.write_tiles(slide, st.plan_tiles(slide, tissue), path)
    assert len(store) == 0
    return store_note(store)


def test_all_that_was_found_was_too_small(slide, tmp_path):
    tissue = st.find_tissue(slide, mpp=10.0, detector=dark)
    told = note(slide, tmp_path / "x.zarr", tissue)
    assert told == (
        "2 pieces of tissue were found (800 µm²), but all are smaller than 1,000 µm², so there are "
        "0 tiles: --min-piece-area-um2 0 (min_piece_area_um2=0) keeps every piece"
    )
    plan = st.plan_tiles(slide, tissue)
    assert why_no_tiles(plan.left_out, has_tissue=False, is_drawn=False) == told


def test_all_that_was_found_was_pen(slide, tmp_path):
    class Pen:
        def detect(self, image, *, mpp):  # noqa: ARG002
            return np.zeros(image.shape[:2], np.bool_)

        def left_out(self, image, *, mpp):  # noqa: ARG002
            return {"pen": dark(image)}

    told = note(slide, tmp_path / "x.zarr", st.find_tissue(slide, mpp=10.0, detector=Pen()))
    assert told.startswith("no tissue was found but what was taken for pen (800 µm²), so there")
    assert "--keep-pen" not in told  # an option of the default detector


def test_nothing_was_found(slide, tmp_path):
    nothing = st.find_tissue(slide, detector=lambda image: image[..., 0] > 255)
    assert note(slide, tmp_path / "x.zarr", nothing).startswith("no tissue was found, so there")


@pytest.mark.parametrize("mode", ["intersect", "replace"])
def test_annotations_left_none(slide, tmp_path, mode):
    (tmp_path / "drawn.geojson").write_text(
        '{"type":"Polygon","coordinates":[[[70,70],[72,70],[72,72],[70,70]]]}'
    )
    drawn = st.read_annotations(tmp_path / "drawn.geojson", slide)
    if mode == "replace":
        tissue = st.draw_tissue(slide, drawn, mpp=100.0)
    else:
        found = st.find_tissue(slide, mpp=10.0, detector=dark, min_piece_area_um2=0)
        tissue = st.cut_tissue(found, drawn)
    assert "no tissue is left by the annotations" in note(slide, tmp_path / "x.zarr", tissue)
