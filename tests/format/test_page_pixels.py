"""docs/reference/store-format.md, taken at its word: levels and pixels."""

from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
from page_reader import Reader, attributes, averaging, halved, levels_of
from page_stores import CODECS, odd_pixels
from paths import SAMPLE

import slidetile as st


@pytest.mark.parametrize("codec", CODECS)
def test_every_level_reads_as_slidetile_reads_it(stores, codec):
    path = stores / f"{codec}.zarr"
    store = st.open_store(path)
    levels = levels_of(path, codec)
    assert len(levels) == len(store.levels) > 1
    for number, level in enumerate(levels):
        theirs = store.read_region(
            st.Region(x=0, y=0, width=store.levels[0].width, height=store.levels[0].height),
            level=number,
        )
        np.testing.assert_array_equal(level.whole().transpose(1, 2, 0), theirs)


@pytest.mark.parametrize("codec", ["native", "zstd", "raw"])
def test_tiles_are_the_slides_own_pixels(stores, codec):
    path = stores / f"{codec}.zarr"
    canvas = levels_of(path, codec)[0].whole().transpose(1, 2, 0)
    with st.open_slide(SAMPLE) as slide:
        for tile in pq.read_table(path / "tiles/tiles.parquet").to_pylist():
            place = {name: tile[name] for name in ("x", "y", "width", "height")}
            region = st.Region(**place)
            np.testing.assert_array_equal(canvas[region.slices], slide.read_region(region))


def test_averaged_levels_are_as_defined(tmp_path):
    source = odd_pixels()[:411, :733]
    slide = st.ArraySlide(source, mpp=(0.29, 0.25))
    view = st.rescale_slide(slide, mpp=0.7)
    tissue = st.find_tissue(view, min_piece_area_um2=0)
    plan = st.plan_tiles(view, tissue, st.TileSpec(min_tissue_fraction=0))
    st.write_tiles(view, plan, tmp_path / "s.zarr", codec="zstd")
    across, down = averaging(0.7, 0.29, 733), averaging(0.7, 0.25, 411)
    sums = np.einsum("iy,yxc,jx->cij", down, source.astype(np.int64), across, optimize=True)
    areas = np.multiply.outer(down.sum(axis=1), across.sum(axis=1))
    np.testing.assert_array_equal(
        Reader(tmp_path / "s.zarr/0", "zstd").whole(), (2 * sums + areas) // (2 * areas)
    )
    told = attributes(tmp_path / "s.zarr")["slidetile"]["level_0"]
    assert told == {
        "mpp": [0.7, 0.7],
        "slide_level": 0,
        "factor": [70 / 29, 2.8],
        "scale": [70 / 29, 2.8],
    }


@pytest.mark.parametrize("codec", ["zstd", "jxl", "raw"])
def test_coarser_levels_are_exact_halvings_of_what_is_stored(odd, codec):
    levels = levels_of(odd / f"{codec}.zarr", codec)
    wholes = [level.whole() for level in levels]
    for finer, coarser in pairwise(wholes):
        np.testing.assert_array_equal(coarser, halved(finer))
    assert max(wholes[-1].shape[1:]) <= 1024 < max(wholes[-2].shape[1:])


def test_jpeg_levels_are_halvings_of_what_is_stored_encoded(odd):
    finer, coarser = (level.whole() for level in levels_of(odd / "jpeg.zarr", "jpeg")[:2])
    assert np.abs(coarser.astype(int) - halved(finer)).mean() < 2


def test_outside_is_background_and_not_stored_is_fill(odd):
    store = st.open_store(odd / "zstd.zarr")
    assert attributes(odd / "zstd.zarr")["slidetile"]["background"] == [240, 230, 220]
    outside = store.read_region(st.Region(x=2116, y=2202, width=2, height=2))[1, 1]
    assert outside.tolist() == [240, 230, 220]
    level = levels_of(odd / "zstd.zarr", "zstd")[0]
    assert level.fill == 255
    assert level.stored(2, 0) is None
    assert (level.whole()[:, :512, 1024:1536] == 255).all()


def test_overview_and_tissue(stores):
    path = stores / "native.zarr"
    store = st.open_store(path)
    overview, tissue = (Reader(path / name / "0", "zstd") for name in ("overview", "labels/tissue"))
    np.testing.assert_array_equal(overview.whole().transpose(1, 2, 0), store.overview)
    labels = tissue.whole()[0]
    np.testing.assert_array_equal(labels, store.tissue)
    assert labels.dtype == np.uint32
    firsts = [np.flatnonzero(labels.ravel() == k)[0] for k in range(1, labels.max() + 1)]
    assert firsts == sorted(firsts)
    assert set(pq.read_table(path / "tiles/tiles.parquet")["region"].to_pylist()) <= set(
        range(1, int(labels.max()) + 1)
    )
