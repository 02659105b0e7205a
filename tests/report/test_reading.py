"""What is found in a folder: rows and stores, in any state."""

import shutil

import numpy as np
import pyarrow.compute as pc
import pytest
import report_slides

import slidetile as st
from slidetile.cohort.report.reading import find_cohort, read_cohort
from slidetile.errors import SlideError


def read(folder, workers=2):
    """Return each slide of a folder by its key, and the pictures."""
    found = list(read_cohort(find_cohort(folder), workers=workers))
    return {each.slide.key: each.slide for each in found}, {
        each.slide.key: each.picture for each in found
    }


def test_a_folder_with_every_fault_is_read_to_its_end(faulty):
    slides, pictures = read(faulty)
    nasty = next(key for key in slides if key.startswith("<img"))
    assert {key: slide.status for key, slide in slides.items()} == {
        nasty: "ok",
        "bad": "failed",
        "begun": "unfinished",
        "damaged": "unreadable tiles",
        "level": "damaged store",
        "lost": "missing store",
        "overview": "damaged store",
        "table": "damaged store",
    }
    assert slides["bad"].problem.startswith("bad.svs cannot be opened")
    assert "begun.zarr.partial is an unfinished store" in slides["begun"].problem
    assert slides["level"].problem.startswith("level.zarr/1/zarr.json could not be read")
    assert slides["lost"].problem.startswith("lost.zarr is not in the folder")
    assert "overview.zarr/overview/0 is damaged" in slides["overview"].problem
    assert slides["table"].problem.startswith("table.zarr/tiles/tiles.parquet is damaged")
    with_picture = {key for key, picture in pictures.items() if picture is not None}
    assert with_picture == {nasty, "damaged", "level"}
    assert all(pictures[key].startswith(b"\xff\xd8\xff") for key in with_picture)


def test_what_is_known_of_a_damaged_store_is_told(faulty):
    slides, _ = read(faulty)
    assert slides["overview"].stored.tiles == slides["level"].stored.tiles == 30
    assert slides["table"].stored is None


def test_facts_are_those_of_the_store(faulty):
    slides, _ = read(faulty)
    facts, store = slides["damaged"].stored, st.open_store(faulty / "damaged.zarr")
    assert (facts.tiles, facts.unreadable) == (len(store), store.unreadable) == (30, 1)
    assert dict(facts.unreadable_reasons) == store.unreadable_reasons
    assert facts.tile_bytes == store.tile_bytes
    tissue = store.metadata.selection.tissue
    assert facts.tissue_mm2 == pytest.approx(tissue.area_um2 / 1e6)
    assert facts.slide_mm2 == pytest.approx(3840 * 2560 * 0.25e-6)
    assert facts.tissue_share == pytest.approx(tissue.area_px / (3840 * 2560))
    sharp = store.tiles.filter(pc.field("tissue_fraction") >= 0.5)["laplacian_variance"]
    assert facts.sharpness == pytest.approx(np.nanmedian(sharp.to_numpy()))
    assert "tiles with tissue: too little tissue: 4 of 34" in facts.left_out


def test_a_folder_of_stores_without_rows_is_read(tmp_path):
    for name in ("b.zarr", "a.zarr", "other name"):
        report_slides.small_store(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a store")
    (tmp_path / "empty folder").mkdir()
    slides, pictures = read(tmp_path)
    assert list(slides) == ["a", "b", "other name"]
    assert {slide.status for slide in slides.values()} == {"ok"}
    assert all(slide.row is None for slide in slides.values())
    assert None not in pictures.values()


def test_a_failed_slide_shows_the_store_that_an_earlier_run_made(faulty_copy):
    nasty = next(faulty_copy.glob("<img*"))
    shutil.copytree(nasty, faulty_copy / "bad.zarr")
    slides, pictures = read(faulty_copy)
    assert (slides["bad"].status, slides["bad"].stored.tiles) == ("failed", 30)
    assert pictures["bad"] is not None


def test_a_store_without_pixels_is_read_though_its_slide_is_gone(sample, tmp_path):
    slide = shutil.copy(sample, tmp_path / "gone.svs")
    st.tile_slide(slide, tmp_path / "x.zarr", st.Recipe(codec="reference"))
    (tmp_path / "gone.svs").unlink()
    slides, pictures = read(tmp_path)
    assert (slides["x"].status, slides["x"].stored.codec) == ("ok", "reference")
    assert pictures["x"] is not None


@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint8"), (1, "uint16"), (5, "uint16")])
def test_slides_of_other_channels_have_pictures(tmp_path, channels, dtype):
    pixels = np.random.default_rng(0).integers(0, 255, (128, 192, channels)).astype(dtype)
    slide = st.ArraySlide(pixels, mpp=0.5)
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64))
    st.write_tiles(slide, plan, tmp_path / "x.zarr", codec="zstd")
    slides, pictures = read(tmp_path)
    assert (slides["x"].stored.is_brightfield, slides["x"].stored.tiles) == (channels == 1, 6)
    assert pictures["x"].startswith(b"\xff\xd8\xff")


def test_no_more_than_a_few_are_read_at_a_time_and_the_order_stays(tmp_path):
    names = [f"{n:02d}" for n in range(12)]
    for number, name in enumerate(names):
        report_slides.small_store(tmp_path / f"{name}.zarr", seed=number)
    one, many = (read(tmp_path, workers) for workers in (1, 64))
    assert list(one[0]) == list(many[0]) == names
    assert one == many


@pytest.mark.parametrize("name", ["", "none", "file"])
def test_a_folder_with_nothing_to_report_says_what_to_give(tmp_path, name):
    (tmp_path / "file").touch()
    folder = tmp_path / name if name else tmp_path
    with pytest.raises(SlideError, match="give the folder that `slidetile batch` wrote into"):
        find_cohort(folder)
