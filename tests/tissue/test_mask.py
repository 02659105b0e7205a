"""Tissue detection on drawn slides with one difficulty each, and on the real ones.

The drawn slides follow Beer and Lambert: stain amounts times stain colours, over glass, then
camera noise and JPEG. Limits are those asked of real slides: tissue ≥ 0.985, faint ≥ 0.85,
background ≤ 0.005.
"""

import importlib.util
import io
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import binary_dilation, gaussian_filter, label

from slidetile.raster.region import Region
from slidetile.slides.array import ArraySlide
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import Overview
from slidetile.tissue.detector import ScaledDetector
from slidetile.tissue.glass import glass_shades
from slidetile.tissue.imaging import is_dark
from slidetile.tissue.mask import TissueMask, find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector

SHAPE = (480, 640)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
WHITE = (243, 243, 242)
LILAC = (226, 221, 228)  # the glass of the CAMELYON slide
HEMATOXYLIN = np.array([0.65, 0.70, 0.29])
BLUE_HEMATOXYLIN = np.array([0.80, 0.62, 0.25])
EOSIN = np.array([0.07, 0.99, 0.11])
DAB = np.array([0.27, 0.57, 0.78])
INKS = {"black": (25, 25, 30), "blue": (35, 60, 160), "green": (20, 120, 70), "red": (200, 35, 45)}


def ellipse(row, column, height, width):
    return ((ROWS - row) / height) ** 2 + ((COLUMNS - column) / width) ** 2 < 1


BODY = ellipse(240, 300, 120, 180)
FAT = ellipse(240, 500, 100, 90) & ~BODY
NOTHING = np.zeros(SHAPE, bool)


def smooth_noise(rng, sigma):
    field = gaussian_filter(rng.standard_normal(SHAPE), sigma)
    return field / field.std()


def glass(colour=WHITE):
    return np.broadcast_to(np.array(colour, float), (*SHAPE, 3)).copy()


def stain(image, where, stains, amount, rng):
    """Cells about two pixels wide, in tissue of uneven density."""
    density = np.zeros_like(image)
    for colour in stains:
        texture = 1 + 0.35 * smooth_noise(rng, 0.8) + 0.25 * smooth_noise(rng, 8)
        density += (amount / len(stains) * np.clip(texture, 0.1, None))[..., None] * colour
    image[where] = (image * np.exp(-density))[where]


def fat(image, where, rng):
    """Stained membranes around cells as clear as glass."""
    membrane = np.clip(1 - np.abs(smooth_noise(rng, 4)) / 0.35, 0, 1)
    density = 0.25 * membrane[..., None] * (0.8 * EOSIN + 0.2 * HEMATOXYLIN)
    image[where] = (image * np.exp(-density))[where]


def pen(image, row, ink, width, rng):
    near = np.abs(ROWS - row - 25 * np.sin(COLUMNS / 90)) < width / 2
    alpha = gaussian_filter((near & (COLUMNS > 40) & (COLUMNS < 600)).astype(float), 2)
    density = -np.log(np.array(ink) / 243)
    image *= np.exp(-(alpha * (1 + 0.06 * smooth_noise(rng, 12)))[..., None] * density)


def cover_slip(image):
    image[100:103] *= 0.55
    image[103:105] *= [0.95, 0.99, 1]
    image[:, 500:503] *= 0.6
    image[:, 498:500] *= [1, 0.98, 0.94]


def bubbles(image):
    for row, column, radius in ((120, 150, 60), (300, 400, 90), (380, 120, 30)):
        distance = np.hypot(ROWS - row, COLUMNS - column)
        image *= (1 - 0.5 * np.exp(-(((distance - radius) / 3) ** 2)))[..., None]
        image[distance < radius] *= 0.985


def dust(image, rng):
    for _ in range(60):
        row, column, side = rng.integers(10, 460), rng.integers(10, 620), rng.integers(1, 5)
        image[row : row + side, column : column + side] *= rng.uniform(0.2, 0.7)


def photograph(image, rng, quality=75):
    noisy = np.clip(np.round(image + rng.normal(0, 1.5, image.shape)), 0, 255)
    file = io.BytesIO()
    Image.fromarray(noisy.astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def section(rng, *, stains=(HEMATOXYLIN, EOSIN), amount=0.8, where=BODY, colour=WHITE):
    image = glass(colour)
    stain(image, where, stains, amount, rng)
    return image


def with_fat(rng, colour=WHITE):
    image = section(rng, colour=colour)
    fat(image, FAT, rng)
    dust(image, rng)
    return image


def on_dirty_glass(rng, image):
    cover_slip(image)
    bubbles(image)
    dust(image, rng)
    return image


def mosaic(rng):
    image = with_fat(rng)
    image[:, :330] *= np.array([240, 237, 243]) / 255
    image[:200, 400:] *= [0.97, 0.98, 0.965]
    return image


def padded(rng, value):
    image = section(rng, colour=LILAC)
    image[:, 520:] = image[:60] = value
    return image


def vignetted(image):
    strip = 1 - 0.05 * np.linspace(-1, 1, 80) ** 2
    return image * np.tile(strip, 8)[None, :, None]


def penned(rng, ink):
    image = section(rng)
    pen(image, 50, INKS[ink], 40, rng)
    pen(image, 430, INKS[ink], 14, rng)
    return image


MOSTLY = ~ellipse(60, 60, 120, 120)
EVERYTHING = np.ones(SHAPE, bool)
BLUE = {"stains": (BLUE_HEMATOXYLIN,)}
CASES = {
    "H&E with fat": (with_fat, BODY, FAT),
    "H&E with fat on tinted glass": (lambda rng: with_fat(rng, LILAC), BODY, FAT),
    "brown and blue": (lambda rng: section(rng, stains=(HEMATOXYLIN, DAB)), BODY, None),
    "brown": (lambda rng: section(rng, stains=(DAB,)), BODY, None),
    "pale blue": (lambda rng: section(rng, amount=0.3, **BLUE), BODY, None),
    "deep blue": (lambda rng: section(rng, amount=1.0, **BLUE), BODY, None),
    "pale pink": (lambda rng: section(rng, stains=(EOSIN,), amount=0.12), BODY, None),
    "dirty": (lambda rng: on_dirty_glass(rng, section(rng)), BODY, None),
    "mosaic": (mosaic, BODY, FAT),
    "white padding": (lambda rng: padded(rng, 255), BODY, None),
    "black padding": (lambda rng: padded(rng, 0), BODY, None),
    "uneven light": (lambda rng: vignetted(section(rng)), BODY, None),
    "mostly tissue": (lambda rng: section(rng, where=MOSTLY), MOSTLY, None),
    "only tissue": (lambda rng: section(rng, where=EVERYTHING), EVERYTHING, None),
    "blank": (lambda _: glass(), NOTHING, None),
    "blank, tinted, uneven": (lambda _: vignetted(glass((240, 228, 238))), NOTHING, None),
    "blank, dirty": (lambda rng: on_dirty_glass(rng, glass()), NOTHING, None),
    **{f"{ink} pen": (lambda rng, ink=ink: penned(rng, ink), BODY, None) for ink in INKS},
}


def draw(name, quality=75):
    rng = np.random.default_rng(0)
    return photograph(CASES[name][0](rng), rng, quality)


@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize("name", CASES)
def test_hard_cases(name, quality):
    _, tissue, faint = CASES[name]
    mask = find_tissue(ArraySlide(draw(name, quality), mpp=8.0)).mask
    # 100 µm of glass around tissue may count as tissue.
    background = ~binary_dilation(tissue | (NOTHING if faint is None else faint), iterations=12)
    if tissue.any():
        assert mask[tissue].mean() >= 0.985
    if faint is not None:
        assert mask[faint].mean() >= 0.85
    if background.any():
        assert mask[background].mean() <= 0.005
    if not tissue.any():
        assert not mask.any()


def test_pen_is_kept_when_asked():
    slide = ArraySlide(draw("red pen"), mpp=8.0)
    kept = find_tissue(slide, detector=OpticalDensityDetector(keep_pen=True))
    assert kept.tissue_fraction > find_tissue(slide).tissue_fraction + 0.05


def glowing():
    rng = np.random.default_rng(0)
    nuclei = np.clip(smooth_noise(rng, 1.2) - 0.7, 0, None) * BODY * 120
    return np.clip(rng.normal(8, 2, SHAPE) + nuclei, 0, 255).astype(np.uint8)[..., None]


@pytest.mark.parametrize("channels", [1, 3])
def test_fluorescence(channels):
    pixels = np.zeros((*SHAPE, channels), np.uint8)
    pixels[..., -1:] = glowing()
    tissue = find_tissue(ArraySlide(pixels, mpp=8.0, background=(0, 0, 0)))
    assert tissue.parameters["detector"]["name"] == "DarkBackgroundDetector"
    assert tissue.mask[BODY].mean() >= 0.985
    assert tissue.mask[~binary_dilation(BODY, iterations=12)].mean() <= 0.005


@pytest.mark.parametrize("level", [0, 8])
def test_fluorescence_without_tissue(level):
    noise = np.random.default_rng(0).normal(level, level / 4, (*SHAPE, 1))
    pixels = np.clip(noise, 0, 255).astype(np.uint8)
    assert not find_tissue(ArraySlide(pixels, mpp=8.0)).mask.any()


def test_grey_brightfield_falls_back_to_otsu():
    grey = draw("H&E with fat")[..., 1:2]
    tissue = find_tissue(ArraySlide(grey, mpp=8.0))
    assert tissue.parameters["detector"] == {"name": "OtsuDetector"}
    assert tissue.mask[BODY].mean() > 0.9
    with pytest.raises(ValueError, match=r"1 channel\(s\): use OtsuDetector"):
        OpticalDensityDetector()(grey)


def test_only_dark_overviews_are_dark():
    assert is_dark(glowing())
    assert not any(is_dark(draw(name)) for name in ("only tissue", "black padding", "blank"))


def test_shades_of_glass_are_found_darkest_first():
    white, lilac = glass_shades(draw("white padding"))[::-1]
    assert np.abs(white - 255).max() < 1.5
    assert np.abs(lilac - LILAC).max() < 1.5


@given(
    name=st.sampled_from(["H&E with fat", "mosaic", "red pen", "blue pen"]),
    axis=st.sampled_from([0, 1, (0, 1)]),
    rows=st.integers(380, 480),
    columns=st.integers(500, 640),
)
@settings(max_examples=12, deadline=None)
def test_mirrored_images_give_mirrored_masks(name, axis, rows, columns):
    image = draw(name)[:rows, :columns]
    for detector in (OpticalDensityDetector(), OtsuDetector()):
        mirrored = detector(np.flip(image, axis))
        assert np.array_equal(mirrored, np.flip(detector(image), axis))


def test_dark_mirrored_images_give_mirrored_masks():
    detector, image = DarkBackgroundDetector(), glowing()
    assert np.array_equal(detector(image[::-1, ::-1]), detector(image)[::-1, ::-1])


def test_large_images_give_mirrored_masks_where_the_factor_divides():
    image = np.tile(draw("H&E with fat"), (2, 2, 1))
    detector = OpticalDensityDetector()
    assert np.array_equal(detector(image[::-1, ::-1]), detector(image)[::-1, ::-1])


def test_detection_takes_little_more_memory_than_the_image():
    image = np.tile(draw("red pen"), (3, 2, 1))  # 1.8 megapixels: more than all bands hold
    for detector in (OpticalDensityDetector(), OtsuDetector(), DarkBackgroundDetector()):
        detector(image[:64, :64])  # what is imported then is not counted
        tracemalloc.start()
        detector(image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 14 * 2**20 + 6 * image.shape[0] * image.shape[1]


def overview_of(shape, scale=(4.0, 4.0), mpp=(8.0, 8.0)):
    height, width = shape
    return Overview(
        image=np.zeros((height, width, 1), np.uint8),
        slide_width=int(width * scale[0]) - 1,
        slide_height=int(height * scale[1]) - 1,
        scale=scale,
        mpp=mpp,
    )


@given(seed=st.integers(0, 50), share=st.floats(0, 0.7))
@settings(max_examples=40, deadline=None)
def test_regions_are_numbered_by_first_pixel_and_bounded(seed, share):
    mask = np.random.default_rng(seed).random((17, 23)) < share
    tissue = TissueMask.from_mask(mask, overview_of(mask.shape))
    assert np.array_equal(tissue.labels > 0, mask)
    numbers, first = np.unique(tissue.labels[mask], return_index=True)
    assert list(numbers) == [region.label for region in tissue.pieces]
    assert list(first) == sorted(first)
    assert len(numbers) == label(mask, np.ones((3, 3)))[1]
    for region in tissue.pieces:
        rows, columns = np.nonzero(tissue.labels == region.label)
        corner = (int(columns.min()) * 4, int(rows.min()) * 4)
        assert (region.bounds.x, region.bounds.y) == corner
        assert region.bounds.right == min((int(columns.max()) + 1) * 4, 91)
        assert region.bounds.bottom == min((int(rows.max()) + 1) * 4, 67)
        assert (region.area_px, region.area_um2) == (len(rows) * 16, len(rows) * 64)


def test_labels_are_read_only_and_compared_by_content():
    mask = np.eye(8, dtype=bool)
    tissue = TissueMask.from_mask(mask, overview_of((8, 8)), parameters={"by": "hand"})
    assert tissue == TissueMask.from_mask(mask, overview_of((8, 8)), parameters={"by": "hand"})
    assert tissue != TissueMask.from_mask(mask, overview_of((8, 8)))
    assert tissue != "a mask"
    mask[:] = False
    assert len(tissue.pieces) == 1  # joined by their corners
    assert tissue.tissue_fraction == 1 / 8
    assert tissue.mpp == (8, 8)
    assert tissue.downsample == 4
    assert tissue.labels.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        tissue.labels[0] = 0


def test_without_mpp_areas_are_in_pixels_only():
    mask = np.ones((8, 8), bool)
    [region] = TissueMask.from_mask(mask, overview_of((8, 8), mpp=None)).pieces
    assert region.area_um2 is None
    assert region.bounds == Region(x=0, y=0, width=31, height=31)


def test_specks_are_dropped_and_holes_filled_by_area():
    drawn = np.zeros((200, 300), bool)
    drawn[20:120, 20:120] = True
    drawn[50:60, 50:60] = False  # 6,400 µm²
    drawn[70:110, 70:110] = False  # 102,400 µm²
    drawn[150:155, 200:205] = True  # 1,600 µm²
    slide = ArraySlide(np.zeros((*drawn.shape, 3), np.uint8), mpp=8.0)

    def found(region, hole):
        return find_tissue(
            slide,
            detector=lambda _: drawn,
            min_piece_area_um2=region,
            min_hole_area_um2=hole,
        ).mask

    assert np.array_equal(found(0, 0), drawn)
    cleaned = found(3_000, 8_000)
    assert not cleaned[150:155, 200:205].any()
    assert cleaned[50:60, 50:60].all()
    assert not cleaned[70:110, 70:110].any()


def some_colour(image):
    return np.ptp(image, axis=2) > 20


def test_any_callable_is_a_detector():
    slide = ArraySlide(draw("dirty"), mpp=8.0)
    tissue = find_tissue(slide, detector=some_colour)
    assert tissue.parameters == {
        "detector": {"name": "some_colour"},
        "mpp": 8.0,
        "keep_pen": False,
        "min_piece_area_um2": 50_000.0,
        "min_hole_area_um2": 250_000.0,
        "tissue_margin_um": 0.0,
    }
    assert tissue.mask[BODY].mean() > 0.9


def test_parameters_tell_the_options_and_survive_json():
    slide = ArraySlide(draw("blank"), mpp=8.0)
    parameters = find_tissue(slide).parameters
    assert json.loads(json.dumps(parameters)) == parameters
    assert parameters["detector"] == {
        "name": "OpticalDensityDetector",
        "min_density": 0.05,
        "min_spread_density": 0.005,
        "min_texture": 0.25,
        "window_um": 500.0,
        "keep_pen": False,
    }
    assert find_tissue(slide) == find_tissue(slide)


def test_detectors_that_measure_are_told_the_resolution():
    class Recorder:
        def detect(self, image, *, mpp):
            self.mpp = mpp
            return np.zeros(image.shape[:2], bool)

    recorder = Recorder()
    assert isinstance(recorder, ScaledDetector)
    find_tissue(ArraySlide(draw("blank"), mpp=(4.0, 9.0)), mpp=6, detector=recorder)
    assert recorder.mpp == pytest.approx(6)


@pytest.mark.parametrize(
    ("detector", "error", "message"),
    [
        (lambda image: image[..., 0], TypeError, "its type is uint8"),
        (lambda image: image[1:, :, 0] > 5, ValueError, r"480 rows.*\(479, 640\)"),
        (lambda _: None, TypeError, "it is a NoneType"),
        (OtsuDetector, TypeError, r"pass OtsuDetector\(\)"),
    ],
)
def test_what_a_detector_returns_is_checked(detector, error, message):
    with pytest.raises(error, match=message):
        find_tissue(ArraySlide(glass().astype(np.uint8), mpp=8.0), detector=detector)


@pytest.mark.parametrize("name", ["min_piece_area_um2", "min_hole_area_um2"])
def test_negative_areas_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be 0 or more and finite, but it is -1"):
        find_tissue(ArraySlide(glass().astype(np.uint8)), **{name: -1})


@pytest.mark.parametrize(
    "make",
    [
        lambda: OpticalDensityDetector(min_density=0),
        lambda: OpticalDensityDetector(window_um=-1),
        lambda: OpticalDensityDetector(min_texture=0),
        lambda: DarkBackgroundDetector(min_signal=0),
    ],
)
def test_impossible_options_are_refused(make):
    with pytest.raises(ValueError, match="must be greater than 0, but it is"):
        make()


def test_a_share_above_1_is_refused():
    with pytest.raises(ValueError, match=r"min_texture must be at most 1, but it is 1\.2"):
        OpticalDensityDetector(min_texture=1.2)


@pytest.mark.parametrize(
    ("slide", "truth"),
    [
        ("CMU-1-small.tiff", "CMU-1-small"),
        ("multi_frame_jpeg_camelyon_challenge_image.dcm", "camelyon-jpeg"),
    ],
)
def test_real_slides_against_hand_drawn_truth(shared_slides, shared_truth, slide, truth):
    spec = importlib.util.spec_from_file_location("score", shared_truth / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with open_slide(shared_slides / slide) as opened:
        mask = find_tissue(opened).mask
    polygons = json.loads((shared_truth / f"{truth}.geojson").read_text())
    scores = module.score(polygons, mask)
    assert scores["tissue"] >= 0.985
    assert scores.get("faint", 1) >= 0.85
    assert scores["background"] <= 0.005


@pytest.mark.parametrize(
    ("slide", "least", "most"),
    [
        ("CMU-1-Small-Region.svs", 0.35, 0.55),
        ("test3-DAPI.ndpi", 0.75, 0.9),
        ("petebankhead-OS-1-detail.ome.tif", 0.98, 1),
    ],
)
def test_real_slides_without_truth(shared_slides, slide, least, most):
    with open_slide(shared_slides / slide) as opened:
        assert least <= find_tissue(opened).tissue_fraction <= most
