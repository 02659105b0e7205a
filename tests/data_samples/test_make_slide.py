import hashlib
import subprocess
import sys
from dataclasses import replace

import imagecodecs
import make_slide
import numpy as np
import openslide
import pytest
import tifffile
from make_slide import SlideSpec, mask_path
from PIL import Image
from skimage.measure import label
from svs_writer import Page, SvsWriter

pytestmark = pytest.mark.slow  # to draw a slide takes seconds, and nothing of slidetile is in it

SMALL = SlideSpec(width=640, height=600, tile=128, mpp=0.5, seed=3)


def made(path, spec):
    make_slide.make_slide(path, spec)
    return path


def level0(path):
    return tifffile.imread(path, level=0)


def true_mask(path):
    return np.asarray(Image.open(mask_path(path)))


def averaged(picture, factor):
    height, width = (edge // factor * factor for edge in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // factor, factor, width // factor, factor, -1)
    return blocks.mean((1, 3)).squeeze()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    spec = SlideSpec(width=4096, height=3072, mpp=0.25)
    return made(tmp_path_factory.mktemp("slide") / "slide.svs", spec)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return made(tmp_path_factory.mktemp("small") / "small.svs", SMALL)


@pytest.fixture(scope="module")
def committed(data_samples):
    return data_samples / "sample.svs"


def test_openslide_sees_an_aperio_slide(slide):
    with openslide.OpenSlide(slide) as opened:
        assert opened.properties["openslide.vendor"] == "aperio"
        assert opened.properties["openslide.mpp-x"] == "0.25"
        assert opened.properties["openslide.objective-power"] == "40"
        assert opened.level_dimensions == ((4096, 3072), (1024, 768))
        assert opened.properties["openslide.level[0].tile-width"] == "256"
        assert set(opened.associated_images) == {"thumbnail", "label", "macro"}


def test_tifffile_sees_abbreviated_rgb_jpeg_without_marker(slide):
    with tifffile.TiffFile(slide) as tiff:
        assert tiff.is_svs
        assert [series.name for series in tiff.series] == [
            "Baseline",
            "Thumbnail",
            "Label",
            "Macro",
        ]
        page = tiff.pages[0]
        assert (page.photometric, page.compression) == (2, 7)
        assert page.jpegtables[:3] == b"\xff\xd8\xff"
        tiff.filehandle.seek(page.dataoffsets[0])
        tile = tiff.filehandle.read(page.databytecounts[0])
    assert tile[:4] == b"\xff\xd8\xff\xc0"
    assert imagecodecs.jpeg8_decode(tile, tables=page.jpegtables).shape == (256, 256, 3)


def test_every_tile_has_its_own_bytes_in_the_file(slide):
    with tifffile.TiffFile(slide) as tiff:
        page = tiff.pages[0]
        starts = np.array(page.dataoffsets)
        ends = starts + page.databytecounts
    assert (starts[1:] >= ends[:-1]).all()


def test_libraries_agree_on_the_pixels(slide):
    with openslide.OpenSlide(slide) as opened:
        region = np.asarray(opened.read_region((1000, 1000), 0, (700, 500)).convert("RGB"))
    np.testing.assert_array_equal(region, level0(slide)[1000:1500, 1000:1700])


def test_the_coarse_level_is_the_area_average(slide):
    fine = averaged(level0(slide), 4)
    coarse = tifffile.imread(slide, level=1).astype(float)
    assert abs(fine - coarse).mean() < 4
    assert abs(averaged(fine, 8) - averaged(coarse, 8)).max() < 12


def test_a_page_short_of_tiles_is_refused(tmp_path):
    page = Page(width=300, height=300, description="", encoder=SMALL.encoder, tile=256)
    with (
        pytest.raises(ValueError, match="3 blocks for a page of 4"),
        SvsWriter(tmp_path / "s.svs") as svs,
    ):
        svs.add(page, [b""] * 3)


def test_tissue_tiles_cost_what_a_scanners_do(slide):
    mask = true_mask(slide)
    full = averaged(mask, 16) == 1
    with tifffile.TiffFile(slide) as tiff:
        counts = np.array(tiff.pages[0].databytecounts).reshape(12, 16)
    assert 0.1 < counts[full].mean() / 256**2 < 0.4
    assert counts[full].std() > 0.05 * counts[full].mean()


def test_the_mask_tells_tissue_from_glass(slide):
    mask = true_mask(slide)
    assert mask.shape == (192, 256)
    assert mask.dtype == bool
    assert mask.mean() == pytest.approx(0.35, abs=0.05)
    pixels = averaged(level0(slide), 16)
    saturation = np.ptp(pixels, axis=-1)
    # Lumina and clefts are pale though tissue; nothing coloured lies on the glass.
    assert (saturation[mask] > 20).mean() > 0.8
    assert (saturation[~mask] > 20).mean() < 0.02
    assert Image.open(mask_path(slide)).text["downsample"] == "16"


def test_no_seam_shows_between_tiles(slide):
    step = abs(np.diff(level0(slide)[1000:2000].astype(np.int16), axis=1)).sum((0, 2))
    at = np.arange(1, 4096)
    between_tiles = step[at % 256 == 0].mean()
    between_blocks = step[(at % 8 == 0) & (at % 256 != 0)].mean()  # JPEG's own grid of 8
    assert between_tiles < 1.15 * between_blocks


def test_same_arguments_same_bytes(small, tmp_path):
    again = made(tmp_path / "again.svs", SMALL)
    assert sha256(again) == sha256(small)
    assert sha256(mask_path(again)) == sha256(mask_path(small))
    other = made(tmp_path / "other.svs", replace(SMALL, seed=4))
    assert sha256(other) != sha256(small)


def test_both_photometrics_show_the_same_colours(small, tmp_path):
    newer = made(tmp_path / "ycbcr.svs", replace(SMALL, photometric="ycbcr"))
    with openslide.OpenSlide(newer) as opened:
        picture = np.asarray(opened.read_region((0, 0), 0, opened.dimensions).convert("RGB"))
    difference = averaged(picture, 20) - averaged(level0(small), 20)
    assert abs(difference).max() < 12
    assert abs(difference).mean() < 1.5


def test_tiles_of_240(tmp_path):
    path = made(tmp_path / "t240.svs", replace(SMALL, tile=240))
    assert level0(path).shape == (600, 640, 3)
    assert true_mask(path).shape == (38, 40)
    with openslide.OpenSlide(path) as opened:
        assert opened.properties["openslide.level[0].tile-width"] == "240"


@pytest.mark.parametrize(("tile", "across"), [(256, 2), (240, 3)])
def test_a_level_drops_a_last_column_it_cannot_show(tmp_path, tile, across):
    spec = SlideSpec(width=2049, height=300, tile=tile, tissue_fraction=0)
    with tifffile.TiffFile(made(tmp_path / "odd.svs", spec)) as tiff:
        level = tiff.series[0].levels[1]
        assert level.shape == (75, 512, 3)
        assert len(level.pages[0].dataoffsets) == across


def test_a_giant_is_built_from_few_tiles(tmp_path):
    path = made(tmp_path / "giant.svs", SlideSpec(width=8200, height=4000, tile=128, mpp=1))
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        assert len(set(page.databytecounts)) < 0.8 * len(page.databytecounts)
    with openslide.OpenSlide(path) as opened:
        assert opened.level_dimensions == ((8200, 4000), (2050, 1000), (512, 250))
    fine = averaged(level0(path), 16)
    coarse = tifffile.imread(path, level=2)
    assert abs(averaged(fine, 8) - averaged(coarse, 8)).max() < 12
    glass = ~true_mask(path)[:250, :512]
    assert (np.ptp(fine, axis=-1)[glass] > 20).mean() < 0.02


def test_the_pen_is_not_tissue(small, tmp_path):
    path = made(tmp_path / "pen.svs", replace(SMALL, pen=True))
    np.testing.assert_array_equal(true_mask(path), true_mask(small))
    assert abs(level0(path).astype(int) - level0(small)).max() > 100


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 100}, "smaller than one tile of 128"),
        ({"tile": 250}, "multiple of 16"),
        ({"tissue_fraction": 35}, "give 0 to 1"),
        ({"mpp": 0}, "µm per pixel"),
    ],
)
def test_impossible_slides_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **wrong)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_all_glass_and_all_tissue(fraction, tmp_path):
    spec = replace(SMALL, width=512, height=512, tissue_fraction=fraction)
    assert true_mask(made(tmp_path / "s.svs", spec)).mean() == pytest.approx(fraction, abs=0.1)


def test_a_failed_run_leaves_no_file(tmp_path):
    with (
        pytest.raises(RuntimeError, match="stopped"),
        SvsWriter(tmp_path / "s.svs"),
    ):
        raise RuntimeError("stopped")
    assert list(tmp_path.iterdir()) == []


def test_the_committed_sample_is_what_its_generator_makes(committed, data_samples, tmp_path):
    readme = (data_samples / "README.md").read_text("utf-8")
    made = "python data_samples/make_slide.py data_samples/sample.svs"
    line = next(text for text in readme.splitlines() if made in text)
    script, arguments = line.split()[1], line.split()[3:]
    out = tmp_path / "sample.svs"
    subprocess.run([sys.executable, data_samples.parent / script, out, *arguments], check=True)
    # Pixels, not bytes: another libjpeg may round otherwise.
    for level in (0, 1):
        ours, theirs = (tifffile.imread(path, level=level).astype(int) for path in (out, committed))
        assert abs(ours - theirs).mean() < 0.1
    assert (true_mask(out) != true_mask(committed)).mean() < 0.001


def test_the_committed_sample_is_small_and_mostly_glass(committed):
    assert committed.stat().st_size < 1_500_000
    assert mask_path(committed).stat().st_size < 1_500_000
    mask = true_mask(committed)
    assert mask.mean() < 0.5
    pieces = np.bincount(label(mask).ravel())[1:]
    assert (pieces > 0.02 * mask.size).sum() >= 2
