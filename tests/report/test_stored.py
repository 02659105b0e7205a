"""What stores say of drawn slides: pen, blur, glass, and of which a part was scanned."""

import numpy as np
import pytest
import stained
from labelled import box, feature, polygon, slide_of, write_labels
from scipy.ndimage import gaussian_filter

import slidetile as st
from slidetile.cohort.report.judging import CohortFigures, warnings_of
from slidetile.cohort.report.slide import ReportedSlide
from slidetile.cohort.report.stored import StoredFacts
from slidetile.store.recorded import StoreRecord

MPP = 4.0
"""At which the images are drawn here, so that their own pixels are what is measured."""


def stored(path, image):
    slide = st.ArraySlide(image, mpp=MPP)
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=64))
    return StoredFacts.of(StoreRecord(st.write_tiles(slide, plan, path).path))


def section(seed):
    rng = np.random.default_rng(seed)
    return stained.photograph(stained.section(rng), rng)


def judged(facts):
    """Return the kinds of warnings of each slide among all."""
    slides = [
        ReportedSlide(key=str(number), status="ok", stored=each)
        for number, each in enumerate(facts)
    ]
    cohort = CohortFigures.of(slides)
    return [[warning.kind for warning in warnings_of(each, cohort)] for each in slides]


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    """Five stores of sections of the same stain."""
    folder = tmp_path_factory.mktemp("sections")
    images = [section(seed) for seed in range(5)]
    return [stored(folder / f"{n}.zarr", image) for n, image in enumerate(images)]


def test_pen_that_was_left_out_is_told(tmp_path, sections):
    facts = stored(tmp_path / "x.zarr", stained.draw("black pen"))
    assert facts.pen_share == pytest.approx(0.15, abs=0.02)
    assert any("areas of pen" in text for text in facts.left_out)
    assert all(each.pen_share == 0 for each in sections)
    assert "pen" in judged([facts])[0]


def test_a_blurred_slide_is_told_from_sharp_ones(tmp_path, sections):
    image = section(9)
    blurred = gaussian_filter(image, (1.5, 1.5, 0))
    facts = [stored(tmp_path / f"{n}.zarr", each) for n, each in enumerate((image, blurred))]
    odd_mpp = ["odd mpp"]  # they are drawn at 4 µm
    assert judged([*sections, *facts]) == [odd_mpp] * 6 + [[*odd_mpp, "blur"]]


def test_glass_has_no_tissue(tmp_path):
    facts = stored(tmp_path / "x.zarr", stained.draw("blank"))
    assert (facts.tiles, facts.tissue_share, facts.sharpness) == (0, 0.0, None)
    assert judged([facts])[0][0] == "no tissue"


def test_shares_are_of_what_was_scanned(scanned_slide, tmp_path):
    areas = []
    for number, mpp in enumerate((None, 2.0)):
        path = tmp_path / f"{number}.zarr"
        st.tile_slide(scanned_slide, path, st.Recipe(codec="zstd", mpp=mpp))
        areas.append(StoredFacts.of(StoreRecord(path)).slide_mm2)
    assert areas == pytest.approx([704 * 544 / 1e6] * 2)


def test_classes_are_those_of_the_table(tmp_path):
    slide = slide_of(glass=[(384, 0, 640, 512)])
    file = write_labels(
        tmp_path / "s.geojson",
        polygon("a", box(0, 0, 200, 128)),
        polygon("b", box(0, 0, 100, 100)),
        polygon("c", box(400, 200, 640, 400)),
        feature("d", "Point", [300, 300]),
    )
    spec = st.TileSpec(size=128, min_class_fractions={"a": 0.5, "c": 0.5, "d": 0.9})
    labels = st.read_labels(file, slide)
    plan = st.plan_tiles(slide, st.find_tissue(slide), spec, labels=labels)
    facts = StoredFacts.of(StoreRecord(st.write_tiles(slide, plan, tmp_path / "s.zarr").path))
    told = {each.name: each for each in facts.classes}
    assert list(told) == ["a", "b", "c", "d"]
    counts = {name: (each.tiles, each.tiles_of_it) for name, each in told.items()}
    assert counts == {"a": (2, 2), "b": (1, 0), "c": (0, 0), "d": (1, 0)}
    assert [each.least for each in facts.classes] == [0.5, None, 0.5, 0.9]
    assert told["a"].area_mm2 == pytest.approx(200 * 128 * 0.5**2 / 1e6)
    assert (told["d"].area_mm2, told["d"].points) == (0, 1)
    (missed,) = (each for each in facts.classes if each.is_missed)
    assert missed.name == "c"
    assert judged([facts]) == [["class without a tile"]]
    bare = st.plan_tiles(slide, plan.tissue, st.TileSpec(size=128))
    bare = st.write_tiles(slide, bare, tmp_path / "t.zarr")
    assert StoredFacts.of(StoreRecord(bare.path)).classes is None
