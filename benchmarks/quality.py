"""How blur shows in the tile table, and what the table's quality columns cost.

python benchmarks/quality.py              blur, on ../shared/slides/CMU-1-Small-Region.svs
python benchmarks/quality.py SLIDE...     seconds of the pass, beside those of the whole writing
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

import slidetile as st
from slidetile.quality import level as quality_level
from slidetile.writing import write as tiling

REGION = Path(__file__).resolve().parents[2] / "shared" / "slides" / "CMU-1-Small-Region.svs"
BLURS_UM = (0.5, 1, 2, 4)
AIMS_UM = (1.0, 2.0, 4.0, 8.0)
CODECS = ("native", "zstd")
ROUNDS = 3


def show_blur(folder):
    """Print what a Gaussian blur leaves of the Laplacian's variance: the median over the tiles."""
    with st.open_slide(REGION) as slide:
        pixels, mpp = slide.read_region(slide.bounds), slide.mpp
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=512))
    print("measured at", *(f"blur of {blur:g} µm" for blur in BLURS_UM), sep=" | ")
    for aim in AIMS_UM:
        quality_level.QUALITY_MPP = aim
        sharp, *blurred = (
            variances(pixels, mpp, plan, blur, folder / f"{aim}-{blur}") for blur in (0, *BLURS_UM)
        )
        print(f"{aim:g} µm", *(f"{np.median(v / sharp):.2f}" for v in blurred), sep=" | ")


def variances(pixels, mpp, plan, blur_um, path):
    side = blur_um / mpp[0]
    slide = st.ArraySlide(gaussian_filter(pixels, (side, side, 0)), mpp=mpp)
    store = st.write_tiles(slide, plan, path, codec="zstd")
    return store.tiles["laplacian_variance"].to_numpy()


class Clock:
    """Adds up the time that a function takes: of the clock on the wall and of the processors."""

    def __init__(self, function):
        self.function, self.wall, self.cpu = function, 0.0, 0.0

    def __call__(self, *arguments, **named):
        wall, cpu = time.perf_counter(), time.process_time()
        result = self.function(*arguments, **named)
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu
        return result


def show_cost(path, codec, folder):
    measure = Clock(tiling.measure_quality)
    write = Clock(st.write_tiles)
    tiling.measure_quality = measure
    with st.open_slide(path) as slide:
        plan = st.plan_tiles(slide, st.find_tissue(slide))
        for number in range(ROUNDS):
            write(slide, plan, folder / f"{codec}{number}", codec=codec)
    tiling.measure_quality = measure.function
    print(
        f"{path} {codec}, {len(plan)} tiles: {measure.wall / ROUNDS:.3f} s of "
        f"{write.wall / ROUNDS:.2f} s; of processor time {measure.cpu / ROUNDS:.3f} s of "
        f"{write.cpu / ROUNDS:.2f} s, {measure.cpu / write.cpu:.1%}"
    )


def main():
    with tempfile.TemporaryDirectory() as folder:
        for path in map(Path, sys.argv[1:]):
            for codec in CODECS:
                show_cost(path, codec, Path(folder))
        if not sys.argv[1:]:
            show_blur(Path(folder))


if __name__ == "__main__":
    main()
