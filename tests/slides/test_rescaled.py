"""Slides at an asked resolution: which level is taken, and that no cut shows."""

import json
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st_

import slidetile as st
from slidetile.raster.averaging import Resampling
from slidetile.raster.resolution import choose_rescaling
from slidetile.slides._averaged import AHEAD_BYTES, STRIP_BYTES
from slidetile.slides._view import fetch_block

BLUE = (10, 20, 230)


def noise(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), np.uint8)


def pyramid(*steps, height=211, width=317, mpp=(0.25, 0.25)):
    """A slide whose levels hold unrelated noise, so that it shows which one was read."""
    arrays = [noise(round(height / s), round(width / s), seed=i) for i, s in enumerate((1, *steps))]
    return st.ArraySlide(arrays, mpp=mpp, background=BLUE)


def expected(slide, level, factor, region):
    """Return the crop of the whole level, averaged at once, on the background."""
    pixels = slide.read_region(slide.bounds, level=level)
    grid = Resampling(source_size=slide.levels[level].size, factor=factor)
    frame = st.Region(x=0, y=0, width=grid.size[0], height=grid.size[1])
    source = st.Region(x=0, y=0, width=pixels.shape[1], height=pixels.shape[0])
    canvas = np.empty((region.height, region.width, slide.channels), np.uint8)
    canvas[:] = slide.background[: slide.channels]
    if (inside := region.intersection(frame)) is not None:
        whole = grid.average(pixels, source, frame)
        canvas[inside.relative_to(region).slices] = whole[inside.slices]
    return canvas


regions = st_.builds(
    lambda x, y, width, height: st.Region(x=x, y=y, width=width, height=height),
    st_.integers(-20, 230),
    st_.integers(-20, 180),
    st_.integers(1, 150),
    st_.integers(1, 150),
)


@settings(max_examples=60, deadline=None)
@given(st_.decimals(min_value="0.26", max_value="4", places=3), regions)
def test_a_tile_is_the_crop_of_the_whole_resampled_slide(mpp, region):
    slide = pyramid(2, 7)
    view = st.rescale_slide(slide, mpp=float(mpp))
    if view.rescaling.resampling is None:
        level = slide.read_region(slide.bounds, level=view.rescaling.level)
        twin = st.ArraySlide(level, background=BLUE).read_region(region)
    else:
        twin = expected(slide, view.rescaling.level, view.rescaling.factor, region)
    np.testing.assert_array_equal(view.read_region(region), twin)


@settings(max_examples=40, deadline=None)
@given(st_.integers(0, 4), st_.integers(0, 4), st_.data())
def test_a_block_of_a_level_is_just_that(level, step, data):
    slide = pyramid(1.1, 2, 4.013, 16)
    width, height = slide.levels[level].size
    x, y = data.draw(st_.integers(-3, width)), data.draw(st_.integers(-3, height))
    block = st.Region(x=x, y=y, width=1 + step, height=data.draw(st_.integers(1, 60)))
    alone = st.ArraySlide(slide.read_region(slide.bounds, level=level), background=BLUE)
    fetched = fetch_block(slide, block, level, slide.replaced)
    np.testing.assert_array_equal(fetched.pixels(), alone.read_region(block))
    out = np.zeros((3, block.height, block.width), np.uint8).transpose(1, 2, 0)
    np.testing.assert_array_equal(fetched.pixels(out), alone.read_region(block))
    assert fetched.nbytes >= out.nbytes


@settings(max_examples=40, deadline=None)
@given(regions, st_.data())
def test_a_part_of_what_was_fetched_is_a_crop_of_it(region, data):
    fetched = st.rescale_slide(pyramid(2), mpp=0.4).fetch(region)
    x, y = (
        data.draw(st_.integers(0, region.width - 1)),
        data.draw(st_.integers(0, region.height - 1)),
    )
    part = st.Region.from_edges(x, y, region.width, region.height)
    np.testing.assert_array_equal(fetched.crop(part).pixels(), fetched.pixels()[part.slices])


@pytest.mark.parametrize(
    ("mpp", "level", "factor"),
    [
        (0.25, 0, 1),
        (0.255, 0, 1),  # 2 % and no more
        (0.2551, 0, Fraction("1.0204")),
        (0.489, 0, Fraction("1.956")),
        (0.49, 1, 1),
        (0.5, 1, 1),
        (0.7, 1, Fraction("1.4")),
        (1.0, 2, 1),
        (6.0, 2, 6),
    ],
)
def test_the_level_within_two_percent_or_the_next_finer_one_is_taken(mpp, level, factor):
    rescaling = choose_rescaling([(4000, 2000), (2000, 1000), (1000, 500)], (0.25, 0.25), mpp)
    assert (rescaling.level, rescaling.factor) == (level, (factor, factor))
    if factor == 1:
        assert rescaling.mpp == (0.25 * 2**level, 0.25 * 2**level)
        assert rescaling.size == (4000 >> level, 2000 >> level)
    else:
        assert rescaling.mpp == (mpp, mpp)
        assert rescaling.scale == (mpp / 0.25, mpp / 0.25)
        assert rescaling.size == tuple(
            -(-n * Fraction("0.25") // Fraction(str(mpp))) for n in (4000, 2000)
        )


def test_axes_of_different_resolution_become_one():
    slide = st.ArraySlide(noise(400, 300), mpp=(0.2, 0.5))
    view = st.rescale_slide(slide, mpp=1.0)
    assert view.levels[0].size == (60, 200)
    assert view.mpp == (1.0, 1.0)
    assert view.rescaling.scale == (5.0, 2.0)
    region = st.Region(x=7, y=11, width=40, height=60)
    twin = expected(slide, 0, (Fraction(5), Fraction(2)), region)
    np.testing.assert_array_equal(view.read_region(region), twin)
    with pytest.raises(ValueError, match=r"0.2×0.5 µm per pixel: at 0.4 its pixels would be made"):
        st.rescale_slide(slide, mpp=0.4)


def test_a_level_as_it_is_keeps_its_own_mpp():
    slide = pyramid(2, 4, mpp=(0.253, 0.2525))
    view = st.rescale_slide(slide, mpp=0.5)
    assert (
        view.mpp == (0.253 * 317 / 158, 0.2525 * 211 / 106) == pytest.approx((0.507, 0.503), 1e-2)
    )
    assert view.levels[0].size == slide.levels[1].size
    assert len(view.levels) == 2
    np.testing.assert_array_equal(
        view.read_region(view.bounds, level=1), slide.read_region(slide.bounds, level=2)
    )


def test_coarser_levels_are_the_slides_own():
    slide = pyramid(2, 4, 8, height=800, width=1200)
    view = st.rescale_slide(slide, mpp=0.7)
    assert [level.size for level in view.levels] == [(429, 286), (300, 200), (150, 100)]
    assert [level.downsample for level in view.levels] == [(1, 1), (1.43, 1.43), (2.86, 2.86)]
    np.testing.assert_array_equal(
        view.read_region(view.bounds, level=-1), slide.read_region(slide.bounds, level=3)
    )
    with pytest.raises(IndexError):
        view.read_region(view.bounds, level=3)


def test_finer_levels_and_levels_of_the_size_asked_are_no_levels_of_the_view():
    view = st.rescale_slide(pyramid(2, 2.1, 4), mpp=0.52)
    assert view.rescaling.level == 2
    assert len(view.levels) == 2
    assert len(st.rescale_slide(pyramid(2, 2.1, 4), mpp=2.0).levels) == 1


def test_a_view_of_a_view_is_one_of_the_slide():
    slide = pyramid()
    view = st.rescale_slide(st.rescale_slide(slide, mpp=0.9), mpp=0.6)
    assert view.original is slide
    assert view.rescaling == st.rescale_slide(slide, mpp=0.6).rescaling
    assert slide.original is slide
    assert slide.rescaling is None


@pytest.mark.parametrize("mpp", [0.5, 0.7])
def test_what_is_said_of_the_file_stays(sample, mpp):
    with st.open_slide(sample) as slide:
        view = st.rescale_slide(slide, mpp=mpp)
        for name in ("source", "background", "vendor", "reader", "channels", "objective_power"):
            assert getattr(view, name) == getattr(slide, name)
        assert "0.7" in view._repr_html_() or mpp == 0.5


def test_regions_of_the_file_lie_where_they_lay(tmp_path):
    area = st.Region(x=40, y=20, width=200, height=100)
    slide = st.ArraySlide(noise(211, 317), mpp=0.25, scan_area=area)
    ring = [[0, 0], [160, 0], [160, 80], [0, 80], [0, 0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    path = tmp_path / "regions.geojson"
    path.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": geometry}))
    view = st.rescale_slide(slide, mpp=0.5)
    (placed,) = st.read_annotations(path, view).areas
    assert placed.edges == pytest.approx((20, 10, 100, 50), abs=0.5)


def test_what_cannot_be_had_is_refused():
    with pytest.raises(st.MissingResolutionError, match=r"array does not say its mpp.*--slide-mpp"):
        st.rescale_slide(st.ArraySlide(noise(9, 9)), mpp=0.5)
    with pytest.raises(ValueError, match=r"at 0.24 its pixels would be made up. Ask for 0.25"):
        st.rescale_slide(pyramid(2), mpp=0.24)
    with pytest.raises(ValueError, match=r"between 0.05 and 200 µm"):
        st.rescale_slide(pyramid(2), mpp=500)
    with pytest.raises(ValueError, match="factors from 1 to 256, not 500×500"):
        st.rescale_slide(st.ArraySlide(noise(9, 9), mpp=0.1), mpp=50)


SLIDES = [
    ("CMU-1-Small-Region.svs", 0.7),
    ("CMU-1-Small-Region.svs", 3.3),
    ("CMU-1-small.tiff", 4.1),
    ("CMU-1-small.tiff", 9.0),
    ("wsic-CMU-1-Small-Region.jpeg.tiff", 0.7),
    ("dicom-CMU-1-Small-Region", 0.7),
    ("test3-DAPI.ndpi", 0.7),
]


@pytest.fixture(params=SLIDES, ids=[f"{name}-{mpp}" for name, mpp in SLIDES])
def real_view(request, shared_slides):
    name, mpp = request.param
    path = shared_slides / name
    path = min(path.glob("*.dcm")) if path.is_dir() else path
    with st.open_slide(path) as slide:
        own = slide.mpp or 0.499
    with st.open_slide(path, mpp=own) as slide:
        yield st.rescale_slide(slide, mpp=mpp)


def test_no_seam_shows_on_real_slides(real_view):
    rescaling, bounds = real_view.rescaling, real_view.bounds
    whole = expected(real_view.original, rescaling.level, rescaling.factor, bounds)
    np.testing.assert_array_equal(real_view.read_region(bounds), whole)
    rng = np.random.default_rng(0)
    for _ in range(6):
        x, y = rng.integers(0, real_view.width - 1), rng.integers(0, real_view.height - 1)
        region = st.Region(x=x, y=y, width=rng.integers(1, 700), height=rng.integers(1, 700))
        inside = region.intersection(bounds)
        crop = real_view.read_region(region)[: inside.height, : inside.width]
        np.testing.assert_array_equal(crop, whole[inside.slices])


def test_a_slide_becomes_no_other_by_pickling(sample):
    region = st.Region(x=1300, y=900, width=33, height=44)
    with st.open_slide(sample) as slide:
        for view in (st.rescale_slide(slide, mpp=0.9), st.rescale_slide(slide, mpp=2.0)):
            with pickle.loads(pickle.dumps(view)) as again:  # noqa: S301  our own bytes
                assert (again.levels, again.rescaling) == (view.levels, view.rescaling)
                np.testing.assert_array_equal(again.read_region(region), view.read_region(region))


class Watched(st.ArraySlide):
    """Counts the pixels asked for at a time, and all of them."""

    most = total = 0

    def fetch(self, region, *, level=0):
        self.most, self.total = max(self.most, region.area), self.total + region.area
        return super().fetch(region, level=level)


@pytest.mark.parametrize(("width", "height"), [(20_000, 700), (3000, 6000), (200, 60_000)])
def test_memory_is_bounded_whatever_the_factor(width, height):
    slide = Watched(noise(height, width), mpp=0.25)
    view = st.rescale_slide(slide, mpp=1.9)
    fetched = view.fetch(view.bounds)
    assert fetched.nbytes <= AHEAD_BYTES + STRIP_BYTES
    pixels = fetched.pixels()
    assert slide.most * 3 <= STRIP_BYTES
    assert slide.total <= 1.01 * width * height  # and hardly anything is read twice
    np.testing.assert_array_equal(pixels, expected(slide, 0, view.rescaling.factor, view.bounds))


def test_strips_end_where_native_tiles_end(shared_slides):
    with st.open_slide(shared_slides / "CMU-1-Small-Region.svs") as slide:
        view = st.rescale_slide(slide, mpp=0.7)
        fetched = view.fetch(view.bounds)
        strips = list(fetched._strips(view.bounds))
        assert [strip.bottom % 240 for strip in strips[:-1]] == [0] * (len(strips) - 1)
        assert len(strips) > 1


def test_what_cannot_be_read_is_an_error_not_a_colour(damaged_sample):
    with st.open_slide(damaged_sample) as slide:
        view = st.rescale_slide(slide, mpp=0.7)
        with pytest.raises(st.SlideReadError, match="does not decode"):
            view.read_region(view.bounds)
