"""What was drawn lies where it was drawn, over the slide, its store, and a store at another mpp."""

import json
import zlib

import numpy as np
import pytest
from paths import SAMPLE

import slidetile as st
from slidetile.errors import AnnotationError
from slidetile.viewer.doors.files.saved import save_page
from slidetile.viewer.doors.files.static import write_static
from slidetile.viewer.doors.notebook.notebook import view_of
from slidetile.viewer.views.drawn import RecordedSlide, drawn_on_slide, drawn_on_store
from slidetile.viewer.views.opened import OpenedView

DRAWN = SAMPLE.with_name("sample.geojson")
MASK = SAMPLE.with_name("sample.mask.png")


@pytest.fixture
def areas(sample):
    with st.open_slide(sample) as slide:
        return st.read_annotations(DRAWN, slide).areas


@pytest.fixture
def native(stores):
    return st.open_store(stores / "native.zarr")


def same(found, expected, scale=(1, 1)):
    assert [each.class_name for each in found] == [each.class_name for each in expected]
    for one, other in zip(found, expected, strict=True):
        for mine, yours in zip(one.rings, other.rings, strict=True):
            np.testing.assert_allclose(mine * np.array(scale), yours)


def test_they_lie_on_a_store_as_on_its_slide(native, areas):
    assert len(areas) > 1
    same(drawn_on_store(DRAWN, native), areas)


def test_they_lie_on_a_store_at_another_mpp(sample, areas, tmp_path):
    store = st.tile_slide(sample, tmp_path / "half.zarr", st.Recipe(mpp=1.0, codec="jpeg"))
    assert store.slide_scale != (1, 1)
    same(drawn_on_store(DRAWN, store), areas, store.slide_scale)


def test_a_mask_is_seen_by_its_outlines(sample, native):
    with st.open_slide(sample) as slide:
        drawn = st.read_annotations(MASK, slide)
        found = drawn_on_slide(MASK, slide)
    assert sum(area.area_px for area in found) == pytest.approx(
        drawn.painted.mask.sum() * np.prod(drawn.painted.scale)
    )
    same(drawn_on_store(MASK, native), found)


def test_what_a_store_records_of_its_slide_has_no_pixels(native, sample):
    recorded = RecordedSlide(native)
    with st.open_slide(sample) as slide:
        assert (recorded.name, recorded.mpp) == (slide.name, slide.mpp)
        assert (recorded.canvas, recorded.scan_area) == (slide.canvas, slide.scan_area)
    with pytest.raises(TypeError, match="known by its store alone"):
        recorded.read_region(recorded.canvas)


def classes(scene):
    return sorted(each["class"] for each in scene["areas"])


def test_all_doors_take_them(native, sample, areas, tmp_path, store_copy, cli, needs_page):  # noqa: ARG001
    expected = sorted(area.class_name for area in areas)
    recipe = st.Recipe(annotations=st.AnnotationsSpec(path=DRAWN))
    assert classes(OpenedView(native.path, recipe).scene().json) == expected
    assert classes(view_of(native, annotations=DRAWN).scene().json) == expected
    with st.open_slide(sample) as slide:
        read = st.read_annotations(DRAWN, slide)
        for view in (
            view_of(slide, annotations=read),
            view_of(slide, recipe=st.Recipe(), annotations=str(DRAWN)),
            view_of(slide, recipe=recipe),
        ):
            assert classes(view.scene().json) == expected
    write_static(store_copy, annotations=DRAWN)
    (scene,) = (store_copy.parent / "slidetile-pages").glob("*.scene")
    assert classes(json.loads(zlib.decompress(scene.read_bytes()))) == expected
    page = tmp_path / "page.html"
    done = cli("view", native.path, "--annotations", DRAWN, "--save", page)
    assert done.exit_code == 0
    own = save_page(view_of(native, annotations=DRAWN), tmp_path / "own.html")
    assert page.read_bytes() == own.path.read_bytes()


def test_one_that_cannot_be_read_is_told(native, tmp_path, cli, needs_page):  # noqa: ARG001
    broken = tmp_path / "broken.geojson"
    broken.write_text("{")
    with pytest.raises(AnnotationError, match=r"broken\.geojson cannot be used"):
        view_of(native, annotations=broken)
    done = cli("view", native.path, "--annotations", broken, "--no-browser")
    assert done.exit_code == 1
    assert "broken.geojson cannot be used" in done.stderr
