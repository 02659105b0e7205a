"""Score tissue detectors against hand-drawn truth and composites, time the default, draw masks.

    python benchmarks/tissue.py [FOLDER ...] [--resolutions] [--composites SEEDS] [--pictures]
                                [--lazyslide PYTHON]

A folder holds NAME.geojson, with polygons of the classes tissue, faint and background in pixels of
an image, its size and its mpp, and that image as NAME.png; or the slide that the GeoJSON names, in
the folder or in ../shared/slides. Without one, ../shared/tissue_truth is scored. ``--resolutions``
scores the default again as if the mpp were half and double, and unknown. ``--composites 10`` scores
the detectors on so many held-out composites of each kind (tests/composites.py), which takes
minutes. Pictures are written to docs/images: of CC0 slides, of composites, and of the five images
of truth, freely licensed, that come out worst. ``--lazyslide`` names a Python that has lazyslide,
to score it too; it is no dependency of ours, as it needs PyTorch.
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
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion, median_filter
from skimage.filters import rank, threshold_otsu
from skimage.morphology import disk

from slidetile.slides.array import ArraySlide
from slidetile.slides.opening import open_slide
from slidetile.tissue.finding import find_tissue
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import OtsuDetector

PROJECT = Path(__file__).resolve().parents[1]
SLIDES = PROJECT.parent / "shared" / "slides"
TRUTH = PROJECT.parent / "shared" / "tissue_truth"
CAMELYON = "multi_frame_jpeg_camelyon_challenge_image.dcm"
PICTURES = {"cmu-1": "CMU-1-small.tiff", "camelyon": CAMELYON, "region": "CMU-1-Small-Region.svs"}
GREEN = (0, 170, 0)


def fixed_saturation(image):
    """CLAM's default: HSV saturation, median filter of 7, threshold 8, closing of 4."""
    high, low = image.max(axis=2).astype(int), image.min(axis=2)
    saturation = (255 * (high - low) // np.maximum(high, 1)).astype(np.uint8)
    mask = median_filter(saturation, 7) > 8
    closed = binary_erosion(binary_dilation(mask, np.ones((4, 4))), np.ones((4, 4)))
    return closed | mask


def entropy(image):
    """Local entropy of grey values, above Otsu's threshold of it; after EntropyMasker (2023)."""
    grey = np.rint(image @ [0.2125, 0.7154, 0.0721]).astype(np.uint8)
    bits = rank.entropy(grey, disk(5))
    return bits > threshold_otsu(bits)


DETECTORS = {
    "OpticalDensityDetector (default)": OpticalDensityDetector(),
    "fixed saturation, as CLAM": fixed_saturation,
    "Otsu on saturation": OtsuDetector(),
    "Otsu on entropy": entropy,
}
LIMITS = {"tissue": 0.985, "faint": 0.85, "background": 0.005}
CLASSES = {"tissue": min, "faint": min, "background": max, "under pen": min}


def load_score():
    spec = importlib.util.spec_from_file_location("score", TRUTH / "score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.score


class Truth:
    """One image or slide, and the polygons drawn on it."""

    def __init__(self, path):
        self.name = path.stem
        self.polygons = json.loads(path.read_text())
        picture = path.with_suffix(".png")
        own = path.parent / self.polygons.get("slide", picture.name)
        self.path = next(p for p in (picture, own, SLIDES / own.name) if p.exists())
        self.mpp = self.polygons.get("mpp")

    def slide(self, times=1.0):
        """Open it, as if its mpp were so many times as large; None is unknown."""
        if self.path.suffix != ".png":
            return open_slide(self.path)
        pixels = np.asarray(Image.open(self.path).convert("RGB"))
        return ArraySlide(pixels, mpp=None if times is None else self.mpp * times)


def load_truths(folders):
    return [Truth(path) for folder in folders for path in sorted(Path(folder).glob("*.geojson"))]


def passes(name, result):
    if name not in result:
        return None
    return result[name] <= LIMITS[name] if name == "background" else result[name] >= LIMITS[name]


def print_scores(truths, lazyslide):
    """Print every detector's scores, then how many images pass each limit and all three."""
    score = load_score()
    results = {}
    print("| image | detector | tissue | faint | background | pieces |")
    print("|---|---|---|---|---|---|")
    for truth in truths:
        for label, detector in DETECTORS.items():
            with truth.slide() as slide:
                tissue = find_tissue(slide, detector=detector)
            result = score(truth.polygons, tissue.mask)
            results.setdefault(label, []).append(result)
            print_row(truth.name, label, result, len(tissue.pieces))
        if lazyslide:
            result = score(truth.polygons, lazyslide_mask(lazyslide, truth.path))
            results.setdefault("LazySlide 0.13", []).append(result)
            print_row(truth.name, "LazySlide 0.13", result, "–")
    print()
    print("| detector | tissue | faint | background | all | mean of each |")
    print("|---|---|---|---|---|---|")
    for label, found in results.items():
        print_summary(label, found)
    return results


def print_row(name, label, result, pieces):
    cells = [f"{result[key]:.4f}" if key in result else "–" for key in LIMITS]
    print(f"| {name} | {label} | {' | '.join(cells)} | {pieces} |", flush=True)


def print_summary(label, found):
    cells = []
    for name in LIMITS:
        there = [passes(name, result) for result in found if name in result]
        cells.append(f"{sum(there)} of {len(there)}")
    whole = sum(all(passes(name, result) is not False for name in LIMITS) for result in found)
    means = [np.mean([r[name] for r in found if name in r]) for name in LIMITS]
    cells.append(f"{whole} of {len(found)}")
    print(f"| {label} | {' | '.join(cells)} | {' / '.join(f'{mean:.3f}' for mean in means)} |")


def print_resolutions(truths):
    """Print the default's scores with the mpp stated, half and double of it, and unknown."""
    score = load_score()
    print("| image | mpp | half | double | unknown |")
    print("|---|---|---|---|---|")
    for truth in truths:
        if truth.path.suffix != ".png":
            continue
        cells = []
        for times in (1, 0.5, 2, None):
            result = score(truth.polygons, find_tissue(truth.slide(times)).mask)
            cells.append(" ".join(f"{result[key]:.3f}" if key in result else "–" for key in LIMITS))
        print(f"| {truth.name} | {' | '.join(cells)} |", flush=True)


def worst(truths, results, count=5):
    """Return the images that miss a limit by most, or come closest to it."""
    found = results["OpticalDensityDetector (default)"]

    def least_margin(result):
        margins = {
            name: (limit - result[name]) / limit
            if name == "background"
            else (result[name] - limit) / (1 - limit)
            for name, limit in LIMITS.items()
            if name in result
        }
        return min(margins.values())

    order = sorted(range(len(truths)), key=lambda place: least_margin(found[place]))
    return [truths[place] for place in order[:count]]


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
    for challenge in (*composites.CHALLENGES, *composites.UNDER_PEN, *composites.OTHERS):
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
        # Writeable: of others what was found is remembered.
        image = np.array(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
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


def draw(truths, results):
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
    for place, truth in enumerate(worst(truths, results), start=1):
        with truth.slide() as slide:
            tissue = find_tissue(slide)
        print(f"worst {place}: {truth.name}")
        draw_outline(f"tissue-worst-{place}", tissue.overview.image, tissue.mask)


def draw_outline(name, image, mask):
    folder = PROJECT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    image = image.copy()
    outline = mask & ~binary_erosion(mask, border_value=1)
    image[outline if image.shape[1] < 600 else binary_dilation(outline)] = GREEN
    picture = Image.fromarray(image)
    picture.thumbnail((640, 640))
    path = folder / f"{name}.png"
    picture.quantize(256).save(path, optimize=True)
    print(f"{path.relative_to(PROJECT)}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", default=[TRUTH], metavar="FOLDER")
    parser.add_argument("--resolutions", action="store_true")
    parser.add_argument("--composites", type=int, metavar="SEEDS", default=0)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--lazyslide", metavar="PYTHON")
    arguments = parser.parse_args()
    all_truths = load_truths(arguments.folders)
    all_results = print_scores(all_truths, arguments.lazyslide)
    print_cost()
    if arguments.resolutions:
        print_resolutions(all_truths)
    if arguments.composites:
        print_composites(arguments.composites)
    if arguments.pictures:
        draw(all_truths, all_results)
