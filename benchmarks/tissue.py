"""Score tissue detectors against hand-drawn polygons, time the default, and draw its masks.

    python benchmarks/tissue.py [--pictures]

Needs ../shared/slides and ../shared/tissue_truth beside the project. Pictures are written to
docs/images, of the CC0 slides only.
"""

import importlib.util
import json
import sys
import time
import tracemalloc
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion, median_filter

from slidetile.array_slide import ArraySlide
from slidetile.detectors import OtsuDetector
from slidetile.optical_density import OpticalDensityDetector
from slidetile.readers import open_slide
from slidetile.tissue import find_tissue

PROJECT = Path(__file__).resolve().parents[1]
SLIDES = PROJECT.parent / "shared" / "slides"
TRUTH = PROJECT.parent / "shared" / "tissue_truth"
CAMELYON = "multi_frame_jpeg_camelyon_challenge_image.dcm"
SLIDE_OF = {"CMU-1-small": "CMU-1-small.tiff", "camelyon-jpeg": CAMELYON}
PICTURES = {"cmu-1": "CMU-1-small.tiff", "camelyon": CAMELYON, "region": "CMU-1-Small-Region.svs"}
GREEN = (0, 170, 0)


def fixed_saturation(image):
    """CLAM's default: HSV saturation, median filter of 7, threshold 8, closing of 4."""
    high, low = image.max(axis=2).astype(int), image.min(axis=2)
    saturation = (255 * (high - low) // np.maximum(high, 1)).astype(np.uint8)
    mask = median_filter(saturation, 7) > 8
    closed = binary_erosion(binary_dilation(mask, np.ones((4, 4))), np.ones((4, 4)))
    return closed | mask


DETECTORS = {
    "OpticalDensityDetector (default)": OpticalDensityDetector(),
    "fixed saturation, as CLAM": fixed_saturation,
    "Otsu on saturation": OtsuDetector(),
}
# Every detector is scored both ways: dropping specks and filling holes helps all of them.
CLEANING = {"yes": {}, "no": {"min_region_area_um2": 0, "min_hole_area_um2": 0}}


def load_score():
    spec = importlib.util.spec_from_file_location("score", TRUTH / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score


def print_scores():
    score = load_score()
    print("| slide | detector | clean-up | tissue | faint | background |")
    print("|---|---|---|---|---|---|")
    for truth, name in SLIDE_OF.items():
        polygons = json.loads((TRUTH / f"{truth}.geojson").read_text())
        with open_slide(SLIDES / name) as slide:
            for (label, detector), (cleaned, options) in product(
                DETECTORS.items(), CLEANING.items()
            ):
                tissue = find_tissue(slide, detector=detector, **options)
                result = score(polygons, tissue.mask)
                cells = [
                    f"{result[key]:.4f}" if key in result else "–"
                    for key in ("tissue", "faint", "background")
                ]
                print(f"| {truth} | {label} | {cleaned} | {' | '.join(cells)} |")


def print_cost():
    """Time the default on the overview of a 100,000×80,000 slide at 0.25 µm."""
    with open_slide(SLIDES / CAMELYON) as slide:
        small = slide.read_region(slide.bounds)
    image = np.asarray(Image.fromarray(small).resize((3125, 2500), Image.Resampling.BICUBIC))
    calls = {
        "detector": lambda: OpticalDensityDetector().detect(image, mpp=8.0),
        "find_tissue": lambda: find_tissue(ArraySlide(image, mpp=8.0)),
    }
    for name, call in calls.items():
        call()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{name}: {min(times):.2f} s (best of 5), {peak / 1e6:.0f} MB at most")


def draw():
    folder = PROJECT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in PICTURES.items():
        with open_slide(SLIDES / file) as slide:
            tissue = find_tissue(slide)
        image = tissue.overview.image.copy()
        outline = tissue.mask & ~binary_erosion(tissue.mask, border_value=1)
        image[outline if image.shape[1] < 600 else binary_dilation(outline)] = GREEN
        picture = Image.fromarray(image)
        picture.thumbnail((640, 640))
        path = folder / f"tissue-{name}.png"
        picture.quantize(64).save(path, optimize=True)
        print(f"{path.relative_to(PROJECT)}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    print_scores()
    print_cost()
    if "--pictures" in sys.argv:
        draw()
