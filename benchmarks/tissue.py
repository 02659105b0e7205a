"""Score tissue detectors against polygons and composites, time the default, draw its masks.

    python benchmarks/tissue.py [--composites SEEDS] [--pictures] [--lazyslide PYTHON]

Needs ../shared/slides and ../shared/tissue_truth beside the project. ``--composites 10`` scores
the detectors on so many held-out composites of each kind (tests/composites.py), which takes
minutes. Pictures are written to docs/images, of the CC0 slides only. ``--lazyslide`` names a Python
that has lazyslide, to score it too; it is no dependency of ours, as it needs PyTorch.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion, median_filter

from slidetile.slides.array import ArraySlide
from slidetile.slides.opening import open_slide
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import OtsuDetector

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
CLASSES = {"tissue": min, "faint": min, "background": max, "under pen": min}
# Every detector is scored both ways: dropping specks and filling holes helps all of them.
CLEANING = {"yes": {}, "no": {"min_piece_area_um2": 0, "min_hole_area_um2": 0}}


def load_score():
    spec = importlib.util.spec_from_file_location("score", TRUTH / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score


def print_scores(lazyslide):
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
                print_row(truth, label, cleaned, score(polygons, tissue.mask))
        if lazyslide:
            mask = lazyslide_mask(lazyslide, SLIDES / name)
            print_row(truth, "LazySlide 0.13", "its own", score(polygons, mask))


def print_row(truth, label, cleaned, result):
    cells = [
        f"{result[key]:.4f}" if key in result else "–" for key in ("tissue", "faint", "background")
    ]
    print(f"| {truth} | {label} | {cleaned} | {' | '.join(cells)} |")


def lazyslide_mask(python, slide):
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.npy"
        script = PROJECT / "benchmarks" / "lazyslide_mask.py"
        subprocess.run([python, script, slide, mask], check=True)
        return np.load(mask)


def load_composites():
    path = PROJECT / "tests" / "composites.py"
    spec = importlib.util.spec_from_file_location("composites", path)
    module = sys.modules["composites"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def composite_scores(composites, challenge, seeds, pieces):
    """Return, for every detector, {class: [score of each seed]}."""
    results = {label: {} for label in DETECTORS}
    for seed in range(composites.HELD_OUT, composites.HELD_OUT + seeds):
        made, image = composites.compose(challenge, seed, pieces)
        slide = ArraySlide(image, mpp=composites.TRUE_MPP)
        for label, detector in DETECTORS.items():
            mask = find_tissue(slide, mpp=composites.TRUE_MPP, detector=detector).mask
            for name, score in composites.scores(made, mask).items():
                results[label].setdefault(name, []).append(score)
    return results


def print_composites(seeds):
    """Print the default's means and, in brackets, its worst; of the others the means."""
    composites = load_composites()
    pieces = composites.load_pieces(SLIDES, TRUTH)
    first, *others = DETECTORS
    print(f"| composite | {' | '.join(CLASSES)} | {' | '.join(others)} |")
    print("|---" * (1 + len(CLASSES) + len(others)) + "|")
    for challenge in (*composites.CHALLENGES, *composites.UNDER_PEN):
        results = composite_scores(composites, challenge, seeds, pieces)
        cells = []
        for name, worst in CLASSES.items():
            found = results[first].get(name)
            cells.append(f"{np.mean(found):.3f} ({worst(found):.3f})" if found else "–")
        for label in others:
            means = [
                f"{np.mean(found):.3f}" if (found := results[label].get(name)) else "–"
                for name in CLASSES
            ]
            cells.append(" / ".join(means))
        print(f"| {challenge} | {' | '.join(cells)} |", flush=True)


def print_cost():
    """Time the default on overviews of a 100,000×80,000 slide at 0.25 µm."""
    with open_slide(SLIDES / CAMELYON) as slide:
        small = slide.read_region(slide.bounds)
    for mpp, size in ((16.0, (1562, 1250)), (8.0, (3125, 2500))):
        image = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
        calls = {
            "detector": partial(OpticalDensityDetector().detect, image, mpp=mpp),
            "find_tissue": partial(find_tissue, ArraySlide(image, mpp=mpp), mpp=mpp),
        }
        for name, call in calls.items():
            seconds, peak = cost(call)
            print(f"{name} at {mpp:g} µm: {seconds:.2f} s (best of 5), {peak / 1e6:.0f} MB at most")


def cost(call):
    """Return the best of five times, in seconds, and the most bytes allocated at once."""
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
    return min(times), peak


def draw():
    for name, file in PICTURES.items():
        with open_slide(SLIDES / file) as slide:
            tissue = find_tissue(slide)
        draw_outline(f"tissue-{name}", tissue.overview.image, tissue.mask)
    composites = load_composites()
    pieces = composites.load_pieces(SLIDES, TRUTH)
    for challenge, seed in (("under blue pen", 101), ("bubbles", 103)):
        image = composites.compose(challenge, seed, pieces)[1]
        tissue = find_tissue(ArraySlide(image, mpp=30.0), mpp=30.0)
        draw_outline(f"composite-{challenge.replace(' ', '-')}", image, tissue.mask)


def draw_outline(name, image, mask):
    folder = PROJECT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    image = image.copy()
    outline = mask & ~binary_erosion(mask, border_value=1)
    image[outline if image.shape[1] < 600 else binary_dilation(outline)] = GREEN
    picture = Image.fromarray(image)
    picture.thumbnail((640, 640))
    path = folder / f"{name}.png"
    picture.quantize(64).save(path, optimize=True)
    print(f"{path.relative_to(PROJECT)}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--composites", type=int, metavar="SEEDS", default=0)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--lazyslide", metavar="PYTHON")
    arguments = parser.parse_args()
    print_scores(arguments.lazyslide)
    print_cost()
    if arguments.composites:
        print_composites(arguments.composites)
    if arguments.pictures:
        draw()
